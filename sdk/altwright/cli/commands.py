"""`altwright caption`, `check` and `styles`; the other commands have files of their own."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from altwright._async.client import AsyncAltwright
from altwright._sync.client import Altwright
from altwright._version import __version__
from altwright.backfill.database import error_text, is_database_error
from altwright.backfill.errors import JournalUnwritable as UnwritableJournal
from altwright.backfill.errors import SourceError
from altwright.caption_many import Job
from altwright.cli.backfill import app as backfill_app
from altwright.cli.config import Server, find_server
from altwright.cli.exits import Exit, Outcomes, exit_of, sentence_of
from altwright.cli.inputs import PIPE, checked, pictures, shown
from altwright.cli.review import apply, review
from altwright.cli.terminal import ReaderGone, Unwritable, complain, one_line, say
from altwright.cli.verify import verify
from altwright.cli.worker import worker
from altwright.client_options import DEFAULT_PATIENCE_S, DEFAULT_TIMEOUT_S
from altwright.errors import AltwrightError, Problem
from altwright.models import Caption, Role, Style

_EPILOG = (
    "Exit codes: 0 all is well; 1 a picture has no caption, or a text breaks a rule; 2 the command "
    "is wrong; 75 try again later; 77 the key is wrong. The key comes from ALTWRIGHT_API_KEY or "
    "~/.config/altwright/config.toml, the server from --base-url, ALTWRIGHT_URL or that file."
)

app = typer.Typer(
    name="altwright",
    help="Captions for pictures, checked and ready to store.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", metavar="URL", help="Where the server listens."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Timeout = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds that one request may take.")
]
Locale = Annotated[
    str | None,
    typer.Option("--locale", "-l", metavar="TAG", help="Language: en, de, pt-BR."),
]
Context = Annotated[
    str | None,
    typer.Option("--context", "-c", metavar="TEXT", help="Text around the picture; names it."),
]


def _styles_so_far(incomplete: str) -> list[str]:
    return [name for name in ("concise", "seo", "detailed") if name.startswith(incomplete)]


def _roles_so_far(incomplete: str) -> list[str]:
    return [name for name in get_args(Role) if name.startswith(incomplete)]


StyleName = Annotated[
    str | None,
    typer.Option(
        "--style", "-s", metavar="NAME", autocompletion=_styles_so_far,
        help="concise, seo, detailed, or one of the server's own (altwright styles).",
    ),
]  # fmt: skip


def run(arguments: Sequence[str]) -> int:
    """The whole command; returns its exit code and never raises but for a bug in itself."""
    if sys.stdout is None:
        complain("the output cannot be written: it is closed.")
        return Exit.IO_ERROR
    try:
        code = app(args=list(arguments), standalone_mode=True, prog_name="altwright")
    except SystemExit as ended:
        code = ended.code
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - no traceback ever: who uses a command is no developer
        sentence, code = _told(error)
        if sentence:
            complain(sentence)
    if code in (Exit.BROKEN_PIPE, Exit.IO_ERROR):
        # Python would complain about the output once more while it ends.
        with contextlib.suppress(OSError):  # where the output is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code if isinstance(code, int) else Exit.OK


def _told(error: Exception) -> tuple[str, Exit]:
    """What to say of an error that ends a command, and its code."""
    if isinstance(error, ReaderGone):
        return "", Exit.BROKEN_PIPE
    if isinstance(error, Unwritable):
        return f"the output cannot be written: {error}.", Exit.IO_ERROR
    if isinstance(error, UnwritableJournal):
        return str(error), Exit.IO_ERROR
    if isinstance(error, AltwrightError):
        return sentence_of(error), exit_of(error)
    if isinstance(error, SourceError):
        return f"{error}.", Exit.LATER if error.may_pass else Exit.IO_ERROR
    if is_database_error(error):
        return f"the database does not take it: {error_text(error)}.", Exit.LATER
    return f"this is a bug ({type(error).__name__}: {error})", Exit.SOFTWARE


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"altwright {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Captions for pictures, checked and ready to store."""


@app.command(epilog=_EPILOG)
def caption(
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="PICTURE...", help="URLs, files, or - for a picture from a pipe."),
    ] = None,
    from_file: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="A list of them, one a line; - for a pipe."),
    ] = None,
    style: StyleName = None,
    locale: Locale = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", min=32, max=256, help="A ceiling, never a target."),
    ] = None,
    context: Context = None,
    role: Annotated[
        str | None,
        typer.Option(
            "--role", metavar="ROLE", autocompletion=_roles_so_far, help=", ".join(get_args(Role))
        ),
    ] = None,
    keyword: Annotated[
        list[str] | None,
        typer.Option("--keyword", "-k", metavar="TERM", help="For seo; may be given ten times."),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help='The attribute: alt="...", escaped.')
    ] = False,
    as_json: AsJson = False,
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", min=1, max=256)] = 4,
    per_second: Annotated[
        float | None,
        typer.Option("--per-second", min=0.01, help="Requests begun in a second at most."),
    ] = None,
    base_url: BaseUrl = None,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    patience: Annotated[
        float | None,
        typer.Option(
            "--patience",
            min=0,
            show_default="300; of a single picture the timeout",
            help="Seconds for which a picture is tried again that the server has no room for.",
        ),
    ] = None,
) -> None:
    """Caption pictures: one line each, in the order in which they are done.

    One picture prints its caption alone; of several, each line begins with the picture and a tab.
    A decorative picture prints an empty caption.
    """
    words = checked(images or [], from_file)
    is_only = len(words) == 1 and from_file is None
    if patience is None:
        patience = timeout if is_only else DEFAULT_PATIENCE_S
    options = {
        "concurrency": concurrency,
        "per_second": per_second,
        "patience": patience,
        "style": style,
        "locale": locale,
        "max_tokens": max_tokens,
        "context": context,
        "role": role,
        "keywords": keyword or None,
    }
    server = find_server(base_url)
    tell = functools.partial(_tell, as_json=as_json, html=html, is_only=is_only)
    outcomes = asyncio.run(_each(server, timeout, pictures(words, from_file), options, tell))
    if not outcomes.count:
        complain(f"{'the pipe' if from_file == PIPE else from_file} names no picture.")
    raise typer.Exit(outcomes.exit)


