"""People who edit a catalogue between the commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testing.histories import catalogue
from testing.histories.files import Dialect
from testing.histories.oracle import Record
from testing.histories.world import World

_CELLS = ("text", "text", "further", "blank", "source", "reviewed", "title", "note", "picture",
          "picture")  # fmt: skip
_ROWS = ("insert", "insert", "delete", "swap", "shuffle", "dialect")


class Editor:
    """Edits cells, inserts, deletes and reorders rows, and exports the source anew."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random, self._oracle = world.random, world.oracle
        self.touched: set[str] = set()
        """Rows that were changed, added or deleted."""
        self._lock_wait_s = 20.0

    def edit(self, lock_wait_s: float = 20.0) -> None:
        """One to three changes. Raises sa.exc.OperationalError if a row stays locked so long."""
        self._lock_wait_s = lock_wait_s
        for _ in range(self._random.randint(1, 3)):
            row = self._pick_row()
            step = self._random.choice((*_CELLS, *_ROWS))
            if step in _CELLS:
                change = self._draw_change(step, row)
                if change:
                    self._change(row["_uid"], change)
            else:
                self._edit_rows(step, row["_uid"])

    def replace_pictures(self) -> None:
        """Give rows another picture, or swap those of two; most often of rows that were decided."""
        one, other = self._pick_row(), self._pick_row()
        if self._random.random() < 0.5 or one["_uid"] == other["_uid"]:
            self._change(one["_uid"], self._draw_picture())
            return
        images = one["image_url"], other["image_url"]
        self._change(one["_uid"], {"image_url": images[1]})
        self._change(other["_uid"], {"image_url": images[0]})

    def _pick_row(self) -> Record:
        """Any row; often one that a person decided about, which is where most can go wrong."""
        rows = self._world.source()
        decided = [row for row in rows if row["_uid"] in self._oracle.decided]
        return self._random.choice(decided if decided and self._random.random() < 0.7 else rows)

    def _draw_change(self, step: str, row: Record) -> dict[str, Any]:
        """Column to value; empty if the table lacks the column."""
        draws: dict[str, Callable[[], dict[str, Any]]] = {
            "text": lambda: {"alt": self._text()},
            "further": lambda: {self._random.choice([*self._world.options.fields]): self._text()},
            "blank": lambda: {"alt": "", "alt_source": self._choose("human", "decorative")},
            "source": lambda: {"alt_source": self._choose("human", "ai", "pending")},
            "reviewed": lambda: {"alt_reviewed_at": "2026-11-28 10:00:00"},
            "title": lambda: {"title": f"Renamed {self._world.numbers.next()}"},
            "note": lambda: {"note": self._choose(*catalogue.OWN_TEXTS)},
            "picture": self._draw_picture,
        }
        change = draws[step]()
        return change if all(name in row for name in change) else {}

    def _draw_picture(self) -> dict[str, Any]:
        slug = f"ok-{self._world.numbers.next()}"
        self._world.slugs.append(slug)
        return {"image_url": catalogue.image_of(slug)}

    def _text(self) -> str:
        return catalogue.human_text(self._world.numbers, self._random)

    def _choose(self, *values: str) -> str:
        return self._random.choice(values)

    def _change(self, uid: str, change: dict[str, Any]) -> None:
        self._world.log(f"{uid}: {change}")
        self.touched.add(uid)
        self._oracle.cell_texts |= {v for v in change.values() if v.startswith("Human words")}
        files = self._world.files
        if files is not None:
            next(row for row in files.rows if row["_uid"] == uid).update(change)
            files.save()
        else:
            self._world.table.update(uid, self._lock_wait_s, **change)
        if {"alt", "alt_source", "alt_reviewed_at"} & {*change}:
            self._oracle.decided.pop(uid, None)
        self._world.remember([])

    def _edit_rows(self, step: str, uid: str) -> None:
        new_rows: list[Record] = []
        if step == "insert":
            new_rows = [self._world.new_row()]
            self._insert(new_rows[0])
        elif step == "delete":
            self._delete(uid)
        elif self._world.files is not None:
            self._edit_file(step)
        if self._world.files is not None:
            self._world.files.save()
        self._world.remember(new_rows)

    def _insert(self, row: Record) -> None:
        self._world.log(f"inserts {row}")
        self.touched.add(row["_uid"])
        files = self._world.files
        if files is not None:
            files.rows.insert(self._random.randint(0, len(files.rows)), row)
        else:
            self._world.insert(row, self._lock_wait_s)

    def _delete(self, uid: str) -> None:
        if len(self._world.source()) < 2 or self._random.random() < 0.5:
            return
        self._world.log(f"deletes {uid}")
        self.touched.add(uid)
        files = self._world.files
        if files is not None:
            files.rows = [row for row in files.rows if row["_uid"] != uid]
        else:
            self._world.table.delete(uid, self._lock_wait_s)

    def _edit_file(self, step: str) -> None:
        files = self._world.files
        assert files is not None
        if step == "shuffle":
            self._random.shuffle(files.rows)
        elif step == "dialect":
            files.dialect = Dialect.draw(self._random)
            self._random.shuffle(files.columns)
        elif "id" in files.columns and len(files.rows) > 1:
            one, other = self._random.sample(files.rows, 2)
            one["id"], other["id"] = other["id"], one["id"]
            self.touched |= {one["_uid"], other["_uid"]}
        self._world.log(f"{step} of the source")
