"""What stands in Payload's tables: the backfill over SQL, and the migration from old words."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from testing.images import jpeg, photograph_like
from testing.requirements import NODE_MODULES, require_program
from testing.servers.databases import empty_postgresql
from testing.servers.fault_proxy import FaultProxy, forward
from tests.templates.payload_server import (
    TEMPLATES,
    Document,
    PayloadSite,
    environment,
    install,
    shown,
    upload,
)

REVIEWED = {"altReviewedAt": "2026-01-01T00:00:00.000Z"}


def sql_backfill(site: PayloadSite, captions: str) -> subprocess.CompletedProcess[str]:
    """`altwright backfill` on the table of a collection without locales."""
    options = ["--table", "plain_media", "--column", "image=filename", "--json", "--write-generic"]
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("altwright")),
            "backfill",
            site.sqlalchemy_url.replace("+psycopg", ""),
            *options,
            "--base",
            str(site.folder / "uploads/plainMedia"),
        ],
        cwd=site.folder,
        env=environment(ALTWRIGHT_URL=captions),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_a_backfill_over_sql_keeps_what_people_decided_and_writes_what_payload_saves(
    site: PayloadSite, payload_captions: FaultProxy
) -> None:
    """On a collection without locales. Every row can be saved in Payload afterwards."""
    payload_captions.always(forward)
    site.local("delete", collection="plainMedia", where={})
    number = 0

    def create(data: Document, *, hooks: bool = True) -> Document:
        nonlocal number
        number += 1
        file = upload(jpeg((320 + number, 200)), f"s{number}.jpg")
        context = {} if hooks else {"skipAlt": True}
        found: Document = site.create("plainMedia", data, file=file, context=context)
        return found

    kept = [
        create({"alt": "My mug"}),
        create({"alt": "", "altSource": "human"}),
        create({"alt": "", "altSource": "decorative", **REVIEWED}),
        create({"alt": "", "altSource": "decorative"}),
        create({"alt": "Approved", "altSource": "ai", **REVIEWED}),
        create({"alt": "From before"}, hooks=False),
    ]
    emptied = create({"alt": "x"})
    site.update(emptied, {"alt": ""}, collection="plainMedia")
    blank = [create({"alt": ""}, hooks=False), create({})]
    site.local("clear")
    if site.database.startswith("file:"):  # where the column takes every word
        old = create({"alt": ""}, hooks=False)
        with site.connect() as connection:
            statement = "UPDATE plain_media SET alt_source = 'person' WHERE id = :id"
            connection.execute(sa.text(statement), {"id": old["id"]})
        kept.append(old)
    kept.append(emptied)
    before = [site.read(doc, collection="plainMedia") for doc in kept]

    done = sql_backfill(site, payload_captions.url)
    assert done.returncode == 0, done.stdout + done.stderr

    assert [site.read(doc, collection="plainMedia") for doc in kept] == before
    for doc in blank:
        saved = site.read(doc, collection="plainMedia")
        assert saved["altSource"] in ("ai", "decorative")
        assert bool(saved["alt"]) == (saved["altSource"] == "ai")
    for doc in [*kept, *blank]:
        site.update(doc, {"credit": "saved"}, collection="plainMedia")
    # What SQL wrote is a machine's, and a new file clears it.
    site.update(blank[0], file=upload(photograph_like()), collection="plainMedia")
    assert shown(site.read(blank[0], collection="plainMedia")) == {"altSource": "pending"}


OLD_ROWS = [
    ("en", "A mug.", "altwright", "ai"),
    ("de", "Meine Tasse", "person", "human"),
    ("fr", "", "altwright", "decorative"),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, as Payload takes it."""
    if request.param == "sqlite":
        yield f"file:{tmp_path / 'site.db'}"
        return
    with empty_postgresql(request.getfixturevalue("postgresql_port")) as url:
        yield url.replace("+psycopg", "")


@pytest.mark.slow
def test_the_migration_of_the_readme_renames_the_old_words(
    tmp_path: Path, database: str, payload_captions: FaultProxy
) -> None:
    """With Payload's own commands; afterwards Payload saves the documents."""
    folder = install(tmp_path / "site")
    migrate(folder, database, "old.config.ts", "migrate:create", "first")
    migrate(folder, database, "old.config.ts", "migrate")
    site = PayloadSite(folder, database, payload_captions.url, NODE_ENV="production")
    with site.connect() as connection:
        moment = "'2026-01-01T00:00:00.000Z'"
        connection.execute(
            sa.text(
                "INSERT INTO media (id, filename, mime_type, created_at, updated_at)"
                f" VALUES (1, 'a.jpg', 'image/jpeg', {moment}, {moment})"
            )
        )
        for locale, alt, word, _ in OLD_ROWS:
            connection.execute(
                sa.text(
                    "INSERT INTO media_locales (_parent_id, _locale, alt, alt_source)"
                    f" VALUES (1, '{locale}', '{alt}', '{word}')"
                )
            )
    migrate(folder, database, "payload.config.ts", "migrate:create", "second")
    [second] = (folder / "src/migrations").glob("*_second.ts")
    add_old_words(second)
    migrate(folder, database, "payload.config.ts", "migrate")
    with site:
        for locale, alt, _, word in OLD_ROWS:
            site.update({"id": 1}, {"credit": locale}, locale=locale)
            saved = site.read({"id": 1}, locale)
            assert (saved["alt"], saved["altSource"], saved["credit"]) == (alt, word, locale)


def migrate(folder: Path, database: str, config: str, *words: str) -> None:
    """Run one of Payload's commands."""
    completed = subprocess.run(
        [require_program("node", "nodejs"), str(NODE_MODULES / "payload/bin.js"), *words],
        cwd=folder,
        env=environment(DATABASE_URL=database, NODE_ENV="production", PAYLOAD_CONFIG_PATH=config),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr


def add_old_words(migration: Path) -> None:
    """Edit a migration as the README says."""
    readme = (TEMPLATES / "payload/README.md").read_text(encoding="utf-8")
    found = re.search(r"```sql\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    statements = found.group(1)
    text = migration.read_text(encoding="utf-8")
    place = 'ALTER TABLE "media_locales" ALTER COLUMN "alt_source" SET DATA TYPE text;\n'
    if place in text:
        text = text.replace(place, f"{place}{statements}", 1)
    else:
        end = text.index("}\n\nexport async function down")
        runs = "".join(f"  await db.run(sql`{each}`)\n" for each in statements.splitlines())
        text = text[:end] + runs + text[end:]
    migration.write_text(text, encoding="utf-8")
