"""Command line options that several commands share, and their shell completion."""

from __future__ import annotations

from typing import Annotated

import typer

EPILOG = (
    "Exit codes: 0 success; 1 an image has no caption, or a text breaks a rule; 2 the command "
    "is wrong; 75 try again later; 77 the key is wrong. The key comes from ALTWRIGHT_API_KEY or "
    "~/.config/altwright/config.toml, the server from --base-url, ALTWRIGHT_URL or that file."
)


def complete_style(incomplete: str) -> list[str]:
    """The server's usual styles that begin with what was typed."""
    return [name for name in ("concise", "seo", "detailed") if name.startswith(incomplete)]


BaseUrl = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="The server's address.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
Timeout = Annotated[
    float, typer.Option("--timeout", min=0.1, help="The most seconds that a call may take.")
]
Locale = Annotated[
    str | None,
    typer.Option("--locale", "-l", metavar="TAG", help="Language: en, de, pt-BR."),
]
Context = Annotated[
    str | None,
    typer.Option("--context", "-c", metavar="TEXT", help="Text around the image, with names."),
]
VisibleText = Annotated[
    str | None,
    typer.Option(
        "--visible-text", metavar="TEXT", help="Text beside the image, not to be repeated."
    ),
]
StyleName = Annotated[
    str | None,
    typer.Option(
        "--style", "-s", metavar="NAME", autocompletion=complete_style,
        help="concise, seo, detailed, or another of the server's (altwright styles).",
    ),
]  # fmt: skip
