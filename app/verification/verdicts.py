"""Verdicts on single claims, from the evidence about one picture.

Unknown is the default. A claim is contradicted only by something that was surely seen in its place.
"""

from collections.abc import Mapping

from app.types import CheckVerdict
from app.verification.claims import ColourClaim, SubjectClaim
from app.verification.colour_families import COLOUR_FAMILIES, NEIGHBOURS, SIMILAR
from app.vision.concepts import load_concepts
from app.vision.evidence import ColourEvidence, SubjectEvidence

ABSENT_MAX_SHARE, SUBJECT_ABSENT_MAX_SHARE = 0.0003, 0.03
"""Of the image: a few dozen pixels at 512 px, a flower in a street. And of a single subject on a
plain background, where less is noise, a highlight or a shadow."""
DETAIL_ABSENT_MAX_SHARE = 0.0001
"""Of a photograph whose caption names the colour for something else than its main thing: a shirt on
a mountain and a surfboard in a wave have 0.0002 to 0.0003, most of them is in shade or wet."""
AREA_ABSENT_MAX_SHARE = 0.015
"""Of a flat drawing whose caption begins with a sign or a circle: letters have less, and so has a
square of an eighth of the width."""
NEIGHBOURS_MAX_SHARE = 0.1
"""Of a photograph: from this much of what the colour can look like on, it may be there."""
SEEN_MIN_SHARE, SUBJECT_SEEN_MIN_SHARE = 0.02, 0.1

SEEN_MIN_PROBABILITY = 0.5
"""Of what is seen instead. Its own threshold makes it certain to be there, this makes it large."""
ABSENT_MAX_PROBABILITY = 0.003
"""Of what is claimed. Of 141 things in everyday pictures one has less beside something large that
excludes it, a bicycle beside a cat; half of the things that are not there have less."""
_MAIN = frozenset({"animal", "food", "instrument", "vehicle"})
"""What fills a picture that it is the subject of."""
_THINGS = frozenset({
    "accessory", "appliance", "bag", "container", "electronics", "footwear", "garment", "headgear",
    "kitchenware", "sport", "tableware", "thing", "tool", "toy",
})  # fmt: skip
_PLACED = frozenset({"building", "plant"})
"""What stands around other things, and is seen as well as they are. A sofa is not under a cat."""
_SEEN_TOGETHER = (
    frozenset({"vehicle"}),
    frozenset({"accessory", "bag", "footwear", "garment", "headgear"}),
    frozenset({"appliance", "container", "electronics", "kitchenware", "tableware", "thing"}),
)
"""Kinds in one of these stand in one picture, whichever of them a caption is about."""
MAIN_MIN_PROBABILITY = 0.6
"""Of what a picture mainly shows: in a scene of many things its views differ."""
_WORN = frozenset({"accessory", "bag", "footwear", "garment", "headgear"})
_INDOORS = frozenset({
    "appliance", "container", "electronics", "kitchenware", "sport", "tableware", "tool", "toy",
})  # fmt: skip
_HOUSEHOLD = _INDOORS | {"furniture", "thing"}
_NEVER_BESIDE: Mapping[str, frozenset[str]] = {
    "animal": _WORN | _INDOORS | {"thing", "building"},
    "food": _WORN | {"vehicle", "sport", "tool", "toy", "thing", "building"},
    "instrument": _WORN | _HOUSEHOLD | {"vehicle", "building"},
    "vehicle": _INDOORS,
    **dict.fromkeys(_WORN, _HOUSEHOLD),
    **dict.fromkeys(_HOUSEHOLD, _WORN | {"vehicle"}),
    "furniture": frozenset({"vehicle"}),
}
"""By the kind of what a picture mainly shows: what stands beside it too rarely, or is too large
there, to be missed. Dogs sit in cars, bags lie on chairs, cups and keyboards stand beside food."""
_OF_THE_STREET = frozenset({
    "balloon", "letterbox", "parking_meter", "shopping_trolley", "street_sign", "traffic_light",
    "umbrella",
})  # fmt: skip
"""Anything may stand beside these."""
_WIDE = frozenset({"building", "place"})
"""Kinds of what a wide view mainly shows: whatever a caption of it begins with may be tiny."""
_EATEN = frozenset({
    "chicken", "cow", "crab", "duck", "fish", "pig", "rabbit", "shark", "sheep", "snail",
})  # fmt: skip
"""Animals whose word also means a dish."""


def judge_colour(claim: ColourClaim, evidence: ColourEvidence) -> CheckVerdict:
    """Whether the colour is where the caption says it is."""
    family = COLOUR_FAMILIES[claim.colour]
    possible = family | SIMILAR[claim.colour]
    if not evidence.is_flat:
        possible |= NEIGHBOURS[claim.colour]
    if claim.place == "background":
        if evidence.background is None:
            return "unknown"
        if evidence.background in family:
            return "confirmed"
        return "unknown" if evidence.background in possible else "contradicted"
    is_subject = _is_of_subject(claim, evidence)
    shares = considered_shares(claim, evidence)
    share = sum(shares.get(name, 0.0) for name in family)
    beside = sum(shares.get(name, 0.0) for name in possible - family)
    if share >= (SUBJECT_SEEN_MIN_SHARE if is_subject else SEEN_MIN_SHARE):
        return "confirmed"
    if evidence.is_small and not evidence.is_flat and claim.place == "elsewhere":
        return "unknown"
    absent = SUBJECT_ABSENT_MAX_SHARE if is_subject else ABSENT_MAX_SHARE
    if claim.place == "elsewhere" and not evidence.is_flat:
        absent = DETAIL_ABSENT_MAX_SHARE
    if evidence.is_flat:
        absent = AREA_ABSENT_MAX_SHARE if claim.is_area else absent
        return "contradicted" if share + beside < absent else "unknown"
    return "contradicted" if share < absent and beside < NEIGHBOURS_MAX_SHARE else "unknown"


