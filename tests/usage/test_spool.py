"""Counts of a process that was killed while Redis was away are stored by the next one, once."""

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from app.usage import redis_store
from app.usage.months import Month
from app.usage.redis_store import RedisUsageStore
from app.usage.spool import UsageSpool
from app.usage.store import KeyMonth
from testing.servers.redis import RedisServer

SHOP, OTHER = KeyMonth("shop", Month(2026, 11)), KeyMonth("a: b", Month(2026, 12))

COUNT_AND_DIE = """
import asyncio, os, signal, sys
from pathlib import Path
from app.usage.months import Month
from app.usage.redis_store import RedisUsageStore
from app.usage.store import KeyMonth
shop = KeyMonth("shop", Month(2026, 11))
async def count():
    store = RedisUsageStore(sys.argv[1], spool_dir=Path(sys.argv[2]))
    await store.add(shop, {"requests": 1})
    print("stored", flush=True)
    sys.stdin.readline()  # Redis is paused now
    await asyncio.gather(*(store.add(shop, {"requests": 1}) for _ in range(20)))
    for _ in range(20):
        await store.add(shop, {"requests": 1, "captions caption": 1})
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(count())
"""


def left_counts(folder: Path) -> dict[KeyMonth, dict[str, int]]:
    """What all ended processes left there. It is removed."""
    found: dict[KeyMonth, dict[str, int]] = {}
    spool = UsageSpool(folder, "reader")
    while True:
        with spool.left_counts() as left:
            if left is None:
                return found
            found |= {key_month: dict(counts) for key_month, counts in left.counts.items()}


async def wait_until_stored(store: RedisUsageStore) -> None:
    async with asyncio.timeout(20):
        while not store.is_available or store.unstored_keys:
            await asyncio.sleep(0.02)


