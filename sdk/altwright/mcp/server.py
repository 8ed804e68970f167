"""The server of the Model Context Protocol: two tools and a resource that ask by the SDK."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable
from typing import Annotated, TypeVar

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from altwright._async.client import AsyncAltwright
from altwright._version import __version__
from altwright.errors import AltwrightError, CaptionRejected
from altwright.image_input import ImageInput
from altwright.mcp.local_files import LocalFiles
from altwright.mcp.results import CaptionAnswer, CheckAnswer
from altwright.models import Role

STYLES_URI = "altwright://styles"
_INSTRUCTIONS = (
    "Captions for pictures, checked and ready to store. Write none yourself where "
    "caption_image refuses: its error says why. check_caption is for texts that others wrote. "
    f"{STYLES_URI} lists the styles."
)
_READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=True)
_T = TypeVar("_T")

Image = Annotated[
    str,
    Field(description="An http(s) URL that the Altwright server can reach, or the path of a file."),
]
Style = Annotated[
    str | None,
    Field(description="concise (alt text, the default), seo, detailed, or one of the server's."),
]
Locale = Annotated[
    str | None, Field(description="Language, a BCP 47 tag: en (the default), de, pt-BR.")
]
Context = Annotated[
    str | None,
    Field(description="Text around the picture; the only place a proper name may come from."),
]
PageRole = Annotated[Role | None, Field(description="What the picture does on its page.")]
VisibleText = Annotated[
    str | None,
    Field(description="Text beside the picture that is read anyway, which is not repeated."),
]
Keywords = Annotated[list[str] | None, Field(description="Up to ten, for the style seo.")]
Text = Annotated[str, Field(description="The text to check.")]
CheckedImage = Annotated[
    str | None, Field(description="The picture that the text is about: a URL or a path.")
]


def create_server(client: AsyncAltwright, files: LocalFiles) -> MCPServer[None]:
    """A server whose tools ask `client`; local files are read by `files`."""
    server: MCPServer[None] = MCPServer(
        "altwright",
        title="Altwright",
        instructions=_INSTRUCTIONS,
        version=__version__,
        log_level="WARNING",
    )

    @server.tool(title="Caption a picture", annotations=_READ_ONLY)
    async def caption_image(
        image: Image,
        style: Style = None,
        locale: Locale = None,
        context: Context = None,
        role: PageRole = None,
        visible_text: VisibleText = None,
        keywords: Keywords = None,
    ) -> CaptionAnswer:
        """One caption of a picture, checked against the rules of its style."""

        async def ask() -> CaptionAnswer:
            caption = await client.caption(
                await _image(image, files),
                style=style,
                locale=locale,
                context=context,
                role=role,
                visible_text=visible_text,
                keywords=keywords,
            )
            return CaptionAnswer.from_caption(caption)

        return await _or_tool_error(ask())

    @server.tool(title="Check a caption", annotations=_READ_ONLY)
    async def check_caption(
        caption: Text,
        image: CheckedImage = None,
        style: Style = None,
        locale: Locale = None,
        context: Context = None,
        role: PageRole = None,
        visible_text: VisibleText = None,
    ) -> CheckAnswer:
        """The rules that a text breaks; with a picture, which of its claims the picture denies.

        No model writes anything.
        """

        async def ask() -> CheckAnswer:
            verdict = await client.check(
                caption,
                image=None if image is None else await _image(image, files),
                style=style,
                locale=locale,
                context=context,
                role=role,
                visible_text=visible_text,
            )
            return CheckAnswer.from_verdict(verdict)

        return await _or_tool_error(ask())

    @server.resource(
        STYLES_URI, name="styles", title="Styles of captions", mime_type="application/json"
    )
    async def styles() -> str:
        """The styles of this server: name, purpose, limits and rules."""
        try:
            found = await client.styles()
        except AltwrightError as error:
            raise ResourceError(_describe(error)) from None
        return json.dumps([dataclasses.asdict(style) for style in found], ensure_ascii=False)

    return server


async def serve(client: AsyncAltwright, files: LocalFiles) -> None:
    """Serve on stdin and stdout until stdin ends. Logs go to stderr."""
    async with client:
        await create_server(client, files).run_stdio_async()


async def _image(image: str, files: LocalFiles) -> ImageInput:
    """What the client takes: a URL as it is, a local file as its bytes."""
    is_url = "://" in image or image[:5].lower() == "data:"
    if is_url and image[:5].lower() != "file:":
        return image
    return await asyncio.to_thread(files.read, image)


async def _or_tool_error(answer: Awaitable[_T]) -> _T:
    try:
        return await answer
    except AltwrightError as error:
        raise ToolError(_describe(error)) from None


def _describe(error: AltwrightError) -> str:
    """The code, where the server sent one, its message, and what an agent may do about it."""
    text = str(error) if error.code is None else f"{error.code}: {error}"
    if isinstance(error, CaptionRejected) and error.draft:
        reasons = ", ".join(reason.code for reason in error.reasons)
        text += f" Rejected draft, for a reviewer ({reasons}): {error.draft}"
    if error.retry_after is not None:
        text += f" Try again in {error.retry_after:.0f} s."
    return text
