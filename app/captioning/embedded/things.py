"""Things: what the recogniser saw, as the parts of sentences that name it.

A person is a person and nothing else. Only what stands alone on a plain background gets a colour:
elsewhere the colours belong to the whole scene.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.concept_kinds import (
    NEAR_SKIN_KINDS,
    UNCOLOURED_KINDS,
    WORN_KINDS,
    generals_of,
    load_concept_kinds,
)
from app.captioning.embedded.figures import names_figure
from app.captioning.embedded.foreign_colours import MIXED, has_foreign_colours
from app.captioning.embedded.phrasebook import Phrasebook
from app.captioning.embedded.shades import without_shades
from app.captioning.embedded.skin import without_skin
from app.captioning.embedded.words import Words
from app.vision.colour_names import ColourShare
from app.vision.features import Features

ONE_COLOUR_MIN_SHARE = 0.6
"""Of the subject: from this share on the thing has this colour; the rest is detail."""
TWO_COLOURS_MIN_SHARE, SECOND_COLOUR_MIN_SHARE = 0.8, 0.25
"""Of both colours together, and of the second."""
WORN_MIN_SHARE, WORN_MIN_HAIR_SHARE = 0.35, 0.5
"""Of the subject, for the colour of a garment on a person; the second where it may be hair."""
WORN_MIN_RATIO = 1.8
"""To the next colour, which may be that of another garment."""
HAIR_COLOURS = frozenset({"black", "dark grey", "grey", "light grey", "gold", "yellow", "white"})

GARMENT = "garment"
"""The concept of everything that is worn."""
LIGHT_COLOURS = frozenset({"white", "off-white", "light grey"})
"""Of the walls before which shops photograph."""

_COLOUR_SLOTS = ("colours", "first_colour", "item", "majority_colour", "other_colours")


@dataclass(frozen=True, slots=True)
class Things:
    """What is in an image, in the words of one locale: in lower case, without a full stop."""

    topic: str
    """The key of the phrasebook's sentences."""
    slots: dict[str, str]
    unused_slots: tuple[str, ...]
    """Slots about colours that the name has already, or that are not certain."""


@dataclass(frozen=True, slots=True)
class _Main:
    """The thing of the first sentence."""

    thing: str
    bare_thing: str
    """As in the title of a product: without the article, and its colours after it."""
    unused_slots: tuple[str, ...] = ()


def find_things(features: Features, request: DraftRequest, phrasebook: Phrasebook) -> Things | None:
    """The things of an image, or None where nothing was recognised."""
    words, kinds = phrasebook.words, load_concept_kinds()
    if names_figure(request.context):
        features = replace(features, faces=0)
    seen = _find_nameable(features, words)
    if features.faces:
        seen = [concept for concept in seen if concept != GARMENT]  # everybody wears one
    if features.background and (features.text or features.fills_box):
        # Printed on a pack, a mug or a cushion.
        seen = [concept for concept in seen if kinds[concept].kind != "animal"]
    if not seen and not features.faces:
        return None
    places = [concept for concept in seen if kinds[concept].kind == "place"]
    things = [concept for concept in seen if concept not in places]
    settings = [words.settings[place] for place in places[:1] if place in words.settings]
    is_place = not things and not features.faces
    main = (things or places)[0] if things or is_place else None
    if (
        main
        and features.faces
        and not _shows_one_person(features)
        and kinds[main].kind in WORN_KINDS
    ):
        main = None  # nobody can tell which of them wears it
    named = _name_main(main, features, request, phrasebook)
    slots = {"thing": named.thing, "bare_thing": named.bare_thing}
    in_setting = bool(settings) and not is_place
    if in_setting:
        slots["setting"] = settings[0]
    others = [c for c in seen if c != main and not (in_setting and c == places[0])]
    return Things(
        "place" if is_place else _find_topic(features, in_setting=in_setting),
        slots | _name_others(others, phrasebook),
        named.unused_slots,
    )


def _shows_one_person(features: Features) -> bool:
    return features.faces == 1 and features.are_all_faces


def _find_nameable(features: Features, words: Words) -> list[str]:
    """What was seen, each as the nearest concept that the language has a word for.

    Of two concepts with one word (a mug and a cup are both "una taza") the surer one.
    """
    named = (
        next((name for name in (s.concept, *generals_of(s.concept)) if name in words.nouns), None)
        for s in features.sightings
        if s.concept in load_concept_kinds()
    )
    by_word: dict[str, str] = {}
    for name in named:
        if name is not None:
            by_word.setdefault(words.nouns[name].word, name)
    return list(by_word.values())


def _find_topic(features: Features, *, in_setting: bool) -> str:
    """The sentences that suit the kind of image."""
    if in_setting:
        return "thing_in_place"
    if features.category == "drawing":
        return "drawn_thing"
    if features.category == "graphic":
        return "flat_thing"
    if features.background:
        return "thing"
    return "thing_in_greyscale" if features.is_greyscale else "thing_in_scene"


def _name_main(
    main: str | None, features: Features, request: DraftRequest, phrasebook: Phrasebook
) -> _Main:
    words, kinds = phrasebook.words, load_concept_kinds()
    unused = _COLOUR_SLOTS if _has_own_colours(features) else ()
    if _shows_one_person(features) and main and kinds[main].kind in WORN_KINDS:
        colours = (
            _worn_colour(_colours_of(features))
            if _has_own_colours(features)
            else _find_central_colour(features, kinds[main].kind)
        )
        garment = words.phrase(words.worn[main], colours, phrasebook.conjunction)
        thing = words.people.in_or_with(garment, is_accessory=main in words.accessories)
        return _Main(thing, thing, unused)
    if features.faces:
        other = (words.phrase(words.nouns[main], (), phrasebook.conjunction),) if main else ()
        people = words.people.of(features.faces, are_all=features.are_all_faces)
        thing = phrasebook.join((people, *other))
        return _Main(thing, thing, unused)
    if main is None:
        raise ValueError("neither a person nor a thing")
    return _name_thing(main, features, request, phrasebook)


