"""docs/backfill.md, "Three public catalogues": the forms in which shops and CMSs export."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from altwright.backfill.column_mapping import guess_columns
from altwright.backfill.image_lists import count_images
from altwright.errors import UsageError

from testing.catalogue import BackfillCommand, read_csv
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from tests.backfill.file_runs import FileRun

URL = "https://shop.example/"
SHOPIFY = (
    "Handle,Title,Variant SKU,Image Src,Image Position,Image Alt Text,Variant Image\n"
    f"mug,Blue mug,M1,{URL}a.jpg,1,,{URL}a.jpg\n"
    f"mug,,M2,{URL}b.jpg,2,Mine.,\n"
    f"mug,,,{URL}c.jpg,3,,\n"
    "mug,,M3,,,,\n"
    f"cup,Red cup,C1,{URL}d.jpg,1,,\n"
)


def test_a_shops_export_with_several_images_and_variants_of_a_product(tmp_path: Path) -> None:
    run = FileRun(tmp_path / "in.csv", tmp_path / "out.csv")
    run.source.write_text(SHOPIFY)
    scan = run.run()
    assert (scan.rows, scan.described, scan.blank, scan.without_image) == (5, 1, 3, 1)
    assert scan.broken == 0, "a handle is no key: the export repeats it for each image"
    assert run.asked == [f"{URL}a.jpg", f"{URL}c.jpg", f"{URL}d.jpg"]
    rows = read_csv(run.target)
    texts = ["Model: a.jpg.", "Mine.", "Model: c.jpg.", "", "Model: d.jpg."]
    assert [row["Image Alt Text"] for row in rows] == texts
    assert [row["alt_source"] for row in rows] == ["ai", "", "ai", "", "ai"]
    run.run()
    assert len(run.asked) == 3


@pytest.mark.parametrize("blank", ["", "   "])
def test_a_row_that_names_no_image_does_not_fail(
    command: BackfillCommand, flaky_model: FlakyModelServer, blank: str
) -> None:
    source = command.folder / "in.csv"
    source.write_text(f"id,image_url,alt\n1,{flaky_model.image_url(1)},\n2,{blank},\n")
    summary = command.run_json("in.csv", "--to", "out.csv")
    assert (summary["rows"], summary["without_image"], summary["calls"]) == (2, 1, 1)
    assert summary["outcomes"]["failed"] == 0
    assert [row["alt"] for row in read_csv(command.folder / "out.csv")] == [CAPTION, ""]


def test_a_tables_row_that_names_no_image_does_not_fail(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    url = f"sqlite:///{command.folder}/shop.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(
            "CREATE TABLE media (id INTEGER PRIMARY KEY, url TEXT, alt TEXT,"
            " alt_source TEXT)"))  # fmt: skip
        connection.execute(
            sa.text("INSERT INTO media (id, url, alt) VALUES (:id, :url, :alt)"),
            [{"id": 1, "url": flaky_model.image_url(1), "alt": None},
             {"id": 2, "url": None, "alt": None}, {"id": 3, "url": " ", "alt": ""},
             {"id": 4, "url": "", "alt": "Mine."}],
        )  # fmt: skip
    summary = command.run_json(url, "--table", "media")
    counts = [summary[each] for each in ("rows", "described", "without_image", "calls")]
    assert counts == [4, 1, 2, 1]
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT alt, alt_source FROM media ORDER BY id")).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [
        (CAPTION, "ai"), (None, None), ("", None), ("Mine.", None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        ("a.jpg|b.jpg", 2),
        ("pps1.jpg | pps2.png | c.webp", 3),
        (f"{URL}a.jpg, {URL}b.jpg", 2),
        (f"{URL}a.jpg,{URL}b.jpg", 2),
        (f"{URL}a;{URL}b", 2),
        (f"{URL}a.jpg\n{URL}b.jpg", 2),
        (f"{URL}a.jpg|b.jpg", 2),
        ("uploads/a.jpg;uploads/b.JPEG", 2),
        ('["a.jpg", "b.jpg"]', 2),
        ('["a.jpg"]', 1),
        (f"{URL}image/upload/w_100,h_100,c_fill/a.jpg", 1),
        (f"{URL}cdn-cgi/image/width=80,quality=75/{URL}a.jpg", 1),
        ("holiday, 2019.jpg", 1),
        ("two words.jpg", 1),
        ("a b.jpg", 1),
        ("[draft] mug.jpg", 1),
        ("data:image/png;base64,AAAA", 1),
        (f"{URL}a.jpg?sizes=1|2", 1),
        ("", 1),
    ],
)
def test_a_cell_with_several_images_is_told_from_one_url(cell: str, count: int) -> None:
    assert count_images(cell) == count


@pytest.mark.parametrize("option", [(), ("--base", "http://127.0.0.1:1/")])
def test_a_row_with_several_images_fails_without_a_call(
    command: BackfillCommand, flaky_model: FlakyModelServer, option: tuple[str, ...]
) -> None:
    one, two = flaky_model.image_url(1), flaky_model.image_url(2)
    cell = "a.jpg|b.jpg" if option else f"{one}, {two}"
    (command.folder / "in.csv").write_text(f'id,image_url,alt\n1,"{cell}",\n2,{two},\n')
    command.run_json("in.csv", "--to", "out.csv", *option, exit_code=1)
    rows = read_csv(command.folder / "out.csv")
    assert [(row["alt"], row["reasons"]) for row in rows] == [("", "several_images"), (CAPTION, "")]


@pytest.mark.parametrize(
    "column",
    ["alternative_text", "AlternativeText", "Image Alt Text", "alt-text", "img_alt"],
)
def test_alt_texts_are_found_under_the_names_that_programs_give_them(column: str) -> None:
    assert guess_columns(["id", "url", column]).alt == column


@pytest.mark.parametrize(
    "column",
    ["feature_image_alt", "field_image_alt", "Alt texts (x,y,z...)", "image_alternate",
     "_wp_attachment_image_alt", "base_image_label", "Product Image Description - 1", "legend"],
)  # fmt: skip
def test_a_column_that_may_have_alt_texts_is_not_passed_over(column: str) -> None:
    with pytest.raises(UsageError, match="Alt texts may stand in"):
        guess_columns(["id", "url", column])
    assert guess_columns(["id", "url", column], ["alt="]).alt == ""
    assert guess_columns(["id", "url", column], [f"alt={column}"]).alt == column


@pytest.mark.parametrize(
    "column",
    [
        "salt",
        "altitude",
        "alt_source",
        "alt_de",
        "default",
        "walt",
        "label",
        "description",
        "legendary",
    ],
)
def test_other_columns_are_not_taken_for_alt_texts(column: str) -> None:
    assert guess_columns(["id", "url", column]).alt == ""


def test_a_guessed_key_that_repeats_comes_with_advice(tmp_path: Path) -> None:
    run = FileRun(tmp_path / "in.csv", tmp_path / "out.csv")
    run.source.write_text(f"sku,image,alt\nM,{URL}a.jpg,\nM,{URL}b.jpg,\n")
    scan = run.run()
    assert scan.broken == 1
    assert "--column key=" in scan.advice
    keyless = FileRun(run.source, tmp_path / "other.csv", column_roles=("key=",))
    scan = keyless.run()
    assert (scan.broken, scan.advice, len(keyless.asked)) == (0, "", 2)


def test_columns_that_are_aligned_with_spaces_are_read_and_stay_aligned(tmp_path: Path) -> None:
    run = FileRun(tmp_path / "in.csv", tmp_path / "out.csv")
    lines = [
        "name      ,image               ,alt    ,options      ",
        f'Laptop    ,"{URL}a.jpg" ,""     ,"13 inch|8GB"',
        f'"Mug, red",{URL}b.jpg,"Mine.",""   ',
        f'"x"y,{URL}c.jpg,,',
    ]
    run.source.write_text("\n".join(lines) + "\n")
    scan = run.run()
    assert (scan.blank, scan.described, scan.broken) == (1, 1, 1)
    out = run.target.read_text().splitlines()
    assert out[1].startswith(f'Laptop    ,"{URL}a.jpg" ,"Model: a.jpg.","13 inch|8GB",ai,')
    assert out[2].startswith(f'"Mug, red",{URL}b.jpg,"Mine.",""   ,')
    assert out[3] == lines[3]


def test_alt_texts_that_a_cms_keeps_as_keys_and_values_are_filled_by_a_query(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    """As WordPress does: posts, and a table of names and values beside them."""
    url = f"sqlite:///{command.folder}/site.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, guid TEXT, title TEXT)",
            (
                "CREATE TABLE postmeta (meta_id INTEGER PRIMARY KEY, post_id INTEGER,"
                " meta_key TEXT, meta_value TEXT NOT NULL)"
            ),
            (
                "INSERT INTO postmeta VALUES (1, 1, 'image_alt', ''), (2, 1, 'views', ''),"
                " (3, 2, 'image_alt', 'Mine.'), (4, 3, 'image_alt', ' '), (5, 3, 'note', 'x')"
            ),
        ):
            connection.execute(sa.text(statement))
        connection.execute(
            sa.text("INSERT INTO posts VALUES (:id, :guid, 'Mug')"),
            [{"id": n, "guid": flaky_model.image_url(n)} for n in (1, 2, 3)],
        )
    query = (
        "SELECT m.meta_id, m.meta_value, p.guid AS image, p.title FROM postmeta m"
        " JOIN posts p ON p.id = m.post_id WHERE m.meta_key = 'image_alt'"
    )
    run = (url, "--table", "postmeta", "--query", query, "--column", "alt=meta_value")
    assert command.run_json(*run)["written"] == 2, "the table's own key is the query's"
    assert command.run_json(*run)["calls"] == 0
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT meta_value FROM postmeta ORDER BY meta_id"))
        assert found.scalars().all() == [CAPTION, "", "Mine.", CAPTION, "x"]
    engine.dispose()
    repeated = query.replace("p.id = m.post_id", "p.id = m.post_id OR p.id = 2")
    refused = command.run(url, "--table", "postmeta", "--query", repeated, *run[5:],
                          "--journal", "other.journal")  # fmt: skip
    assert refused.returncode == 2
    assert "'meta_id' is not a unique key" in refused.stderr
