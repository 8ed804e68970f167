"""Fills the slots of sentence templates from features, in the words of one phrasebook."""

from app.captioning.embedded.phrasebook import Phrasebook
from app.vision.features import Features, Subject

SINGLE_COLOUR_MIN_SHARE = 0.9
"""From this share on a whole image has one colour; the rest is lettering and shading."""
FOURTH_COLOUR_MIN_RATIO = 0.7
"""Of the third colour's share: from this ratio on the fourth colour is named as well."""
NAMED_COLOURS_MIN_SHARE = 0.65
"""Where the named colours cover less of a whole image, it has "many colours"."""
MAJORITY_MIN_SHARE = 0.5

Slots = dict[str, str]


def fill_slots(features: Features, phrasebook: Phrasebook, *, is_paragraph: bool) -> Slots:
    """Every slot that the features can fill, each in the form that its sentences need.

    Only a paragraph says where on the background something is.
    """
    slots: Slots = {
        "orientation": phrasebook.orientation[features.orientation],
        "brightness": phrasebook.brightness[features.brightness],
    }
    slots |= _fill_colours(features, phrasebook)
    if features.background:
        slots["background"] = phrasebook.background[features.background]
        slots["plain_edges"] = ""
        slots["position"] = phrasebook.position["unspecified"].format(**slots)
    if features.is_greyscale:
        slots["greyscale"] = ""
    if not features.background and not slots.keys() & {"colours", "majority_colour"}:
        slots["many_colours"] = ""
    slots |= _fill_regions(features, phrasebook)
    if features.subject and features.background:
        slots |= _fill_subject(features.subject, features.background, slots, phrasebook)
        if is_paragraph:
            slots |= _fill_place(features.subject, slots, phrasebook)
    return slots


def _fill_colours(features: Features, phrasebook: Phrasebook) -> Slots:
    colours = features.subject.colours if features.subject else features.colours
    if not colours:
        return {}
    names_fourth = (
        len(colours) > 3 and colours[3].share >= FOURTH_COLOUR_MIN_RATIO * colours[2].share
    )
    named = colours[: 4 if names_fourth else 3]
    tones = tuple(phrasebook.tone[share.colour] for share in named)
    first = named[0]
    slots: Slots = {
        "first_colour": tones[0],
        "item": phrasebook.item[first.colour],
    }
    if first.share >= MAJORITY_MIN_SHARE:
        slots["majority_colour"] = tones[0]
    has_one_colour = len(named) == 1 and first.share < SINGLE_COLOUR_MIN_SHARE
    covers_image = sum(share.share for share in named) >= NAMED_COLOURS_MIN_SHARE
    if features.background or (covers_image and not has_one_colour):
        slots["colours"] = phrasebook.join(tones)
    if len(named) > 1:
        slots["other_colours"] = phrasebook.join(tones[1:])
    return slots


def _fill_regions(features: Features, phrasebook: Phrasebook) -> Slots:
    """The colours of opposite regions, where they differ; equal ones carry no information."""
    slots: Slots = {}
    regions, tone = features.regions, phrasebook.tone
    if not features.bands and regions.top and regions.bottom and regions.top != regions.bottom:
        slots |= {"top": tone[regions.top], "bottom": tone[regions.bottom]}
    if regions.left and regions.right and regions.left != regions.right:
        slots |= {"left": tone[regions.left], "right": tone[regions.right]}
    if regions.centre and features.colours and regions.centre != features.colours[0].colour:
        slots["centre"] = tone[regions.centre]
    if features.bands:
        upper, lower = features.bands
        slots |= {"upper_band": tone[upper], "lower_band": tone[lower]}
    return slots


def _fill_subject(
    subject: Subject, background: str, colour_slots: Slots, phrasebook: Phrasebook
) -> Slots:
    slots: Slots = {}
    if subject.colours:
        is_single = len(subject.colours) == 1
        table = phrasebook.single_colour_subject if is_single else phrasebook.multi_colour_subject
        slots["subject"] = table[subject.outline].format(**colour_slots)
    if subject.has_shadow:
        slots["shadow_background"] = phrasebook.background[background]
    return slots


def _fill_place(subject: Subject, slots: Slots, phrasebook: Phrasebook) -> Slots:
    """Where the subject stands, and its outline."""
    filled: Slots = {"position": phrasebook.position[subject.position].format(**slots)}
    if subject.outline != "unspecified":
        filled["outline"] = phrasebook.outline[subject.outline]
    return filled
