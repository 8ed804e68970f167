"""docs/backfill.md, "As it came in": a file differs from its source by the filled cells alone."""

import csv
import io
import json
import random
import stat
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from altwright.backfill.connectors import open_connectors
from altwright.backfill.errors import TargetChanged
from altwright.backfill.run_config import RunConfig
from altwright.errors import UsageError

from tests.backfill.file_runs import FileRun

URL = "https://shop.example/"
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
WORDS = (
    "Mug",
    "Größe 4",
    'a "quoted" word',
    "two\nlines",
    "a\rreturn",
    " spaces ",
    "0.10",
    "",
    "´",
)


def run_of(tmp_path: Path, suffix: str, data: bytes, **config: str) -> FileRun:
    """A run over in.SUFFIX with these bytes."""
    run = FileRun(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}", **config)
    run.source.write_bytes(data)
    return run


def csv_bytes(chance: random.Random, *, filled: bool) -> bytes:
    """A CSV file in one of its many forms."""
    delimiter, end = chance.choice(",;\t|"), chance.choice(["\n", "\r\n", "\r"])
    quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=quoting)
    writer.writerow(["id", "image", "name", "alt", "price"])
    for number in range(chance.randrange(1, 9)):
        words = [chance.choice(WORDS) for _ in range(2)]
        alt = "Described." if filled or chance.random() < 0.5 else ""
        writer.writerow([number, f"{URL}{number}.jpg", words[0], alt, words[1]])
    made = text.getvalue()
    lines = made.split("\n") if "two\n" not in made else [made.removesuffix("\n"), ""]
    made = end.join(lines)
    if chance.random() < 0.3:
        made = made.removesuffix(end)
    if chance.random() < 0.3:
        made += f"{end}only one cell"
    return made.encode(chance.choice(ENCODINGS))


def jsonl_bytes(chance: random.Random, *, filled: bool) -> bytes:
    """JSON lines in one of their many forms."""
    comma, colon = chance.choice([(",", ":"), (", ", ": "), (" ,", " : ")])
    lines = []
    for number in range(chance.randrange(1, 9)):
        alt = '"Described."' if filled or chance.random() < 0.5 else chance.choice(['""', "null"])
        members = [("image", f'"{URL}{number}.jpg"'), ("alt", alt), ("n", "1.10"), ("e", "1e400"),
                   ("big", "12345678901234567890123"), ("u", r'"\u00e9\ud83d\ude00é"'),
                   ("nested", '{"b": [1.0, {"c":null}]}')]  # fmt: skip
        chance.shuffle(members)
        lines.append("{" + comma.join(f'"{name}"{colon}{value}' for name, value in members) + "}")
    if chance.random() < 0.3:
        lines.insert(chance.randrange(len(lines)), chance.choice(["", "[1]", "{broken", "   "]))
    end = chance.choice(["\n", "\r\n"])
    bom = "\ufeff" if chance.random() < 0.3 else ""
    return (bom + end.join(lines) + chance.choice(["", end])).encode()


def parquet_bytes(chance: random.Random, *, filled: bool) -> bytes:
    """A Parquet file with types, metadata and row groups of its own."""
    count = chance.randrange(1, 40)
    alts = ["Described." if filled or chance.random() < 0.5 else None for _ in range(count)]
    text_type = chance.choice(
        [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int8(), pa.string())]
    )
    plain = pa.binary() if text_type == pa.binary() else pa.string()
    alt = pa.array([a.encode() if a and plain == pa.binary() else a for a in alts], plain)
    fields = [
        pa.field("id", pa.int64(), nullable=False, metadata={b"unit": b"piece"}),
        pa.field("image", pa.large_string()),
        pa.field("alt", text_type),
        pa.field("price", pa.decimal128(9, 3)),
        pa.field("at", pa.timestamp("ns", tz="Europe/Zagreb")),
        pa.field("nested", pa.list_(pa.struct([("x", pa.float32()), ("y", pa.string())]))),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string())),
        pa.field("ratio", pa.float64()),
    ]
    numbers = list(range(count))
    arrays = [
        pa.array(numbers, pa.int64()),
        pa.array([f"{URL}{n}.jpg" for n in numbers], pa.large_string()),
        alt.cast(text_type) if plain == text_type else (
            alt.dictionary_encode().cast(text_type)
            if pa.types.is_dictionary(text_type) else alt.cast(text_type)
        ),
        pa.array([None] * count, pa.decimal128(9, 3)),
        pa.array([n * 1_000_000_007 for n in numbers], pa.timestamp("ns", tz="Europe/Zagreb")),
        pa.array([[{"x": 0.1, "y": "z"}] for _ in numbers], fields[5].type),
        pa.array(["a"] * count).dictionary_encode().cast(fields[6].type),
        pa.array([float("nan"), 1e300][:count] + [0.1] * max(0, count - 2)),
    ]  # fmt: skip
    schema = pa.schema(fields, metadata={b"owner": b"shop"})
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression=chance.choice(["zstd", "gzip", "none"])) as w:
        w.write_table(pa.table(arrays, schema=schema), row_group_size=chance.randrange(1, 20))
    return sink.getvalue()


