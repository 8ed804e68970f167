"""Columns of a file that are a person's, or that a person gives no role."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from altwright.backfill.connectors import open_connectors
from altwright.backfill.errors import SourceError
from altwright.backfill.run_config import RunConfig
from altwright.backfill.targets.text_splicing import CsvSplicer
from altwright.errors import UsageError

from testing.catalogue import read_csv
from tests.backfill.file_runs import FileRun

HEADER = "id,image_url,alt,{}\n"
ROWS = "1,https://a.example/1.jpg,,\n2,https://a.example/2.jpg,,{}\n"


def csv_run(tmp_path: Path, text: str, **config: object) -> FileRun:
    """A run over in.csv with this text."""
    run = FileRun(tmp_path / "in.csv", tmp_path / "out.csv", **config)
    run.source.write_text(text)
    return run


@pytest.mark.parametrize(("name", "value"), [("seo", "Mine."), ("alt_source", "pending")])
def test_a_column_of_a_file_is_left_alone_where_its_field_is_given_none(
    tmp_path: Path, name: str, value: str
) -> None:
    text = HEADER.format(name) + ROWS.format(value)
    run = csv_run(tmp_path, text, styles=("concise", "seo"), column_roles=(f"{name}=",))
    run.run()
    header, first, second = (line.split(",") for line in run.target.read_text().splitlines())
    assert "" not in header
    assert header.count(name) == 1
    assert first[2:4] == ["Model: 1.jpg.", ""]
    assert second[2:4] == ["Model: 2.jpg.", value]


def test_alt_texts_are_not_declared_away_where_they_would_be_written(tmp_path: Path) -> None:
    run = csv_run(tmp_path, HEADER.format("title") + ROWS.format("Mug"), column_roles=("alt=",))
    with pytest.raises(UsageError, match="--column alt= says that no column has alt texts"):
        run.run()


def test_two_fields_do_not_share_a_column_of_a_file(tmp_path: Path) -> None:
    config = {"styles": ("concise", "seo"), "column_roles": ("seo=alt",)}
    run = csv_run(tmp_path, HEADER.format("title") + ROWS.format("Mug"), **config)
    with pytest.raises(UsageError, match="'alt' is alt, and seo would be written into it"):
        run.run()


def test_columns_whose_blank_cells_of_a_file_are_filled_are_told_before_the_run(
    tmp_path: Path,
) -> None:
    text = HEADER.format("alt_de") + ROWS.format("Tasse")
    run = csv_run(tmp_path, text, locales=("en", "de"))
    [note] = open_connectors(_config(run)).target_notes
    assert "has alt_de already: blank cells" in note
    assert open_connectors(_config(run, column_roles=("alt_de=alt_de",))).target_notes == []
    assert open_connectors(_config(run, column_roles=("alt_de=",))).target_notes == []


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view()])
def test_parquet_views_of_texts_are_filled(tmp_path: Path, kind: pa.DataType) -> None:
    run = FileRun(tmp_path / "in.parquet", tmp_path / "out.parquet")
    images = [f"https://a.example/{n}.jpg" for n in (1, 2, 3)]
    texts = pa.array([None, "", "Mine."], pa.string()).cast(pa.binary()).cast(kind)
    pq.write_table(pa.table({"image_url": images, "alt": texts}), run.source)
    run.run()
    found = pq.read_table(run.target).column("alt")
    assert found.type == kind
    read = [each.decode() if isinstance(each, bytes) else each for each in found.to_pylist()]
    assert read == ["Model: 1.jpg.", "Model: 2.jpg.", "Mine."]


def test_a_parquet_column_without_a_type_becomes_text(tmp_path: Path) -> None:
    run = FileRun(tmp_path / "in.parquet", tmp_path / "out.parquet")
    table = pa.table({"image_url": ["https://a.example/1.jpg"], "alt": pa.nulls(1)})
    pq.write_table(table, run.source)
    run.run()
    found = pq.read_table(run.target).column("alt")
    assert (found.type, found.to_pylist()) == (pa.string(), ["Model: 1.jpg."])


def test_a_small_index_of_a_parquet_dictionary_takes_all_texts(tmp_path: Path) -> None:
    run = FileRun(tmp_path / "in.parquet", tmp_path / "out.parquet")
    images = [f"https://a.example/{n}.jpg" for n in range(300)]
    blank = pa.array([""] * 300).cast(pa.dictionary(pa.int8(), pa.string()))
    pq.write_table(pa.table({"image_url": images, "alt": blank}), run.source)
    run.run()
    found = pq.read_table(run.target).column("alt")
    assert found.type == pa.dictionary(pa.int32(), pa.string())
    assert found.to_pylist() == [f"Model: {n}.jpg." for n in range(300)]


def test_a_json_line_with_two_values_of_one_name_is_broken_and_stays(tmp_path: Path) -> None:
    run = FileRun(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    twice = '{"image_url":"https://a.example/1.jpg","alt":"Mine.","alt":""}\n'
    run.source.write_text(twice + '{"image_url":"https://a.example/2.jpg","alt":""}\n')
    assert run.run().broken == 1
    assert run.asked == ["https://a.example/2.jpg"]
    assert run.target.read_text().startswith(twice)


def test_a_decorative_picture_has_an_empty_alt_text_and_is_not_asked_again(tmp_path: Path) -> None:
    run = csv_run(tmp_path, HEADER.format("title") + ROWS.format("Mug"))
    run.run(lambda row: None if row.key == "1" else "A mug.")
    first, second = read_csv(run.target)
    assert (first["alt"], first["alt_source"]) == ("", "decorative")
    assert (second["alt"], second["alt_source"]) == ("A mug.", "ai")
    run.run()
    assert len(run.asked) == 2


def test_a_file_that_does_not_read_back_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = csv_run(tmp_path, HEADER.format("title") + ROWS.format("Mug"))
    splice = CsvSplicer.record

    def damage(splicer: CsvSplicer, raw: Any, cells: Any) -> Any:
        return splice(splicer, raw, {name: f"{text}?" for name, text in cells.items()})

    with monkeypatch.context() as patch:
        patch.setattr(CsvSplicer, "record", damage)
        with pytest.raises(SourceError, match="does not read back as it was written"):
            run.run()
    assert not run.target.exists()
    run.run()
    assert len(run.asked) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    run = csv_run(tmp_path, HEADER.format("title") + ROWS.format("Mug"))
    run.run()
    os.chown(run.target, 12_345, 12_346)
    run.source.write_text(HEADER.format("title") + ROWS.format("Cup"))
    run.run()
    status = run.target.stat()
    assert (status.st_uid, status.st_gid) == (12_345, 12_346)


def _config(run: FileRun, **more: object) -> RunConfig:
    config = {"target_file": str(run.target), "locales": ("en", "de"), **more}
    return RunConfig(str(run.source), **config)  # type: ignore[arg-type]
