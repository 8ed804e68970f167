"""A fake model server on a plain socket: sends bytes and breaks connections exactly as told."""

import asyncio
import base64
import io
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from PIL import Image

from testing.servers.chat_completions_server import chat_completion

_USAGE = {"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320}

Response = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Writes one response, or breaks the connection."""


def completion(content: object, **choice: Any) -> dict[str, Any]:
    """A chat completion with a usage of 300 and 20 tokens. `choice` replaces members of it."""
    return chat_completion(content, usage=_USAGE, **choice)


def openai_error(message: str, **members: object) -> dict[str, Any]:
    """An error body as OpenAI writes it."""
    return {
        "error": {"message": message, "type": "invalid_request_error", "param": None, **members}
    }


def sent_image(request: Mapping[str, Any]) -> Image.Image:
    """The image in the body of a chat completion request."""
    [url] = [
        part["image_url"]["url"]
        for message in request["messages"]
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] == "image_url"
    ]
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


class RawModelServer:
    """Answers each request with the next queued response; the last one is repeated."""

    def __init__(self) -> None:
        self._responses: deque[Response] = deque()
        self.requests: list[dict[str, Any]] = []
        """The JSON bodies that arrived; {} for a GET."""
        self.request_heads: list[str] = []
        """Request lines and headers."""
        self.connections = 0
        self.request_received = asyncio.Event()
        self.client_disconnected = asyncio.Event()
        """Set when a client closes its connection while it waits for a response."""
        self.base_url = ""
        self.tasks: set[asyncio.Task[None]] = set()

    def clear(self) -> "RawModelServer":
        """Delete the queued responses."""
        self._responses.clear()
        return self

    def respond(
        self, body: bytes | str | Mapping[str, Any], status: int = 200, **headers: str
    ) -> "RawModelServer":
        """Queue a response; `_` in a header's name stands for `-`."""
        if isinstance(body, Mapping):
            body = json.dumps(body)
        data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
        fields = {"content-type": "application/json", "content-length": str(len(data))}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"HTTP/1.1 {status} x", *(f"{k}: {v}" for k, v in fields.items()), "", ""]

        async def write(writer: asyncio.StreamWriter) -> None:
            writer.write("\r\n".join(lines).encode() + data)
            await writer.drain()

        self._responses.append(write)
        return self

    def refuse_sizes(
        self, text: str, *, min_side_px: int, max_aspect_ratio: float
    ) -> "RawModelServer":
        """Queue a response to images of the sizes that Qwen-VL takes, and vLLM's 400 to others."""

        async def write(writer: asyncio.StreamWriter) -> None:
            width, height = sent_image(self.requests[-1]).size
            ratio = max(width, height) / min(width, height)
            status, body = (
                400,
                openai_error(
                    f"absolute aspect ratio must be smaller than {max_aspect_ratio}, got {ratio}"
                ),
            )
            if min(width, height) < min_side_px:
                body = openai_error(
                    f"height:{height} and width:{width} must be larger than factor:{min_side_px}"
                )
            elif ratio <= max_aspect_ratio:
                status, body = 200, completion(text)
            data = json.dumps(body).encode()
            head = f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
            writer.write(f"HTTP/1.1 {status} x\r\n{head}".encode() + data)
            await writer.drain()

        self._responses.append(write)
        return self

    def refuse_parameter(self, name: str, error: Mapping[str, Any], text: str) -> "RawModelServer":
        """Queue a 400 with this error to requests with a parameter, and a completion to others."""

        async def write(writer: asyncio.StreamWriter) -> None:
            is_refused = name in self.requests[-1]
            data = json.dumps(error if is_refused else completion(text)).encode()
            head = f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
            writer.write(f"HTTP/1.1 {400 if is_refused else 200} x\r\n{head}".encode() + data)
            await writer.drain()

        self._responses.append(write)
        return self

    def complete(self, text: str, **choice: Any) -> "RawModelServer":
        """Queue a chat completion with this text."""
        return self.respond(completion(text, **choice))

    def reset_connection(self) -> "RawModelServer":
        """Queue a connection reset without a response."""

        async def write(writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        self._responses.append(write)
        return self

    def break_off(self) -> "RawModelServer":
        """Queue a response whose connection is closed in the middle of the body."""

        async def write(writer: asyncio.StreamWriter) -> None:
            writer.write(b'HTTP/1.1 200 x\r\ncontent-length: 500\r\n\r\n{"choices": [{"mess')
            await writer.drain()
            writer.close()

        self._responses.append(write)
        return self

    def hang(self, drip: bytes = b"") -> "RawModelServer":
        """Queue no response for 30 s; with `drip`, a body that sends these bytes every 50 ms."""

        async def write(writer: asyncio.StreamWriter) -> None:
            if drip:
                writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 100000\r\n\r\n")
            for _ in range(600):
                writer.write(drip)
                await asyncio.sleep(0.05)

        self._responses.append(write)
        return self

    def send(self, *pieces: bytes, repeat: int = 1) -> "RawModelServer":
        """Queue these bytes as they are, the last of them `repeat` times; then nothing for 30 s."""

        async def write(writer: asyncio.StreamWriter) -> None:
            for piece in (*pieces, *itertools.repeat(pieces[-1], repeat - 1)):
                writer.write(piece)
                await writer.drain()
            await asyncio.sleep(30)

        self._responses.append(write)
        return self

    def stream_64_mib(self) -> "RawModelServer":
        """Queue a chunked body of 64 MiB without an end."""

        async def write(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(1_024):
                writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                await writer.drain()

        self._responses.append(write)
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (int(line[15:]) for line in head.lower().splitlines()
                     if line.startswith("content-length:")), 0)  # fmt: skip
                body = await reader.readexactly(length)
                self.request_heads.append(head)
                self.requests.append(json.loads(body) if body else {})
                self.request_received.set()
                is_last = len(self._responses) == 1
                write = self._responses[0] if is_last else self._responses.popleft()
                await self._until_disconnected(reader, write(writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # 3.11 logs a server task that ends cancelled as an error
        finally:
            writer.close()

    async def _until_disconnected(
        self, reader: asyncio.StreamReader, writing: Awaitable[None]
    ) -> None:
        """Run the response; stop it and set `client_disconnected` when the client leaves."""
        response = asyncio.ensure_future(writing)
        disconnected = asyncio.ensure_future(_at_eof(reader))
        try:
            await asyncio.wait({response, disconnected}, return_when=asyncio.FIRST_COMPLETED)
            if not response.done():
                self.client_disconnected.set()
        finally:
            disconnected.cancel()
            response.cancel()
            await asyncio.gather(response, disconnected, return_exceptions=True)


async def _at_eof(reader: asyncio.StreamReader) -> None:
    while not reader.at_eof() and reader.exception() is None:
        await asyncio.sleep(0.01)


@asynccontextmanager
async def raw_model_server() -> AsyncIterator[RawModelServer]:
    """A RawModelServer on a free port of loopback."""
    model = RawModelServer()
    server = await asyncio.start_server(model._serve, "127.0.0.1", 0)
    model.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield model
    finally:
        server.close()
        for task in model.tasks:
            task.cancel()
        await asyncio.sleep(0)
