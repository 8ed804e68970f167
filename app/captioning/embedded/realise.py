"""Realisation: from features to the sentences of a caption.

The first sentence depends on the topic (the category, or what the features say better); how many
sentences follow depends on the style's limits and on the token ceiling. Only whole sentences are
used: one that does not fit is left out. A new feature needs a slot in `slots` and templates in each
phrase file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.context_name import find_name
from app.captioning.embedded.phrasebook import Phrasebook, slots_of
from app.captioning.embedded.quotations import (
    SINGLE_MAX_CHARS,
    Quotations,
    choose_quotations,
    shorten,
)
from app.captioning.embedded.shades import without_shades
from app.captioning.embedded.skin import without_skin
from app.captioning.embedded.slots import Slots, fill_slots
from app.captioning.embedded.things import Things, find_things
from app.types import Draft, Role, Style
from app.validation.truncation import CHARS_PER_TOKEN
from app.validation.verdict import validate_draft
from app.vision.colour_names import ColourShare
from app.vision.features import Features

LAYOUT_MIN_BLOCKS = 5
"""An image with this many separate texts is a page, a screen or a plan."""
PAGE_MIN_LINE_WIDTH = 0.4
"""Median width of the lines, as a share of the image's width: a page of text has longer lines, a
list or a form shorter ones."""

ALREADY_SAID = {
    "cutout": ("outline",),
    "greyscale": ("greyscale",),
    "thing_in_greyscale": ("greyscale",),
}
"""By topic, the slots of sentences that would say again what the first sentence says: a wide
subject is wider than it is tall, and a black-and-white scene has no colours."""

SEARCHED_SLOTS = frozenset({
    "texts", "other_texts", "one_other", "several_others", "colours", "majority_colour",
})  # fmt: skip
"""Of the sentences that follow the first in a style for search engines. Nobody searches for a
shadow, or for the side on which a colour is: such a sentence is only for a caption that would be
too short."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The text of a caption."""

    text: str
    is_cut: bool
    """The token ceiling made it shorter."""


def realise(features: Features, request: DraftRequest, phrasebook: Phrasebook) -> Wording:
    """The caption of a describable image, in the style and within the token ceiling."""
    ceiling_chars = request.max_tokens * CHARS_PER_TOKEN
    text = _compose(features, request, phrasebook, request.style.max_chars)
    if len(text) <= ceiling_chars:
        return Wording(text, is_cut=False)
    max_chars = min(ceiling_chars, request.style.max_chars)
    return Wording(_compose(features, request, phrasebook, max_chars), is_cut=True)


@dataclass(frozen=True, slots=True)
class _Opening:
    """A first sentence, and the sentences that may follow it."""

    sentence: str
    further: tuple[str, ...]
    """The most informative first."""
    fillers: tuple[str, ...]
    """Sentences with little information, for a caption that would be too short."""
    needs_validation: bool
    """It contains words from the image's text or from the context."""


def _compose(
    features: Features, request: DraftRequest, phrasebook: Phrasebook, max_chars: int
) -> str:
    openings = list(_generate_openings(features, request, phrasebook))
    rejected = request.rejected.draft if request.rejected else None
    # A first sentence over the style's warning length is used only where no shorter one works.
    warn_over_chars = min(max_chars, request.style.warn_over_chars or max_chars)
    for sentence_max_chars in (warn_over_chars, max_chars):
        for opening in openings:
            if len(opening.sentence) > sentence_max_chars:
                continue
            if _repeats_words(opening.sentence, request.style):
                continue
            if _is_disputed(opening.sentence, request):
                continue
            text = _extend(opening, request, max_chars)
            # The text beside the image is a stranger's too: any sentence may repeat it.
            is_own = not (opening.needs_validation or request.visible_text)
            if text != rejected and (is_own or _is_valid(text, request)):
                return text
    own = [opening.sentence for opening in openings if not opening.needs_validation]
    undisputed = [sentence for sentence in own if not _is_disputed(sentence, request)]
    if rejected is not None and not undisputed:
        return rejected  # nothing else is to be said
    return min(undisputed or own, key=len)


def _is_valid(text: str, request: DraftRequest) -> bool:
    """Whether a caption with words of strangers obeys every rule as it is."""
    draft = Draft(text, model="", cut=len(text) < request.style.min_chars)
    verdict = validate_draft(
        draft,
        style=request.style,
        locale=request.locale,
        context=request.context,
        visible_text=request.visible_text,
    )
    return verdict.outcome == "caption" and verdict.is_valid and verdict.caption == text


