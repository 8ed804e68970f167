"""The oracle: says after each command what is wrong. It shares no code with the product.

It knows what people wrote, because the history tells it, and what a text of the stub is about,
because the text says so.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from testing.histories.caption_stub import PaidText
from testing.histories.catalogue import Options
from testing.histories.command_result import CommandResult
from testing.histories.machine_text import hash_context, parse_text, slug_of, verdict_of

Record = dict[str, Any]
AUDIT_COLUMNS = ("alt_source", "alt_locale", "alt_model", "alt_reviewed_at", "reasons",
                 "search_text")  # fmt: skip
_OPEN = ("", "pending", "ai", "failed")
_MACHINE = (*_OPEN, "uncertain", "rejected")
_CODES = (0, 1, 2, 74, 75, 130, 143)
_BUG = re.compile(r"this is a bug|Traceback|Error: |unhandled|Task exception", re.IGNORECASE)


@dataclass(slots=True)
class MadeDecision:
    """One decision of a file, about one row."""

    file: str
    key: str
    """As the page named the row."""
    uids: tuple[str, ...]
    """Rows that it may be about; one, unless several show the same picture."""
    slug: str
    row_key: Any
    kind: str
    shown: str
    texts: dict[str, str]
    """Field to the text that a person wants in it; '' where it is cleared."""


@dataclass(slots=True)
class Oracle:
    """What people wrote, and what is found to be wrong."""

    options: Options
    faults: list[str] = field(default_factory=list)
    cell_texts: set[str] = field(default_factory=set)
    """Texts that people typed into cells."""
    decisions: list[MadeDecision] = field(default_factory=list)
    decided: dict[str, MadeDecision] = field(default_factory=dict)
    """Row to the decision that is in effect, by what `apply` said."""
    titles: dict[str, set[str]] = field(default_factory=dict)
    """Picture to every title that it had."""
    shared_slugs: set[str] = field(default_factory=set)
    """Pictures that several rows had at some time."""
    refusals: Counter[str] = field(default_factory=Counter)
    lossy: set[int] = field(default_factory=set)
    """Commands that were killed, or whose disk was full: what was in flight may be lost."""
    forgotten_at: list[int] = field(default_factory=list)
    """Commands after which a person deleted the journal."""

    def fault(self, what: str) -> None:
        """Something is wrong."""
        self.faults.append(what)

    def collect(self, check: Callable[[], None]) -> list[str]:
        """What a check finds to be wrong, without keeping it."""
        kept, self.faults = self.faults, []
        check()
        found, self.faults = self.faults, kept
        return found

    def note_rows(self, rows: Iterable[Record]) -> None:
        """Remember titles and repeated pictures."""
        seen: Counter[str] = Counter()
        for row in rows:
            slug = slug_of(str(row["image_url"]))
            seen[slug] += 1
            self.titles.setdefault(slug, set()).add(hash_context(str(row["title"] or "").strip()))
        self.shared_slugs |= {slug for slug, count in seen.items() if count > 1}

    def check_log(self, log: str) -> None:
        """The log of a worker has no sign of a bug."""
        if _BUG.search(log):
            self.fault(f"worker: bug: {log[-600:]}")

    # One command

    def check_result(self, result: CommandResult) -> dict[str, Any]:
        """Exit code and messages. Returns the summary, empty if there is none."""
        name = " ".join(result.arguments[:1])
        if _BUG.search(result.err) or result.code == 70:
            self.fault(f"{name}: bug: {result.err[-600:]}")
        expects_kill = result.fault is not None and result.code < 0
        if result.code not in _CODES and not expects_kill:
            self.fault(f"{name}: exit code {result.code}: {result.err[-300:]}")
        if result.code < 0 or result.code == 74:
            self.lossy.add(result.number)
        if result.code == 2:
            self.refusals[_shape(result.err)] += 1
        try:
            summary: dict[str, Any] = json.loads(result.out.strip().splitlines()[-1])
        except (ValueError, IndexError):
            summary = {}
        if name == "backfill" and result.code in (0, 1) and "outcomes" in summary:
            self._check_exit_code(result, summary)
        return summary

    def _check_exit_code(self, result: CommandResult, summary: dict[str, Any]) -> None:
        has_failed = bool(summary["outcomes"]["failed"] or summary["broken"])
        if summary["stopped"] or has_failed != (result.code == 1):
            self.fault(f"exit code {result.code}, but the summary says {summary}")

    def check_payment(self, paid: Sequence[PaidText], concurrency: int) -> None:
        """No text is paid for twice, unless a kill lost the answer or the journal is gone."""
        first: dict[tuple[str, ...], int] = {}
        repeated: Counter[int] = Counter()
        for each in paid:
            text = (each.image, each.context, each.tags, each.style, each.locale)
            earlier = first.get(text)
            if (
                earlier is not None
                and earlier not in self.lossy
                and not any(
                    earlier <= gone < each.command or gone == each.command == earlier
                    for gone in self.forgotten_at
                )
            ):
                self.fault(f"paid twice, in commands {earlier} and {each.command}: {text}")
            elif earlier in self.lossy:
                repeated[earlier] += 1
            first[text] = each.command
        most = concurrency * len(self.options.fields)
        for command, count in repeated.items():
            if count > most and not any(command <= gone for gone in self.forgotten_at):
                self.fault(f"{count} texts of the killed command {command} were paid for again")

    def check_asked(
        self, asked: Iterable[tuple[int, str, str]], command: int, rows: Sequence[Record]
    ) -> None:
        """Only pictures of rows that need a text are asked about."""
        needed = {(str(row["image_url"]).strip(), str(row["title"] or "").strip())
                  for row in rows if self.is_open(row)}  # fmt: skip
        for number, image, context in asked:
            if number == command and (image, context) not in needed:
                self.fault(f"asked about a picture that no row needs: {image} {context!r}")

    def is_open(self, row: Record) -> bool:
        """Whether the row has no text, and nobody decided that it shall have none."""
        return _is_blank(row.get("alt")) and _word(row) in _OPEN and not _is_reviewed(row)

    # Cells

    def check_row(self, row: Record, before: Record, after: Record, where: str) -> None:
        """A row of the target: `before` is what people see in its place before the command."""
        uid = row["_uid"]
        for name in before:
            if name not in self.our_columns() and not _is_equal(before[name], after.get(name)):
                self.fault(f"{where}: {uid}.{name} was {before[name]!r}, is {after.get(name)!r}")
        for name in self.options.fields:
            if name in after:
                self._check_text(row, name, before.get(name), after[name], where, _settled(before))

    def our_columns(self) -> set[str]:
        """Columns that the product may write."""
        own = {name for name in ("reasons", "search_text") if f"own-{name}" in self.options.variant}
        return ({*AUDIT_COLUMNS, *self.options.fields} - own) | {"_uid"}

    def _check_text(
        self, row: Record, name: str, before: Any, after: Any, where: str, settled: str
    ) -> None:
        uid = row["_uid"]
        if _is_equal(before, after) or (_is_blank(before) and _is_blank(after)):
            return
        place = f"{where}: {uid}.{name}"
        if not _is_blank(before) and _text(before) in self.cell_texts:
            self.fault(f"{place}: a person's {before!r} became {after!r}")
            return
        allowed = self._decided_texts(row, name)
        if _is_blank(after):
            if not any(_is_blank(each) for each in allowed):
                self.fault(f"{place}: {before!r} was emptied")
            return
        if _text(after) not in allowed:
            self._check_machine_text(row, name, _text(after), place)
            if not _is_blank(before):
                self.fault(f"{place}: {before!r} was replaced by {after!r}")
            if settled:
                self.fault(f"{place}: written although {settled}: {after!r}")

    def _check_machine_text(self, row: Record, name: str, value: str, place: str) -> None:
        text = parse_text(value)
        if text is None:
            self.fault(f"{place}: is {value!r}, which nobody decided")
        elif (text.style, text.locale) != self.options.fields[name]:
            self.fault(f"{place}: a text in {text.style} {text.locale}: {value!r}")
        elif text.slug != slug_of(str(row["image_url"])):
            self.fault(f"{place}: the text of another picture: {value!r}")
        elif text.about not in self.titles[text.slug]:
            self.fault(f"{place}: the text of another title: {value!r}")

    def _decided_texts(self, row: Record, name: str) -> set[str]:
        slug = slug_of(str(row["image_url"]))
        return {
            each.texts[name]
            for each in self.decisions
            # A row without a key is known by its picture, and so is a decision about it; with one,
            # it is whichever row has this key and this picture by now.
            if (
                row["_uid"] in each.uids
                or self.options.key_type == "none"
                or each.row_key == row.get("id")
            )
            and each.slug == slug
            and name in each.texts
        }

    def check_decided(self, row: Record, source: Record, target: Record, where: str) -> None:
        """What a person decided about a row stands in the target."""
        decision = self.decided.get(row["_uid"])
        if decision is None or decision.slug != slug_of(str(row["image_url"])):
            return
        if decision.slug in self.shared_slugs and self.options.key_type == "none":
            return  # which of the rows it is about cannot be known
        if decision.row_key != row.get("id") or not _is_blank(source.get("alt")):
            return
        if _settled(source):
            return
        for name, text in decision.texts.items():
            if name not in target or not _is_blank(source.get(name)):
                continue
            found = "" if _is_blank(target[name]) else _text(target[name])
            is_persons = found in self.cell_texts  # who typed it there later, or another style
            if found != text and not is_persons:
                self.fault(
                    f"{where}: {row['_uid']}.{name}: a person decided {text!r} ({decision.kind}), "
                    f"and it is {found!r}"
                )

    def check_applied(self, row: Record, file: str) -> None:
        """Right after `apply` a table has what the file's decisions say."""
        decision = self.decided.get(row["_uid"])
        if decision is not None and decision.file == file:
            blank = {**row, **dict.fromkeys(self.options.fields), "alt_source": "",
                     "alt_reviewed_at": None}  # fmt: skip
            self.check_decided(row, blank, row, f"after apply of {file}")

    def check_end(self, row: Record, target: Record, *, can_hold: bool) -> None:
        """A row that is blank at the end has a reason."""
        if not _is_blank(target.get("alt")) or _settled(target):
            return
        if self.decided.get(row["_uid"]) or any(row["_uid"] in d.uids for d in self.decisions):
            return
        verdict = verdict_of(slug_of(str(row["image_url"])))
        # Why it is held stands in the journal alone where the column is a person's own.
        has_own_reasons = "own-reasons" in self.options.variant
        is_held = has_own_reasons or str(target.get("reasons") or "").startswith("held: ")
        if _word(target) in ("uncertain", "rejected") and (is_held or not self.options.is_file):
            return  # a table's row keeps its state where a person replaces the picture
        if verdict in ("ok", "flaky", "half", "nogerman") and not can_hold:
            self.fault(f"end: {row['_uid']} is blank without a reason: {target}")


def _settled(record: Record) -> str:
    """Why no run may write into a row; empty if it may."""
    if _is_reviewed(record):
        return "it has a review date"
    return "" if _word(record) in _MACHINE else f"alt_source is {_word(record)!r}"


def _word(record: Record) -> str:
    return str(record.get("alt_source") or "").strip().lower()


def _is_reviewed(record: Record) -> bool:
    return not _is_blank(record.get("alt_reviewed_at"))


def _is_blank(value: Any) -> bool:
    return value is None or not _text(value).strip()


def _text(value: Any) -> str:
    """A cell as text; some programs store texts as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _is_equal(one: Any, other: Any) -> bool:
    return one == other and type(one) is type(other)


def _shape(text: str) -> str:
    """A message without names and numbers."""
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    return re.sub(r"[0-9a-f]{6,}|\d+|/\S+", "#", last)[:160]
