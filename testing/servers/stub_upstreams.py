"""An origin and a model server in one small process, for benchmarks: both respond at once.

Written on asyncio without a framework, so that Altwright is measured and not its upstreams. The
process prints its port and serves until its standard input closes.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from testing import photographs
from testing.photographs import Photograph
from testing.servers.model_faults import FAULTS, Fault

_CAPTION = "A brown wooden bench beside a gravel path in a park with tall green trees."
_COMPLETION = {
    "id": "1",
    "object": "chat.completion",
    "created": 0,
    "model": "stub",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": _CAPTION},
        }
    ],
    "usage": {"prompt_tokens": 900, "completion_tokens": 18, "total_tokens": 918},
}


@dataclass(frozen=True, slots=True)
class ModelFault:
    """What the model does to requests that contain a word, and to no others."""

    name: str
    """A key of `testing.servers.model_faults.FAULTS`."""
    marker: str


@contextmanager
def stub_upstreams(
    sizes: Sequence[str] = (), *, model_delay_s: float = 0.0, fault: ModelFault | None = None
) -> Iterator[str]:
    """Start the process; yields its address.

    It serves a baseline JPEG of each size of `testing.photographs` as `/SIZE.jpg`.
    """
    options = [f"--model-delay={model_delay_s}"]
    if fault is not None:
        options += [f"--fault={fault.name}", f"--marker={fault.marker}"]
    with subprocess.Popen(
        [sys.executable, "-m", __name__, *sizes, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


def stub_model_settings(upstream: str) -> dict[str, str]:
    """Settings of a server that uses the stub model."""
    return {"MODEL": "stub", "MODEL_BASE_URL": f"{upstream}/v1"}


async def _serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    images: Mapping[str, bytes],
    model_delay_s: float,
    marker: bytes,
    fault: Fault | None,
) -> None:
    completion = json.dumps(_COMPLETION).encode()
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            request, _, headers = head.partition(b"\r\n")
            received = b""
            for line in headers.split(b"\r\n"):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    received = await reader.readexactly(int(value))
            if fault is not None and marker in received:
                await fault(writer)
                continue
            if request.startswith(b"POST"):
                await asyncio.sleep(model_delay_s)
                content_type, body = b"application/json", completion
            else:
                size = request.split(b" ")[1].decode().strip("/").removesuffix(".jpg")
                content_type, body = b"image/jpeg", images.get(size, b"")
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                % (b"200 OK" if body else b"404 Not Found", content_type, len(body), body)
            )
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        pass  # Python 3.11 logs a server task that ends cancelled as an error
    finally:
        writer.close()


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", help="keys of testing.photographs.SIZES")
    parser.add_argument("--model-delay", type=float, default=0.0, help="seconds to a completion")
    parser.add_argument("--fault", choices=list(FAULTS), help="sent to requests with --marker")
    parser.add_argument("--marker", default="", help="a word of the prompt")
    arguments = parser.parse_args()
    drawn = [Photograph(size, "baseline") for size in arguments.sizes]
    photographs.draw_missing(drawn)
    images = {one.size: one.path.read_bytes() for one in drawn}
    fault = FAULTS[arguments.fault]() if arguments.fault else None
    marker = arguments.marker.encode()
    server = await asyncio.start_server(
        lambda reader, writer: _serve(reader, writer, images, arguments.model_delay, marker, fault),
        "127.0.0.1", 0, limit=1 << 20,
    )  # fmt: skip
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
