"""The operator's command: `python -m app serve|check|keys|openapi`."""

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.api.keys import (
    KeyEntry,
    KeysDocument,
    KeysFileError,
    digest_of,
    new_key,
    read_keys_file,
    write_keys_file,
)
from app.api.middleware import refusal_of_no_http
from app.api.rate_limits import parse_limits
from app.main import create_app
from app.settings import Settings, SettingsProblem, unknown_variables
from app.telemetry.logging import configure_logging

OPENAPI_FILE = Path("openapi/openapi.json")

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
"""Wrong settings or arguments: starting again without a change will not help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        run: Callable[[argparse.Namespace], int] = arguments.run
        return run(arguments)
    except SettingsProblem as problem:
        print(f"altwright: {problem}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; the rest goes nowhere, quietly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app", description="Altwright, a self-hosted captioning API."
    )
    commands = parser.add_subparsers(required=True, metavar="serve|check|keys|openapi")

    serve = commands.add_parser("serve", help="start the server")
    serve.add_argument("--listen-fd", type=int, help=argparse.SUPPRESS)
    serve.set_defaults(run=_serve)

    check = commands.add_parser(
        "check", help="say of every configured part whether it works, and why not"
    )
    check.set_defaults(run=_check)

    keys = commands.add_parser("keys", help="make, list and revoke API keys in a file of hashes")
    actions = keys.add_subparsers(required=True, metavar="create|list|revoke")
    create = actions.add_parser("create", help="make a key; it is printed once and never stored")
    create.add_argument("name", help="who will use it; stands in logs")
    create.add_argument("--limit", help="such as 60/minute;5000/day; without it RATE_LIMIT")
    create.add_argument("--days", type=_days, help="how many days until it expires")
    create.set_defaults(run=_keys_create)
    listing = actions.add_parser("list", help="names, limits and expiry")
    listing.set_defaults(run=_keys_list)
    revoke = actions.add_parser("revoke", help="take a key out; running servers notice at once")
    revoke.add_argument("name")
    revoke.set_defaults(run=_keys_revoke)
    for action in (create, listing, revoke):
        action.add_argument("--file", type=Path, help="without it ALTWRIGHT_KEYS_FILE")

    openapi = commands.add_parser("openapi", help="print, write or check openapi/openapi.json")
    openapi.add_argument("--write", action="store_true", help=f"write {OPENAPI_FILE}")
    openapi.add_argument(
        "--check", action="store_true", help=f"fail unless {OPENAPI_FILE} is what the app says"
    )
    openapi.set_defaults(run=_openapi)
    return parser


def _days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise argparse.ArgumentTypeError("a key is good for at least one day")
    return days


def _serve(arguments: argparse.Namespace) -> int:
    from app.runtime.server import Application, listen, serve  # the other commands need no server

    settings = Settings.read()
    configure_logging()
    application = Application(
        create=lambda drain: create_app(settings, drain=drain),
        malformed_response=refusal_of_no_http,
    )
    if arguments.listen_fd is not None:  # one worker of several: the first process has told it all
        return serve(application, socket.socket(fileno=arguments.listen_fd))
    logger = logging.getLogger("app")
    _warn(settings, logger)
    try:
        sock = listen(settings.host, settings.port)
    except OSError as error:
        print(
            f"altwright: ALTWRIGHT_HOST={settings.host} ALTWRIGHT_PORT={settings.port}: cannot "
            f"listen there ({error.strerror}); choose another port, or end what holds it",
            file=sys.stderr,
        )
        return EXIT_FAILED
    host, port = sock.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    model = settings.model or "the embedded captioner"
    logger.info("listening on http://%s:%d with %s", shown, port, model)
    return serve(application, sock, workers=settings.workers)


def _warn(settings: Settings, logger: logging.Logger) -> None:
    for sentence in unknown_variables():
        logger.warning(sentence)
    if settings.workers > 1 and settings.rate_limit_store.startswith("memory:"):
        logger.warning(
            "each of %d workers counts rate limits by itself; set ALTWRIGHT_RATE_LIMIT_STORE to a "
            "redis:// URL for one limit over all",
            settings.workers,
        )


def _check(_arguments: argparse.Namespace) -> int:
    from app.self_check import parts_of  # asks every part, so it imports them all

    settings = Settings.read()
    failed = 0
    for sentence in unknown_variables():
        print(f"warn  settings: {sentence}")
    print("ok    settings")

    async def run() -> int:
        failures = 0
        async with parts_of(settings) as parts:
            for name, part in parts:
                failures += not await _told(name, part)
        return failures

    failed = asyncio.run(run())
    if failed:
        print(f"{failed} {'part does' if failed == 1 else 'parts do'} not work", file=sys.stderr)
    return EXIT_FAILED if failed else EXIT_OK


async def _told(name: str, part: Callable[[], Awaitable[str]]) -> bool:
    began_s = time.monotonic()
    try:
        said, works = await part(), True
    except Exception as error:  # noqa: BLE001 - whatever a part raises is what the operator must read
        said, works = f"{error or type(error).__name__}", False
    took_ms = round((time.monotonic() - began_s) * 1000)
    print(f"{'ok  ' if works else 'FAIL'}  {name}: {said} ({took_ms} ms)", flush=True)
    return works


def _keys_path(arguments: argparse.Namespace) -> Path:
    path: Path | None = arguments.file or Settings.keys_path()
    if path is None:
        raise SettingsProblem("name the file: --file keys.json, or ALTWRIGHT_KEYS_FILE")
    return path


def _read(path: Path) -> KeysDocument:
    try:
        return read_keys_file(path)
    except KeysFileError as error:
        raise SettingsProblem(str(error)) from None


def _keys_create(arguments: argparse.Namespace) -> int:
    path = _keys_path(arguments)
    document = _read(path) if path.exists() else KeysDocument(keys=[])
    if any(entry.name == arguments.name for entry in document.keys):
        raise SettingsProblem(f"{path}: there is a key named {arguments.name!r} already; revoke it")
    if arguments.limit is not None:
        try:
            parse_limits(arguments.limit)
        except ValueError as error:
            raise SettingsProblem(str(error)) from None
    expires = None
    if arguments.days is not None:
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=arguments.days)
    key = new_key()
    entry = KeyEntry(
        name=arguments.name, sha256=digest_of(key), limit=arguments.limit, expires=expires
    )
    write_keys_file(path, KeysDocument(keys=[*document.keys, entry]))
    print(key)
    print(f"written to {path} as a hash; this is the only time the key is shown", file=sys.stderr)
    return EXIT_OK


def _keys_list(arguments: argparse.Namespace) -> int:
    for entry in _read(_keys_path(arguments)).keys:
        expires = entry.expires.isoformat() if entry.expires else "never"
        print(f"{entry.name}\tlimit {entry.limit or 'RATE_LIMIT'}\texpires {expires}")
    return EXIT_OK


def _keys_revoke(arguments: argparse.Namespace) -> int:
    path = _keys_path(arguments)
    document = _read(path)
    kept = [entry for entry in document.keys if entry.name != arguments.name]
    if len(kept) == len(document.keys):
        raise SettingsProblem(f"{path}: there is no key named {arguments.name!r}")
    write_keys_file(path, KeysDocument(keys=kept))
    print(f"{arguments.name} is revoked", file=sys.stderr)
    return EXIT_OK


def _openapi(arguments: argparse.Namespace) -> int:
    from app.main import create_app  # the other commands need no application

    # The document is the same whatever is configured.
    document = create_app(Settings.model_construct()).openapi()
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if arguments.check:
        if not OPENAPI_FILE.exists() or OPENAPI_FILE.read_text(encoding="utf-8") != text:
            print(f"{OPENAPI_FILE} is not what the app says; run `make openapi`", file=sys.stderr)
            return EXIT_FAILED
        return EXIT_OK
    if arguments.write:
        OPENAPI_FILE.parent.mkdir(exist_ok=True)
        OPENAPI_FILE.write_text(text, encoding="utf-8")
        return EXIT_OK
    print(text, end="")
    return EXIT_OK