def _generate_openings(
    features: Features, request: DraftRequest, phrasebook: Phrasebook
) -> Iterator[_Opening]:
    """Openings from the best to the plainest: with several quotations, with fewer, with none."""
    quotations = choose_quotations(features, request, phrasebook)
    parts = _find_parts(features, quotations, request, phrasebook)
    # After a rejected draft the name is left out: it is the part that pixels cannot prove.
    name = None if request.rejected else find_name(request.context)
    for quoted, quotation_slots in _generate_quotations(quotations, phrasebook):
        if quoted and parts.quotes_later:
            continue
        remaining = quotations.remaining(quoted)
        remaining_slots = (
            {"other_texts" if quoted else "texts": phrasebook.quote(*remaining)}
            if remaining
            else {}
        )
        further, fillers = parts.fill_further(remaining_slots)
        suitable = tuple(t for t in parts.templates if _quotes_with(t, quotation_slots))
        sentences = _fill_usable(suitable, parts.slots | quotation_slots)
        sentences = _sort_by_keywords(sentences, request)
        for sentence in sentences:
            if name is None:
                break
            named = phrasebook.name(name, f"{sentence}.", role=_named_role(request))
            yield _Opening(named, further, fillers, needs_validation=True)
        has_quotations = bool(quotation_slots or remaining)
        for sentence in sentences:
            text = _capitalise(f"{sentence}.")
            yield _Opening(text, further, fillers, needs_validation=has_quotations)
    further, fillers = parts.fill_further({})
    for sentence in _fill_usable(parts.templates, parts.slots):
        text = _capitalise(f"{sentence}.")
        yield _Opening(text, further, fillers, needs_validation=False)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The templates of one image and style, and the slots to fill them with."""

    templates: tuple[str, ...]
    further_templates: tuple[str, ...]
    filler_templates: tuple[str, ...]
    slots: Slots
    quotes_later: bool
    """The first sentence says what is seen, and the text follows in its reading order."""

    def fill_further(self, more_slots: Slots) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Further sentences and fillers."""
        slots = self.slots | more_slots
        return (
            tuple(map(_capitalise, _fill_usable(self.further_templates, slots))),
            tuple(map(_capitalise, _fill_usable(self.filler_templates, slots))),
        )


def _find_parts(
    features: Features, quotations: Quotations, request: DraftRequest, phrasebook: Phrasebook
) -> _Parts:
    is_paragraph = request.style.min_sentences > 1
    things = find_things(features, request, phrasebook)
    topic = _choose_topic(features, quotations, things)
    names_things = things is not None and topic == things.topic
    coloured = without_skin(_with_ink_colours(features, topic, quotations))
    if names_things:
        coloured = without_shades(coloured)
    slots = fill_slots(coloured, phrasebook, is_paragraph=is_paragraph)
    said = ALREADY_SAID.get(topic, ())
    slots = {k: slot for k, slot in slots.items() if k not in said}
    if things is not None and names_things:
        slots = {k: slot for k, slot in slots.items() if k not in things.unused_slots}
        slots |= things.slots
    templates = phrasebook.first_sentences[topic]
    if request.style.uses_keywords:
        as_title = tuple(each.replace("{thing}", "{bare_thing}") for each in templates)
        templates = phrasebook.search_sentences.get(topic, as_title)
    sentences = phrasebook.further_sentences
    further = (*sentences["text"], *sentences.get(topic, sentences["scene"]))
    fillers = sentences["filler"]
    if is_paragraph or request.style.uses_keywords:
        further += sentences["also"]
    if not is_paragraph:
        details = tuple(t for t in further if not SEARCHED_SLOTS.issuperset(slots_of(t) or {""}))
        further = tuple(t for t in further if t not in details)
        fillers = (*details, *fillers)
    return _Parts(templates, further, fillers, slots, is_paragraph and names_things)


def _named_role(request: DraftRequest) -> Role | None:
    """The role that a name is given with. Text beside a link says itself where it leads."""
    return None if request.visible_text else request.role


def _generate_quotations(
    quotations: Quotations, phrasebook: Phrasebook
) -> Iterator[tuple[tuple[str, ...], Slots]]:
    """The texts to quote in the first sentence and their slots: the most first, none last."""
    if quotations.heading:
        for heading in (quotations.heading, shorten(quotations.heading, SINGLE_MAX_CHARS)):
            if heading:
                yield (heading,), {"heading": phrasebook.quote(heading)}
    for count in range(len(quotations.ranking), 0, -1):
        texts = quotations.most_prominent(count)
        yield texts, phrasebook.quotation_slots(*texts)
    if quotations.ranking:
        single = shorten(quotations.most_prominent(1)[0], SINGLE_MAX_CHARS)
        if single:
            yield (single,), phrasebook.quotation_slots(single)
    yield (), {}


def _quotes_with(template: str, quotation_slots: Slots) -> bool:
    """Whether a template quotes with the same slots as `quotation_slots`."""
    quoting = {"quoted", "heading"}
    return slots_of(template) & quoting == set(quotation_slots) & quoting


