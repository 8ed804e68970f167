"""`altwright verify`: axe-core's rules about pictures, over real pages."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Annotated

import typer

from altwright.cli.exits import Exit
from altwright.cli.terminal import complain, one_line, say
from altwright.errors import UsageError
from altwright.verify import chromium, report
from altwright.verify.pages import pages_of
from altwright.verify.report import Finding, Report


def verify(
    pages: Annotated[
        list[str],
        typer.Argument(
            metavar="PAGE-or-SITEMAP...",
            help="Addresses, HTML files, and sitemaps (what ends in .xml or .xml.gz).",
        ),
    ],
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Keep the counts and every violation as JSON."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE", help="Compare with what --save kept before."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Look at the first so many pages."),
    ] = None,
    tabs: Annotated[int, typer.Option("--tabs", "-j", min=1, max=32)] = 4,
    program: Annotated[
        str | None,
        typer.Option("--chromium", metavar="PATH", help="The browser; by default one is found."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds that one page may take.")
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="The whole report as JSON.")] = False,
) -> None:
    """Check pictures on real pages with axe-core, in headless Chromium.

    Run it before a backfill with --save before.json, and after it with --against before.json. Exit
    code 1 says that a rule is still broken, or that a page could not be looked at.
    """
    before = report.read(against) if against is not None else None
    if save is not None and not save.parent.is_dir():
        raise UsageError(f"{save} cannot be written: there is no folder {save.parent}.")
    wanted = list(itertools.islice(_addresses(pages), limit))
    if not wanted:
        raise UsageError("There is no page in what you named.")
    findings: list[Finding] = []

    async def work() -> str:
        async with chromium.browser(program) as running:
            engine = await chromium.version(running)
            async for finding in chromium.look_at(running, wanted, tabs=tabs, timeout_s=timeout):
                findings.append(finding)
                if not as_json:
                    _tell(finding)
            return engine

    engine = asyncio.run(work())
    made = Report(engine, tuple(sorted(findings, key=lambda each: each.url)))
    if save is not None:
        _save(made, save)
    if as_json:
        say(json.dumps(made.as_data(), ensure_ascii=False))
    else:
        for line in report.summary_lines(made, before):
            say(one_line(line) if not line.startswith(" ") else line)
    raise typer.Exit(Exit.FAILED if made.violations or made.problems else Exit.OK)


def _addresses(words: list[str]) -> list[str]:
    import httpx  # not at import time: the other commands start without it

    with httpx.Client() as client:
        return list(pages_of(words, client))


def _tell(finding: Finding) -> None:
    if finding.problem:
        complain(f"{finding.url}: {finding.problem}")
        return
    for line in report.page_lines(finding):
        indent = "    " if line.startswith(" ") else ""
        say(indent + one_line(line))


def _save(made: Report, path: Path) -> None:
    text = json.dumps(made.as_data(), ensure_ascii=False, indent=1)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
