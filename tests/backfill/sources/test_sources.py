"""Sources as they occur: encodings, separators, broken lines, columns by name."""

import dataclasses
import hashlib
import sys
from pathlib import Path

import pytest
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.column_mapping import (
    cell_to_text,
    guess_columns,
    needs_alt_text,
    row_from_record,
)
from altwright.backfill.connectors import open_connectors
from altwright.backfill.request_item import RequestedTexts
from altwright.backfill.run.caption_request import build_caption_request
from altwright.backfill.run_config import RunConfig
from altwright.backfill.sources.base import BrokenRecord, Record
from altwright.backfill.sources.csv_file import CsvSource
from altwright.errors import UsageError


def csv_file(tmp_path: Path, data: bytes, **more: str) -> CsvSource:
    """A CSV source of these bytes."""
    path = tmp_path / "in.csv"
    path.write_bytes(data)
    return CsvSource(path, **more)  # type: ignore[arg-type]


def read_all(file: CsvSource) -> list[object]:
    """The cells of each record, or line and problem of a broken one."""
    return [
        list(each.values.values()) if isinstance(each, Record) else (each.line_number, each.problem)
        for each in file.read()
    ]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_separators_and_encodings_are_found(tmp_path: Path, mark: str, encoding: str) -> None:
    text = mark.join(["id", "image", "name"]) + "\r\n" + mark.join(["7", "http://x", "Größe"])
    file = csv_file(tmp_path, text.encode(encoding))
    assert file.columns == ["id", "image", "name"]
    assert read_all(file) == [["7", "http://x", "Größe"]]
    assert bool(file.notes) is (encoding == "cp1252")


def test_a_line_in_another_encoding_is_broken_and_the_others_are_read(tmp_path: Path) -> None:
    data = "id,name\n1,Größe\n".encode() + "2,Größe\n".encode("latin-1") + b"3,c\n"
    assert read_all(csv_file(tmp_path, data)) == [
        ["1", "Größe"], (3, "has bytes that are not in the file's encoding"), ["3", "c"],
    ]  # fmt: skip


def test_broken_rows_are_reported_by_line_and_the_rest_is_read(tmp_path: Path) -> None:
    data = b'id,name\n1,a\n2\n3,"two\nlines"\n4,b,c,d\n\n5,"e" f\n6,g\n'
    found = read_all(csv_file(tmp_path, data))
    assert found[:2] == [["1", "a"], (3, "has 1 cells instead of 2")]
    assert found[2:4] == [["3", "two\nlines"], (6, "has 4 cells instead of 2")]
    assert isinstance(found[4], tuple)
    assert found[4][0] == 8
    assert found[5] == ["6", "g"]


def test_a_quote_that_never_closes_costs_one_line(tmp_path: Path) -> None:
    lines = [b"id,name", b'1,"a', *(b"%d,b" % n for n in range(2, 5_000))]
    file = csv_file(tmp_path, b"\n".join(lines))
    found = list(file.read())
    assert isinstance(found[0], BrokenRecord)
    assert (found[0].line_number, found[0].text) == (2, '1,"a')
    assert len(found) == 4_999
    assert all(isinstance(each, Record) for each in found[1:])
    assert found[-1].line_number == 5_000


def test_truncated_utf_16_is_reported_where_it_ends(tmp_path: Path) -> None:
    data = "id,name\n1,a\n2,b\n".encode("utf-16")
    found = read_all(csv_file(tmp_path, data[:-1]))
    assert found[0] == ["1", "a"]
    assert isinstance(found[-1], tuple)
    assert "cannot be decoded" in str(found[-1][1])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no header"),
        (b"a,a\n", "more than one column 'a'"),
        (b"a,,b\n", "a column without a name: its number 2"),
    ],
)
def test_an_unusable_header_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        csv_file(tmp_path, data)


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no encoding 'utf-9'"):
        csv_file(tmp_path, b"a\n", encoding="utf-9")


@pytest.mark.parametrize(
    ("there", "image", "key", "alt"),
    [
        (["id", "url", "alt"], "url", "id", "alt"),
        (["Variant SKU", "SKU", "Image Src", "Image Alt Text"], "Image Src", "SKU",
         "Image Alt Text"),
        (["image", "image_url", "alt_text"], "image_url", "", "alt_text"),
        (["SRC"], "SRC", "", ""),
    ],
)  # fmt: skip
def test_columns_are_guessed_by_name(there: list[str], image: str, key: str, alt: str) -> None:
    found = guess_columns(there)
    assert (found.image, found.key, found.alt) == (image, key, alt)