def _name_thing(
    main: str, features: Features, request: DraftRequest, phrasebook: Phrasebook
) -> _Main:
    """A thing with its colours: as adjectives where it has one or two, otherwise listed."""
    words, kind = phrasebook.words, load_concept_kinds()[main].kind
    noun, conjunction = words.nouns[main], phrasebook.conjunction
    bare = noun.word
    if request.style.uses_keywords:
        bare += _asked_kind(main, request.keywords, phrasebook)
    plain = words.phrase(noun, (), conjunction)
    colours = _colours_of(features)
    if not _has_own_colours(features):
        central = _find_central_colour(features, kind)
        if main in MIXED or any(words.names_colour(noun, colour) for colour in central):
            central = ()
        return _Main(words.phrase(noun, central, conjunction), bare)
    is_uncoloured = kind in UNCOLOURED_KINDS or not colours or has_foreign_colours(main, colours)
    if is_uncoloured or any(words.names_colour(noun, share.colour) for share in colours):
        return _Main(plain, bare, _COLOUR_SLOTS)
    if kind in NEAR_SKIN_KINDS and without_skin(features) != features:
        colours = colours[: len(_worn_colour(colours))]
        if not colours:
            return _Main(plain, bare, _COLOUR_SLOTS)
    adjectives = _adjectives(colours)
    if len(colours) == 1:
        named = words.phrase(noun, adjectives, conjunction)
        unarticled = words.phrase(noun, adjectives, conjunction, has_article=False)
        if unarticled == named:  # without an article a title lists the colour
            return _Main(named, bare, tuple(s for s in _COLOUR_SLOTS if s != "colours"))
        return _Main(named, unarticled + bare.removeprefix(noun.word), _COLOUR_SLOTS)
    if adjectives:
        return _Main(words.phrase(noun, adjectives, conjunction), bare)
    tones = phrasebook.join(tuple(phrasebook.tone[share.colour] for share in colours))
    return _Main(phrasebook.coloured_thing.format(thing=plain, colours=tones), bare)


def _has_own_colours(features: Features) -> bool:
    """Whether the colours are those of what stands on a plain background, and not of lines."""
    return features.background is not None and features.category != "drawing"


def _find_central_colour(features: Features, kind: str) -> tuple[str, ...]:
    """The colour of a thing that fills the centre before something light on both sides.

    A model that the edge of the image cuts leaves no plain border, and so no background. Any other
    colour of some size beside it may be the thing's as well: then nothing is certain.
    """
    shown = without_skin(features)
    centre, sides = shown.regions.centre, (shown.regions.left, shown.regions.right)
    own = [share for share in shown.colours if share.colour not in LIGHT_COLOURS]
    if kind in UNCOLOURED_KINDS or features.background or not own or own[0].colour != centre:
        return ()
    if not LIGHT_COLOURS.intersection(sides) or centre in sides:
        return ()
    return _worn_colour(tuple(own))


def _shares_of(features: Features) -> tuple[ColourShare, ...]:
    """Of a subject on a plain background, or of everything on it."""
    return features.subject.colours if features.subject else features.colours


def _colours_of(features: Features) -> tuple[ColourShare, ...]:
    return _shares_of(without_shades(without_skin(features)))


def _adjectives(colours: tuple[ColourShare, ...]) -> tuple[str, ...]:
    first, *others = colours
    second = others[0] if others else None
    if second is None or first.share >= ONE_COLOUR_MIN_SHARE:
        return (first.colour,)
    is_pair = (
        second.share >= SECOND_COLOUR_MIN_SHARE
        and first.share + second.share >= TWO_COLOURS_MIN_SHARE
    )
    return (first.colour, second.colour) if is_pair else ()


def _worn_colour(cloth: tuple[ColourShare, ...]) -> tuple[str, ...]:
    """The colour of a garment on a person, where it is neither hair nor that of another one."""
    if not cloth:
        return ()
    first, second = cloth[0], cloth[1].share if len(cloth) > 1 else 0.0
    least = WORN_MIN_HAIR_SHARE if first.colour in HAIR_COLOURS else WORN_MIN_SHARE
    is_certain = first.share >= least and first.share >= WORN_MIN_RATIO * second
    return (first.colour,) if is_certain else ()


def _asked_kind(concept: str, keywords: Iterable[str], phrasebook: Phrasebook) -> str:
    """A more general word that a keyword has, in parentheses: a backpack is a bag too."""
    asked = {word for keyword in keywords for word in keyword.casefold().split()}
    nouns = phrasebook.words.nouns
    found = (nouns[name].word for name in generals_of(concept) if name in nouns)
    return next((f" ({word})" for word in found if word.casefold() in asked), "")


def _name_others(concepts: Sequence[str], phrasebook: Phrasebook) -> dict[str, str]:
    """The slot for one other thing or for several, which is also the number of the verb."""
    words = phrasebook.words
    nouns = [words.nouns[concept] for concept in concepts]
    if not nouns:
        return {}
    names = tuple(words.phrase(noun, (), phrasebook.conjunction) for noun in nouns)
    is_plural = len(nouns) > 1 or nouns[0].is_plural
    return {"several_others" if is_plural else "one_other": phrasebook.join(names)}
