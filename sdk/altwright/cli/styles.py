"""`altwright styles`: lists the styles of the server."""

from __future__ import annotations

import dataclasses
import json
import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from altwright._sync.client import Altwright
from altwright.cli.config import resolve_server
from altwright.cli.options import AsJson, BaseUrl, Timeout
from altwright.cli.output import print_line, to_one_line
from altwright.client_options import DEFAULT_TIMEOUT_S
from altwright.models import Style


def styles(
    as_json: AsJson = False, base_url: BaseUrl = None, timeout: Timeout = DEFAULT_TIMEOUT_S
) -> None:
    """List the styles that the server offers."""
    server = resolve_server(base_url)
    with Altwright(server.api_key, server.base_url, timeout) as client:
        found = client.styles()
    if as_json:
        for style in found:
            print_line(json.dumps(dataclasses.asdict(style), ensure_ascii=False))
    elif sys.stdout.isatty():
        Console().print(_to_table(found))
    else:
        for style in found:
            print_line(f"{style.name}\t{to_one_line(style.purpose)}")


def _to_table(found: list[Style]) -> Table:
    table = Table("style", "for", "characters")
    for style in found:
        limits = style.limits
        least, most = limits.min_chars or 0, limits.max_chars
        table.add_row(
            Text(style.name, "bold"), Text(style.purpose), f"{least} to {most}" if most else ""
        )
    return table