async def _each(
    server: Server,
    timeout: float,
    jobs: AsyncIterator[Job],
    options: dict[str, Any],
    tell: Callable[[str, Caption | AltwrightError], None],
) -> Outcomes:
    """Caption them all, or until one shows that the rest would be for nothing."""
    outcomes = Outcomes()
    async with (
        AsyncAltwright(server.api_key, server.base_url, timeout) as client,
        contextlib.aclosing(client.caption_many(jobs, **options)) as many,
    ):
        async for job, result in many:
            outcomes.add(result)
            tell(str(job.ref), result)
            if outcomes.are_hopeless():
                break
    return outcomes


@app.command(epilog=_EPILOG)
def check(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text, or - for a pipe.")],
    style: StyleName = None,
    locale: Locale = None,
    context: Context = None,
    as_json: AsJson = False,
    base_url: BaseUrl = None,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Judge a text by the rules of a style; no model is asked.

    Prints the text as cleaning leaves it; exit code 1 says that it breaks a hard rule.
    """
    server = find_server(base_url)
    if text == PIPE:
        text = sys.stdin.buffer.read(1024 * 1024).decode("utf-8", "replace").strip()
    with Altwright(server.api_key, server.base_url, timeout) as client:
        verdict = client.check(text, style=style, locale=locale, context=context)
    if as_json:
        say(json.dumps(dataclasses.asdict(verdict), ensure_ascii=False))
    else:
        say(one_line(verdict.caption))
        for kind, codes in (("hard", verdict.hard), ("soft", verdict.soft)):
            for code in codes:
                complain(f"{kind}: {code}")
    raise typer.Exit(Exit.OK if verdict.ok else Exit.FAILED)


@app.command(epilog=_EPILOG)
def styles(
    as_json: AsJson = False, base_url: BaseUrl = None, timeout: Timeout = DEFAULT_TIMEOUT_S
) -> None:
    """List the styles that the server accepts."""
    server = find_server(base_url)
    with Altwright(server.api_key, server.base_url, timeout) as client:
        found = client.styles()
    if as_json:
        for style in found:
            say(json.dumps(dataclasses.asdict(style), ensure_ascii=False))
    elif sys.stdout.isatty():
        Console().print(_table(found))
    else:
        for style in found:
            say(f"{style.name}\t{one_line(style.purpose)}")


app.add_typer(backfill_app, name="backfill")
app.command(epilog=_EPILOG)(review)
app.command(epilog=_EPILOG)(apply)
app.command(epilog=_EPILOG)(verify)
app.command(epilog=_EPILOG)(worker)


def _table(found: list[Style]) -> Table:
    table = Table("style", "for", "characters")
    for style in found:
        limits = style.limits
        least, most = limits.min_chars or 0, limits.max_chars
        table.add_row(
            Text(style.name, "bold"), Text(style.purpose), f"{least} to {most}" if most else ""
        )
    return table


def _tell(
    picture: str, result: Caption | AltwrightError, *, as_json: bool, html: bool, is_only: bool
) -> None:
    if as_json:
        say(json.dumps({"picture": picture, **_as_data(result)}, ensure_ascii=False))
    elif isinstance(result, AltwrightError):
        # A file's own sentence begins with its name.
        message = sentence_of(result)
        complain(message if message.startswith(picture) else f"{shown(picture)}: {message}")
    else:
        text = one_line(result.html_alt() if html else result.caption)
        say(text if is_only else f"{one_line(picture)}\t{text}")


def _as_data(result: Caption | AltwrightError) -> dict[str, Any]:
    if isinstance(result, Caption):
        data = dataclasses.asdict(result)
        del data["url"]  # the picture stands there already
        return data
    error: dict[str, Any] = {
        "code": result.code,
        "status": result.status,
        "detail": str(result),
        "retryable": result.retryable,
        "retry_after": result.retry_after,
        "request_id": result.request_id,
    }
    if result.draft is not None:
        error |= {"draft": result.draft, "reasons": [r.code for r in result.reasons]}
    if isinstance(result, Problem) and result.errors:
        error["errors"] = [dataclasses.asdict(each) for each in result.errors]
    return {"error": error}