KINDS: list[tuple[str, Callable[..., bytes]]] = [
    (".csv", csv_bytes), (".tsv", csv_bytes), (".jsonl", jsonl_bytes), (".ndjson", jsonl_bytes),
    (".parquet", parquet_bytes),
]  # fmt: skip


def make(suffix: str, made: Callable[..., bytes], seed: int, *, filled: bool) -> bytes:
    """One generated file; a .tsv has tabs."""
    while True:
        data = made(random.Random(f"{suffix}{seed}"), filled=filled)
        if suffix != ".tsv" or b"\t" in data.split(b"image")[0] + data[:20]:
            return data
        seed += 1_000


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize(("suffix", "made"), KINDS, ids=[suffix for suffix, _ in KINDS])
def test_a_file_with_nothing_to_fill_comes_out_byte_for_byte(
    tmp_path: Path, suffix: str, made: Callable[..., bytes], seed: int
) -> None:
    """200 files of five kinds."""
    data = make(suffix, made, seed, filled=True)
    run = run_of(tmp_path, suffix, data)
    run.run()
    assert run.target.read_bytes() == data
    assert run.asked == []


@pytest.mark.parametrize("seed", range(12))
def test_a_csv_file_keeps_every_cell_that_was_not_filled(tmp_path: Path, seed: int) -> None:
    """Read with Python's own module, and by taking the new cells out again."""
    data = csv_bytes(random.Random(seed), filled=False)
    run = run_of(tmp_path, ".csv", data)
    result = run.run()
    made = run.target.read_bytes()
    if not result.blank:
        assert made == data
        return
    encoding = next(e for e in ENCODINGS if _decodes(data, e))
    old, new = (
        list(csv.reader(io.StringIO(each.decode(encoding), newline=""), delimiter=d))
        for each, d in ((data, _delimiter(data, encoding)), (made, _delimiter(data, encoding)))
    )
    assert len(old) == len(new)
    for before, after in zip(old, new, strict=True):
        if len(before) < 5:
            assert before == after, "a broken line stays where it is"
            continue
        assert before[:3] + before[4:] == after[:3] + after[4 : len(before)]
        assert after[3] == (before[3] or f"Model: {before[0]}.jpg.")


def _decodes(data: bytes, encoding: str) -> bool:
    marks = {"utf-8-sig": b"\xef\xbb\xbf", "utf-16": b"\xff\xfe"}
    if encoding in marks or data[:2] == b"\xff\xfe" or data[:3] == b"\xef\xbb\xbf":
        return data.startswith(marks.get(encoding, b"\0\0\0"))
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(data: bytes, encoding: str) -> str:
    return data.decode(encoding).replace('"', "")[2]


