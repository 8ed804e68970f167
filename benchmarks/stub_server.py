"""A stub of the Altwright API that responds faster than any server, to measure a backfill itself.

    .venv/bin/python -m benchmarks.stub_server --response-s 0 --rate 0

It responds to GET /v1/styles and POST /v1/image/caption at once or after some seconds, and with
429 over a rate, as the server does. It fetches no image and calls no model. Prints its URL.
"""

import argparse
import asyncio
import json
import time

_STYLES = json.dumps({"styles": [{
    "name": "concise", "purpose": "alt text", "uses_keywords": False, "rules": [],
    "limits": {"min_chars": 1, "aim_chars": 125, "max_chars": 160, "warn_over_chars": 125,
               "min_sentences": 1, "max_sentences": 2, "max_word_repeats": 3},
}]}).encode()  # fmt: skip
_CAPTION = json.dumps({
    "caption": "White ceramic mug with a blue rim on a wooden table.", "style": "concise",
    "locale": "en", "decorative": False, "truncated": False, "warnings": [], "model": "stub",
    "usage": {"input_tokens": 1000, "output_tokens": 20}, "metadata": {},
    "image": {"width": 64, "height": 48, "format": "jpeg", "bytes": 900, "sha256": "00" * 32,
              "sent_width": 64, "sent_height": 48},
}).encode()  # fmt: skip
_RATE_LIMITED = json.dumps({
    "type": "/docs#problem-rate_limited", "title": "x", "status": 429, "detail": "slow down",
    "code": "rate_limited", "retryable": True, "request_id": "none",
}).encode()  # fmt: skip


class StubServer:
    """Counts its responses; GET /counts returns how many, and in how many seconds."""

    def __init__(self, response_s: float, rate_per_s: float) -> None:
        self._response_s = response_s
        self._rate_per_s = rate_per_s
        self._tokens = 1.0
        self._refilled_at_s = time.monotonic()
        self._captioned = 0
        self._refused = 0
        self._first_s = self._last_s = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, which is kept alive."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lower_head = head.lower()
                if b"content-length:" in lower_head:
                    start = lower_head.index(b"content-length:") + 15
                    end = lower_head.index(b"\r", start)
                    await reader.readexactly(int(lower_head[start:end]))
                writer.write(await self._respond(head.split(b" ", 2)[1]))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _respond(self, path: bytes) -> bytes:
        if path == b"/v1/styles":
            return _http_response(200, _STYLES)
        if path == b"/counts":
            counts = {"captioned": self._captioned, "refused": self._refused,
                      "seconds": self._last_s - self._first_s}  # fmt: skip
            return _http_response(200, json.dumps(counts).encode())
        if not self._take_token():
            self._refused += 1
            headers = b"Retry-After: 1\r\n"
            return _http_response(429, _RATE_LIMITED, headers, b"application/problem+json")
        self._first_s = self._first_s or time.monotonic()
        if self._response_s:
            await asyncio.sleep(self._response_s)
        self._captioned += 1
        self._last_s = time.monotonic()
        return _http_response(200, _CAPTION)

    def _take_token(self) -> bool:
        """Token bucket with room for one second's tokens."""
        if not self._rate_per_s:
            return True
        now_s = time.monotonic()
        refill = (now_s - self._refilled_at_s) * self._rate_per_s
        self._tokens = min(self._rate_per_s, self._tokens + refill)
        self._refilled_at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _http_response(
    status: int, body: bytes, headers: bytes = b"", media_type: bytes = b"application/json"
) -> bytes:
    return (
        b"HTTP/1.1 %d x\r\nContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n"
        % (status, media_type, headers, len(body))
    ) + body


async def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--response-s", type=float, default=0.0, help="seconds of one response")
    parser.add_argument("--rate", type=float, default=0.0, help="captions a second; 0: no limit")
    arguments = parser.parse_args()
    stub = StubServer(arguments.response_s, arguments.rate)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
