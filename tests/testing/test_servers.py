"""The servers that other tests use behave as these tests expect."""

import asyncio
import time
from collections.abc import Callable

import httpx
import pytest
import redis as redis_client

from testing.servers import origin as origin_module
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.origin import Origin
from testing.servers.redis import RedisServer


async def test_an_origin_serves_registered_paths_and_records_requests(origin: Origin) -> None:
    url = origin.serve("/ok.jpg", b"bytes", "image/jpeg")
    origin.redirect("/moved", "/ok.jpg")
    async with httpx.AsyncClient(follow_redirects=True) as client:
        response = await client.get(origin.url("/moved"))
        assert (response.content, str(response.url)) == (b"bytes", url)
        assert (await client.get(origin.url("/none"))).status_code == 404
    assert origin.connections == 3
    assert [request.target for request in origin.requests] == ["/moved", "/ok.jpg", "/none"]


@pytest.mark.parametrize("path", sorted(origin_module.FAULTY_PATHS))
async def test_no_faulty_path_keeps_the_origin_from_stopping(origin: Origin, path: str) -> None:
    """The handlers hang for up to a minute."""
    async with httpx.AsyncClient(timeout=1) as client:
        try:
            async with asyncio.timeout(0.4), client.stream("GET", origin.url(path)) as response:
                seen = 0
                async for chunk in response.aiter_raw():
                    seen += len(chunk)
                    if seen > 1024 * 1024:
                        break
        except (httpx.HTTPError, TimeoutError):
            pass
    assert origin.connections == 1
    started = time.monotonic()
    origin.stop()
    assert time.monotonic() - started < origin_module.MAX_HANG_S / 3


async def test_a_model_server_sends_scripted_responses_and_records_calls(
    model_server: LlmockModelServer,
) -> None:
    model_server.fail(429, retry_after=3).reply("A mug.", finish_reason="length")
    content = [
        {"type": "text", "text": "Describe."},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/"}},
    ]
    body = {"model": "any", "messages": [{"role": "user", "content": content}]}
    url = f"{model_server.base_url}/chat/completions"
    async with httpx.AsyncClient() as client:
        refused = await client.post(url, json=body)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
        [choice] = (await client.post(url, json=body)).json()["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("A mug.", "length")
    assert [call.status for call in model_server.calls()] == [429, 200]
    assert model_server.calls()[1].text == "Describe."
    assert model_server.calls()[1].images == [b"\xff\xd8\xff"]


async def test_two_model_servers_are_independent(
    model_server: LlmockModelServer, start_model_server: Callable[[], LlmockModelServer]
) -> None:
    """For tests of fallbacks."""
    other = start_model_server()
    other.reply("From the other.")
    assert other.base_url != model_server.base_url
    async with httpx.AsyncClient() as client:
        body = {"model": "any", "messages": [{"role": "user", "content": "Hello"}]}
        response = await client.post(f"{other.base_url}/chat/completions", json=body)
    assert response.json()["choices"][0]["message"]["content"] == "From the other."
    assert model_server.calls() == []


def test_a_redis_can_be_paused_stopped_and_started_on_its_port(redis_server: RedisServer) -> None:
    port = redis_server.port
    with redis_client.Redis.from_url(redis_server.url, socket_timeout=1) as client:
        assert client.set("a", "b")
        redis_server.pause()
        with pytest.raises(redis_client.TimeoutError):
            client.get("a")
        redis_server.resume()
        assert client.get("a") == b"b"
        redis_server.stop()
        with pytest.raises(redis_client.ConnectionError):
            client.get("a")
        redis_server.start()
        assert redis_server.port == port
        assert client.get("a") is None
