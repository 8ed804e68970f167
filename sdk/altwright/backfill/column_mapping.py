"""Column mapping: which column of a source has which role, guessed by name or given by the user.

The mapping is shown before anything runs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from altwright.backfill.recorded_columns import RECORDED_ROLES, plain_name
from altwright.backfill.types import REQUESTABLE_SOURCES, Row
from altwright.errors import UsageError

KNOWN_COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "key": ("id", "pk", "sku", "key", "uuid", "image_id", "asset_id"),
    "image": (
        "image_url", "image", "src", "image_src", "img", "img_src", "img_url", "picture",
        "picture_url", "photo", "photo_url", "image_link", "imageurl", "url", "file", "path",
    ),
    "alt": (
        "alt", "alt_text", "alttext", "image_alt", "image_alt_text", "alt_tag", "alternative_text",
        "alternativetext", "img_alt", "alt_attribute", "image_alternative_text",
    ),
    "alt_source": ("alt_source",),
    "context": ("context", "title", "name", "product_name", "headline"),
    "visible_text": ("visible_text", "figcaption", "link_text"),
    "tags": ("tags", "keywords", "labels", "categories"),
    "file_name": ("file_name", "filename"),
}  # fmt: skip
"""Role to column names that are recognised, best first; case, spaces and hyphens are ignored."""
TARGET_ONLY_FIELDS = (
    "alt_locale", "alt_model", "alt_reviewed_at", "seo", "reasons", "search_text"
)  # fmt: skip
"""Audit fields that only the target has, under their own names unless others are given."""
_MAY_BE_ALT = re.compile(
    r"(?:^|_)alt(?:s|_?tags?|_?texts?)?(?:_|$)|alternat|(?:^|_)legend(?:_|$)"
    r"|(?:^|_)(?:image|img|picture|photo|thumbnail)s?_(?:label|description)s?(?:_|$)",
    re.IGNORECASE,
)
"""Columns that may have alt texts, under a name that is not known."""
_AUDIT_FIELD = re.compile(
    rf"{'|'.join(TARGET_ONLY_FIELDS)}|(?:alt|seo|concise|detailed)_[a-z]{{2,3}}(?:_[a-z0-9]+)*"
)
"""Target-only fields, and texts in further locales."""
VALUE_CHARS = 500
"""Characters that are kept of every other column, for hold rules."""
CONTEXT_CHARS = 2_000
"""The API's limit of `context`."""
VISIBLE_TEXT_CHARS = 500
"""The API's limit of `visible_text`."""
TAG_CHARS = 100
"""The API's limit of one keyword."""
_MAX_LISTED = 30
"""Column names that an error message lists."""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """Role to column name; '' if there is none."""

    image: str
    key: str = ""
    alt: str = ""
    alt_source: str = ""
    context: tuple[str, ...] = ()
    visible_text: str = ""
    tags: str = ""
    file_name: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Audit fields whose column has another name than the field."""
    named: frozenset[str] = frozenset()
    """Roles that the user has given a column."""

    def to_record(self, *, may_be_missing: bool) -> dict[str, str]:
        """The columns that later commands of a run must take as well.

        `may_be_missing`: a source of JSON lines has a column only while a line has its member.
        """
        found = {role: getattr(self, role) for role in RECORDED_ROLES}
        if may_be_missing:
            found |= {role: self.target_column(role) for role in ("alt", "alt_source")}
        return found

    def target_column(self, audit_field: str) -> str:
        """The target's column for an audit field; '' if the user says that there is none."""
        in_source = {"alt": self.alt, "alt_source": self.alt_source}.get(audit_field)
        if not in_source and audit_field == "alt_source" and audit_field in self.named:
            return ""
        return in_source or self.renamed.get(audit_field, audit_field)

    def check_target_columns(self, audit_fields: Iterable[str]) -> None:
        """Raise UsageError if a field would be written into the column of another one or of a
        role."""
        roles = ("image", "key", "visible_text", "tags", "file_name")
        taken = {getattr(self, role): role for role in roles}
        for field_name in audit_fields:
            column = self.target_column(field_name)
            if column and column in taken:
                raise UsageError(
                    f"The column {column!r} is {taken[column]}, and {field_name} would be written "
                    f"into it: name another one with --column {field_name}=NAME."
                )
            taken[column] = field_name

    def describe(self) -> list[str]:
        """Lines for people, before anything runs."""
        beside = [f"beside      {self.visible_text}"] if self.visible_text else []
        return [
            f"image       {self.image}",
            f"key         {self.key or 'none: rows are known by their picture'}",
            f"alt         {self.alt or 'none: every row is blank'}",
            f"alt_source  {self.alt_source or 'none'}",
            f"context     {', '.join(self.context) or 'none'}",
            *beside,
            f"tags        {self.tags or 'none'}",
            f"file name   {self.file_name or 'from ' + self.image}",
        ]


