"""What goes through a backfill: a row of the source, the server's answer, what became of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class AltSource(StrEnum):
    """Who a row's alt text is from, or why there is none: the values of the column `alt_source`."""

    PENDING = "pending"
    """Not asked yet."""
    AI = "ai"
    """A model wrote it, every hard rule is obeyed, nobody has looked at it."""
    HUMAN = "human"
    """A person wrote it. Never overwritten."""
    HUMAN_EDITED_AI = "human-edited-ai"
    """A model drafted it, a person edited or approved it. Never overwritten."""
    DECORATIVE = "decorative"
    """The picture says nothing: `alt` is empty on purpose."""
    UNCERTAIN = "uncertain"
    """A person should write it: the model could not tell, or a rule holds the draft for review."""
    REJECTED = "rejected"
    """The model refused, or two drafts broke hard rules; the draft waits in the journal."""
    FAILED = "failed"
    """No answer: the picture or the server. The next run tries again."""


WRITTEN_BY_PEOPLE = (AltSource.HUMAN, AltSource.HUMAN_EDITED_AI)
"""A text that carries one of these belongs to a person."""
AWAITING_REVIEW = (AltSource.UNCERTAIN, AltSource.REJECTED)
"""These wait for a person, and are not asked again."""
SETTLED_SOURCES = (*WRITTEN_BY_PEOPLE, AltSource.DECORATIVE, *AWAITING_REVIEW)
"""A blank alt with one of these is not blank for want of an answer."""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture of the source whose alt text is blank."""

    key: str
    """The primary key, as text; of a file without one, the number of its line."""
    image: str
    """Its URL, or the path of a local file."""
    context: str = ""
    alt: str = ""
    """As the source has it: blank, perhaps spaces."""
    alt_source: str = ""
    file_name: str = ""
    """The last part of the path, without a query."""
    tags: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """The other columns, as text, for rules that look at them; NULL is ''."""
    place: int = 0
    """The line of a file, 0 where there is none."""
    content: str = ""
    """`sha256:...` of a local file; empty for a URL."""

    def asks_as(self, other: Row) -> bool:
        """Whether the other row's outcome is one for this row, as far as the source tells."""
        ours, theirs = ((r.image, r.context, r.tags) for r in (self, other))
        return ours == theirs

    @property
    def ask(self) -> str:
        """Equal for rows whose requests would be the same, byte for byte: one call serves both."""
        said = [self.content or self.image, self.context, list(self.tags)]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class TextResult:
    """What one style and locale came to: a text, or the problem in its place."""

    style: str
    locale: str
    text: str = ""
    """Empty where decorative, and where there is a problem."""
    decorative: bool = False
    warnings: tuple[str, ...] = ()
    """Codes of soft rules that it breaks."""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    code: str = ""
    """Of the problem (`caption_rejected`, `model_timeout`), empty where there is none."""
    message: str = ""
    retryable: bool = False
    draft: str = ""
    reasons: tuple[str, ...] = ()
    """Codes of the hard rules that the draft breaks."""


@dataclass(frozen=True, slots=True)
class RequestResult:
    """What one call, or the last of several tries, brought for a picture."""

    texts: tuple[TextResult, ...] = ()
    """Styles outer, locales inner, as asked; the first is the alt. Empty where all failed."""
    sha256: str = ""
    width: int = 0
    height: int = 0
    attempts: int = 0
    """Calls so far, those of earlier runs included."""
    answered_at: str = ""
    """UTC, ISO 8601."""
    code: str = ""
    """Of the problem, where the whole call failed (`image_not_found`)."""
    message: str = ""
    request_id: str = ""

    @property
    def input_tokens(self) -> int:
        """Of all its texts."""
        return sum(text.input_tokens for text in self.texts)

    @property
    def output_tokens(self) -> int:
        """Of all its texts."""
        return sum(text.output_tokens for text in self.texts)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row: the audit fields, and the answer behind them."""

    key: str
    alt_source: AltSource
    answer: RequestResult
    alt: str = ""
    """What goes into the column `alt`; empty where nothing may, or where decorative."""
    alt_locale: str = ""
    alt_model: str = ""
    alt_reviewed_at: str = ""
    """UTC, ISO 8601; only a person's decision sets it."""
    seo: str = ""
    reasons: tuple[str, ...] = ()
    """Why a person should look: problem codes, broken rules, `held: ...` for a rule of yours."""
    warnings: tuple[str, ...] = ()
    draft: str = ""
    """A text that must not be written unseen."""
    search_text: str = ""
    """For embedding: alt | tags | file name."""
    seen_source: str = ""
    """Of a person's decision: the `alt_source` of what that person saw; its text is `draft`."""

    edits: tuple[tuple[str, str, str, str], ...] = ()
    """Of a person's decision: style, locale, new text and the one it replaces, of further texts."""
    previous: str = ""
    """Of a person's decision: the outcome that the target had before, as the journal keeps one."""

    @property
    def is_decided(self) -> bool:
        """A person has looked at it and decided."""
        return bool(self.alt_reviewed_at)

    @property
    def is_held(self) -> bool:
        """A good text, kept back by one of the rules that refuse to automate."""
        return any(reason.startswith(HELD_PREFIX) for reason in self.reasons)

    @property
    def error(self) -> str:
        """The code of the problem, empty where there was none."""
        first = self.answer.texts[0].code if self.answer.texts else ""
        return self.answer.code or first

    @property
    def texts(self) -> Mapping[tuple[str, str], str]:
        """Every text that there is, by style and locale, as a person left it."""
        models = {(t.style, t.locale): t.text for t in self.answer.texts if not t.code}
        return {**models, **{(style, locale): text for style, locale, text, _ in self.edits}}


HELD_PREFIX = "held: "
"""How a reason begins that comes from a rule and not from the server."""


def build_search_text(alt: str, tags: Sequence[str], file_name: str) -> str:
    """`alt | tags | file name`; parts that are empty are left out."""
    parts = (alt, ", ".join(tags), file_name)
    return " | ".join(part for part in parts if part)