@pytest.mark.parametrize(
    ("line", "filled"),
    [
        ('{"image":"IMAGE","alt":"","price":1.10,"id":12345678901234567890}',
         '{"image":"IMAGE","alt":"TEXT","price":1.10,"id":12345678901234567890,'),
        ('{ "alt" : null , "image" : "IMAGE" , "x" : [1.0, 2e5], "x" : [1.0, 2e5] }',
         '{ "alt" : "TEXT" , "image" : "IMAGE" , "x" : [1.0, 2e5], "x" : [1.0, 2e5] , "alt_'),
        (r'{"image": "IMAGE", "name": "caf\u00e9", "t": 1e400, "n": NaN}',
         r'{"image": "IMAGE", "name": "caf\u00e9", "t": 1e400, "n": NaN, "alt": "TEXT", '),
    ],
)  # fmt: skip
def test_a_json_line_keeps_its_digits_escapes_spaces_and_order(
    tmp_path: Path, line: str, filled: str
) -> None:
    run = run_of(tmp_path, ".jsonl", line.replace("IMAGE", f"{URL}a.jpg").encode())
    run.run()
    made = run.target.read_text()
    expected = filled.replace("IMAGE", f"{URL}a.jpg").replace("TEXT", "Model: a.jpg.")
    assert made.startswith(expected)
    assert json.loads(made)["alt_source"] == "ai"
    assert not made.endswith("\n"), "a file without a last line end gets none"


@pytest.mark.parametrize("seed", range(8))
def test_a_parquet_file_keeps_types_metadata_row_groups_and_compression(
    tmp_path: Path, seed: int
) -> None:
    data = parquet_bytes(random.Random(seed), filled=False)
    run = run_of(tmp_path, ".parquet", data)
    result = run.run()
    old, new = pq.ParquetFile(run.source), pq.ParquetFile(run.target)
    assert new.metadata.num_row_groups == old.metadata.num_row_groups
    assert new.schema_arrow.metadata == old.schema_arrow.metadata
    for index in range(old.metadata.num_row_groups):
        before, after = old.metadata.row_group(index), new.metadata.row_group(index)
        assert before.num_rows == after.num_rows
        assert before.column(0).compression == after.column(0).compression
    before, after = old.read(), new.read()
    for field in before.schema:
        if field.name != "alt":
            assert after.schema.field(field.name).equals(field, check_metadata=True)
            old_column, new_column = before.column(field.name), after.column(field.name)
            if field.name == "ratio":  # not a number is never equal
                assert repr(old_column.to_pylist()) == repr(new_column.to_pylist())
            else:
                assert old_column.equals(new_column)
    assert after.schema.field("alt").nullable
    alts = [a.decode() if isinstance(a, bytes) else a for a in after.column("alt").to_pylist()]
    known = before.column("alt").to_pylist()
    for number, (alt, earlier) in enumerate(zip(alts, known, strict=True)):
        assert alt == ("Described." if earlier else f"Model: {number}.jpg.")
    assert len(run.asked) == result.blank


def test_an_alt_text_that_is_stored_as_bytes_is_a_persons(tmp_path: Path) -> None:
    sink = io.BytesIO()
    table = pa.table({"image": [f"{URL}a.jpg", f"{URL}b.jpg"],
                      "alt": pa.array([b"Mine.", b" \0"], pa.binary())})  # fmt: skip
    pq.write_table(table, sink)
    run = run_of(tmp_path, ".parquet", sink.getvalue())
    run.run()
    assert pq.read_table(run.target).column("alt").to_pylist() == [b"Mine.", b"Model: b.jpg."]


def test_a_parquet_column_that_takes_no_text_is_refused_before_anything_is_paid(
    tmp_path: Path,
) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"image": [f"{URL}a.jpg"], "alt": pa.array([None], pa.int64())}), sink)
    run = run_of(tmp_path, ".parquet", sink.getvalue())
    with pytest.raises(UsageError, match="'alt' has the type int64 and takes no text"):
        run.run()


def test_columns_that_only_have_the_names_of_audit_fields_are_not_touched(tmp_path: Path) -> None:
    run = run_of(
        tmp_path, ".csv",
        f"id,image,alt,reasons,search_text,alt_model\n1,{URL}a.jpg,,cheap,,\n"
        f"2,{URL}b.jpg,,,mug,X2\n".encode(),
    )  # fmt: skip
    run.run()
    rows = list(csv.DictReader(io.StringIO(run.target.read_text())))
    found = [(row["reasons"], row["search_text"], row["alt_model"]) for row in rows]
    assert found == [("cheap", "", ""), ("", "mug", "X2")]
    assert [row["alt"] for row in rows] == ["Model: a.jpg.", "Model: b.jpg."]
    target = open_connectors(RunConfig(str(run.source), target_file=str(run.target)))
    assert len(target.target_notes) == 3
    again = FileRun(run.target, tmp_path / "again.csv")
    again.run()
    assert again.target.read_bytes() == run.target.read_bytes()


