"""A sight in words: sentences that say what was seen and nothing else.

Which sentence comes first depends on the kind of picture; how many follow depends on the style's
limits and on the token ceiling. Whole sentences only: what does not fit is left out. Whatever else
becomes known of a picture is one more slot, and one more line in each phrase file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from string import Formatter

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.context_name import name_in
from app.captioning.embedded.phrasebook import Phrases
from app.captioning.embedded.quotations import FEW_CHARS, Quotes, choose_quotes, shortened
from app.types import Draft, Style
from app.validation.verdict import validate_draft
from app.vision.colour_names import ColourShare
from app.vision.features import Features, Subject

CHARS_PER_TOKEN = 4
"""As the validator counts where the tokeniser is not known."""
SOLID = 0.9
"""From this share on a whole picture is in one colour: lettering and shading are the rest."""
NEARLY_AS_MUCH = 0.7
"""Of the third colour's share: then the fourth is named as well."""
MOST_OF_IT = 0.65
"""Three colours that cover less are not what a whole picture is in: it has many."""
MAINLY = 0.5
"""From this share on a colour is what most of it is."""

LAYOUT_BLOCKS = 5
"""So many separate texts are a page, a screen or a plan, whatever else there is."""
LINE_WIDTH = 0.4
"""Of the picture's width: on a page of text most lines are longer, in a list or a form shorter."""

Slots = dict[str, str]


@dataclass(frozen=True, slots=True)
class Wording:
    """The caption's text, and whether the token ceiling made it shorter."""

    text: str
    cut: bool


def realise(sight: Features, ask: DraftRequest, phrases: Phrases) -> Wording:
    """The caption of a picture that is worth describing, in the ask's style and ceiling."""
    ceiling = ask.max_tokens * CHARS_PER_TOKEN
    free = _compose(sight, ask, phrases, ask.style.max_chars)
    if len(free) <= ceiling:
        return Wording(free, cut=False)
    return Wording(_compose(sight, ask, phrases, min(ceiling, ask.style.max_chars)), cut=True)


def _compose(sight: Features, ask: DraftRequest, phrases: Phrases, most_chars: int) -> str:
    found = list(_beginnings(sight, ask, phrases))
    turned_down = ask.rejected.draft if ask.rejected else None
    # A first sentence that is longer than is pleasant to hear is taken only where all are.
    pleasant = min(most_chars, ask.style.warn_over_chars or most_chars)
    for head_chars in (pleasant, most_chars):
        for begun in found:
            if len(begun.head) > head_chars or _repeats_too_often(begun.head, ask.style):
                continue
            text = _extended(begun, ask, most_chars)
            if text != turned_down and (begun.is_ours or _obeys(text, ask)):
                return text
    return min((begun.head for begun in found if begun.is_ours), key=len)


def _obeys(text: str, ask: DraftRequest) -> bool:
    """Whether a caption with strangers' words in it keeps our own rules as a whole."""
    draft = Draft(text, model="", cut=len(text) < ask.style.min_chars)
    verdict = validate_draft(draft, style=ask.style, locale=ask.locale, context=ask.context)
    return verdict.outcome == "caption" and verdict.is_valid and verdict.caption == text


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A first sentence, and the sentences that may follow it, the most telling first."""

    head: str
    extras: tuple[str, ...]
    fillers: tuple[str, ...]
    """Sentences that say little: only for a caption that would be too short."""
    is_ours: bool
    """No word of it comes from the picture's text or from the context."""


def _beginnings(sight: Features, ask: DraftRequest, phrases: Phrases) -> Iterator[_Beginning]:
    """First sentences, the best first: with much of the text, with less, with none."""
    quotes = choose_quotes(sight, ask, phrases)
    topic = _topic(sight, quotes)
    slots = _slots(_with_ink(sight, topic, quotes), phrases)
    extras = phrases.extras.get(topic, phrases.extras["scene"])
    fillers = tuple(_usable(phrases.extras["filler"], slots))
    # What was rejected once is not tried again with the part that pixels cannot vouch for.
    name = None if ask.rejected else name_in(ask.context)
    for said, words in _quoting(quotes, phrases):
        rest = quotes.besides(said)
        told = {"more" if said else "unsaid": phrases.quoted(*rest)} if rest else {}
        more = tuple(_usable((*phrases.extras["text"], *extras), slots | told))
        heads = [head for head in phrases.heads[topic] if _quotes_by(head, words)]
        sentences = [f"{head}." for head in _usable(tuple(heads), slots | words)]
        for sentence in sentences if name else ():
            template = phrases.link if ask.role == "link" else phrases.named
            rewritten = sentence[0].lower() + sentence[1:]
            named = template.format(name=name, caption=rewritten)
            yield _Beginning(named, more, fillers, is_ours=False)
        for sentence in sentences:
            yield _Beginning(sentence, more, fillers, is_ours=not words and not rest)
    ours = tuple(_usable(extras, slots))
    for head in _usable(phrases.heads[topic], slots):
        yield _Beginning(f"{head}.", ours, fillers, is_ours=True)


