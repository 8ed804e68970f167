"""The model's end of the wire, byte by byte: for what no finished server would send."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]


class RawModel:
    """Answers each request with the next of what it was told; the last one for ever."""

    def __init__(self) -> None:
        self._acts: deque[Act] = deque()
        self.requests: list[dict[str, Any]] = []
        """The JSON bodies that came; {} for a GET."""
        self.heads: list[str] = []
        self.connections = 0
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        """Set when a client hangs up while it waits for an answer."""
        self.base_url = ""
        self.tasks: set[asyncio.Task[None]] = set()

    def say(
        self, body: bytes | str | Mapping[str, Any], status: int = 200, **headers: str
    ) -> "RawModel":
        """Queue an answer; `_` in a header's name stands for `-`."""
        if isinstance(body, Mapping):
            body = json.dumps(body)
        data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
        fields = {"content-type": "application/json", "content-length": str(len(data))}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"HTTP/1.1 {status} x", *(f"{k}: {v}" for k, v in fields.items()), "", ""]

        async def act(writer: asyncio.StreamWriter) -> None:
            writer.write("\r\n".join(lines).encode() + data)
            await writer.drain()

        self._acts.append(act)
        return self

    def write(self, text: str, **choice: Any) -> "RawModel":
        """Queue a good answer."""
        return self.say(answer(text, **choice))

    def reset(self) -> "RawModel":
        """Queue a connection that breaks without an answer."""

        async def act(writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        self._acts.append(act)
        return self

    def half(self) -> "RawModel":
        """Queue an answer that ends in its middle."""

        async def act(writer: asyncio.StreamWriter) -> None:
            writer.write(b'HTTP/1.1 200 x\r\ncontent-length: 500\r\n\r\n{"choices": [{"mess')
            await writer.drain()
            writer.close()

        self._acts.append(act)
        return self

    def hang(self, drip: bytes = b"") -> "RawModel":
        """Queue silence, or a body that comes in drops and never ends."""

        async def act(writer: asyncio.StreamWriter) -> None:
            if drip:
                writer.write(b"HTTP/1.1 200 x\r\ncontent-length: 100000\r\n\r\n")
            for _ in range(600):
                writer.write(drip)
                await asyncio.sleep(0.05)

        self._acts.append(act)
        return self

    def endless(self) -> "RawModel":
        """Queue a body without an end, as fast as it is taken; bounded by 64 MiB."""

        async def act(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(1_024):
                writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                await writer.drain()

        self._acts.append(act)
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
                self.heads.append(head)
                self.requests.append(json.loads(body) if body else {})
                self.asked.set()
                act = self._acts.popleft() if len(self._acts) > 1 else self._acts[0]
                await self._until_left(reader, act(writer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # 3.11 logs a server task that ends cancelled as an error
        finally:
            writer.close()

    async def _until_left(self, reader: asyncio.StreamReader, acting: Awaitable[None]) -> None:
        """Runs the act; notices the client's leaving meanwhile."""
        act = asyncio.ensure_future(acting)
        gone = asyncio.ensure_future(_at_eof(reader))
        try:
            await asyncio.wait({act, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not act.done():
                self.left.set()
        finally:
            gone.cancel()
            act.cancel()
            await asyncio.gather(act, gone, return_exceptions=True)


async def _at_eof(reader: asyncio.StreamReader) -> None:
    while not reader.at_eof() and reader.exception() is None:
        await asyncio.sleep(0.01)


def answer(text: object, **choice: Any) -> dict[str, Any]:
    """A chat completion with one choice; `message` and other members of the choice are replaced."""
    return {
        "id": "x",
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
                **choice,
            }
        ],
        "usage": {"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320},
    }


@asynccontextmanager
async def raw_model() -> AsyncIterator[RawModel]:
    """A RawModel on a free port of loopback."""
    model = RawModel()
    server = await asyncio.start_server(model._serve, "127.0.0.1", 0)
    model.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield model
    finally:
        server.close()
        for task in model.tasks:
            task.cancel()
        await asyncio.sleep(0)