def test_columns_that_an_earlier_backfill_added_are_brought_up_to_date(tmp_path: Path) -> None:
    first = run_of(tmp_path, ".csv", f"id,image,alt\n1,{URL}a.jpg,\n".encode())
    first.run(lambda _: "")
    made = first.target.read_text().replace(",ai,", ",failed,").replace(",,a.jpg", ",old,a.jpg")
    first.target.write_text(made)
    second = FileRun(first.target, tmp_path / "again.csv")
    second.run()
    [row] = csv.DictReader(io.StringIO(second.target.read_text()))
    assert (row["alt"], row["alt_source"], row["reasons"]) == ("Model: a.jpg.", "ai", "")


def test_a_cell_with_a_lone_carriage_return_breaks_no_line(tmp_path: Path) -> None:
    data = f'id,image,name,alt\r\n1,{URL}a.jpg,"one\rtwo",\r\n2,{URL}b.jpg,x,\r\n'.encode()
    run = run_of(tmp_path, ".csv", data)
    run.run(lambda row: f"{row.file_name}\rwith a return")
    rows = list(csv.DictReader(io.StringIO(run.target.read_bytes().decode(), newline="")))
    assert [row["name"] for row in rows] == ["one\rtwo", "x"]
    assert rows[1]["alt"] == "b.jpg\rwith a return"
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a\rb.jpg").write_bytes(b"x")
    of_folder = FileRun(folder, tmp_path / "folder.csv")
    of_folder.run(lambda _: "A mug.")
    [row] = csv.DictReader(io.StringIO(of_folder.target.read_bytes().decode(), newline=""))
    assert (row["file"], row["alt"]) == ("a\rb.jpg", "A mug.")


def test_a_text_that_the_encoding_lacks_is_held_and_not_changed(tmp_path: Path) -> None:
    run = run_of(tmp_path, ".csv", f"image,name,alt\n{URL}a.jpg,Größe,\n".encode("cp1252"))
    run.run(lambda _: "Čaša na stolu")
    [row] = csv.DictReader(io.StringIO(run.target.read_text(encoding="cp1252")))
    assert (row["name"], row["alt"], row["alt_source"]) == ("Größe", "", "uncertain")
    assert "cp1252" in row["reasons"]
    assert run.outcome_of(f"{URL}a.jpg").draft == "Čaša na stolu"


def test_a_line_that_becomes_broken_stays_in_the_file(tmp_path: Path) -> None:
    good = f"id,image,alt\n1,{URL}a.jpg,\n2,{URL}b.jpg,\n"
    run = run_of(tmp_path, ".csv", good.encode())
    run.run()
    broken = run.target.with_name("out.csv.broken")
    run.source.write_text(good.replace("b.jpg,", "b.jpg,Mine, or not,"))
    run.run()
    assert f"2,{URL}b.jpg,Mine, or not,\n" in run.target.read_text()
    assert broken.read_text() == f"2,{URL}b.jpg,Mine, or not,\n"
    run.source.write_text(good)
    run.run()
    assert not broken.exists(), "nothing is broken any more"


def test_a_file_of_broken_lines_that_is_somebodys_is_not_overwritten(tmp_path: Path) -> None:
    run = run_of(tmp_path, ".csv", f"id,image,alt\n1,{URL}a.jpg,\n".encode())
    run.target.with_name("out.csv.broken").write_text("mine")
    with pytest.raises(UsageError, match=r"out\.csv\.broken already exists"):
        run.run()
    assert run.asked == []