def guess_columns(
    columns: Sequence[str],
    roles: Iterable[str] = (),
    *,
    primary_key: str | None = None,
    recorded: Mapping[str, str] | None = None,
) -> ColumnMapping:
    """Guess the mapping from column names; `ROLE=NAME` in `roles` overrides the guess.

    `primary_key` is the key that the source itself declares, `recorded` has the columns that a run
    has taken before. Raises UsageError, which lists the existing columns.
    """
    known = recorded or {}
    roles = [each for each in roles if each.partition("=")[0].strip() not in known]
    parsed = {**_parse_roles(columns, roles), **known}
    given = {**_existing_audit_columns(columns), **parsed}
    by_plain_name = {plain_name(name): name for name in reversed(columns)}
    found: dict[str, str] = {}
    for role, known_names in KNOWN_COLUMN_NAMES.items():
        matches = [by_plain_name[name] for name in known_names if name in by_plain_name]
        found[role] = matches[0] if matches else ""
    if primary_key is not None:
        found["key"] = primary_key
    context = given.get("context", found["context"]).split(",")
    found |= {role: name for role, name in given.items() if role in KNOWN_COLUMN_NAMES}
    for role in sorted({"alt", "alt_source"} - parsed.keys()):
        _check_one_column(role, columns)
    if parsed.get("alt") == "" and (found_alt := by_plain_name.get("alt")):
        raise UsageError(
            f"--column alt= says that no column has alt texts, and they would be written into the "
            f"column {found_alt!r}: name it with --column alt={found_alt}, or rename it."
        )
    if not found["alt"] and "alt" not in parsed:
        _check_no_alt_column(columns, parsed.values())
    if not found["image"]:
        raise UsageError(
            "No column looks like an image's URL: name it with --column image=NAME. "
            f"There are: {_list_names(columns)}."
        )
    return ColumnMapping(
        image=found["image"],
        key=found["key"],
        alt=found["alt"],
        alt_source=found["alt_source"],
        context=tuple(name.strip() for name in context if name.strip()),
        visible_text=found["visible_text"],
        tags=found["tags"],
        file_name=found["file_name"],
        renamed={role: name for role, name in given.items() if role not in KNOWN_COLUMN_NAMES},
        named=frozenset(parsed),
    )


def needs_alt_text(values: Mapping[str, object], columns: ColumnMapping) -> bool:
    """Whether a record names an image and has no alt text, and no person decided about it."""
    return names_image(values, columns) and is_undescribed(values, columns)


def names_image(values: Mapping[str, object], columns: ColumnMapping) -> bool:
    """Whether a record names an image: a shop's variants, for instance, often have none."""
    return bool(cell_to_text(values.get(columns.image)).strip())


def is_undescribed(values: Mapping[str, object], columns: ColumnMapping) -> bool:
    """Whether a record's alt text is blank, and nothing says that a person decided about it.

    A review date says so, and every `alt_source` that does not ask for a request.
    """
    if columns.alt and not is_blank(values.get(columns.alt)):
        return False
    source = cell_to_text(values.get(columns.alt_source)) if columns.alt_source else ""
    reviewed_at = values.get(columns.target_column("alt_reviewed_at"))
    # MySQL's zero date is none.
    is_reviewed = not is_blank(reviewed_at) and not str(reviewed_at).startswith("0000-00-00")
    return source.strip().lower() in REQUESTABLE_SOURCES and not is_reviewed


def has_key(values: Mapping[str, object], columns: ColumnMapping) -> bool:
    """Whether a record of a file has a key; others are known by their picture."""
    return bool(columns.key) and not is_blank(values.get(columns.key))


