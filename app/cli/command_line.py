"""The operator's command line: `python -m app serve|check|keys|usage|openapi`.

Each command is imported when it runs, so that none waits for the imports of another.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from app.cli import exit_codes
from app.settings.invalid_settings import InvalidSettings

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}


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
    commands = parser.add_subparsers(required=True, metavar="serve|check|keys|usage|openapi")

    serve = commands.add_parser("serve", help="start the server")
    serve.add_argument("--listen-fd", type=int, help=argparse.SUPPRESS)
    serve.add_argument("--listen-when-ready", action="store_true", help=argparse.SUPPRESS)
    serve.set_defaults(run=_serve)

    check = commands.add_parser(
        "check", help="test every configured part, and say what is wrong where one fails"
    )
    check.set_defaults(run=_check)

    _add_keys_parser(commands)

    usage = commands.add_parser("usage", help="show what every key used in a month")
    usage.add_argument("--month", metavar="YYYY-MM", help="without it the current one, in UTC")
    notation = usage.add_mutually_exclusive_group()
    notation.add_argument("--json", dest="notation", action="store_const", const="json")
    notation.add_argument("--csv", dest="notation", action="store_const", const="csv")
    usage.set_defaults(run=_show_usage, notation="table")

    openapi = commands.add_parser("openapi", help="print, write or check openapi/openapi.json")
    openapi.add_argument("--write", action="store_true", help="write openapi/openapi.json")
    openapi.add_argument(
        "--check", action="store_true", help="fail unless openapi/openapi.json is up to date"
    )
    openapi.set_defaults(run=_openapi)
    return parser


def _add_keys_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    keys = commands.add_parser("keys", help="create, list, rotate and revoke API keys")
    actions = keys.add_subparsers(required=True, metavar="create|list|rotate|revoke")
    create = actions.add_parser("create", help="create a key; it is printed once and never stored")
    create.add_argument("name", help="who will use it; appears in logs")
    create.add_argument("--limit", help="such as 60/minute;5000/day; without it RATE_LIMIT")
    create.add_argument("--quota", help="captions a month, such as 10000/month; without it any")
    create.add_argument("--days", type=_parse_days, help="days until it expires")
    create.set_defaults(run=_create_key)
    listing = actions.add_parser("list", help="show names, limits and expiry")
    listing.set_defaults(run=_list_keys)
    rotate = actions.add_parser(
        "rotate", help="give a key's owner a new key; the old one is valid for a while yet"
    )
    rotate.add_argument("name")
    rotate.add_argument(
        "--overlap",
        type=_parse_duration,
        default="24h",
        help="how long both are valid, such as 30m, 24h or 7d (default: 24h)",
    )
    rotate.set_defaults(run=_rotate_key)
    revoke = actions.add_parser("revoke", help="delete a key; running servers notice at once")
    revoke.add_argument("name")
    revoke.set_defaults(run=_revoke_key)
    for action in (create, listing, rotate, revoke):
        action.add_argument("--file", type=Path, help="without it ALTWRIGHT_KEYS_FILE")


def _parse_days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise argparse.ArgumentTypeError("a key is valid for at least one day")
    return days


def _parse_duration(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError("write a time such as 30m, 24h or 7d")
    return int(found[1]) * _UNITS[found[2]]


def _serve(arguments: argparse.Namespace) -> int:
    from app.cli.serve import serve

    return serve(listen_fd=arguments.listen_fd, listens_when_ready=arguments.listen_when_ready)


def _check(_arguments: argparse.Namespace) -> int:
    from app.cli.check import check

    return check()


def _create_key(arguments: argparse.Namespace) -> int:
    from app.cli.keys import KeyOptions, create_key

    options = KeyOptions(arguments.limit, arguments.quota, arguments.days)
    return create_key(arguments.file, arguments.name, options)


def _list_keys(arguments: argparse.Namespace) -> int:
    from app.cli.keys import list_keys

    return list_keys(arguments.file)


def _rotate_key(arguments: argparse.Namespace) -> int:
    from app.cli.keys import rotate_key

    return rotate_key(arguments.file, arguments.name, arguments.overlap)


def _revoke_key(arguments: argparse.Namespace) -> int:
    from app.cli.keys import revoke_key

    return revoke_key(arguments.file, arguments.name)


def _show_usage(arguments: argparse.Namespace) -> int:
    from app.cli.usage import show_usage

    return show_usage(arguments.month, arguments.notation)


def _openapi(arguments: argparse.Namespace) -> int:
    from app.cli.openapi import check_document, print_document, write_document

    if arguments.check:
        return check_document()
    if arguments.write:
        return write_document()
    return print_document()
