"""Which column of a source is what: guessed by name, shown before anything runs, yours to name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from altwright.backfill.types import SETTLED_SOURCES, Row
from altwright.errors import UsageError

KNOWN_COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "key": ("id", "pk", "sku", "key", "uuid", "image_id", "product_id", "asset_id", "handle"),
    "image": (
        "image_url", "image", "src", "image_src", "img", "img_src", "img_url", "picture",
        "picture_url", "photo", "photo_url", "url", "file", "path",
    ),
    "alt": ("alt", "alt_text", "alttext", "image_alt", "image_alt_text", "alt_tag"),
    "alt_source": ("alt_source",),
    "context": ("context", "title", "name", "product_name", "headline"),
    "tags": ("tags", "keywords", "labels", "categories"),
    "file_name": ("file_name", "filename"),
}  # fmt: skip
"""Names that are understood, best first; case, spaces and hyphens do not matter."""
TARGET_ONLY_FIELDS = ("alt_locale", "alt_model", "alt_reviewed_at", "seo", "reasons", "search_text")
"""Fields that only the target has, under their own names where no other is named."""
_IS_AUDIT = re.compile(
    rf"{'|'.join(TARGET_ONLY_FIELDS)}|(?:alt|seo|concise|detailed)_[a-z]{{2,3}}(?:_[a-z0-9]+)*"
)
"""These, and texts in further locales."""
VALUE_CHARS = 500
"""Of every other column so much is kept, for rules that look at it."""
CONTEXT_CHARS = 2_000
"""The contract's limit."""
KEYWORDS, KEYWORD_CHARS = 10, 100
"""The contract's limits."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Which column is what; '' where there is none."""

    image: str
    key: str = ""
    alt: str = ""
    alt_source: str = ""
    context: tuple[str, ...] = ()
    tags: str = ""
    file_name: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Fields of the target that have another name than their own."""

    def named(self, audit_field: str) -> str:
        """The target's column for `alt`, `alt_source` and what else is written."""
        of_the_source = {"alt": self.alt, "alt_source": self.alt_source}.get(audit_field)
        return of_the_source or self.renamed.get(audit_field, audit_field)

    def lines(self) -> list[str]:
        """For people, before anything runs."""
        number = "the line"
        return [
            f"image       {self.image}",
            f"key         {self.key or number}",
            f"alt         {self.alt or 'none: every row is blank'}",
            f"alt_source  {self.alt_source or 'none'}",
            f"context     {', '.join(self.context) or 'none'}",
            f"tags        {self.tags or 'none'}",
            f"file name   {self.file_name or 'from ' + self.image}",
        ]

    def as_data(self) -> dict[str, object]:
        """For the journal: with other columns it is another run."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def guess_columns(
    there: Sequence[str], chosen: Iterable[str] = (), *, primary_key: str | None = None
) -> ColumnMapping:
    """From the source's column names and `ROLE=NAME` words, which decide where they say something.

    `primary_key` is what the source itself knows to be the key. Raises UsageError with one sentence
    that lists what is there.
    """
    named = {**_known_audit(there), **_chosen(there, chosen)}
    by_plain_name = {_plain(name): name for name in reversed(there)}
    found: dict[str, str] = {}
    for role, names in KNOWN_COLUMN_NAMES.items():
        matches = [by_plain_name[name] for name in names if name in by_plain_name]
        found[role] = matches[0] if matches else ""
    if primary_key is not None:
        found["key"] = primary_key
    context = tuple(named.get("context", found["context"]).split(","))
    found |= {role: name for role, name in named.items() if role in KNOWN_COLUMN_NAMES}
    if not found["image"]:
        raise UsageError(
            "No column looks like an image's URL: name it with --column image=NAME. "
            f"There are: {_listed(there)}."
        )
    return ColumnMapping(
        image=found["image"],
        key=found["key"],
        alt=found["alt"],
        alt_source=found["alt_source"],
        context=tuple(each.strip() for each in context if each.strip()),
        tags=found["tags"],
        file_name=found["file_name"],
        renamed={role: name for role, name in named.items() if role not in KNOWN_COLUMN_NAMES},
    )


def needs_alt_text(values: Mapping[str, object], columns: ColumnMapping) -> bool:
    """Whether a record wants an alt text: none is there, and nobody decided that none shall be."""
    alt = cell_to_text(values.get(columns.alt)) if columns.alt else ""
    source = cell_to_text(values.get(columns.alt_source)) if columns.alt_source else ""
    return not alt.strip() and source.strip().lower() not in {
        each.value for each in SETTLED_SOURCES
    }


def row_from_record(
    values: Mapping[str, object],
    columns: ColumnMapping,
    *,
    place: int,
    base: str = "",
    content: str = "",
) -> Row:
    """The row of a record; `base` stands before images that are relative."""
    image = cell_to_text(values.get(columns.image))
    if columns.image != columns.key:  # a file's name is what it is, spaces at its ends included
        image = image.strip()
    if base and image and "://" not in image[:12] and image[:5].lower() != "data:":
        image = f"{base.rstrip('/')}/{image.lstrip('/')}"
    taken = {columns.image, columns.key, columns.alt, columns.alt_source, columns.tags}
    context = "\n".join(
        text for name in columns.context if (text := cell_to_text(values.get(name)))
    )
    return Row(
        key=_key(values.get(columns.key)) if columns.key else str(place),
        image=image,
        context=context.strip()[:CONTEXT_CHARS],
        alt=cell_to_text(values.get(columns.alt)) if columns.alt else "",
        alt_source=cell_to_text(values.get(columns.alt_source)) if columns.alt_source else "",
        file_name=cell_to_text(values.get(columns.file_name))
        if columns.file_name
        else file_name_in(image),
        tags=_tags(values.get(columns.tags)) if columns.tags else (),
        values={
            name: text[:VALUE_CHARS]
            for name, value in values.items()
            if name not in taken and (text := cell_to_text(value))
        },
        place=place,
        content=content,
    )


def cell_to_text(value: object) -> str:
    """A cell as text: NULL is '', bytes are nothing, lists and objects are JSON."""
    if value is None or isinstance(value, (bytes, bytearray, memoryview)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _key(value: object) -> str:
    """A binary key as `0x` and hexadecimal digits: MySQL keeps UUIDs so."""
    return f"0x{value.hex()}" if isinstance(value, bytes) else cell_to_text(value)


def file_name_in(image: str) -> str:
    """The file's name in a URL or a path; '' for a data: URL."""
    if image[:5].lower() == "data:":
        return ""
    try:
        path = urlsplit(image).path if "://" in image[:12] else image
    except ValueError:
        return ""
    return unquote(path.rstrip("/").rpartition("/")[2])[:255]


