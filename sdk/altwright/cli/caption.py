"""`altwright caption`: captions of the images that the command line or a list names."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, get_args

import typer

from altwright._async.client import AsyncAltwright
from altwright.caption_many import Job
from altwright.cli.caption_inputs import STDIN, check_arguments, read_jobs, redact_url
from altwright.cli.config import ServerConfig, resolve_server
from altwright.cli.exit_codes import CaptionOutcomes, describe_error
from altwright.cli.options import AsJson, BaseUrl, Context, Locale, StyleName, Timeout, VisibleText
from altwright.cli.output import print_error, print_line, to_one_line
from altwright.client_options import DEFAULT_PATIENCE_S, DEFAULT_TIMEOUT_S
from altwright.errors import AltwrightError, Problem
from altwright.models import Caption, Role


def _complete_role(incomplete: str) -> list[str]:
    return [name for name in get_args(Role) if name.startswith(incomplete)]


def caption(
    images: Annotated[
        list[str] | None,
        typer.Argument(metavar="IMAGE...", help="URLs, files, or - for an image on stdin."),
    ] = None,
    from_file: Annotated[
        str | None,
        typer.Option("--from", metavar="FILE", help="A list of them, one per line; - for stdin."),
    ] = None,
    style: StyleName = None,
    locale: Locale = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", min=32, max=256, help="The most that a caption may have."),
    ] = None,
    context: Context = None,
    role: Annotated[
        str | None,
        typer.Option(
            "--role", metavar="ROLE", autocompletion=_complete_role, help=", ".join(get_args(Role))
        ),
    ] = None,
    visible_text: VisibleText = None,
    keyword: Annotated[
        list[str] | None,
        typer.Option("--keyword", "-k", metavar="TERM", help="For seo; up to ten times."),
    ] = None,
    verify: Annotated[
        bool | None,
        typer.Option("--verify/--no-verify", help="Hold the caption against the image."),
    ] = None,
    html: Annotated[
        bool, typer.Option("--html", help='Print the HTML attribute: alt="...", escaped.')
    ] = False,
    as_json: AsJson = False,
    concurrency: Annotated[
        int, typer.Option("--concurrency", "-j", min=1, max=256, help="Requests at the same time.")
    ] = 4,
    per_second: Annotated[
        float | None,
        typer.Option("--per-second", min=0.01, help="The most requests started in a second."),
    ] = None,
    base_url: BaseUrl = None,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    patience: Annotated[
        float | None,
        typer.Option(
            "--patience",
            min=0,
            show_default="300; for a single image the timeout",
            help="Seconds to retry an image that the server has no capacity for.",
        ),
    ] = None,
) -> None:
    """Caption images: one line each, in the order in which they are done.

    A single image prints only its caption. With several, each line starts with the image's name
    and a tab. A decorative image prints an empty caption.
    """
    arguments = check_arguments(images or [], from_file)
    is_single = len(arguments) == 1 and from_file is None
    if patience is None:
        patience = timeout if is_single else DEFAULT_PATIENCE_S
    options = {
        "concurrency": concurrency,
        "per_second": per_second,
        "patience": patience,
        "style": style,
        "locale": locale,
        "max_tokens": max_tokens,
        "context": context,
        "role": role,
        "visible_text": visible_text,
        "keywords": keyword or None,
        "verify": verify,
    }
    server = resolve_server(base_url)
    print_result = functools.partial(_print_result, as_json=as_json, html=html, is_single=is_single)
    jobs = read_jobs(arguments, from_file)
    outcomes = asyncio.run(_caption_all(server, timeout, jobs, options, print_result))
    if not outcomes.count:
        print_error(f"{'stdin' if from_file == STDIN else from_file} contains no image.")
    raise typer.Exit(outcomes.exit_code)


async def _caption_all(
    server: ServerConfig,
    timeout: float,
    jobs: AsyncIterator[Job],
    options: dict[str, Any],
    print_result: Callable[[str, Caption | AltwrightError], None],
) -> CaptionOutcomes:
    """Caption all images, or stop at an error that all others would have too."""
    outcomes = CaptionOutcomes()
    async with (
        AsyncAltwright(server.api_key, server.base_url, timeout) as client,
        contextlib.aclosing(client.caption_many(jobs, **options)) as results,
    ):
        async for job, result in results:
            outcomes.add(result)
            print_result(str(job.ref), result)
            if outcomes.should_stop():
                break
    return outcomes


def _print_result(
    image: str, result: Caption | AltwrightError, *, as_json: bool, html: bool, is_single: bool
) -> None:
    if as_json:
        print_line(json.dumps({"picture": image, **_to_json(result)}, ensure_ascii=False))
    elif isinstance(result, AltwrightError):
        # The message of a file's error starts with its name.
        message = describe_error(result)
        print_error(message if message.startswith(image) else f"{redact_url(image)}: {message}")
    else:
        text = to_one_line(result.html_alt() if html else result.caption)
        print_line(text if is_single else f"{to_one_line(image)}\t{text}")


def _to_json(result: Caption | AltwrightError) -> dict[str, Any]:
    if isinstance(result, Caption):
        data = dataclasses.asdict(result)
        del data["url"]  # the same as "picture"
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
