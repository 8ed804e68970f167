"""`python -m app check`: tests every configured part and prints what it saw.

The parts are those that `serve` makes, so a check that passes is a server that works.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from app.cli import exit_codes
from app.parts import Parts, open_parts
from app.runtime.deadline import Deadline
from app.settings.settings import Settings, unknown_variables
from app.telemetry.metrics import Metrics
from app.types import SourceImage, VerifyMode
from app.usage.redis_store import RedisUsageStore
from app.vision.ocr_pool import OcrPool, is_ocr_installed

Check = Callable[[], Awaitable[str]]
"""Tests one part: returns what it saw, or raises an error that says what is wrong."""

# A GIF of one white pixel. Decoding it takes the same way through a child process as any image.
_ONE_PIXEL_GIF = bytes.fromhex(
    "47494638396101000100800000ffffff00000021f90400000000002c00000000010001000002024401003b"
)
_DECODE_TIMEOUT_S = 10.0


def check() -> int:
    """Test every part, print a line for each, and fail where one does not work."""
    settings = Settings.read()
    for variable in unknown_variables():
        print(f"warn  settings: {variable}")
    print("ok    settings")
    failures = asyncio.run(_run_checks(settings))
    if failures:
        noun = "part does" if failures == 1 else "parts do"
        print(f"{failures} {noun} not work", file=sys.stderr)
        return exit_codes.FAILED
    return exit_codes.OK


async def _run_checks(settings: Settings) -> int:
    """The number of parts that failed."""
    failures = 0
    async with open_parts(settings, Metrics()) as parts:
        for name, part_check in _list_checks(settings, parts):
            failures += not await _run_check(name, part_check)
        longest_px = settings.image.longest_edge_px
        for captioner in parts.model_captioners:
            for problem in await captioner.find_listing_problems():
                print(f"warn  model {captioner.name}: {problem.said}")
            for note in captioner.describe(longest_px):
                print(f"note  model {captioner.name}: {note}")
    return failures


async def _run_check(name: str, part_check: Check) -> bool:
    began_s = time.monotonic()
    try:
        result, works = await part_check(), True
    except Exception as error:  # noqa: BLE001 - the operator must see every error that a part raises
        result, works = f"{error or type(error).__name__}", False
    took_ms = round((time.monotonic() - began_s) * 1000)
    print(f"{'ok  ' if works else 'FAIL'}  {name}: {result} ({took_ms} ms)", flush=True)
    return works


def _list_checks(settings: Settings, parts: Parts) -> list[tuple[str, Check]]:
    checks: list[tuple[str, Check]] = [
        ("keys", lambda: _check_keys(settings, parts)),
        ("styles", lambda: _check_styles(parts)),
        ("decoding", lambda: _check_decoding(parts)),
    ]
    if parts.rate_limits.is_shared:
        checks.append(("rate limit store", lambda: _check_redis(parts.rate_limits.check)))
    if isinstance(usage_store := parts.usage_store, RedisUsageStore):
        checks.append(("usage store", lambda: _check_redis(usage_store.check)))
    if (cache := parts.cache) is not None:
        checks.append(("cache", lambda: _check_redis(cache.check)))
    checks += [(f"model {captioner.name}", captioner.check) for captioner in parts.model_captioners]
    if parts.embedded_captioner is not None:
        checks.append(("model embedded", lambda: _check_embedded_captioner(parts)))
    checks.append(("verification", lambda: _check_verification(settings.verify, parts.ocr_pool)))
    return checks


async def _check_keys(settings: Settings, parts: Parts) -> str:
    if parts.keys.allows_anonymous:
        return f"none: anyone who reaches {settings.host} may call"
    return f"{len(parts.keys)} configured"


async def _check_styles(parts: Parts) -> str:
    return ", ".join(parts.styles)


async def _check_decoding(parts: Parts) -> str:
    await parts.worker_pool.start()  # it gives up by itself, later than a busy machine needs
    source = SourceImage(data=_ONE_PIXEL_GIF, format="gif")
    await parts.normaliser.normalise(source, Deadline.after(_DECODE_TIMEOUT_S))
    return "a child process decoded an image"


async def _check_embedded_captioner(parts: Parts) -> str:
    captioner, ocr_pool = parts.embedded_captioner, parts.ocr_pool
    assert captioner is not None  # noqa: S101 - only then this check is in the list
    if ocr_pool is None:
        return f"{await captioner.check()} (install the extra `embedded` for that)"
    async with _loading(ocr_pool):
        return await captioner.check()


async def _check_verification(mode: VerifyMode, ocr_pool: OcrPool | None) -> str:
    """What captions are held against. Without the models that is less, and no failure."""
    which = "requests that ask" if mode == "off" else "every caption"
    said = f"VERIFY={mode}: {which}"
    if ocr_pool is None:
        if not is_ocr_installed():
            return f"{said}, colours only (install the extra `embedded` for text and subjects)"
        return f"{said}, colours only (VERIFY=warn loads the models for text and subjects)"
    async with _loading(ocr_pool):
        seen = ["colours"]
        seen += ["text"] if await ocr_pool.is_ready() else []
        seen += ["subjects"] if await ocr_pool.recognises() else []
        return f"{said}, {', '.join(seen)}"


@asynccontextmanager
async def _loading(ocr_pool: OcrPool) -> AsyncIterator[None]:
    """Its models are loaded in the background, unless they are there."""
    starting = asyncio.create_task(ocr_pool.start())
    try:
        yield
    finally:
        starting.cancel()


async def _check_redis(ping: Callable[[], Awaitable[None]]) -> str:
    from redis.exceptions import RedisError  # a tenth of a second, only where Redis is configured

    try:
        await ping()
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        # The message may contain the URL, and the URL a password: only the error's type is shown.
        msg = f"does not respond ({type(error).__name__}); start it, or correct the URL"
        raise RuntimeError(msg) from None
    return "responds"
