"""The operator's command line: `python -m app serve|check|keys|openapi`.

Each command is imported when it runs, so that none waits for the imports of another.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from app.cli import exit_codes
from app.settings.settings import InvalidSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = _create_parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except InvalidSettings as error:
        print(f"altwright: {error}", file=sys.stderr)
        return exit_codes.INVALID_USAGE
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has closed it. Python would write the rest at exit and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.FAILED


def _create_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app", description="Altwright, a self-hosted captioning API."
    )
    commands = parser.add_subparsers(required=True, metavar="serve|check|keys|openapi")

    serve = commands.add_parser("serve", help="start the server")
    serve.add_argument("--listen-fd", type=int, help=argparse.SUPPRESS)
    serve.add_argument("--listen-when-ready", action="store_true", help=argparse.SUPPRESS)
    serve.set_defaults(run=_serve)

    check = commands.add_parser(
        "check", help="test every configured part, and say what is wrong where one fails"
    )
    check.set_defaults(run=_check)

    keys = commands.add_parser("keys", help="create, list and revoke API keys in a keys file")
    actions = keys.add_subparsers(required=True, metavar="create|list|revoke")
    create = actions.add_parser("create", help="create a key; it is printed once and never stored")
    create.add_argument("name", help="who will use it; appears in logs")
    create.add_argument("--limit", help="such as 60/minute;5000/day; without it RATE_LIMIT")
    create.add_argument("--days", type=_parse_days, help="days until it expires")
    create.set_defaults(run=_create_key)
    listing = actions.add_parser("list", help="show names, limits and expiry")
    listing.set_defaults(run=_list_keys)
    revoke = actions.add_parser("revoke", help="delete a key; running servers notice at once")
    revoke.add_argument("name")
    revoke.set_defaults(run=_revoke_key)
    for action in (create, listing, revoke):
        action.add_argument("--file", type=Path, help="without it ALTWRIGHT_KEYS_FILE")

    openapi = commands.add_parser("openapi", help="print, write or check openapi/openapi.json")
    openapi.add_argument("--write", action="store_true", help="write openapi/openapi.json")
    openapi.add_argument(
        "--check", action="store_true", help="fail unless openapi/openapi.json is up to date"
    )
    openapi.set_defaults(run=_openapi)
    return parser


def _parse_days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise argparse.ArgumentTypeError("a key is valid for at least one day")
    return days


def _serve(arguments: argparse.Namespace) -> int:
    from app.cli.serve import serve

    return serve(listen_fd=arguments.listen_fd, listens_when_ready=arguments.listen_when_ready)


def _check(_arguments: argparse.Namespace) -> int:
    from app.cli.check import check

    return check()


def _create_key(arguments: argparse.Namespace) -> int:
    from app.cli.keys import create_key

    return create_key(arguments.file, arguments.name, arguments.limit, arguments.days)


def _list_keys(arguments: argparse.Namespace) -> int:
    from app.cli.keys import list_keys

    return list_keys(arguments.file)


def _revoke_key(arguments: argparse.Namespace) -> int:
    from app.cli.keys import revoke_key

    return revoke_key(arguments.file, arguments.name)


def _openapi(arguments: argparse.Namespace) -> int:
    from app.cli.openapi import check_document, print_document, write_document

    if arguments.check:
        return check_document()
    if arguments.write:
        return write_document()
    return print_document()
