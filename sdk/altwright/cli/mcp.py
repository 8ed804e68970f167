"""`altwright mcp`: serves agents by the Model Context Protocol over stdin and stdout."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from altwright._async.client import AsyncAltwright
from altwright.cli.config import resolve_server
from altwright.cli.options import BaseUrl, Timeout
from altwright.cli.output import print_error
from altwright.client_options import DEFAULT_TIMEOUT_S
from altwright.errors import UsageError
from altwright.extras import install_command


def mcp(
    allow: Annotated[
        list[Path] | None,
        typer.Option(
            "--allow",
            metavar="FOLDER",
            envvar="ALTWRIGHT_MCP_FOLDERS",
            help="Pictures in it may be sent; may be given several times. Default: where it runs.",
        ),
    ] = None,
    base_url: BaseUrl = None,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
) -> None:
    """Serve an agent: tools caption_image and check_caption, and the styles as a resource.

    It speaks the Model Context Protocol on stdin and stdout; an agent starts it.
    """
    try:
        from altwright.mcp.local_files import LocalFiles
        from altwright.mcp.server import serve
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types", "pydantic"):
            raise
        missing = install_command("cli", "mcp")
        raise UsageError(f"altwright mcp needs more: {missing}") from None
    server = resolve_server(base_url)
    files = LocalFiles(allow or _default_folders())
    asyncio.run(serve(AsyncAltwright(server.api_key, server.base_url, timeout), files))


def _default_folders() -> list[Path]:
    """The working directory, unless that is the whole file system: some agents start there."""
    here = Path.cwd()
    if here != Path(here.anchor):
        return [here]
    print_error(f"it was started in {here}, so no local file may be sent: name a folder (--allow).")
    return []