@pytest.mark.measures
async def test_what_a_killed_process_counted_while_redis_was_away_is_stored_once(
    redis_server: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COUNT_AND_DIE, redis_server.url, tmp_path,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert killed.stdin is not None
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"stored\n"
    redis_server.pause()
    killed.stdin.write(b"\n")
    assert await killed.wait() == -9
    redis_server.resume()
    [left] = tmp_path.iterdir()
    copy = left.read_bytes()
    for _ in range(2):  # the second time as if the first had been killed before it removed the file
        left.write_bytes(copy)
        stores = [RedisUsageStore(redis_server.url, spool_dir=tmp_path) for _ in range(3)]
        with caplog.at_level(logging.INFO):
            for store in stores:
                store.start()
            async with asyncio.timeout(20):
                while left.exists():
                    await asyncio.sleep(0.02)
        assert await stores[0].read(SHOP) == {"requests": 41, "captions caption": 20}
        for store in stores:
            await store.aclose()
    events = [record.message for record in caplog.records]
    assert events.count("usage_store.left_counts_stored") == 2
    assert list(tmp_path.iterdir()) == []


async def test_a_process_stores_its_own_counts_and_removes_its_file(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "_QUOTA_PATIENCE_S", 5.0)
    monkeypatch.setattr(redis_store, "_COUNT_PATIENCE_S", 5.0)
    monkeypatch.setattr(redis_store, "_SOCKET_TIMEOUT_S", 3.0)
    store = RedisUsageStore(redis_server.url, spool_dir=tmp_path)
    await store.add(SHOP, {"requests": 1})
    assert list(tmp_path.iterdir()) == [], "nothing is written while Redis responds"
    for round_ in (1, 2):
        redis_server.pause()
        try:
            await store.add(SHOP, {"requests": 1})
            await store.add(OTHER, {"requests": 1})
            [_file] = tmp_path.iterdir()
        finally:
            redis_server.resume()
        await wait_until_stored(store)
        await store.add(SHOP, {"requests": 1})
        assert (await store.read(SHOP))["requests"] == 1 + 2 * round_
        assert list(tmp_path.iterdir()) == []
    await store.aclose()


async def test_a_request_is_answered_before_a_late_redis_has_its_count_which_stands_in_the_file(
    redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "_QUOTA_PATIENCE_S", 60.0)
    monkeypatch.setattr(redis_store, "_COUNT_PATIENCE_S", 0.04)
    monkeypatch.setattr(redis_store, "_SOCKET_TIMEOUT_S", 60.0)
    store = RedisUsageStore(redis_server.url, spool_dir=tmp_path)
    await store.check()
    redis_server.pause()
    try:
        async with asyncio.timeout(20):
            await asyncio.gather(*(store.add(SHOP, {"requests": 1}) for _ in range(2)))
            # The next one is answered at once: it need not find out anew that Redis is late.
            monkeypatch.setattr(redis_store, "_COUNT_PATIENCE_S", 60.0)
            await store.add(SHOP, {"requests": 1})
        assert (store.is_available, store.unstored_keys) == (True, 1)
        [file] = tmp_path.iterdir()
        assert b'"requests":3' in file.read_bytes().replace(b" ", b"")
    finally:
        redis_server.resume()
    await wait_until_stored(store)
    assert await store.read(SHOP) == {"requests": 3}
    await store.add(SHOP, {"requests": 1})
    assert store.unstored_keys == 0, "it waits again"
    await store.aclose()
    assert list(tmp_path.iterdir()) == []


async def test_a_server_that_stops_leaves_its_counts_to_the_next_one(
    redis_server: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    redis_server.stop()
    store = RedisUsageStore(redis_server.url, spool_dir=tmp_path)
    await store.add(SHOP, {"requests": 3})
    await store.aclose()
    events = [record.message for record in caplog.records]
    assert "usage_store.counts_kept" in events
    assert "usage_store.counts_lost" not in events
    redis_server.start()
    again = RedisUsageStore(redis_server.url, spool_dir=tmp_path)
    again.start()
    async with asyncio.timeout(20):
        while list(tmp_path.iterdir()):
            await asyncio.sleep(0.02)
    assert await again.read(SHOP) == {"requests": 3}
    await again.aclose()


async def test_what_was_left_is_stored_when_redis_is_back_as_well(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    """The process that comes after the kill starts while Redis is still away."""
    redis_server.stop()
    killed = UsageSpool(tmp_path, "killed")
    killed.note(SHOP, {"requests": 5})
    killed.close()
    store = RedisUsageStore(redis_server.url, spool_dir=tmp_path)
    store.start()
    async with asyncio.timeout(20):
        while store.is_available:
            await asyncio.sleep(0.02)
    redis_server.start()
    async with asyncio.timeout(20):
        while list(tmp_path.iterdir()):
            await asyncio.sleep(0.02)
    assert await store.read(SHOP) == {"requests": 5}
    await store.aclose()


def test_the_last_counts_are_read_and_the_file_of_a_living_process_is_not_taken(
    tmp_path: Path,
) -> None:
    living, ended = UsageSpool(tmp_path, "living"), UsageSpool(tmp_path, "ended")
    living.note(SHOP, {"requests": 9})
    for count in (1, 2, 3):
        assert ended.note(SHOP, {"requests": count})
    ended.note(OTHER, {"requests": 1, "captions caption": 1})
    ended.close()
    assert left_counts(tmp_path) == {
        SHOP: {"requests": 3}, OTHER: {"requests": 1, "captions caption": 1},
    }  # fmt: skip
    living.close()
    assert left_counts(tmp_path) == {SHOP: {"requests": 9}}


def test_a_long_file_is_written_anew_with_the_last_counts(tmp_path: Path) -> None:
    """Redis may be away for a night."""
    spool = UsageSpool(tmp_path, "killed")
    spool.note(OTHER, {"requests": 1})
    for count in range(20_000):
        spool.note(SHOP, {"requests": count})
    [file] = tmp_path.iterdir()
    assert file.stat().st_size < 1_100_000
    spool.close()
    assert left_counts(tmp_path) == {OTHER: {"requests": 1}, SHOP: {"requests": 19_999}}


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[]", b"\xff", b'{"month": "2026-13", "key": "a", "counts": {}}',
        b'{"month": "2026-11", "key": "a", "counts": {"requests": -1}}',
        b'{"month": "2026-11", "key": "a", "counts": {"requests": 1e30}}',
        b'{"month": "2026-11", "key": "a", "counts": {"requests": true}}',
        b'{"month": "2026-11", "key": "a", "counts": {"requests": 1}, "more": 1}',
        b'{"month": "2026-11", "key": "a", "coun',
    ],
)  # fmt: skip
def test_a_damaged_line_is_left_out_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    spool = UsageSpool(tmp_path, "killed")
    spool.note(SHOP, {"requests": 1})
    spool.close()
    [file] = tmp_path.iterdir()
    file.write_bytes(line + b"\n" + file.read_bytes() + line)
    assert left_counts(tmp_path) == {SHOP: {"requests": 1}}
    assert "usage_store.spool_damaged" in caplog.text


def test_a_folder_that_cannot_be_written_costs_no_request_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = UsageSpool(tmp_path / "gone", "writer")
    assert [spool.note(SHOP, {"requests": n}) for n in (1, 2)] == [False, False]
    with spool.left_counts() as left:
        assert left is None
    spool.clear()
    events = [record.message for record in caplog.records]
    assert events == ["usage_store.spool_failed"]


def test_a_block_that_fails_keeps_the_file(tmp_path: Path) -> None:
    killed = UsageSpool(tmp_path, "killed")
    killed.note(SHOP, {"requests": 1})
    killed.close()
    with pytest.raises(RuntimeError), UsageSpool(tmp_path, "reader").left_counts():
        raise RuntimeError
    assert left_counts(tmp_path) == {SHOP: {"requests": 1}}


def test_importing_the_store_imports_no_redis() -> None:
    """It takes a tenth of a second."""
    code = "import sys, app.usage.redis_store; sys.exit('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