def considered_shares(claim: ColourClaim, evidence: ColourEvidence) -> Mapping[str, float]:
    """The colours that decide about a claim: of the single subject if it is about that one."""
    of_subject = evidence.subject if _is_of_subject(claim, evidence) else None
    return evidence.shares if of_subject is None else of_subject


def _is_of_subject(claim: ColourClaim, evidence: ColourEvidence) -> bool:
    """Whether the claim is about the single subject on a plain background.

    In a drawing the background may be the thing itself: a flag, and its cross is the "subject".
    """
    is_subject = claim.place == "subject" and not claim.is_area and not evidence.is_flat
    return is_subject and evidence.subject is not None


def judge_subject(
    claim: SubjectClaim, evidence: SubjectEvidence, mentioned: frozenset[str]
) -> CheckVerdict:
    """Whether the thing that the caption begins with was seen, surely another one was, or no view
    of the picture shows anything like it.

    `mentioned`: the concepts of all words of the caption. What it mentions anywhere denies nothing.
    """
    seen = {sighting.concept for sighting in evidence.sightings}
    seen_or_general = seen.union(*(load_concepts().generals_of(name) for name in seen))
    if seen_or_general & set(claim.concepts):
        return "confirmed"
    is_denied = seen_instead(claim, evidence, mentioned) or _is_absent(claim, evidence, mentioned)
    return "contradicted" if is_denied else "unknown"


def seen_instead(
    claim: SubjectClaim, evidence: SubjectEvidence, mentioned: frozenset[str]
) -> str | None:
    """The concept that is surely seen where the claimed one is not; None where there is none."""
    if any(evidence.probabilities[name] > ABSENT_MAX_PROBABILITY for name in claim.concepts):
        return None
    named = frozenset(claim.concepts) | mentioned
    for sighting in evidence.sightings:
        seen = sighting.concept
        is_mentioned = any(_are_related(seen, name) for name in named)
        is_large = sighting.probability >= SEEN_MIN_PROBABILITY
        is_instead = all(
            _exclude_each_other(seen, name) and not _may_be_taken_for(name, seen, evidence)
            for name in claim.concepts
        )
        if is_large and is_instead and not is_mentioned:
            return seen
    return None


def _may_be_taken_for(claimed: str, seen: str, evidence: SubjectEvidence) -> bool:
    """Whether one animal may be the other: two goats in a barn look like dogs, and are not surely
    absent. Where nothing is surely absent, the picture is not clear enough to ask that."""
    kinds = load_concepts().concepts
    are_animals = kinds[claimed].kind == kinds[seen].kind == "animal"
    return are_animals and bool(evidence.absent) and claimed not in evidence.absent


def _is_absent(claim: SubjectClaim, evidence: SubjectEvidence, mentioned: frozenset[str]) -> bool:
    """Whether nothing in the picture looks like what is claimed, and it would be seen there.

    A caption that mentions what is certain knows the picture: what it begins with may be small.
    """
    if not all(
        evidence.absent.issuperset(_find_likes(name)) and _would_be_seen(name, evidence)
        for name in claim.concepts
    ):
        return False
    if _is_wide_view(evidence) and any(
        evidence.probabilities[name] > ABSENT_MAX_PROBABILITY for name in claim.concepts
    ):
        return False
    return not any(
        _are_related(sighting.concept, name)
        for sighting in evidence.sightings
        for name in mentioned
    )


def _is_wide_view(evidence: SubjectEvidence) -> bool:
    """Whether the picture mainly shows a place, in which a dog is a few pixels."""
    main = evidence.main
    return main is not None and load_concepts().concepts[main.concept].kind in _WIDE


def _find_likes(claimed: str) -> frozenset[str]:
    """What a person may call by the word as well: a loafer a boot, a roast a chicken."""
    table = load_concepts()
    likes = {claimed, "food"} if claimed in _EATEN else {claimed}
    if table.concepts[claimed].kind in _MAIN - {"vehicle"}:
        return frozenset(likes)
    return frozenset(likes.union(table.generals_of(claimed)))


def _would_be_seen(claimed: str, evidence: SubjectEvidence) -> bool:
    """Whether a thing of this kind is not too small to be seen beside what the picture shows."""
    kinds = load_concepts().concepts
    kind = kinds[claimed].kind
    if kind in _MAIN - {"vehicle"} or evidence.is_plain:
        return True
    main = evidence.main
    if main is None or main.probability < MAIN_MIN_PROBABILITY or main.concept in _OF_THE_STREET:
        return False
    return kind in _NEVER_BESIDE.get(kinds[main.concept].kind, ())


def _are_related(one: str, other: str) -> bool:
    """Whether one is the other, or a more general word for it."""
    table = load_concepts()
    return one == other or one in table.generals_of(other) or other in table.generals_of(one)


def _exclude_each_other(seen: str, claimed: str) -> bool:
    """Whether a picture of the one would not be one of the other.

    Food lies beside cups, and things lie in front of cars, so these deny nothing else.
    """
    concepts = load_concepts().concepts
    one, other = concepts[seen].kind, concepts[claimed].kind
    if any({one, other} <= kinds for kinds in _SEEN_TOGETHER):
        return False
    if one in _MAIN and other in _MAIN:
        return True
    if one in _THINGS:
        return other in _THINGS or (other in _MAIN and other != "vehicle")
    return one in ("animal", "instrument") and other in _THINGS | _PLACED
