"""caption_many: every item is yielded once, refusals are respected, nothing runs on."""

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import altwright as sdk
import pytest
from altwright import AsyncAltwright, Caption, Job
from altwright.client_options import DEFAULT_PATIENCE_S

from testing.caption_many_run import run_caption_many, write_keys_file
from testing.images import data_url, jpeg
from testing.ports import free_port
from testing.servers.altwright import Altwright
from testing.servers.fault_proxy import FaultProxy, drip, forward, hang, problem, reset, truncate
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.stub_upstreams import stub_model_settings, stub_upstreams
from tests.sdk.client_under_test import MakeClient

URL = data_url(jpeg((40, 30)))


def jobs(count: int) -> list[Job]:
    return [Job(URL, ref=number) for number in range(count)]


def test_every_item_is_yielded_once_and_unchanged(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    given = jobs(40)
    results = list(make_client(base_url=proxy.url).caption_many(given, concurrency=6))
    assert sorted(item.ref for item, _ in results) == list(range(40))
    assert all(any(item is one for one in given) for item, _ in results)
    assert all(isinstance(result, Caption) for _, result in results)
    assert proxy.max_in_flight <= 6


def test_no_items_yield_nothing(make_client: MakeClient) -> None:
    assert list(make_client().caption_many([])) == []


def test_items_may_have_their_own_options(proxy: FaultProxy, make_client: MakeClient) -> None:
    items = [Job(URL, style="seo", metadata={"a": "1"}), URL, Job(URL, locale="de")]
    results = make_client(base_url=proxy.url).caption_many(items, style="concise", locale="fr")
    found = {(result.style, result.locale) for _, result in results}
    assert found == {("seo", "fr"), ("concise", "fr"), ("concise", "de")}


def test_errors_of_items_are_yielded_not_raised(
    altwright: Altwright, make_client: MakeClient, tmp_path: Path
) -> None:
    items = [
        URL,
        tmp_path / "missing.jpg",
        "mug.jpg",
        7,
        Job(URL, locale="ja"),
        Job(URL, style="x"),
    ]
    results = [result for _, result in make_client(base_url=altwright.url).caption_many(items)]
    assert Counter(type(each).__name__ for each in results) == {
        "Caption": 1, "UnreadableImage": 1, "UsageError": 2, "CaptionUncertain": 1,
        "InvalidRequest": 1,
    }  # fmt: skip


def test_results_are_yielded_in_the_order_in_which_they_are_done(
    server_with_model: Altwright, model_server: LlmockModelServer, make_client: MakeClient
) -> None:
    model_server.delay(0.7, times=1)
    client = make_client(base_url=server_with_model.url)
    results = client.caption_many(jobs(3), concurrency=3)
    first, *_ = (item.ref for item, _ in results)
    assert first != 0 or len(model_server.calls()) == 3


def test_items_are_read_only_when_there_is_room(proxy: FaultProxy, make_client: MakeClient) -> None:
    read = 0

    def endless_items() -> Iterator[Job]:
        nonlocal read
        for read in itertools.count(1):
            yield Job(URL, ref=read)

    many = make_client(base_url=proxy.url).caption_many(endless_items(), concurrency=4)
    results = list(itertools.islice(many, 20))
    assert len(results) == 20
    assert read <= 20 + 2 * 4
    time.sleep(0.2)
    assert read <= 20 + 2 * 4
    many.close()


def test_nothing_runs_on_after_the_loop_is_left(proxy: FaultProxy, make_client: MakeClient) -> None:
    proxy.always(drip)
    threads = threading.active_count()
    client = make_client(base_url=proxy.url, timeout=2)
    many = client.caption_many((URL for _ in itertools.count()), concurrency=4)
    proxy.then(problem(422, "caption_uncertain"))
    next(many)
    many.close()
    assert threading.active_count() == threads
    assert client.running_tasks() == 0
    until_s = time.monotonic() + 5
    while proxy.in_flight and time.monotonic() < until_s:
        time.sleep(0.02)
    assert proxy.in_flight == 0
    seen = len(proxy.requests)
    time.sleep(0.3)
    assert len(proxy.requests) == seen


async def test_a_cancelled_task_closes_its_connections_at_once(proxy: FaultProxy) -> None:
    proxy.always(hang)
    others = asyncio.all_tasks()
    async with AsyncAltwright(base_url=proxy.url) as client:

        async def run() -> None:
            async for _ in client.caption_many(URL for _ in itertools.count()):
                pass

        task = asyncio.create_task(run())
        while proxy.in_flight < 8:
            await asyncio.sleep(0.01)
        task.cancel()
        started_s = time.monotonic()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        while proxy.in_flight and time.monotonic() - started_s < 5:
            await asyncio.sleep(0.01)
        assert proxy.in_flight == 0
        assert asyncio.all_tasks() == others


async def test_items_may_arrive_asynchronously_and_late(proxy: FaultProxy) -> None:
    async with AsyncAltwright(base_url=proxy.url) as client:
        results: list[object] = []

        async def late_items() -> AsyncIterator[Job]:
            for number in range(3):
                # The next item arrives only after the last result was received: no deadlock.
                while len(results) < number:
                    await asyncio.sleep(0.01)
                yield Job(URL, ref=number)

        async for item, result in client.caption_many(late_items()):
            assert isinstance(result, Caption)
            results.append(item.ref)
        assert results == [0, 1, 2]


def test_an_error_from_reading_the_items_is_raised_after_all_earlier_results(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    def failing_items() -> Iterator[str]:
        yield URL
        yield URL
        raise LookupError("the database went away")

    many = make_client(base_url=proxy.url).caption_many(failing_items())
    assert [type(next(many)[1]) for _ in range(2)] == [Caption, Caption]
    with pytest.raises(LookupError, match="went away"):
        next(many)


@pytest.mark.slow
def test_retry_after_delays_all_requests(proxy: FaultProxy, make_client: MakeClient) -> None:
    proxy.then(problem(429, "rate_limited", retry_after="2"))
    results = list(make_client(base_url=proxy.url).caption_many(jobs(12), concurrency=2))
    assert all(isinstance(result, Caption) for _, result in results)
    refused = proxy.requests[0].finished_at_s
    assert refused is not None
    # One other request may have been in flight when the refusal came.
    delays_s = [seen.arrived_at_s - refused for seen in proxy.requests]
    early = [delay_s for delay_s in delays_s if 0 < delay_s < 2.0 - 0.05]
    assert len(early) <= 1
    assert max(delays_s) >= 2.0 - 0.05


@pytest.mark.slow
def test_no_item_is_lost_when_many_requests_fail(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    faults = itertools.cycle([
        reset, None, truncate, None, None, problem(503, "overloaded", retry_after="1"), None, None,
        problem(500, "internal"), None, None, None, problem(429, "rate_limited"), None, None, None,
    ])  # fmt: skip
    proxy.then(*((next(faults) or forward) for _ in range(32)))
    results = list(make_client(base_url=proxy.url).caption_many(jobs(28), concurrency=8))
    assert sorted(item.ref for item, _ in results) == list(range(28))
    assert all(isinstance(result, Caption) for _, result in results)
    # No wait was cut short; requests in flight when the refusal came do not count.
    arrived_s = [seen.arrived_at_s for seen in proxy.requests]
    refused_s = [seen.finished_at_s or 0 for seen in proxy.requests if seen.action == "overloaded"]
    assert refused_s
    for at_s in refused_s:
        assert not [one for one in arrived_s if at_s + 0.3 < one < at_s + 1 - 0.05]


@pytest.mark.slow
def test_no_item_is_lost_when_the_server_restarts() -> None:
    port = free_port()
    results = []
    with Altwright(PORT=str(port)) as server:
        client = sdk.Altwright(base_url=server.url)
        many = client.caption_many(jobs(30), concurrency=4)
        results += list(itertools.islice(many, 10))
    with Altwright(PORT=str(port)):
        results += list(many)
    client.close()
    assert sorted(item.ref for item, _ in results) == list(range(30))
    assert all(isinstance(result, Caption) for _, result in results), results


def test_a_server_that_was_never_reachable_is_reported_without_patience(
    make_client: MakeClient,
) -> None:
    client = make_client(base_url=f"http://127.0.0.1:{free_port()}", max_retries=1)
    started_s = time.monotonic()
    results = list(client.caption_many([URL, URL]))
    assert [type(result) for _, result in results] == [sdk.ConnectionFailed] * 2
    assert time.monotonic() - started_s < DEFAULT_PATIENCE_S / 4


def test_retries_end_after_patience(proxy: FaultProxy, make_client: MakeClient) -> None:
    proxy.always(problem(503, "model_unavailable", retry_after="1"))
    many = make_client(base_url=proxy.url).caption_many(jobs(2), patience=1.5)
    results = list(many)
    assert [type(result) for _, result in results] == [sdk.ModelUnavailable] * 2


def test_a_retry_after_beyond_patience_is_reported_at_once(
    proxy: FaultProxy, make_client: MakeClient
) -> None:
    proxy.always(problem(429, "rate_limited", retry_after="3600"))
    started_s = time.monotonic()
    results = list(make_client(base_url=proxy.url).caption_many(jobs(3)))
    assert [type(error) for _, error in results] == [sdk.RateLimited] * 3
    assert {getattr(error, "retry_after", None) for _, error in results} == {3600}
    assert time.monotonic() - started_s < DEFAULT_PATIENCE_S / 4


def test_per_second_is_not_exceeded(proxy: FaultProxy, make_client: MakeClient) -> None:
    client = make_client(base_url=proxy.url)
    client.styles()  # opens the connection and imports what is needed
    assert len(list(client.caption_many(jobs(21), per_second=10))) == 21
    first, *_, last = (seen.arrived_at_s for seen in proxy.requests[1:])
    assert last - first >= 0.9 * 20 / 10


@pytest.mark.parametrize("arguments", [{"concurrency": 0}, {"per_second": 0}, {"patience": -1}])
def test_invalid_numbers_raise(make_client: MakeClient, arguments: dict[str, float]) -> None:
    with pytest.raises(sdk.UsageError):
        list(make_client().caption_many([URL], **arguments))


@pytest.mark.slow
@pytest.mark.measures
def test_when_the_server_begins_to_refuse_the_client_finds_its_rate(tmp_path: Path) -> None:
    """The benchmark on a small scale: the key's limit changes while requests are in flight."""
    keys_file = tmp_path / "keys.json"
    write_keys_file(keys_file, "1000000/minute")
    with (
        stub_upstreams(model_delay_s=0.1) as upstream,
        Altwright(**stub_model_settings(upstream), KEYS_FILE=str(keys_file)) as server,
    ):
        run = run_caption_many(
            server.url,
            server.process.pid,
            items=350,
            client="async",
            change_limit_after=200,
            change_limit=lambda: write_keys_file(keys_file, "30/second"),
        )
    assert run.outcomes == {"caption": 350}
    assert run.duplicates == 0
    assert run.limit_changed_at_s is not None
    # Requests in flight when the limit changes weigh more here than among ten thousand. A client
    # that did not slow down would have most of its requests refused.
    assert 0 < run.refused_fraction(run.limit_changed_at_s) < 0.2
    # The first second of a limit lets a whole second's worth in at once.
    assert run.rate_per_s(run.limit_changed_at_s + 1) < 1.1 * 30
