"""Random catalogues: rows with odd keys, repeated pictures, and texts that people wrote before."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

KINDS = ("sqlite", "postgresql", "mariadb", "csv", "jsonl", "parquet", "queue")
FILE_KINDS = ("csv", "jsonl", "parquet")
_VERDICTS = (
    "ok", "ok", "ok", "ok", "ok", "ok", "flaky", "uncertain", "refused", "decorative", "gone",
    "half", "nogerman", "noenglish", "decoen", "long",
)  # fmt: skip
_ODD_TEXT_KEYS = (
    "A1", "a2", " b3", "c4 ", "ä5", "01", "1.0", "1e5", "0x1F", "d,6", 'e"7', "f'8", "NULL", "g\\9",
    "日本10", "-11", "h%12", "i_13", "J14", "true", "2026-01-02", "k:15", "é16", "é17",
)  # fmt: skip
OWN_TEXTS = (
    "", "plain", "two words", 'with "quotes"', "comma, here", "semi; colon", "ünïcödé", "tab\there",
    "'quoted'", " spaced ", "007", "1.10", "line\nbreak", "=SUM(A1)", "\\N", "a|b",
)  # fmt: skip
HOLD = "hold-me"


@dataclass(slots=True)
class Options:
    """What stays the same through one history."""

    kind: str
    styles: tuple[str, ...]
    locales: tuple[str, ...]
    key_type: str
    """`none`, `integer`, `text`, `float`, …"""
    columns: list[str] = field(default_factory=list)
    """Columns of the source when the history begins."""
    holds: bool = False
    variant: str = ""
    """What is odd about the table or the file."""

    @property
    def is_file(self) -> bool:
        """Whether a new file is written, in place of the table that is read."""
        return self.kind in FILE_KINDS

    @property
    def fields(self) -> dict[str, tuple[str, str]]:
        """Column of each text to its style and locale."""
        found = {}
        for style in self.styles:
            for locale in self.locales:
                name = "alt" if style == self.styles[0] else style
                found[name if locale == self.locales[0] else f"{name}_{locale}"] = (style, locale)
        return found


class Numbers:
    """Numbers for unique names and texts."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The next one."""
        self._last += 1
        return self._last


def human_text(numbers: Numbers, randomness: random.Random) -> str:
    """A text that nobody else writes."""
    ending = randomness.choice(("", ".", ", ééé", ' "so"', "; x", " – ok", " |"))
    return f"Human words {numbers.next()}{ending}"


def make_keys(options: Options, randomness: random.Random) -> Callable[[], Any]:
    """A source of distinct keys of the history's type."""
    start = randomness.choice((1, 7, 100))
    texts = list(_ODD_TEXT_KEYS)
    randomness.shuffle(texts)
    count = 0

    def next_key() -> Any:
        nonlocal count
        count += 1
        if options.key_type == "integer":
            return start + randomness.choice((0, 0, 2)) + 5 * count
        if options.key_type == "float":
            return count + randomness.choice((0.0, 0.1, 0.25, 0.333))
        if options.key_type == "decimal":
            return f"{count}.{randomness.randrange(100):02}"
        return texts.pop() if texts else f"key-{count}"

    return next_key


def make_row(
    options: Options, randomness: random.Random, numbers: Numbers, slugs: list[str],
    next_key: Callable[[], Any],
) -> dict[str, Any]:  # fmt: skip
    """A row with all columns of the source. `_uid` is the executor's own name of it."""
    number = numbers.next()
    if slugs and randomness.random() < 0.15:
        slug = randomness.choice(slugs)
    else:
        slug = f"{randomness.choice(_VERDICTS)}-{number}"
        slugs.append(slug)
    uid = f"u{number}"
    row: dict[str, Any] = {
        "_uid": uid, "id": next_key(), "image_url": image_of(slug),
        "title": randomness.choice((f"Mug {uid}", f"Mug {uid}", "Mug", "", f"Tasse, {uid}")),
        "uid": uid, "price": number * 1.25, "note": randomness.choice(OWN_TEXTS),
    }  # fmt: skip
    if options.holds and randomness.random() < 0.2:
        row["note"] = HOLD
    for name in options.columns:
        row.setdefault(name, None)
    _fill_in(row, options, randomness, numbers)
    return row


def image_of(slug: str) -> str:
    """The URL of a picture."""
    return f"https://img.example/p/{slug}.jpg"


def _fill_in(
    row: dict[str, Any], options: Options, randomness: random.Random, numbers: Numbers
) -> None:
    """Texts that people wrote before the first run."""
    columns = options.columns
    chance = randomness.random()
    if "alt" in columns and chance < 0.15:
        row["alt"] = human_text(numbers, randomness)
    elif "alt" in columns and chance < 0.3:
        row["alt"] = randomness.choice(("", " ", None))
    elif "alt_source" in columns and chance < 0.4:
        row["alt_source"] = randomness.choice(("decorative", "human", "Manual", "ai", "failed"))
    for name in ("seo", "alt_de", "seo_de"):
        if name in columns and randomness.random() < 0.15:
            row[name] = human_text(numbers, randomness)
    for name in ("reasons", "search_text"):
        if name in columns and f"own-{name}" in options.variant and randomness.random() < 0.8:
            row[name] = human_text(numbers, randomness)
