"""`altwright verify`: checks images on web pages with axe-core."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Annotated

import typer

from altwright.cli.exit_codes import ExitCode
from altwright.cli.output import print_error, print_line, to_one_line
from altwright.errors import UsageError
from altwright.output_file import check_may_replace, write_output
from altwright.verify import axe
from altwright.verify.page_list import list_pages
from altwright.verify.report import (
    REPORT_MARKS,
    PageReport,
    Report,
    format_page,
    format_summary,
    read_report,
)


def verify(
    pages: Annotated[
        list[str],
        typer.Argument(
            metavar="PAGE-or-SITEMAP...",
            help="URLs, HTML files, and sitemaps (names that end in .xml or .xml.gz).",
        ),
    ],
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Save the report as JSON."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE", help="Compare with a report of --save."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="The most pages to check."),
    ] = None,
    tabs: Annotated[
        int, typer.Option("--tabs", "-j", min=1, max=32, help="Pages at the same time.")
    ] = 4,
    program: Annotated[
        str | None,
        typer.Option("--chromium", metavar="PATH", help="The browser; found by default."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="The most seconds for one page.")
    ] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check images on web pages with axe-core, in headless Chromium.

    Run it before a backfill with --save before.json, and after it with --against before.json. Exit
    code 1 means that a rule is broken, or that a page could not be checked.
    """
    before = read_report(against) if against is not None else None
    if save is not None and not save.parent.is_dir():
        raise UsageError(f"{save} cannot be written: there is no folder {save.parent}.")
    if save is not None:
        check_may_replace(save, REPORT_MARKS)
    urls = list(itertools.islice(_list_urls(pages), limit))
    if not urls:
        raise UsageError("The arguments contain no page.")
    report = asyncio.run(
        _check(urls, program, tabs=tabs, timeout_s=timeout, print_pages=not as_json)
    )
    if save is not None:
        _save(report, save)
    if as_json:
        print_line(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        for line in format_summary(report, before):
            print_line(to_one_line(line) if not line.startswith(" ") else line)
    raise typer.Exit(ExitCode.FAILED if report.violations or report.problems else ExitCode.OK)


async def _check(
    urls: list[str], program: str | None, *, tabs: int, timeout_s: float, print_pages: bool
) -> Report:
    findings: list[PageReport] = []
    async with axe.launch_browser(program) as browser:
        engine = await axe.axe_version(browser)
        async for page in axe.check_pages(browser, urls, tabs=tabs, timeout_s=timeout_s):
            findings.append(page)
            if print_pages:
                _print_page(page)
    return Report(engine, tuple(sorted(findings, key=lambda page: page.url)))


def _list_urls(arguments: list[str]) -> list[str]:
    import httpx  # not at import time: the other commands start without it

    with httpx.Client() as client:
        return list(list_pages(arguments, client))


def _print_page(page: PageReport) -> None:
    if page.problem:
        print_error(f"{page.url}: {page.problem}")
        return
    for line in format_page(page):
        indent = "    " if line.startswith(" ") else ""
        print_line(indent + to_one_line(line))


def _save(report: Report, path: Path) -> None:
    text = json.dumps(report.to_json(), ensure_ascii=False, indent=1)
    try:
        write_output(path, f"{text}\n".encode(), REPORT_MARKS)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
