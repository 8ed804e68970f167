"""The values that cross a backfill's stages: row, result of a request, outcome.

The journal stores the first three as JSON under the field names (`journal.serialization`): a field
that is renamed here keeps its stored name there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from altwright.models import Check


class AltSource(StrEnum):
    """Where a row's alt text comes from, or why it has none: values of the column `alt_source`."""

    PENDING = "pending"
    """Not requested yet."""
    AI = "ai"
    """Written by a model; obeys every hard rule, or a person approved it as it stands: then
    `alt_reviewed_at` is set, and it is never overwritten."""
    HUMAN = "human"
    """Written by a person. Never overwritten."""
    HUMAN_EDITED_AI = "human-edited-ai"
    """Drafted by a model, edited by a person. Never overwritten."""
    DECORATIVE = "decorative"
    """The image carries no information: `alt` is empty on purpose."""
    UNCERTAIN = "uncertain"
    """A person should write it: the model could not tell, or a rule holds the draft for review."""
    REJECTED = "rejected"
    """The model refused, two drafts broke hard rules, or a person left it blank."""
    FAILED = "failed"
    """No caption because of the image or the server. The next run tries again."""


WRITTEN_BY_PEOPLE = (AltSource.HUMAN, AltSource.HUMAN_EDITED_AI)
"""The text belongs to a person."""
REQUESTABLE_SOURCES = ("", AltSource.PENDING, AltSource.AI, AltSource.FAILED)
"""A blank row is requested only with one of these, and without a review date. Any other value, of
this list or of somebody else's, is a person's."""
MACHINE_SOURCES = (*REQUESTABLE_SOURCES, AltSource.UNCERTAIN, AltSource.REJECTED)
"""What a run may replace in a row without a review date."""


@dataclass(frozen=True, slots=True)
class Row:
    """One image of the source whose alt text is blank."""

    key: str
    """The primary key as text; of a file's row without one, a name that its journal gave it."""
    image: str
    """The URL of the image, or the path of a local file."""
    context: str = ""
    visible_text: str = ""
    """Text that stands beside the image on its page."""
    alt: str = ""
    """As the source has it: blank, possibly spaces."""
    alt_source: str = ""
    file_name: str = ""
    """Last part of the path, without a query."""
    tags: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    """The other columns as text, for hold rules; NULL is ''."""
    line_number: int = 0
    """Line of a file (record number of a Parquet file); 0 for a table."""
    content_hash: str = ""
    """`sha256:...` of a local file; empty for a URL."""
    picture_changed_at: str = ""
    """UTC, ISO 8601: when a scan found another picture than before in this row."""
    image_cell: str = ""
    """The image as its cell has it, if that is not `image`."""

    def has_same_request(self, other: Row) -> bool:
        """Whether both rows would send the same image URL, context, visible text and tags."""
        mine = (self.image, self.context, self.visible_text, self.tags)
        return mine == (other.image, other.context, other.visible_text, other.tags)

    @property
    def picture(self) -> str:
        """What the picture is known by: the hash of a local file, else its URL or path."""
        return self.content_hash if self.content_hash.startswith("sha256:") else self.image

    def shows_same_picture(self, other: Row) -> bool:
        """Whether both show one picture: the same local file's bytes, or the same URL or path."""
        hashes = (self.content_hash, other.content_hash)
        if all(each.startswith("sha256:") for each in hashes):
            return hashes[0] == hashes[1]
        return self.image == other.image

    @property
    def request_key(self) -> str:
        """Deduplication key: equal for rows whose requests are equal byte for byte."""
        request = [self.content_hash or self.image, self.context, list(self.tags)]
        if self.visible_text:  # without it the key is that of older journals
            request.append(self.visible_text)
        return hashlib.sha256(json.dumps(request).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class TextResult:
    """The result for one style and locale: a text, or the problem in its place."""

    style: str
    locale: str
    text: str = ""
    """Empty for a decorative image and where there is a problem."""
    decorative: bool = False
    warnings: tuple[str, ...] = ()
    """Codes of the soft rules that the text breaks."""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    code: str = ""
    """Code of the problem (`caption_rejected`, `model_timeout`); empty if there is none."""
    message: str = ""
    retryable: bool = False
    draft: str = ""
    reasons: tuple[str, ...] = ()
    """Codes of the hard rules that the draft breaks; of what its picture contradicts with a colon
    and what was seen."""
    checks: tuple[Check, ...] = ()
    """What the picture says to the claims of the text; empty if it was not verified."""

    @property
    def is_retryable_failure(self) -> bool:
        """Whether it failed in a way that may pass: the next run requests it again."""
        return bool(self.code) and self.retryable


@dataclass(frozen=True, slots=True)
class RequestResult:
    """What one request, or the last of several attempts, brought for an image."""

    texts: tuple[TextResult, ...] = ()
    """Styles outer, locales inner, as requested; the first is the alt text. Empty if all failed."""
    sha256: str = ""
    """Of the image that the server fetched."""
    width: int = 0
    height: int = 0
    attempts: int = 0
    """Requests so far, those of earlier runs included."""
    answered_at: str = ""
    """UTC, ISO 8601."""
    code: str = ""
    """Code of the problem if the whole request failed (`image_not_found`)."""
    message: str = ""
    request_id: str = ""

    @property
    def input_tokens(self) -> int:
        """Sum over all texts."""
        return sum(text.input_tokens for text in self.texts)

    @property
    def output_tokens(self) -> int:
        """Sum over all texts."""
        return sum(text.output_tokens for text in self.texts)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is decided about one row: the audit fields, and the result behind them."""

    key: str
    alt_source: AltSource
    result: RequestResult
    alt: str = ""
    """For the column `alt`; empty if nothing may be written or the image is decorative."""
    alt_locale: str = ""
    alt_model: str = ""
    alt_reviewed_at: str = ""
    """UTC, ISO 8601; set only by a person's decision."""
    reasons: tuple[str, ...] = ()
    """Why a person should look: problem codes, broken rules, `held: ...` for a hold rule."""
    warnings: tuple[str, ...] = ()
    draft: str = ""
    """A text that must not be written without a review."""
    search_text: str = ""
    """For embedding: alt | tags | file name."""
    seen_source: str = ""
    """Of a decision: the `alt_source` that the reviewer saw. The text they saw is `draft`."""
    seen_reviewed_at: str = ""
    """Of a decision: the `alt_reviewed_at` that the reviewer saw."""
    edits: tuple[tuple[str, str, str, str], ...] = ()
    """Of a decision: style, locale, new text ('' clears it) and replaced text of further texts."""
    previous: str = ""
    """Of a decision: the outcome that the target had before, as the journal stores it."""

    @property
    def is_decided(self) -> bool:
        """Whether a person has decided about it."""
        return bool(self.alt_reviewed_at)

    @property
    def is_held(self) -> bool:
        """Whether it is a valid text that a hold rule keeps for review."""
        return any(reason.startswith(HELD_PREFIX) for reason in self.reasons)

    @property
    def texts(self) -> Mapping[tuple[str, str], str]:
        """Every text by style and locale, with a person's edits applied."""
        drafted = {(t.style, t.locale): t.text for t in self.result.texts if not t.code}
        return {**drafted, **{(style, locale): text for style, locale, text, _ in self.edits}}


HELD_PREFIX = "held: "
"""Start of a reason that comes from a hold rule and not from the server."""


def build_search_text(alt: str, tags: Sequence[str], file_name: str) -> str:
    """`alt | tags | file name`, without empty parts."""
    parts = (alt, ", ".join(tags), file_name)
    return " | ".join(part for part in parts if part)