def _tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        text = value.strip()
        if text[:1] == "[":
            try:
                value = json.loads(text)
            except ValueError:
                value = None
        # A column of a PostgreSQL array comes as a list; a text is separated by what it has.
        if not isinstance(value, list):
            mark = next((each for each in "|;," if each in text), ",")
            value = text.split(mark)
    if not isinstance(value, (list, tuple)):
        return ()
    tags = (cell_to_text(each).strip()[:KEYWORD_CHARS] for each in value)
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def _known_audit(there: Sequence[str]) -> dict[str, str]:
    """Audit fields that the source has already, as `SEO` or `Alt Model`: no second one beside."""
    return {
        plain: name
        for name in there
        if (plain := _plain(name)) != name and plain not in there and _IS_AUDIT.fullmatch(plain)
    }


def _chosen(there: Sequence[str], words: Iterable[str]) -> dict[str, str]:
    roles = (*KNOWN_COLUMN_NAMES, *TARGET_ONLY_FIELDS)
    named: dict[str, str] = {}
    for word in words:
        role, mark, names = (part.strip() for part in word.partition("="))
        if not mark or (role not in roles and not role.startswith(("alt_", "seo_"))):
            raise UsageError(f"{word!r} is not ROLE=NAME; roles are {', '.join(roles)}.")
        # What is only written may be a column that does not exist yet.
        for name in names.split(",") if role == "context" else [names]:
            if name and role in KNOWN_COLUMN_NAMES and name.strip() not in there:
                raise UsageError(f"There is no column {name!r}. There are: {_listed(there)}.")
        named[role] = names
    return named


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 30} more" if len(names) > 30 else ""
    return ", ".join(names[:30]) + more if names else "none"
