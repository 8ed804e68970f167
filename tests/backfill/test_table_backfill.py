"""Backfill of a table: outcomes are written back, and a person's text always stays."""

import random
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from testing.catalogue import BackfillCommand, wait_until
from testing.servers.flaky_model_server import CAPTION, SEO, FlakyModelServer

TABLE = ("--table", "products")


@pytest.fixture(params=["postgresql", "mysql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """A connection of its own, as an editor of the table has."""
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def products(
    engine: sa.Engine, flaky_model: FlakyModelServer, count: int, *, audited: bool = True
) -> sa.Table:
    """A table of mugs. Every fifth has an alt text; every seventh was left blank by a person on
    purpose: `alt` blank, `alt_source` human."""
    columns = [sa.Column("alt_source", sa.String(32))] if audited else []
    table = sa.Table(
        "products", sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("image_url", sa.String(500)), sa.Column("name", sa.String(100)),
        sa.Column("alt", sa.String(300)), *columns,
    )  # fmt: skip
    table.create(engine)
    rows = [
        {"id": n, "image_url": flaky_model.image_url(n), "name": f"Mug, row-{n}",
         "alt": f"Described {n}" if n % 5 == 0 else (None, "", "  ")[n % 3]}
        for n in range(1, count + 1)
    ]  # fmt: skip
    if audited:
        rows = [{**row, "alt_source": "human" if row["id"] % 7 == 0 else None} for row in rows]
    with engine.begin() as connection:
        connection.execute(table.insert(), rows)
    return table


def contents(engine: sa.Engine, table: str = "products") -> dict[int, dict[str, object]]:
    """Every row by its key."""
    with engine.connect() as connection:
        found = connection.execute(sa.text(f"SELECT * FROM {table} ORDER BY id")).mappings()
        return {row["id"]: dict(row) for row in found}


def test_blank_rows_are_filled_and_other_rows_stay(
    command: BackfillCommand, flaky_model: FlakyModelServer, engine: sa.Engine, url: str
) -> None:
    products(engine, flaky_model, 40)
    before = contents(engine)
    added = command.run("init-db", url, *TABLE, "--styles", "concise,seo")
    assert added.returncode == 0
    assert "added seo" in added.stdout
    assert "alt_source" not in added.stdout
    summary = command.run_json(url, *TABLE, "--styles", "concise,seo")
    assert "postgres:" not in summary["source"]
    after = contents(engine)
    blank = [n for n in before if n % 5 and n % 7]
    for n, row in after.items():
        if n in blank:
            assert (row["alt"], row["alt_source"], row["seo"]) == (CAPTION, "ai", SEO)
            assert row["search_text"] == f"{CAPTION} | {n}.jpg"
        else:
            assert {name: row[name] for name in before[n]} == before[n]
            assert row["seo"] is None
    assert summary["rows"] == 40
    assert summary["outcomes"]["ai"] == summary["written"] == len(blank)
    again = command.run_json(url, *TABLE, "--styles", "concise,seo")
    assert (again["calls"], again["kept"]) == (0, 0)


@pytest.mark.slow
def test_an_editor_who_writes_during_the_run_loses_nothing(
    command: BackfillCommand, flaky_model: FlakyModelServer, engine: sa.Engine, url: str
) -> None:
    """The run is killed twice, while the editor fills rows and marks them as human."""
    count = 150
    flaky_model.behaviour.response_s = 0.05
    table = products(engine, flaky_model, count)
    stop = threading.Event()
    wrote: dict[int, str] = {}

    def edit() -> None:
        chance = random.Random(3)
        while not stop.is_set():
            n = chance.randrange(1, count + 1)
            values = {"alt": f"Edited {n} by hand", "alt_source": "human"}
            with engine.begin() as connection:
                connection.execute(table.update().where(table.c.id == n).values(values))
            wrote[n] = values["alt"]
            time.sleep(0.02)

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        for _ in range(2):
            calls = flaky_model.log.calls
            process = command.start(url, *TABLE)
            wait_until(lambda calls=calls: flaky_model.log.calls >= calls + 25, process)
            process.send_signal(signal.SIGKILL)
            process.wait()
        command.run_json(url, *TABLE)
    finally:
        stop.set()
        editor.join()
    assert len(wrote) > 30
    for n, row in contents(engine).items():
        if n in wrote:
            assert (row["alt"], row["alt_source"]) == (wrote[n], "human")
        elif n % 5 and n % 7:
            assert (row["alt"], row["alt_source"]) == (CAPTION, "ai"), n
    assert flaky_model.log.captioned.total() - len(flaky_model.log.captioned) <= 2 * 8


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.slow
def test_a_row_filled_before_its_request_is_not_requested(
    command: BackfillCommand, flaky_model: FlakyModelServer, engine: sa.Engine, url: str
) -> None:
    flaky_model.behaviour.response_s = 0.05
    table = products(engine, flaky_model, 70)
    process = command.start(url, *TABLE, "--concurrency", "1")
    wait_until(lambda: flaky_model.log.calls >= 2, process)
    with engine.begin() as connection:
        values = {"alt": "By hand", "alt_source": "human"}
        connection.execute(table.update().where(table.c.id > 50).values(values))
    assert process.wait(60) == 0
    assert max(flaky_model.log.captioned) <= 50
    assert {row["alt"] for n, row in contents(engine).items() if n > 50} == {"By hand"}


@pytest.mark.parametrize("url", ["mysql"], indirect=True)
def test_without_audit_columns_only_the_text_is_written(
    command: BackfillCommand, flaky_model: FlakyModelServer, engine: sa.Engine, url: str
) -> None:
    flaky_model.behaviour.uncertain_every = 3
    products(engine, flaky_model, 9, audited=False)
    completed = command.run(url, *TABLE)
    assert completed.returncode == 0
    assert "the table has no column alt_source" in completed.stderr
    assert [n for n, row in contents(engine).items() if row["alt"] == CAPTION] == [1, 2, 4, 7, 8]
    calls = flaky_model.log.calls
    assert command.run_json(url, *TABLE)["calls"] == 0
    assert flaky_model.log.calls == calls


def test_a_query_is_read_by_its_key_and_written_back_to_the_table(
    command: BackfillCommand, flaky_model: FlakyModelServer, engine: sa.Engine, url: str
) -> None:
    products(engine, flaky_model, 20)
    query = "SELECT id, image_url, name AS context, alt, alt_source FROM products WHERE id < 10"
    summary = command.run_json(url, *TABLE, "--query", query)
    assert summary["outcomes"]["ai"] == 7  # without 5 and 7
    assert {n for n, row in contents(engine).items() if row["alt"] == CAPTION} < set(range(10))
    made = command.run_json(url, "--query", query, "--to", "out.csv", "--journal", "other")
    assert (made["rows"], made["calls"]) == (9, 0)


def test_a_text_too_long_for_its_column_goes_to_review(
    command: BackfillCommand, flaky_model: FlakyModelServer, postgresql: str
) -> None:
    engine = sa.create_engine(postgresql)
    with engine.begin() as connection:
        connection.execute(sa.text(
            "CREATE TYPE origin AS ENUM ('ai', 'human', 'uncertain', 'failed');"
            "CREATE TABLE pictures (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), url text,"
            " alt varchar(10), alt_source origin, alt_reviewed_at timestamptz)"))  # fmt: skip
        connection.execute(
            sa.text("INSERT INTO pictures (url) VALUES (:url)"), {"url": flaky_model.image_url(1)}
        )
    summary = command.run_json(postgresql, "--table", "pictures")
    assert (summary["held"], summary["outcomes"]["uncertain"]) == (1, 1)
    with engine.connect() as connection:
        row = connection.execute(sa.text("SELECT alt, alt_source FROM pictures")).one()
    assert tuple(row) == (None, "uncertain")
    engine.dispose()


@pytest.mark.slow
def test_locked_rows_are_written_by_the_next_run_without_a_call(
    command: BackfillCommand, flaky_model: FlakyModelServer, tmp_path: Path
) -> None:
    """A database that stays locked ends the run with 75; nothing is requested twice."""
    path = tmp_path / "shop.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    products(engine, flaky_model, 8)
    engine.dispose()
    url = f"sqlite:///{path}?timeout=0.2"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    completed = command.run(url, *TABLE)
    assert completed.returncode == 75, completed.stderr
    assert "6 rows could not be written (database is locked)" in completed.stderr
    assert flaky_model.log.captioned.total() == 6
    holder.execute("ROLLBACK")
    holder.close()
    assert command.run_json(url, *TABLE)["written"] == 6
    assert flaky_model.log.captioned.total() == 6


def test_binary_keys_and_colons_in_queries_work(
    command: BackfillCommand, flaky_model: FlakyModelServer, mysql: str
) -> None:
    engine = sa.create_engine(mysql)
    with engine.begin() as connection:
        connection.execute(
            sa.text("CREATE TABLE media (id binary(16) PRIMARY KEY, url text, note text, alt text)")
        )
        for n in (1, 2):
            connection.execute(
                sa.text("INSERT INTO media VALUES (unhex(md5(:n)), :url, :note, NULL)"),
                {"n": str(n), "url": flaky_model.image_url(n), "note": " :a 50% "},
            )  # fmt: skip
    query = "SELECT id, url, alt FROM media WHERE note = ' :a 50% '"
    assert command.run_json(mysql, "--table", "media", "--query", query)["written"] == 2
    with engine.connect() as connection:
        assert set(connection.execute(sa.text("SELECT alt FROM media")).scalars()) == {CAPTION}
    engine.dispose()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--table", "nothing"), "There is no table 'nothing'"),
        ((), "Name what to read: --table NAME, or --query"),
        (("--query", "SELECT nothing"), "The query does not run"),
        (("--query", "SELECT 1 AS id, 'x' AS image UNION ALL SELECT 1, 'y'", *TABLE),
         "'id' is not a unique key: 1 is there twice"),
        ((*TABLE, "--column", "alt=legend"), "There is no column 'legend'"),
    ],
)  # fmt: skip
def test_a_wrong_table_or_query_is_refused_with_what_exists(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    engine = sa.create_engine(url)
    products(engine, flaky_model, 1)
    engine.dispose()
    completed = command.run(url, *arguments)
    assert completed.returncode == 2
    assert message in completed.stderr


def test_an_unreachable_database_is_reported_without_its_password(command: BackfillCommand) -> None:
    completed = command.run("postgresql://shop:hunter2@127.0.0.1:1/shop", *TABLE)
    assert completed.returncode == 2
    assert "does not accept a connection" in completed.stderr
    assert "hunter2" not in completed.stderr + completed.stdout


@pytest.mark.parametrize("url", ["postgresql", "mysql", "sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("date", ["2026-01-01", "2026-01-02"]),
        ("timestamp", ["2026-01-01 10:00:00", "2026-01-01 10:00:01"]),
        ("boolean", ["0", "1"]),
        ("decimal(9,2)", ["1.50", "2.00"]),
        ("", ["7", "x"]),
    ],
)
def test_keys_of_any_type_find_their_rows(
    command: BackfillCommand,
    flaky_model: FlakyModelServer,
    engine: sa.Engine,
    url: str,
    kind: str,
    keys: list[str],
) -> None:
    if not kind and engine.dialect.name != "sqlite":
        return  # only SQLite has columns without a type
    values = [f"'{key}'" for key in keys]
    if kind == "boolean":
        values = ["FALSE", "TRUE"]
    with engine.begin() as connection:
        connection.execute(
            sa.text(f"CREATE TABLE products (id {kind} PRIMARY KEY, url varchar(300), alt text)")
        )
        for n, value in enumerate(values):
            connection.execute(
                sa.text(f"INSERT INTO products VALUES ({value}, :url, NULL)"),
                {"url": flaky_model.image_url(n)},
            )
    summary = command.run_json(url, *TABLE)
    assert (summary["written"], summary["kept"]) == (2, 0)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT alt FROM products")).scalars().all()
    assert found == [CAPTION, CAPTION]


def test_sqlite_columns_with_values_of_other_types_are_read(
    command: BackfillCommand, flaky_model: FlakyModelServer, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        shop.execute("CREATE TABLE products (made DATETIME PRIMARY KEY, sold DATE, on_sale BOOLEAN,"
                     " price NUMERIC, url, alt, ALT_SOURCE TEXT, SEO TEXT)")  # fmt: skip
        rows = [(1767225600000, "2026-01-01T00:00:00Z", "maybe", "9,50", flaky_model.image_url(1)),
                ("2026-01-01T00:00:00Z", 17, 2, "n/a", flaky_model.image_url(2))]  # fmt: skip
        shop.executemany("INSERT INTO products VALUES (?, ?, ?, ?, ?, NULL, NULL, NULL)", rows)
    shop.close()
    url = f"sqlite:///{tmp_path}/shop.db"
    added = command.run("init-db", url, *TABLE)
    assert added.returncode == 0
    assert not {"added seo", "added alt_source"} & {*added.stdout.splitlines()}
    summary = command.run_json(url, *TABLE, "--styles", "concise,seo")
    assert (summary["written"], summary["kept"]) == (2, 0)
    with sqlite3.connect(tmp_path / "shop.db") as shop:
        found = shop.execute("SELECT alt, alt_source, seo FROM products").fetchall()
    shop.close()
    assert found == [(CAPTION, "ai", SEO)] * 2


def test_a_state_that_an_enumeration_lacks_stays_in_the_journal(
    command: BackfillCommand, flaky_model: FlakyModelServer, postgresql: str
) -> None:
    flaky_model.behaviour.uncertain_every = 2
    engine = sa.create_engine(postgresql)
    with engine.begin() as connection:
        connection.execute(sa.text(
            "CREATE TYPE origin AS ENUM ('ai', 'human');"
            "CREATE TABLE products (id int PRIMARY KEY, url text, context text, alt text,"
            " alt_source origin)"))  # fmt: skip
        for n in (1, 2, 3):
            connection.execute(
                sa.text("INSERT INTO products VALUES (:n, :url, :context)"),
                {
                    "n": n,
                    "url": flaky_model.image_url(n) if n < 3 else "no url",
                    "context": f"row-{n}",
                },
            )
    for _ in range(2):
        summary = command.run_json(postgresql, *TABLE, exit_code=1)
        assert (summary["outcomes"]["ai"], summary["outcomes"]["uncertain"]) == (1, 1)
        assert (summary["outcomes"]["failed"], summary["held"]) == (1, 0)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT alt_source FROM products ORDER BY id"))
        assert [*found.scalars()] == ["ai", None, None]
    engine.dispose()


def test_a_database_that_cannot_be_read_is_reported_with_one_line(
    command: BackfillCommand, flaky_model: FlakyModelServer, tmp_path: Path, postgresql: str
) -> None:
    path = tmp_path / "shop.db"
    url = f"sqlite:///{path}?timeout=0.1"
    path.write_bytes(b"this is no database at all, but a file of that name" * 100)
    completed = command.run(url, *TABLE)
    assert (completed.returncode, "file is not a database" in completed.stderr) == (2, True)
    path.unlink()
    engine = sa.create_engine(url)
    products(engine, flaky_model, 2)
    engine.dispose()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    for arguments in (
        [url, *TABLE],
        ["init-db", url, *TABLE],
        [url, "--query", "SELECT * FROM products"],
    ):
        completed = command.run(*arguments)
        assert completed.returncode == 75, completed.stderr
        assert "database is locked" in completed.stderr
        assert "SELECT" not in completed.stderr
    holder.execute("ROLLBACK")
    holder.close()
    owner = sa.create_engine(postgresql)
    products(owner, flaky_model, 1)
    with owner.begin() as connection:
        name = f"reader_{random.randrange(10**9)}"
        connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'"))
    theirs = owner.url.set(username=name, password="secret")
    completed = command.run(theirs.render_as_string(hide_password=False), *TABLE)
    with owner.begin() as connection:
        connection.execute(sa.text(f"DROP ROLE {name}"))
    owner.dispose()
    assert completed.returncode == 2
    assert "permission denied for table products" in completed.stderr
    assert "secret" not in completed.stderr


def test_a_query_may_end_in_a_comment(
    command: BackfillCommand, flaky_model: FlakyModelServer, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    engine = sa.create_engine(url)
    products(engine, flaky_model, 3)
    engine.dispose()
    query = "SELECT * FROM products -- all of them"
    assert command.run_json(url, "--query", query, "--to", "out.csv")["rows"] == 3
