"""`altwright check`: checks a text against the rules of a style."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Annotated

import typer

from altwright._sync.client import Altwright
from altwright.cli.caption_inputs import STDIN, to_job
from altwright.cli.config import resolve_server
from altwright.cli.exit_codes import ExitCode
from altwright.cli.options import AsJson, BaseUrl, Context, Locale, StyleName, Timeout, VisibleText
from altwright.cli.output import print_error, print_line, to_one_line
from altwright.client_options import DEFAULT_TIMEOUT_S
from altwright.errors import UsageError

_MAX_STDIN_BYTES = 1024 * 1024
_IMAGE_AND_TEXT = 2


def check(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[IMAGE] TEXT",
            help="The text, or - for stdin; before it the image that it is about, if any.",
        ),
    ],
    style: StyleName = None,
    locale: Locale = None,
    context: Context = None,
    visible_text: VisibleText = None,
    as_json: AsJson = False,
    base_url: BaseUrl = None,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Check a text against the rules of a style, and against its image; no model is called.

    Prints the cleaned text. Exit code 1 means that it breaks a hard rule.
    """
    if len(arguments) > _IMAGE_AND_TEXT:
        raise UsageError("Give one text, or an image and a text; quote a text that has spaces.")
    *images, text = arguments
    if images == [text] == [STDIN]:
        raise UsageError("Only one argument can be - (stdin).")
    server = resolve_server(base_url)
    if text == STDIN:
        text = sys.stdin.buffer.read(_MAX_STDIN_BYTES).decode("utf-8", "replace").strip()
    with Altwright(server.api_key, server.base_url, timeout) as client:
        verdict = client.check(
            text,
            image=to_job(images[0]).image if images else None,
            style=style,
            locale=locale,
            context=context,
            visible_text=visible_text,
        )
    if as_json:
        print_line(json.dumps(dataclasses.asdict(verdict), ensure_ascii=False))
    else:
        print_line(to_one_line(verdict.caption))
        for severity, codes in (("hard", verdict.hard), ("soft", verdict.soft)):
            for code in codes:
                print_error(f"{severity}: {code}")
        for each in verdict.checks or ():
            instead = each.seen if each.verdict == "contradicted" else None
            seen = f" (seen: {to_one_line(instead)})" if instead else ""
            print_error(f"{each.verdict}: {each.kind} {to_one_line(each.claim)}{seen}")
    raise typer.Exit(ExitCode.OK if verdict.ok else ExitCode.FAILED)
