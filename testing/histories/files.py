"""Files of a history: writes the source as people do, and reads without the product."""

from __future__ import annotations

import csv
import io
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

Record = dict[str, Any]


class Digits(str):
    """A number of JSON lines, digit for digit."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the source is written."""

    delimiter: str = ","
    line_end: str = "\n"
    quotes_all: bool = False
    has_mark: bool = False
    ends_with_line_end: bool = True
    leaves_out_none: bool = False
    """JSON lines: a member without a value is not there."""
    row_group: int = 100
    has_bytes: bool = False
    """Parquet: alt texts are stored as bytes."""

    @classmethod
    def draw(cls, randomness: random.Random) -> Dialect:
        """A random one."""
        return cls(
            delimiter=randomness.choice(",,;\t|"),
            line_end=randomness.choice(("\n", "\r\n")),
            quotes_all=randomness.random() < 0.3,
            has_mark=randomness.random() < 0.2,
            ends_with_line_end=randomness.random() < 0.8,
            leaves_out_none=randomness.random() < 0.5,
            row_group=randomness.choice((2, 5, 100)),
            has_bytes=randomness.random() < 0.2,
        )


class FileCatalogue:
    """A source file that people edit, and the file that the product makes of it."""

    def __init__(self, kind: str, folder: Path, columns: list[str], dialect: Dialect) -> None:
        self.kind, self.columns, self.dialect = kind, list(columns), dialect
        self.path, self.target_path = folder / f"in.{kind}", folder / f"out.{kind}"
        self.rows: list[Record] = []

    def save(self) -> None:
        """Write the source."""
        records = [{name: row.get(name) for name in self.columns} for row in self.rows]
        write_file(self.path, records, self.columns, self.dialect)

    def source(self) -> list[Record]:
        """The source as it is read back, with the executor's name of each row."""
        found = read_file(self.path)
        for record, row in zip(found, self.rows, strict=True):
            record["_uid"] = row["_uid"]
        return found

    def target(self) -> list[Record] | None:
        """The records of the new file; None if there is none."""
        if not self.target_path.exists():
            return None
        return read_file(self.target_path)


def write_file(path: Path, records: list[Record], columns: list[str], dialect: Dialect) -> None:
    """Write records in the format of the path's suffix."""
    if path.suffix == ".csv":
        out = io.StringIO()
        writer = csv.writer(
            out, delimiter=dialect.delimiter, lineterminator=dialect.line_end,
            quoting=csv.QUOTE_ALL if dialect.quotes_all else csv.QUOTE_MINIMAL,
        )  # fmt: skip
        writer.writerow(columns)
        for record in records:
            writer.writerow(["" if record[c] is None else record[c] for c in columns])
        text = out.getvalue()
        if not dialect.ends_with_line_end:
            text = text.removesuffix(dialect.line_end)
        path.write_bytes(text.encode("utf-8-sig" if dialect.has_mark else "utf-8"))
    elif path.suffix == ".jsonl":
        lines = (_json_line(record, dialect) for record in records)
        text = dialect.line_end.join(lines)
        text += dialect.line_end if dialect.ends_with_line_end else ""
        path.write_bytes(text.encode())
    else:
        arrays = [_array(name, [record[name] for record in records]) for name in columns]
        if dialect.has_bytes and "alt" in columns:
            place = columns.index("alt")
            arrays[place] = arrays[place].cast(pa.binary())
        table = pa.Table.from_arrays(arrays, names=columns)
        table = table.replace_schema_metadata({"made-by": "a person"})
        pq.write_table(table, path, row_group_size=dialect.row_group)


def read_file(path: Path) -> list[Record]:
    """The records of a file."""
    if path.suffix == ".csv":
        text = path.read_bytes().decode("utf-8-sig")
        delimiter = max(",;\t|", key=text.partition("\n")[0].count)
        names, *lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [dict(zip(names, line, strict=True)) for line in lines if line]
    if path.suffix == ".jsonl":
        lines_of = path.read_bytes().decode().splitlines()
        return [json.loads(line, parse_float=Digits, parse_int=Digits) for line in lines_of if line]
    return list(pq.read_table(path, use_threads=False).to_pylist())


def _json_line(record: Record, dialect: Dialect) -> str:
    members = (
        f"{json.dumps(name)}: {value if name == 'price' else json.dumps(value, ensure_ascii=False)}"
        for name, value in record.items()
        if value is not None or not dialect.leaves_out_none
    )
    return "{" + ", ".join(members) + "}"


def _array(name: str, values: list[Any]) -> pa.Array:
    if name == "price":
        return pa.array([None if each is None else float(each) for each in values], pa.float64())
    if all(isinstance(each, int) for each in values) and values:
        return pa.array(values, pa.int64())
    if name == "id" and all(isinstance(each, float) for each in values):
        return pa.array(values, pa.float64())
    return pa.array([None if each is None else str(each) for each in values], pa.string())
