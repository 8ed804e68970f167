"""A small origin on the event loop of the caller, for files of many megabytes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

_CHUNK_BYTES = 256 * 1024
"""A large file is not copied as a whole into the buffers of each connection."""


@asynccontextmanager
async def file_origin(files: Mapping[str, bytes], *, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve each file under its name on a free port; yields the origin's URL."""
    server = await asyncio.start_server(lambda r, w: _serve(r, w, files), host, 0)
    try:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, files: Mapping[str, bytes]
) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = memoryview(files[head.split(b" ", 2)[1].decode().lstrip("/")])
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            for at in range(0, len(body), _CHUNK_BYTES):
                writer.write(body[at : at + _CHUNK_BYTES])
                await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass  # Python 3.11 logs a server task that ends cancelled as an error
    finally:
        writer.close()
