"""What was learned about a model is known to the next process, dated and bounded."""

import asyncio
import datetime as dt
import json
import logging
from pathlib import Path

import pytest

from app.captioning.capability_store import MAX_AGE, CapabilityStore, capability_key
from app.captioning.openai_compat.capabilities import Capabilities
from testing.servers.raw_model_server import completion, openai_error, raw_model_server
from testing.servers.redis import RedisServer
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft

NOW = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
LEARNED = Capabilities(frozenset({"max_tokens", "temperature"}), False, 2_048, 8_192)


async def test_the_second_start_asks_a_thinking_model_rightly_at_the_first_call(
    make_captioner: CaptionerFactory, tmp_path: Path
) -> None:
    """The first start takes four calls for it."""
    file = str(tmp_path / "capabilities.json")
    thinking = completion("", finish_reason="length")
    thinking["usage"] = {"completion_tokens": 64,
                         "completion_tokens_details": {"reasoning_tokens": 64}}  # fmt: skip
    async with raw_model_server() as model:
        model.respond(openai_error("Unsupported parameter: max_tokens", param="max_tokens"), 400)
        model.respond(openai_error("temperature is not supported", param="temperature"), 400)
        model.respond(thinking).complete("A blue disc.")
        first, second = (make_captioner(model.base_url) for _ in range(2))
        await first.recall(CapabilityStore(file))
        await draft(first, 30)
        await first.aclose()
        assert len(model.requests) == 4
        await second.recall(CapabilityStore(file))
        assert (await draft(second, 30)).text == "A blue disc."
        assert len(model.requests) == 5
        assert model.requests[4]["max_completion_tokens"] == 64 + 2_048
        assert "temperature" not in model.requests[4]
        other = make_captioner(model.base_url, params={"reasoning_effort": "none"})
        await other.recall(CapabilityStore(file))
        await draft(other, 30)
        assert model.requests[5]["max_tokens"] == 64  # with other parameters it is another model


async def test_an_entry_is_forgotten_after_a_month(tmp_path: Path) -> None:
    """The provider may have changed the model."""
    file = str(tmp_path / "capabilities.json")
    await CapabilityStore(file, lambda: NOW).save("a", LEARNED)
    assert await CapabilityStore(file, lambda: NOW + MAX_AGE).load("a") == LEARNED
    late = NOW + MAX_AGE + dt.timedelta(seconds=1)
    assert await CapabilityStore(file, lambda: late).load("a") is None
    assert await CapabilityStore(file, lambda: NOW - dt.timedelta(days=1)).load("a") is None
    await CapabilityStore(file, lambda: late).save("b", LEARNED)
    assert set(json.loads((tmp_path / "capabilities.json").read_text())) == {"b"}


async def test_a_file_has_the_newest_entries_only(tmp_path: Path) -> None:
    path = tmp_path / "capabilities.json"
    times: list[dt.datetime] = []
    store = CapabilityStore(str(path), lambda: times[-1])
    for number in range(205):
        times.append(NOW + dt.timedelta(seconds=number))
        await store.save(str(number), LEARNED)
    assert set(json.loads(path.read_text())) == {str(number) for number in range(5, 205)}
    assert [file.name for file in tmp_path.iterdir()] == ["capabilities.json"]


async def test_two_stores_that_write_one_file_at_once_lose_nothing(tmp_path: Path) -> None:
    """Server processes with WORKERS, or replicas with one folder."""
    path = tmp_path / "capabilities.json"
    stores = [CapabilityStore(str(path), lambda: NOW) for _ in range(2)]
    names = [f"{number}" for number in range(40)]
    await asyncio.gather(*(stores[int(name) % 2].save(name, LEARNED) for name in names))
    assert set(json.loads(path.read_text())) == set(names)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"a": 7}', '{"a": {"learned": "2026-11-30T12:00:00+00:00"}}',
        ('{"a": {"learned": "2026-11-30T12:00:00+00:00", "refused": ["messages"], "must_stream": '
        'false, "headroom_tokens": 0, "max_headroom_tokens": 0}}'),
        ('{"a": {"learned": "2026-11-30T12:00:00+00:00", "refused": [], "must_stream": false, '
        '"headroom_tokens": 9999999, "max_headroom_tokens": 9999999}}'),
        "x" * 300_000,
    ],
    ids=["empty", "cut", "list", "number", "parts", "refused", "headroom", "large"],
)  # fmt: skip
async def test_a_damaged_file_is_a_warning_and_is_written_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "capabilities.json"
    path.write_text(text)
    store = CapabilityStore(str(path), lambda: NOW)
    with caplog.at_level(logging.WARNING):
        assert await store.load("a") is None
    assert [record.message for record in caplog.records] == ["capability_store.not_read"]
    await store.save("a", LEARNED)
    assert await store.load("a") == LEARNED


async def test_a_store_that_is_away_costs_no_caption(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that was removed, and a closed port."""
    for location in (str(tmp_path / "gone" / "file.json"), "redis://127.0.0.1:1/0"):
        store = CapabilityStore(location)
        assert await store.load("a") is None
        await store.save("a", LEARNED)
        await store.aclose()
    assert "capability_store.not_written" in caplog.text


async def test_redis_keeps_an_entry_for_a_month(redis_server: RedisServer) -> None:
    store = CapabilityStore(redis_server.url)
    await store.save("a", LEARNED)
    assert await store.load("a") == LEARNED
    assert await store.load("b") is None
    await store.aclose()


def test_a_key_names_nothing_and_differs_by_server_model_and_parameters() -> None:
    """The base URL may have a password."""
    keys = {
        capability_key(url, model, params)
        for url in ("http://u:hunter2@h/v1", "http://h/v1")
        for model in ("m", "n")
        for params in ({}, {"a": 1})
    }
    assert len(keys) == 8
    assert all(len(key) == 64 and "hunter2" not in key for key in keys)
    assert capability_key("http://h/v1/", "m", {}) == capability_key("http://h/v1", "m", {})