@pytest.mark.parametrize(
    "names",
    [("ALT", "alt"), ("alt", "alt_text"), ("alt", "Image Alt"), ("alt_source", "Alt Source")],
)
def test_of_two_columns_that_people_may_have_filled_none_is_guessed(
    names: tuple[str, str],
) -> None:
    there = ["id", "image", *names]
    with pytest.raises(UsageError, match=r"Several columns may be .*: --column alt\w*=NAME"):
        guess_columns(there)
    role = "alt_source" if "alt_source" in names else "alt"
    found = guess_columns(there, [f"{role}={names[1]}"])
    assert getattr(found, role) == names[1]


def test_a_text_under_another_name_on_a_later_line_is_not_taken_for_blank(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(
        '{"id": 1, "image": "http://x/1.png", "alt": ""}\n'
        '{"id": 2, "image": "http://x/2.png", "alt_text": "Written by a person."}\n'
    )
    config = RunConfig(str(source), target_file=str(tmp_path / "out.jsonl"))
    with pytest.raises(UsageError, match="Several columns may be alt: alt, alt_text"):
        open_connectors(config)


def test_given_roles_override_the_guess() -> None:
    there = ["id", "url", "photo", "name", "text"]
    found = guess_columns(there, ["image=photo", "context=name,text", "seo=meta"], primary_key="id")
    assert (found.image, found.context) == ("photo", ("name", "text"))
    assert found.target_column("seo") == "meta"
    row = row_from_record(
        {"id": 7.0, "url": "u", "photo": "http://x/a%20b.jpg?x=1", "name": "N", "text": None},
        found, line_number=3,
    )  # fmt: skip
    assert (row.key, row.context, row.file_name) == ("7", "N", "a b.jpg")
    assert row.values == {"url": "u", "name": "N"}


def test_a_column_of_the_text_beside_the_image_is_sent_and_tells_requests_apart() -> None:
    """Guessed by its name or given; rows without it have the key that older journals store."""
    assert guess_columns(["id", "image", "figcaption"]).visible_text == "figcaption"
    found = guess_columns(["id", "image", "note"], ["visible_text=note"])
    bare, noted = (
        row_from_record({"id": 1, "image": "u", "note": note}, found, line_number=1)
        for note in (None, " Our mug. ")
    )
    requested = RequestedTexts(("concise",), ("en",))
    _, options = build_caption_request(
        dataclasses.replace(noted, image="https://a.example/b.jpg"), requested, CaptionOptions()
    )
    assert options["visible_text"] == "Our mug."
    assert not bare.has_same_request(noted)
    assert bare.request_key == hashlib.sha256(b'["u", "", []]').hexdigest()[:32]
    assert noted.request_key != bare.request_key
    assert any("note" in line for line in found.describe())


@pytest.mark.parametrize(
    ("alt", "source", "blank"),
    [
        ("", "", True), (None, None, True), ("  ", "pending", True), ("", "failed", True),
        ("", "ai", True), ("A mug.", "", False), ("", "human", False), ("", "Human ", False),
        ("", "human-edited-ai", False), ("", "decorative", False), ("", "uncertain", False),
        ("", "rejected", False), ("", "person", False), ("", "import", False),
    ],
)  # fmt: skip
def test_a_blank_row_needs_an_alt_text_unless_it_is_settled(
    alt: str | None, source: str | None, blank: bool
) -> None:
    columns = guess_columns(["image", "alt", "alt_source"])
    record = {"image": "a.jpg", "alt": alt, "alt_source": source}
    assert needs_alt_text(record, columns) is blank


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("a, b,a,", ("a", "b")), ("a b|c", ("a b", "c")), ('["x", "y z"]', ("x", "y z")),
        (["l", 2, None], ("l", "2")), (None, ()), ("", ()), ({"a": 1}, ()),
    ],
)  # fmt: skip
def test_tags_are_read_from_lists_and_text(cell: object, tags: tuple[str, ...]) -> None:
    columns = guess_columns(["image", "tags"])
    assert row_from_record({"image": "x", "tags": cell}, columns, line_number=1).tags == tags


def test_cells_of_every_type_become_text() -> None:
    assert [cell_to_text(each) for each in (None, b"x", 3.0, 2.5, [1], {"a": 1}, "t")] == [
        "", "", "3", "2.5", "[1]", '{"a": 1}', "t",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("module", "source", "extra"),
    [
        ("pyarrow", "in.parquet", "backfill"),
        ("sqlalchemy", "sqlite:///shop.db", "backfill"),
        ("psycopg", "postgresql://shop@db/shop", "postgresql"),
        ("pymysql", "mysql://shop@db/shop", "mysql"),
    ],
)
def test_a_missing_package_is_reported_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, source: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    config = RunConfig(source, target_file="out.parquet", table="products")
    with pytest.raises(UsageError, match=rf"pip install '\./sdk\[{extra}\]'"):
        open_connectors(
            RunConfig(source, target_file="out.parquet") if source == "in.parquet" else config
        )