def _with_ink(sight: Features, topic: str, quotes: Quotes) -> Features:
    """What stands on a ground is lettering and shapes: thin letters leave no area of their own."""
    if topic not in ("shapes", "marks", "faint") or not quotes.inks:
        return sight
    shares = {share.colour: share for share in sight.colours}
    inks = tuple(
        shares.get(ink, ColourShare(ink, 0.0)) for ink in quotes.inks if ink != sight.ground
    )
    others = tuple(share for share in sight.colours if share.colour not in quotes.inks)
    shown = (*inks, *others) if topic != "faint" else inks
    # With a colour whose area is not known, no share is known: neither "most" nor "all".
    known = (
        shown
        if all(share.share for share in shown)
        else tuple(replace(share, share=0.0) for share in shown)
    )
    return replace(sight, colours=known)


def _quoting(quotes: Quotes, phrases: Phrases) -> Iterator[tuple[tuple[str, ...], Slots]]:
    """Ways to quote, the fullest first: the texts that are said, and the slots that say them."""
    if quotes.heading:
        for heading in (quotes.heading, shortened(quotes.heading, FEW_CHARS)):
            if heading:
                yield (heading,), {"heading": phrases.quoted(heading)}
    for count in range(len(quotes.rank), 0, -1):
        texts = quotes.first(count)
        yield texts, phrases.quotation(*texts)
    few = shortened(quotes.first(1)[0], FEW_CHARS) if quotes.rank else ""
    if few:
        yield (few,), phrases.quotation(few)
    yield (), {}


def _quotes_by(template: str, words: Slots) -> bool:
    """Whether a template quotes by just these slots."""
    fields = {field for _, field, _, _ in Formatter().parse(template)}
    return fields & {"quoted", "heading"} == set(words) & {"quoted", "heading"}


def _extended(begun: _Beginning, ask: DraftRequest, most_chars: int) -> str:
    """The head and as many further sentences as the style wants and the ceiling allows."""
    style, text, count = ask.style, begun.head, 1
    extras = _in_order(list(begun.extras), ask)
    for place, extra in enumerate((*extras, *begun.fillers)):
        wanted = _wanted_chars(style) if place < len(extras) else style.min_chars
        enough = len(text) >= wanted and count >= style.min_sentences
        if enough or count >= style.max_sentences:
            continue
        longer = f"{text} {extra}"
        if len(longer) <= most_chars and not _repeats_too_often(longer, style):
            text, count = longer, count + 1
    return text


def _wanted_chars(style: Style) -> int:
    """How long a caption should get: a paragraph its aim, meta text its aim, alt text its least.

    Alt text is heard, so it says the first sentence and stops; a style whose least length is more
    than a short sentence wants to be filled.
    """
    return style.aim_chars if style.min_sentences > 1 or style.min_chars >= 40 else style.min_chars


def _in_order(extras: list[str], ask: DraftRequest) -> list[str]:
    """Sentences that hold one of the keywords first: all of them are true as they stand."""
    if not ask.style.uses_keywords:
        return extras
    keywords = [f" {word.casefold()} " for word in ask.keywords]
    return sorted(extras, key=lambda extra: not any(k in _spaced(extra) for k in keywords))


def _spaced(text: str) -> str:
    words = "".join(c if c.isalnum() or c == "-" else " " for c in text.casefold())
    return f" {' '.join(words.split())} "


def _repeats_too_often(text: str, style: Style) -> bool:
    if style.max_word_repeats is None:
        return False
    words = [word for word in _spaced(text).split() if len(word) > 3]
    return any(words.count(word) > style.max_word_repeats for word in set(words))


