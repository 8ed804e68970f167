"""Leaves out the colours that may be skin: a caption never says what colour a person has.

Skin cannot be told from leather or wood by its colour. So where a face is seen, or something that
people wear, every colour that skin can have is left out.
"""

from dataclasses import fields, replace

from app.captioning.embedded.concept_kinds import NEAR_SKIN_KINDS, load_concept_kinds
from app.vision.colour_names import ColourShare
from app.vision.features import Features

SKIN_COLOURS = frozenset({"beige", "light brown", "brown"})
SKIN_TINTS = frozenset({"pink", "orange", "dark red", "off-white"})
"""Skin in coloured light, or lips and cheeks; a larger share is cloth."""
SKIN_TINT_MAX_SHARE = 0.4
CLOTH_MIN_SHARE = 0.75
"""From this share on, without a face, a skin colour is that of the garment."""
BARE_CONCEPTS = frozenset({"swimwear", "diver"})
"""Where a person is in it, more skin than cloth is seen."""


def without_skin(features: Features) -> Features:
    """The features without colours of skin, if a person is in the image or may be."""
    kinds = load_concept_kinds()
    seen = {sighting.concept for sighting in features.sightings}
    is_worn = any(concept in kinds and kinds[concept].kind in NEAR_SKIN_KINDS for concept in seen)
    if not features.faces and not is_worn and not seen & BARE_CONCEPTS:
        return features
    can_be_cloth = not features.faces and not seen & BARE_CONCEPTS
    skin_regions: dict[str, str | None] = {
        field.name: None
        for field in fields(features.regions)
        if is_skin(getattr(features.regions, field.name))
    }
    subject = features.subject and replace(
        features.subject, colours=_drop_skin(features.subject.colours, can_be_cloth=can_be_cloth)
    )
    has_skin_band = any(is_skin(colour) for colour in features.bands or ())
    return replace(
        features,
        colours=_drop_skin(features.colours, can_be_cloth=can_be_cloth),
        subject=subject,
        regions=replace(features.regions, **skin_regions),
        bands=None if has_skin_band else features.bands,
    )


def is_skin(colour: str | None, share: float = 0.0) -> bool:
    """Whether an area of this colour and this share of the subject may be skin."""
    return colour in SKIN_COLOURS or (colour in SKIN_TINTS and share < SKIN_TINT_MAX_SHARE)


def _drop_skin(shares: tuple[ColourShare, ...], *, can_be_cloth: bool) -> tuple[ColourShare, ...]:
    return tuple(
        share
        for share in shares
        if not is_skin(share.colour, share.share)
        or (can_be_cloth and share.share >= CLOTH_MIN_SHARE)
    )
