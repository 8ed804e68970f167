"""One random history: people and commands take turns, and the oracle looks after each."""

from __future__ import annotations

import signal
from functools import partial
from typing import Any

from testing.histories import catalogue, review
from testing.histories.caption_stub import CaptionStub
from testing.histories.command import Commands
from testing.histories.command_result import CommandResult, Fault, Pause
from testing.histories.meanwhile import Meanwhile, MeanwhileEditor
from testing.histories.oracle import Record
from testing.histories.person import Editor
from testing.histories.world import World

_JOURNAL = "run.journal"


class History:
    """Takes the steps; the oracle looks after each."""

    def __init__(self, world: World, stub: CaptionStub) -> None:
        self.world, self.stub = world, stub
        self.random, self.oracle, self.options = world.random, world.oracle, world.options
        self.folder, self.files = world.folder, world.files
        self.editor = Editor(world)
        self.meanwhile = MeanwhileEditor(world, self.editor)
        self.commands = Commands(stub, world.folder)
        self.concurrency = self.random.choice((1, 2, 4))
        self.decision_files: list[str] = []
        self._applied: set[tuple[str, str]] = set()
        """Files of decisions and the rows about which they have been applied."""
        self.kills = 0
        if "init-db" in self.options.variant:
            self._init_db()

    def run(self) -> None:
        """The whole history."""
        for _ in range(self.random.randint(3, 9)):
            self._take_step()
            if self.oracle.faults:
                return
        self._settle()

    def close(self) -> None:
        """End what the history has started."""

    def _init_db(self) -> None:
        result = self.commands.run([
            "backfill", "init-db", *self.world.target, "--styles", ",".join(self.options.styles),
            "--locales", ",".join(self.options.locales)])  # fmt: skip
        self.oracle.check_result(result)

    @property
    def journal(self) -> list[str]:
        """The arguments of `review` and `apply` that name the journal."""
        return [_JOURNAL]

    def has_journal(self) -> bool:
        """Whether there has been a run."""
        return (self.folder / _JOURNAL).exists()

    # Steps

    def _take_step(self) -> None:
        if not self.has_journal() and self.random.random() < 0.6:
            self._run()
            return
        edits = {self.editor.edit: 36, self.editor.replace_pictures: 12}
        commands = {self._run: 30, self._two_runs: 4, self._forget: 3}
        review = {self._review: 26} if self.has_journal() else {}
        again = {self._apply: 12} if self.decision_files else {}
        steps = {**edits, **commands, **review, **again}
        self.random.choices([*steps], [*steps.values()])[0]()

    def _run(self) -> None:
        extra: list[str] = []
        if self.random.random() < 0.15:
            extra = ["--limit", str(self.random.randint(1, 3))]
        elif self.random.random() < 0.05:
            extra = ["--estimate"]
        self.stub.is_down = self._draw_outage()
        if self.stub.is_down:
            extra += ["--patience", "0.05"]
        pause = None if "--estimate" in extra else self.meanwhile.draw()
        self._backfill(extra, self._draw_fault(), pause)
        self.stub.is_down = False

    def _draw_outage(self) -> bool:
        return self.random.random() < 0.04

    def _draw_fault(self) -> Fault | None:
        if self.random.random() < 0.45:
            return None
        kind = self.random.choice(("request", "answer", "statement", "rename", "disk"))
        most = {"request": 4, "answer": 4, "statement": 70, "rename": 2, "disk": 3}[kind]
        number = self.random.randint(1, most)
        signals = (signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
        chosen = self.random.choice(signals) if kind in ("request", "answer") else signal.SIGKILL
        return Fault(kind, number, chosen)

    def _arguments(self) -> list[str]:
        options = self.options
        found = ["backfill", *self.world.target, "--journal", _JOURNAL, "-j", str(self.concurrency),
                 "--styles", ",".join(options.styles), "--locales", ",".join(options.locales),
                 "--json", "--timeout", "400"]  # fmt: skip
        return [*found, "--hold-column", f"note={catalogue.HOLD}"] if options.holds else found

    def _backfill(
        self, extra: list[str], fault: Fault | None, pause: Pause | None = None
    ) -> CommandResult:
        before = self._before()
        result = self.commands.run([*self._arguments(), *extra], fault, pause)
        self.world.log(f"run {' '.join(extra)} {fault or ''} -> {result.code}")
        self._look(result, before)
        self.meanwhile.now = Meanwhile()
        if "--estimate" in extra and any(number == result.number for number, *_ in self.stub.asked):
            self.oracle.fault("--estimate asked")
        return result

    def _two_runs(self) -> None:
        before = self._before()
        other = [each if each != _JOURNAL else "other.journal" for each in self._arguments()]
        is_elsewhere = self.files is None and self.random.random() < 0.5
        second = other if is_elsewhere else self._arguments()
        results = self.commands.run_all([self._arguments(), second])
        (self.folder / "other.journal").unlink(missing_ok=True)
        self.world.log(f"two runs -> {[each.code for each in results]}")
        if is_elsewhere:  # it knows nothing of what the other has paid for
            number = results[0].number
            one_by_one = all(each.code != 2 for each in results)  # the second began later
            self.oracle.forgotten_at += [number - 1, *([number] if one_by_one else [])]
        for result in results:
            self._look(result, before)
        if is_elsewhere:
            self.oracle.forgotten_at.append(results[0].number)

    def _before(self) -> dict[str, Any]:
        source = self.world.source()
        target = self.files.target() if self.files else source
        return {"source": source, "target": target}

    def _look(self, result: CommandResult, before: dict[str, Any]) -> dict[str, Any]:
        """Have the oracle look at everything after a command."""
        if result.was_killed:
            self.kills += 1
        summary = self.oracle.check_result(result)
        self.oracle.check_payment(self.stub.paid, self.concurrency)
        seen = [*before["source"], *(row for rows, _ in self.meanwhile.changes() for row in rows)]
        self.oracle.check_asked(self.stub.asked, result.number, seen)
        where = f"after {result.arguments[0]} {result.number}"
        if self.files is None:
            self._look_at_table(before["source"], where)
        else:
            self._look_at_file(result, before, where)
        return summary

    def _look_at_table(self, before: list[Record], where: str) -> None:
        parts = [*self.meanwhile.changes(), (self.world.source(), set[str]())]
        for rows, left_out in parts:
            after = {row["_uid"]: row for row in rows}
            for row in before:
                if row["_uid"] in left_out:
                    continue
                if row["_uid"] not in after:
                    self.oracle.fault(f"{where}: row {row['_uid']} is gone")
                else:
                    self.oracle.check_row(row, row, after[row["_uid"]], where)
            before = rows

    def _look_at_file(self, result: CommandResult, before: dict[str, Any], where: str) -> None:
        assert self.files is not None
        edit = self.meanwhile.now
        target, source = self.files.target(), before["source"]
        sources = [source]
        if edit.has_happened:
            sources = [edit.after, source] if edit.is_while_writing else [edit.after]
        if self.world.source() != sources[0]:
            self.oracle.fault(f"{where}: the source was changed")
        if target is None or (target == before["target"] and result.code not in (0, 1)):
            return
        if "--estimate" in result.arguments or result.arguments[0] == "review":
            return
        faults = [self.oracle.collect(partial(self._compare, each, target, where))
                  for each in sources]  # fmt: skip
        fewest: list[str] = min(faults, key=len)  # it is made from one of them
        self.oracle.faults += fewest

    def _compare(self, source: list[Record], target: list[Record], where: str) -> None:
        if len(target) != len(source):
            self.oracle.fault(f"{where}: {len(source)} rows became {len(target)}")
            return
        for row, found in zip(source, target, strict=True):
            self.oracle.check_row(row, row, found, where)
            self.oracle.check_decided(row, row, found, where)

    # A reviewer

    def _review(self) -> None:
        if not self.has_journal():
            return
        page = self.folder / "page.html"
        extra = [] if self.random.random() < 0.7 else [
            "--outcome", "reviewed,human-edited-ai,human,decorative,rejected,ai"]  # fmt: skip
        result = self.commands.run(["review", *self.journal, "--to", page.name, *extra])
        self.world.log(f"review {' '.join(extra)} -> {result.code}")
        self.oracle.check_result(result)
        if result.code != 0:
            return
        file = self.folder / f"decisions-{len(self.decision_files)}.json"
        made = review.decide(review.read_page(page), self.world.source(), self.options, file,
                             self.random, self.world.numbers)  # fmt: skip
        self.oracle.decisions += made
        self.decision_files.append(file.name)
        for each in made:
            self.world.log(f"  {file.name}: {each.kind} {each.uids} {each.key!r} {each.texts}")
        if self.random.random() < 0.75:
            self._apply_file(file.name)
        if self.oracle.decided and self.random.random() < 0.4:
            self.editor.replace_pictures()

    def _apply(self) -> None:
        if self.decision_files:
            self._apply_file(self.random.choice(self.decision_files))

    def _apply_file(self, name: str) -> None:
        if not self.has_journal():
            return
        before = self._before()
        fault = self._draw_fault() if self.random.random() < 0.3 else None
        pause = self.meanwhile.draw()
        command = ["apply", name, "--journal", *self.journal, "--json"]
        result = self.commands.run(command, fault, pause)
        summary = self.oracle.check_result(result)
        self.world.log(f"apply {name} {fault or ''} -> {result.code} {summary}")
        self._note_applied(name, result, summary)
        touched = self.meanwhile.now.touched
        for uid in touched:
            self.oracle.decided.pop(uid, None)
        self._look(result, before)
        self.meanwhile.now = Meanwhile()
        if self.files is None and result.code in (0, 1):
            for row in self.world.source():
                if row["_uid"] not in touched:
                    self.oracle.check_applied(row, name)

    def _note_applied(self, name: str, result: CommandResult, summary: dict[str, Any]) -> None:
        """Which decisions are in effect, by what `apply` said."""
        if result.code in (0, 1) and summary:
            bad = {*summary["left"], *summary["waiting"], *summary["partly"]}
            last = {each.key: each for each in self.oracle.decisions if each.file == name}
            for decision in last.values():
                if decision.key in summary["partly"]:  # some of its fields are somebody else's
                    for uid in decision.uids:
                        self.oracle.decided.pop(uid, None)
                if decision.key in bad or len(decision.uids) != 1:
                    continue
                [uid] = decision.uids
                # Applied before, and a person has changed the row since: theirs stays.
                if (name, uid) not in self._applied or uid in self.oracle.decided:
                    self.oracle.decided[uid] = decision
                self._applied.add((name, uid))
        elif result.code < 0 or result.code in (74, 75, 130, 143):
            about = [each for each in self.oracle.decisions if each.file == name]
            for each in about:
                for uid in each.uids:  # one of the two, until it is applied again
                    self.oracle.decided.pop(uid, None)

    def _forget(self) -> None:
        """A person deletes the journal, and with it the file that the run made."""
        self.world.log("deletes the journal")
        for path in self.folder.glob(f"{_JOURNAL}*"):
            path.unlink()
        if self.files is not None and self.files.target_path.exists():
            self.files.target_path.unlink()
        self.oracle.forgotten_at.append(self.stub.command)
        self.oracle.decided.clear()

    # The end

    def _settle(self) -> None:
        """Runs without faults, until nothing is left to do."""
        for _ in range(3):
            result = self._backfill([], None)
            if result.code in (0, 1, 2):
                break
        if result.code not in (0, 1):
            self.oracle.fault(f"the last run ends with {result.code}: {result.err[-300:]}")
            return
        source = self.world.source()
        target = self.files.target() if self.files else source
        for row, found in zip(source, target or [], strict=True):
            was_held = str(found.get("reasons") or "").startswith("held: column note")
            can_hold = self.options.holds and (was_held or row["note"] == catalogue.HOLD)
            # Without the columns only the journal says that a rule has held the row before.
            can_hold = can_hold or (self.options.holds and "reasons" not in found)
            self.oracle.check_end(row, found, can_hold=can_hold)
