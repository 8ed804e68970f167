"""The backfill through Payload's Local API fills every locale and no person's text."""

import asyncio
import json
import subprocess
from typing import Any

import pytest

from testing.images import jpeg, photograph_like
from testing.requirements import NODE_MODULES, require_program
from testing.servers.fault_proxy import Action, FaultProxy, RecordedRequest, problem
from tests.templates.payload_server import Document, PayloadSite, describe, shown, upload

LOCALES = ("en", "de", "fr")


@pytest.fixture
def old(site: PayloadSite) -> list[Document]:
    """Three documents that are older than the plugin; the collection has no others."""
    site.local("delete", collection="media", where={})
    return [
        site.create(file=upload(jpeg((300 + each, 200))), context={"skipAlt": True})
        for each in range(3)
    ]


def backfill(site: PayloadSite, **options: object) -> Any:
    """Run it, for documents that wait since just now, too."""
    return site.local("backfill", collection="media", pendingMs=0, **options)


def test_every_locale_is_filled_and_a_second_run_asks_nothing(
    site: PayloadSite, old: list[Document], payload_captions: FaultProxy
) -> None:
    """At most four requests at once."""
    done = backfill(site)
    assert (done["documents"], done["asked"], done["written"]) == (3, 9, {"ai": 9})
    for locale in LOCALES:
        for doc in old:
            saved = site.read(doc, locale)
            assert (saved["altSource"], saved["altLocale"]) == ("ai", locale)
            assert saved["alt"].endswith(f" in {locale}.")
    assert payload_captions.max_in_flight <= 4
    again = backfill(site)
    assert (again["asked"], again["kept"]) == (0, {"ai": 9})


def test_what_people_and_callers_decided_is_kept(
    site: PayloadSite, old: list[Document], payload_captions: FaultProxy
) -> None:
    """Typed, emptied, decorative, held for a person, and a text of unknown origin."""
    first, second, third = old
    site.update(first, {"alt": "My mug"})
    site.update(first, {"altSource": "decorative"}, locale="de")
    site.update(first, {"altSource": "uncertain"}, locale="fr")
    site.update(second, {"alt": "x"})
    site.update(second, {"alt": ""})
    site.update(third, {"alt": "From before"}, context={"skipAlt": True})
    kept = [(doc, locale) for doc, locale in [*[(first, each) for each in LOCALES], (second, "en")]]
    before = [shown(site.read(doc, locale)) for doc, locale in kept]
    done = backfill(site)
    assert done["kept"] == {"human": 2, "decorative": 1, "uncertain": 1, "text": 1}
    assert done["written"] == {"ai": 4}
    assert [shown(site.read(doc, locale)) for doc, locale in kept] == before
    assert site.read(third)["alt"] == "From before"
    assert len(payload_captions.requests) == 4


def test_a_dry_run_counts_and_asks_nothing(
    site: PayloadSite, old: list[Document], payload_captions: FaultProxy
) -> None:
    """And a limit makes a pilot."""
    assert backfill(site, dryRun=True, only=["de"])["asked"] == 3
    assert payload_captions.requests == []
    assert {shown(site.read(doc, "de")).get("altSource") for doc in old} == {None}
    assert backfill(site, limit=2, concurrency=1)["written"] == {"ai": 2}


def test_a_person_who_types_meanwhile_is_faster(
    site: PayloadSite, old: list[Document], payload_captions: FaultProxy
) -> None:
    """Also in a locale that has no row yet."""
    doc = old[0]

    def edit(locale: str) -> Action:
        async def act(
            proxy: FaultProxy, request: RecordedRequest, writer: asyncio.StreamWriter
        ) -> None:
            await asyncio.to_thread(site.update, doc, {"alt": "Mine"}, locale=locale)
            await describe(proxy, request, writer)

        return act

    payload_captions.then(edit("en"), edit("de"))
    done = backfill(site, concurrency=1, limit=2)
    assert (done["overtaken"], done["written"]) == (2, {})
    assert [site.read(doc, each)["alt"] for each in ("en", "de")] == ["Mine", "Mine"]


def test_a_document_whose_job_is_due_is_left_to_it(
    site: PayloadSite, old: list[Document], payload_captions: FaultProxy
) -> None:
    """A lost one is done after ten minutes."""
    site.local("delete", collection="media", where={})
    doc = site.create(file=upload(jpeg()))
    waiting = site.local("backfill", collection="media", only=["en"])
    assert (waiting["waiting"], waiting["asked"]) == (1, 0)
    site.local("clear")
    assert backfill(site, only=["en"])["written"] == {"ai": 1}
    assert site.read(doc)["altSource"] == "ai"


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "most"),
    [(401, "unauthorized", 77, 4), (503, "overloaded", 75, 8 * 5)],
)
def test_a_server_that_is_away_fails_no_document(
    site: PayloadSite,
    old: list[Document],
    payload_captions: FaultProxy,
    status: int,
    code: str,
    exit_code: int,
    most: int,
) -> None:
    """The run ends, and the next one goes on."""
    payload_captions.always(problem(status, code, retry_after="0"))
    done = backfill(site)
    assert (done["exitCode"], done["written"]) == (exit_code, {})
    assert len(payload_captions.requests) <= most + 4 * 5
    assert {shown(site.read(doc)).get("altSource") for doc in old} == {None}
    payload_captions.always(describe)
    assert backfill(site)["written"] == {"ai": 9}


def test_an_old_document_is_known_by_its_file_afterwards(
    site: PayloadSite, old: list[Document], payload_captions: FaultProxy
) -> None:
    """The same file, uploaded again, clears nothing; another one does."""
    backfill(site, only=["en"])
    payload_captions.requests.clear()
    site.update(old[0], file=upload(jpeg((300, 200))))
    assert site.read(old[0])["altSource"] == "ai"
    site.update(old[0], file=upload(photograph_like((320, 200))))
    assert site.read(old[0])["altSource"] == "pending"


def test_a_default_text_is_filled(site: PayloadSite, payload_captions: FaultProxy) -> None:
    """Nobody typed it. The request has what the plugin's options add."""
    data = {"credit": "Harbour mug"}
    doc = site.create("plainMedia", data, file=upload(jpeg()), context={"skipAlt": True})
    assert doc["alt"] == "Image"
    site.local("backfill", collection="plainMedia", pendingMs=0)
    saved = site.read(doc, collection="plainMedia")
    assert saved["altSource"] == "ai"
    assert saved["alt"] != "Image"
    assert payload_captions.requests[-1].form()["context"] == "Harbour mug"


@pytest.mark.slow
def test_the_command_prints_its_summary(site: PayloadSite, old: list[Document]) -> None:
    """`payload run`, as the README says; a word that it does not know stops it."""
    done = command(site, "collection=media", "only=de", "limit=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["written"] == {"ai": 1}
    refused = command(site, "colection=media")
    assert refused.returncode == 2
    assert "unknown: colection" in refused.stderr


def command(site: PayloadSite, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it beside the site."""
    return subprocess.run(
        [
            require_program("node", "nodejs"),
            str(NODE_MODULES / "payload/bin.js"),
            "run",
            "src/altwright/run-backfill.ts",
            *words,
        ],
        cwd=site.folder,
        env={**site.environment, "NODE_ENV": "production"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