def test_a_link_stays_a_link_and_the_file_keeps_its_permissions(tmp_path: Path) -> None:
    run = run_of(tmp_path, ".csv", f"id,image,alt\n1,{URL}a.jpg,\n".encode())
    run.source.chmod(0o640)
    (tmp_path / "real").mkdir()
    run.target.symlink_to(tmp_path / "real" / "there.csv")
    run.run()
    assert stat.S_IMODE(run.target.stat().st_mode) == 0o640
    run.target.chmod(0o600)
    run.source.write_text(f"id,image,alt\n1,{URL}a.jpg,\n2,{URL}b.jpg,\n")
    run.run()
    assert run.target.is_symlink()
    assert "Model: b.jpg." in (tmp_path / "real" / "there.csv").read_text()
    assert stat.S_IMODE(run.target.stat().st_mode) == 0o600
    assert [each.name for each in (tmp_path / "real").iterdir()] == ["there.csv"]


@pytest.mark.parametrize("how", ["in place", "by a rename", "for the first time"])
def test_what_somebody_writes_into_the_target_during_a_run_stays(tmp_path: Path, how: str) -> None:
    run = run_of(tmp_path, ".csv", f"id,image,alt\n1,{URL}a.jpg,\n".encode())
    if how != "for the first time":
        run.run()
    run.source.write_text(f"id,image,alt\n1,{URL}a.jpg,\n2,{URL}b.jpg,\n")

    def edit() -> None:
        if how == "by a rename":
            (tmp_path / "new").write_text("mine")
            (tmp_path / "new").rename(run.target)
        else:
            run.target.write_text("mine")

    run.before_writing = edit
    with pytest.raises(TargetChanged, match="stays as it is"):
        run.run()
    assert run.target.read_text() == "mine"
    run.target.unlink()
    run.before_writing = lambda: None
    run.run()
    assert "Model: b.jpg." in run.target.read_text()
    assert len(run.asked) == 2, "nothing is asked twice"


def test_the_source_is_not_written_by_another_path(tmp_path: Path) -> None:
    run = run_of(tmp_path, ".csv", f"id,image,alt\n1,{URL}a.jpg,\n".encode())
    for name in ("link.csv", "hard.csv"):
        other = tmp_path / name
        other.symlink_to(run.source) if name == "link.csv" else other.hardlink_to(run.source)
        with pytest.raises(UsageError, match="is the source itself"):
            FileRun(run.source, other).run()


@pytest.mark.parametrize("cell", ["x" * 10_000_000, "a\0b", 'a "b" c', '5" disk'])
def test_odd_cells_come_through(tmp_path: Path, cell: str) -> None:
    data = f"id,image,name,alt\n1,{URL}a.jpg,{cell},\n".encode()
    run = run_of(tmp_path, ".csv", data)
    run.run()
    line = run.target.read_text().splitlines()[1]
    assert line.startswith(f"1,{URL}a.jpg,{cell},Model: a.jpg.,ai,")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("suffix", "made"), KINDS[::2], ids=[kind[0] for kind in KINDS[::2]])
def test_duckdb_reads_the_same_values_as_before(
    tmp_path: Path, suffix: str, made: Callable[..., bytes], seed: int
) -> None:
    """A reader that nobody here wrote. What it cannot read of the source it need not read now."""
    duckdb = pytest.importorskip("duckdb", reason="pip install duckdb")
    run = run_of(tmp_path, suffix, make(suffix, made, seed, filled=False))
    run.run()
    columns = {
        ".csv": "id, image, name, price",
        ".jsonl": "image, n, big, u, nested",
        ".parquet": 'id, image, price, "at", nested, kind, ratio::varchar',
    }[suffix]
    reader = {
        ".csv": "read_csv('{}', all_varchar = true)",
        ".jsonl": "read_json('{}')",
        ".parquet": "read_parquet('{}')",
    }[suffix]

    def read(path: Path) -> list[object]:
        found = duckdb.sql(f"SELECT {columns} FROM {reader.format(path)}")
        return [list(map(str, found.types)), *found.fetchall()]

    try:
        before = read(run.source)
    except duckdb.Error:
        return
    assert repr(read(run.target)) == repr(before)


def test_a_target_in_a_folder_that_takes_no_file_is_refused_before_anything_is_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path, ".csv", f"id,image,alt\n1,{URL}a.jpg,\n".encode())

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(UsageError, match=r"out\.csv cannot be written: Read-only file system"):
        run.run()
    assert run.asked == []