def hash_cells(values: Mapping[str, object], left_out: Collection[str]) -> str:
    """A hash of a record's cells, whatever their order, without the columns in `left_out`."""
    cells = sorted((name, repr(value)) for name, value in values.items() if name not in left_out)
    return hashlib.sha256(repr(cells).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_blank(value: object) -> bool:
    """Whether a cell is empty: NULL, spaces alone, or bytes of nothing but spaces and zeros."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return not bytes(value).strip(b" \t\r\n\v\f\0")
    return not cell_to_text(value).strip()


def row_from_record(
    values: Mapping[str, object], columns: ColumnMapping, *, line_number: int, image_base: str = ""
) -> Row:
    """The row of a record. `image_base` is put before a relative image."""
    image = image_cell = cell_to_text(values.get(columns.image))
    if columns.image != columns.key:  # a key that is a file name keeps its spaces
        image = image.strip()
    if image_base and image and "://" not in image[:12] and image[:5].lower() != "data:":
        image = f"{image_base.rstrip('/')}/{image.lstrip('/')}"
    with_role = {columns.image, columns.key, columns.alt, columns.alt_source, columns.tags}
    context = (cell_to_text(values.get(name)) for name in columns.context)
    file_name = (
        cell_to_text(values.get(columns.file_name)) if columns.file_name else file_name_in(image)
    )
    return Row(
        key=_key_to_text(values.get(columns.key)) if columns.key else "",
        image=image,
        context="\n".join(text for text in context if text).strip()[:CONTEXT_CHARS],
        visible_text=_visible_text_of(values, columns),
        alt=cell_to_text(values.get(columns.alt)) if columns.alt else "",
        alt_source=cell_to_text(values.get(columns.alt_source)) if columns.alt_source else "",
        file_name=file_name,
        tags=_parse_tags(values.get(columns.tags)) if columns.tags else (),
        values={
            name: text[:VALUE_CHARS]
            for name, value in values.items()
            if name not in with_role and (text := cell_to_text(value))
        },
        line_number=line_number,
        image_cell=image_cell if image_cell != image else "",
    )


def _visible_text_of(values: Mapping[str, object], columns: ColumnMapping) -> str:
    text = cell_to_text(values.get(columns.visible_text)) if columns.visible_text else ""
    return text.strip()[:VISIBLE_TEXT_CHARS]


def cell_to_text(value: object) -> str:
    """A cell as text: NULL and bytes are '', lists and objects are JSON."""
    if value is None or isinstance(value, (bytes, bytearray, memoryview)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def file_name_in(image: str) -> str:
    """The file name in a URL or a path; '' for a data: URL."""
    if image[:5].lower() == "data:":
        return ""
    try:
        path = urlsplit(image).path if "://" in image[:12] else image
    except ValueError:
        return ""
    return unquote(path.rstrip("/").rpartition("/")[2])[:255]


def _key_to_text(value: object) -> str:
    """A binary key as `0x` and hexadecimal digits, as MySQL stores UUIDs."""
    return f"0x{value.hex()}" if isinstance(value, bytes) else cell_to_text(value)


def _parse_tags(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        text = value.strip()
        if text[:1] == "[":
            try:
                value = json.loads(text)
            except ValueError:
                value = None
        # A PostgreSQL array comes as a list; text is split at the separator that it contains.
        if not isinstance(value, list):
            separator = next((each for each in "|;," if each in text), ",")
            value = text.split(separator)
    if not isinstance(value, (list, tuple)):
        return ()
    tags = (cell_to_text(each).strip()[:TAG_CHARS] for each in value)
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def _check_one_column(role: str, columns: Sequence[str]) -> None:
    """Refuse to guess between columns that people may have filled."""
    alike = [name for name in columns if plain_name(name) in KNOWN_COLUMN_NAMES[role]]
    if len(alike) > 1:
        raise UsageError(
            f"Several columns may be {role}: {_list_names(alike)}. "
            f"Say which one is: --column {role}=NAME."
        )


def _check_no_alt_column(columns: Sequence[str], named: Collection[str]) -> None:
    """Refuse to take every row for blank while a column may have people's alt texts."""
    maybe = [
        name for name in columns
        if _MAY_BE_ALT.search(plain := plain_name(name))
        and not _AUDIT_FIELD.fullmatch(plain)
        and plain not in KNOWN_COLUMN_NAMES["alt_source"]
        and name not in named
    ]  # fmt: skip
    if maybe:
        raise UsageError(
            f"Alt texts may stand in {_list_names(maybe)}: say --column alt=NAME, or --column alt= "
            "if no column has any."
        )


def _existing_audit_columns(columns: Sequence[str]) -> dict[str, str]:
    """Audit columns that the source has in another spelling, as `SEO` or `Alt Model`."""
    return {
        plain: name
        for name in columns
        if (plain := plain_name(name)) != name
        and plain not in columns
        and _AUDIT_FIELD.fullmatch(plain)
    }


def _parse_roles(columns: Sequence[str], roles: Iterable[str]) -> dict[str, str]:
    known_roles = (*KNOWN_COLUMN_NAMES, *TARGET_ONLY_FIELDS)
    given: dict[str, str] = {}
    for each in roles:
        role, separator, names = (part.strip() for part in each.partition("="))
        if not separator or (role not in known_roles and not role.startswith(("alt_", "seo_"))):
            raise UsageError(f"{each!r} is not ROLE=NAME; roles are {', '.join(known_roles)}.")
        # A column that is only written may not exist yet.
        for name in names.split(",") if role == "context" else [names]:
            if name and role in KNOWN_COLUMN_NAMES and name.strip() not in columns:
                raise UsageError(f"There is no column {name!r}. There are: {_list_names(columns)}.")
        given[role] = names
    return given


def _list_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return ", ".join(names[:_MAX_LISTED]) + more if names else "none"
