"""Load shedding, the time of refusals, and secrets; `python -m benchmarks.overload` runs longer."""

import asyncio
import json
import statistics
import time
from collections.abc import Iterator

import httpx
import pytest

from testing import load, process_tree
from testing.images import data_url, jpeg, photograph_like
from testing.overload import SERVICE_REQUESTS, overload
from testing.servers.altwright import Altwright
from testing.servers.origin import Origin
from testing.servers.raw_model_server import raw_model_server

CONCURRENCY = 16


@pytest.mark.slow
@pytest.mark.measures
async def test_overload_is_refused_and_leaves_nothing_behind() -> None:
    """Only 200 and 503 overloaded; memory stays flat; afterwards latency is as before."""
    server = await asyncio.to_thread(Altwright(CONCURRENCY="8", QUEUE="16").__enter__)
    image_url = data_url(photograph_like((1200, 800)))
    try:
        await asyncio.to_thread(server.warm_up, image_url)
        found = await overload(
            server.url,
            server.process.pid,
            [load.caption_request(image_url)],
            factor=5,
            seconds=4,
            warm_up_s=1,
            connections=200,
        )
        sockets = await asyncio.to_thread(process_tree.open_descriptors, server.process.pid)
    finally:
        await asyncio.to_thread(server.__exit__, None, None, None)
    codes = found.overloaded.codes()
    assert set(codes) == {"ok", "overloaded"}, codes
    refused = found.overloaded.with_codes("overloaded")
    assert all(b"\r\nretry-after: " in response.head for response in refused.items)
    assert set(found.service.codes()) == {"ok"}
    assert found.growth_mib() < 48
    assert set(found.after.codes()) == {"ok"}
    assert found.after.percentile_ms(0.5) < 3 * found.unloaded.percentile_ms(0.5)
    assert sockets < 60


@pytest.mark.measures
async def test_a_refusal_takes_about_as_long_as_a_health_check(origin: Origin) -> None:
    """A slow model has taken every place, so no decoder competes for the processor."""
    url = origin.serve("/a.jpg", jpeg((64, 64)))
    async with raw_model_server() as model:
        model.hang()
        server = await asyncio.to_thread(
            Altwright(
                MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="k", QUEUE=str(CONCURRENCY),
                CONCURRENCY=str(CONCURRENCY), REQUEST_TIMEOUT_S="20",
            ).__enter__
        )  # fmt: skip
        try:
            message = [load.caption_request(url)]
            filling = asyncio.create_task(
                load.closed_loop(server.url, message, in_flight=2 * CONCURRENCY, seconds=1)
            )
            await _wait_until_full(server.url)
            async with asyncio.timeout(10):
                while len(origin.requests) < CONCURRENCY:
                    await asyncio.sleep(0.01)
            refused = await load.open_loop(
                server.url, message, per_second=100, seconds=2, connections=100
            )
            service = await load.closed_loop(server.url, SERVICE_REQUESTS, in_flight=1, seconds=1)
            server.process.kill()
            await filling
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)
    assert set(refused.codes()) == {"overloaded"}
    assert len(origin.requests) == CONCURRENCY, "refused before anything is fetched"
    assert set(service.codes()) == {"ok"}
    assert refused.percentile_ms(0.5) < 5 * service.percentile_ms(0.5)


async def _wait_until_full(url: str) -> None:
    async with load.Connection(url) as connection, asyncio.timeout(10):
        while True:
            response = await connection.send(load.http_request("GET", "/metrics"))
            if b"altwright_requests_waiting %d.0" % CONCURRENCY in response.body:
                return
            await asyncio.sleep(0.02)


@pytest.mark.measures
def test_a_wrong_key_takes_as_long_to_refuse_as_a_missing_one() -> None:
    """The kinds of keys take turns; their medians are compared."""
    keys = json.dumps([f"altw_{number:043d}" for number in range(50)])
    kinds = {
        "none": {},
        "wrong": {"Authorization": "Bearer altw_" + "x" * 43},
        "nearly right": {"Authorization": f"Bearer altw_{0:042d}x"},
        "long": {"Authorization": "Bearer " + "x" * 4000},
        "basic": {"Authorization": "Basic YTpi"},
    }
    times_s: dict[str, list[float]] = {kind: [] for kind in kinds}
    with Altwright(API_KEYS=keys) as server, httpx.Client(trust_env=False) as http:
        for _ in range(150):
            for kind, headers in kinds.items():
                started_at_s = time.perf_counter()
                response = http.get(server.url + "/v1/styles", headers=headers)
                times_s[kind].append(time.perf_counter() - started_at_s)
                assert response.status_code == 401
    medians_s = {kind: statistics.median(found) for kind, found in times_s.items()}
    assert max(medians_s.values()) < 1.25 * min(medians_s.values()), medians_s


SECRET = "s3cr3t-t0ken"


@pytest.fixture(scope="module")
def server_with_key() -> Iterator[Altwright]:
    with Altwright(API_KEYS=json.dumps([SECRET])) as server:
        server.http.headers["Authorization"] = f"Bearer {SECRET}"
        yield server


@pytest.mark.parametrize("where", ["url", "key", "context", "redirect", "problem"])
def test_secrets_appear_in_no_log_and_no_response(
    server_with_key: Altwright, origin: Origin, where: str
) -> None:
    """Signatures of URLs, keys and internal addresses."""
    server = server_with_key
    url = origin.serve("/a.jpg", jpeg())
    match where:
        case "url":
            responses = [server.caption(u) for u in (
                f"{url}?sig={SECRET}", f"{url}#{SECRET}", f"http://u:{SECRET}@e.com/",
                f"{origin.url('/500')}?sig={SECRET}", f"{origin.url('/404')}?{SECRET}",
                f"http://127.0.0.2:9/?sig={SECRET}", f"data:image/png;base64,{SECRET}",
                origin.url(f"/{SECRET}/a.jpg"), origin.url(f"/a.jpg%3Fsig={SECRET}"),
                f"http://{SECRET}%40e.com/", f"http:\\\\{SECRET}@e.com/", f"{SECRET}://e.com/",
            )]  # fmt: skip
        case "redirect":
            responses = [
                server.caption(origin.redirect("/r", f"http://10.1.2.3/?sig={SECRET}")),
                server.caption(origin.redirect("/r", f"{origin.url('/404')}?sig={SECRET}")),
            ]
        case "problem":
            path = f"/v1/nothing?sig={SECRET}"
            responses = [
                server.get(path),
                server.get(f"/v1/styles/{SECRET}"),
                server.get(f"/v1/%73{SECRET[1:]}"),
                server.post("/v1/image/caption", {"a": [SECRET]}),
            ]
        case "context":
            responses = [server.caption(url, context=SECRET, metadata={"a": "b"})]
        case _:
            responses = [server.caption(url), server.get("/v1/styles")]
    assert SECRET[1:] not in "\n".join(server.log)
    for response in responses:
        assert where == "context" or SECRET not in response.text, response.text
        assert "10.1.2.3" not in response.text
        assert str(origin.port) not in response.text
        assert "Traceback" not in response.text
