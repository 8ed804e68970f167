"""Merges the shades of one colour, as a shopper names a thing: a lit grey hoodie is grey."""

from dataclasses import replace

from app.vision.colour_names import ColourShare, are_shades
from app.vision.features import Features


def without_shades(features: Features) -> Features:
    """The features of a thing on a plain background, each shade added to the larger colour."""
    if features.background is None:
        return features
    subject = features.subject and replace(
        features.subject, colours=_merge(features.subject.colours)
    )
    return replace(features, colours=_merge(features.colours), subject=subject)


def _merge(shares: tuple[ColourShare, ...]) -> tuple[ColourShare, ...]:
    merged: list[ColourShare] = []
    for share in shares:
        index = next(
            (i for i, other in enumerate(merged) if are_shades(other.colour, share.colour)), None
        )
        if index is None:
            merged.append(share)
        else:
            other = merged[index]
            merged[index] = replace(other, share=round(other.share + share.share, 3))
    return tuple(sorted(merged, key=lambda share: -share.share))