def _topic(sight: Features, quotes: Quotes) -> str:
    """Which phrases fit: the kind, or what else makes the best first sentence."""
    is_laid_out = len(sight.text) >= LAYOUT_BLOCKS
    if is_laid_out and quotes.lead and sight.kind in ("any", "graphic", "shapes", "drawing"):
        return "layout"
    if sight.kind == "document" and is_laid_out and quotes.lead:
        widths = [block.width for block in sight.text for _ in range(block.lines)]
        return "document" if median(widths) >= LINE_WIDTH else "layout"
    if sight.kind == "photo" and is_laid_out:
        return "any"  # a plan with soft shades, more likely than a scene full of signs
    if sight.kind == "drawing" and sight.text:
        return "marks"  # letters are thin lines too
    if sight.kind in ("photo", "graphic", "any") and sight.layers:
        return "layers"
    if sight.kind == "photo" and sight.is_grey:
        return "grey"
    if sight.kind == "any" and sight.ground:
        is_faint = not sight.colours or sight.colours[0].colour == sight.ground
        return "faint" if is_faint else "marks"
    return sight.kind


def _usable(templates: tuple[str, ...], slots: Slots) -> list[str]:
    """The templates all of whose slots are known, filled."""
    return [
        template.format(**slots)
        for template in templates
        if all(field is None or field in slots for _, field, _, _ in Formatter().parse(template))
    ]


def _slots(sight: Features, phrases: Phrases) -> Slots:
    """What is known, each in the form that its place in a sentence needs."""
    subject = sight.subject
    shares = subject.colours if subject else sight.colours
    many = shares[3:] and shares[3].share >= NEARLY_AS_MUCH * shares[2].share
    names = [share.colour for share in shares][: 4 if many else 3]
    slots: Slots = {
        "form": phrases.form[sight.form],
        "light": phrases.light[sight.light],
    }
    if names:
        slots["lead"] = phrases.tone[names[0]]
        slots["item"] = phrases.item[names[0]]
        slots["share"] = phrases.size[_size(shares[0].share)]
        if shares[0].share >= MAINLY:
            slots["main"] = phrases.tone[names[0]]
        is_all = len(names) > 1 or shares[0].share >= SOLID
        if sight.ground or (is_all and sum(s.share for s in shares[: len(names)]) >= MOST_OF_IT):
            slots["colours"] = phrases.joined(tuple(phrases.tone[name] for name in names))
        if names[1:]:
            slots["others"] = phrases.joined(tuple(phrases.tone[name] for name in names[1:]))
    if sight.ground:
        slots["ground"] = phrases.ground[sight.ground]
    if sight.is_grey:
        slots["uncoloured"] = ""
    slots |= _where(sight, phrases)
    if subject and sight.ground:
        slots |= _of_subject(subject, sight.ground, slots, phrases)
    return slots


def _where(sight: Features, phrases: Phrases) -> Slots:
    """Colours of parts, where two opposite parts differ; one that does not tells nothing."""
    slots: Slots = {}
    regions, tone = sight.regions, phrases.tone
    for one, other in (("top", "bottom"), ("left", "right")):
        first, second = getattr(regions, one), getattr(regions, other)
        is_said = bool(sight.layers) and one == "top"
        if first and second and first != second and not is_said:
            slots |= {one: tone[first], other: tone[second]}
    if regions.centre and sight.colours and regions.centre != sight.colours[0].colour:
        slots["centre"] = tone[regions.centre]
    if sight.layers:
        slots |= {"upper": tone[sight.layers[0]], "lower": tone[sight.layers[1]]}
    return slots


def _of_subject(subject: Subject, ground: str, slots: Slots, phrases: Phrases) -> Slots:
    found: Slots = {}
    if len(subject.colours) == 1:
        found["one"] = phrases.one[subject.outline].format(**slots)
    elif subject.colours:
        found["many"] = phrases.many[subject.outline].format(**slots)
    found["place"] = phrases.place[subject.place].format(**slots)
    found["extent"] = phrases.size[_size(subject.area)]
    if subject.has_shadow:
        found["shadowed"] = phrases.ground[ground]
    return found


def _size(area: float) -> str:
    steps = (("small", 0.17), ("quarter", 0.29), ("third", 0.42), ("half", 0.6))
    return next((name for name, below in steps if area < below), "most")