def _with_ink_colours(features: Features, topic: str, quotations: Quotations) -> Features:
    """With the colours of quoted letters: thin letters are too small to be main colours."""
    if topic not in ("shapes", "marks", "faint") or not quotations.inks:
        return features
    shares = {share.colour: share for share in features.colours}
    colours = tuple(
        shares.get(ink, ColourShare(ink, 0.0))
        for ink in quotations.inks
        if ink != features.background
    )
    if topic != "faint":
        colours += tuple(share for share in features.colours if share.colour not in quotations.inks)
    # Where one share is unknown (0), all are: no sentence may say "most" or "all".
    if not all(share.share for share in colours):
        colours = tuple(replace(share, share=0.0) for share in colours)
    return replace(features, colours=colours)


def _choose_topic(features: Features, quotations: Quotations, things: Things | None) -> str:
    """The key of the phrasebook's sentences for these features."""
    category = features.category
    is_layout = len(features.text) >= LAYOUT_MIN_BLOCKS
    if things is not None and category not in ("icon", "chart", "document"):
        is_page = is_layout and category not in ("cutout", "photo")
        if not (is_page and quotations.prominent):
            return things.topic
    if is_layout and quotations.prominent and category in ("any", "graphic", "shapes", "drawing"):
        return "layout"
    if category == "document" and is_layout and quotations.prominent:
        widths = [block.width for block in features.text for _ in range(block.lines)]
        return "document" if median(widths) >= PAGE_MIN_LINE_WIDTH else "layout"
    if category == "photo" and is_layout:
        return "any"  # more likely a plan with soft shades than a scene full of signs
    if category == "drawing" and features.text:
        return "marks"  # letters are thin lines too
    if category in ("photo", "graphic", "any") and features.bands:
        return "bands"
    if category == "photo" and features.is_greyscale:
        return "greyscale"
    if category == "any" and features.background:
        is_faint = not features.colours or features.colours[0].colour == features.background
        return "faint" if is_faint else "marks"
    return category


def _capitalise(sentence: str) -> str:
    """With a capital: templates that begin with a slot begin with a small letter."""
    return sentence[:1].upper() + sentence[1:]


def _fill_usable(templates: tuple[str, ...], slots: Slots) -> list[str]:
    """The templates of which every slot is known, filled in."""
    return [template.format(**slots) for template in templates if slots_of(template) <= set(slots)]


def _extend(opening: _Opening, request: DraftRequest, max_chars: int) -> str:
    """The first sentence and as many further ones as the style wants and `max_chars` allows."""
    style, text, count = request.style, opening.sentence, 1
    asked = tuple(each for each in opening.fillers if _has_keyword(each, request))
    further = _sort_by_keywords((*opening.further, *asked), request)
    fillers = (each for each in opening.fillers if each not in asked)
    for index, sentence in enumerate((*further, *fillers)):
        wanted_chars = _wanted_chars(style) if index < len(further) else style.min_chars
        is_complete = len(text) >= wanted_chars and count >= style.min_sentences
        if is_complete or count >= style.max_sentences:
            continue
        if _is_disputed(sentence, request):
            continue
        longer = f"{text} {sentence}"
        if len(longer) <= max_chars and not _repeats_words(longer, style):
            text, count = longer, count + 1
    return text


def _wanted_chars(style: Style) -> int:
    """The length at which no further sentence is added.

    A paragraph, and a style whose minimum is more than a short sentence, is filled up to its aim.
    Alt text is read aloud, so it ends after the first sentence.
    """
    return style.aim_chars if style.min_sentences > 1 or style.min_chars >= 40 else style.min_chars


def _sort_by_keywords(sentences: Sequence[str], request: DraftRequest) -> list[str]:
    """Sentences with one of the keywords first; every sentence is true by itself."""
    return sorted(sentences, key=lambda sentence: not _has_keyword(sentence, request))


def _has_keyword(sentence: str, request: DraftRequest) -> bool:
    """Whether it has a keyword, in a style that uses them."""
    words = _pad_words(sentence)
    return request.style.uses_keywords and any(
        _pad_words(keyword) in words for keyword in request.keywords
    )


def _is_disputed(sentence: str, request: DraftRequest) -> bool:
    """Whether it says what the picture was found to contradict in the rejected draft."""
    words = _pad_words(sentence)
    disputed = request.rejected.disputed if request.rejected else ()
    return any(_pad_words(claim) in words for claim in disputed)


def _pad_words(text: str) -> str:
    """The words in lower case, each between spaces."""
    words = "".join(c if c.isalnum() or c == "-" else " " for c in text.casefold())
    return f" {' '.join(words.split())} "


def _repeats_words(text: str, style: Style) -> bool:
    """Whether a content word occurs more often than the style allows."""
    if style.max_word_repeats is None:
        return False
    words = [word for word in _pad_words(text).split() if len(word) > 3]
    return any(words.count(word) > style.max_word_repeats for word in set(words))
