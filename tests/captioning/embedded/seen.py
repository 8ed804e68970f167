"""Features with sightings, made by hand: what a recogniser would have seen."""

from dataclasses import replace

from app.vision.colour_names import ColourShare
from app.vision.features import Features, Sighting


def see(
    features: Features,
    *concepts: str,
    faces: int = 0,
    are_all_faces: bool = True,
    fills_box: bool = False,
) -> Features:
    """The features with these sightings, the surest first; of no flat thing unless `fills_box`."""
    sightings = tuple(Sighting(concept, 0.9) for concept in concepts)
    return replace(
        features,
        sightings=sightings,
        faces=faces,
        are_all_faces=are_all_faces,
        fills_box=fills_box,
    )


def paint(features: Features, **shares: float) -> Features:
    """The features of a cutout with these colours; `_` in a name stands for a space."""
    assert features.subject is not None
    colours = tuple(ColourShare(name.replace("_", " "), share) for name, share in shares.items())
    return replace(features, subject=replace(features.subject, colours=colours))
