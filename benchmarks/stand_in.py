"""A stand-in for the server's wire, faster than any server: for what a backfill itself costs.

    .venv/bin/python -m benchmarks.stand_in --took 0 --rate 0

Answers GET /v1/styles and POST /v1/image/caption at once, or after so many seconds; over a rate it
answers 429 as the server does. It fetches no picture and asks no model. Prints its URL.
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
    "locale": "en", "decorative": False, "truncated": False, "warnings": [], "model": "stand-in",
    "usage": {"input_tokens": 1000, "output_tokens": 20}, "metadata": {},
    "image": {"width": 64, "height": 48, "format": "jpeg", "bytes": 900, "sha256": "00" * 32,
              "sent_width": 64, "sent_height": 48},
}).encode()  # fmt: skip
_REFUSED = json.dumps({
    "type": "/docs#problem-rate_limited", "title": "x", "status": 429, "detail": "slow down",
    "code": "rate_limited", "retryable": True, "request_id": "none",
}).encode()  # fmt: skip


class StandIn:
    """Counts what it answered; `/answered` tells how many, in how many seconds."""

    def __init__(self, took_s: float, per_s: float) -> None:
        self._took_s = took_s
        self._per_s = per_s
        self._tokens = 1.0
        self._at_s = time.monotonic()
        self.answered = 0
        self.refused = 0
        self.first_s = self.last_s = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept open."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lowered = head.lower()
                if b"content-length:" in lowered:
                    at = lowered.index(b"content-length:") + 15
                    await reader.readexactly(int(lowered[at : lowered.index(b"\r", at)]))
                writer.write(await self._answer(head.split(b" ", 2)[1]))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, path: bytes) -> bytes:
        if path == b"/v1/styles":
            return _http(200, _STYLES)
        if path == b"/answered":
            told = {"answered": self.answered, "refused": self.refused,
                    "seconds": self.last_s - self.first_s}  # fmt: skip
            return _http(200, json.dumps(told).encode())
        if not self._has_room():
            self.refused += 1
            return _http(429, _REFUSED, b"Retry-After: 1\r\n", b"application/problem+json")
        self.first_s = self.first_s or time.monotonic()
        if self._took_s:
            await asyncio.sleep(self._took_s)
        self.answered += 1
        self.last_s = time.monotonic()
        return _http(200, _CAPTION)

    def _has_room(self) -> bool:
        """A token bucket that holds a second's worth."""
        if not self._per_s:
            return True
        now_s = time.monotonic()
        self._tokens = min(self._per_s, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _http(
    status: int, body: bytes, more: bytes = b"", media_type: bytes = b"application/json"
) -> bytes:
    return (
        b"HTTP/1.1 %d x\r\nContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n"
        % (status, media_type, more, len(body))
    ) + body


async def main() -> None:
    """Serve until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--took", type=float, default=0.0, help="seconds of one answer")
    parser.add_argument("--rate", type=float, default=0.0, help="answers a second at most; 0: any")
    arguments = parser.parse_args()
    stand_in = StandIn(arguments.took, arguments.rate)
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
