"""A full server refuses before the framework does any work, with the response of a route."""

import asyncio
import json

import pytest

from testing import load
from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.raw_model_server import raw_model_server

IMAGE_URL = data_url(jpeg((64, 64)))
CAPTION = load.caption_request(IMAGE_URL)


async def start_server(model_url: str, **settings: str) -> Altwright:
    """A server with one place to work and a queue of one; its model hangs."""
    server = Altwright(
        MODEL="m",
        MODEL_BASE_URL=model_url,
        MODEL_API_KEY="k",
        CONCURRENCY="1",
        QUEUE="1",
        **settings,
    )
    return await asyncio.to_thread(server.__enter__)


async def wait_until_full(server: Altwright) -> None:
    """Wait until one request is in work and one is in the queue."""
    async with load.Connection(server.url) as connection, asyncio.timeout(10):
        while True:
            text = (await connection.send(load.http_request("GET", "/metrics"))).body.decode()
            if "altwright_requests_waiting 1.0" in text:
                return
            await asyncio.sleep(0.02)


async def send(server: Altwright, message: bytes) -> load.Response:
    async with load.Connection(server.url) as connection:
        return await connection.send(message)


@pytest.mark.slow
async def test_a_shed_request_gets_the_same_problem_as_from_a_route() -> None:
    """Code, headers, request ID, log line and metric; on the routes that need a place to work."""
    async with raw_model_server() as model:
        model.hang()
        server = await start_server(model.base_url)
        filling = [asyncio.create_task(send(server, CAPTION)) for _ in range(2)]
        try:
            await wait_until_full(server)
            several = load.http_request(
                "POST", "/v1/image/captions", {"image_url": IMAGE_URL, "styles": ["concise"]},
                X_Request_ID="shed-request",
            )  # fmt: skip
            check = load.http_request("POST", "/v1/caption/check", {"caption": "A red sofa."})
            for message in (CAPTION, check, several):
                response = await send(server, message)
                assert response.status == 503
                problem = response.json()
                assert problem["code"] == "overloaded"
                assert problem["retryable"] is True
                for header in (b"\r\nretry-after: ", b"\r\nx-request-id: ", b"problem+json",
                               b"\r\nx-content-type-options: nosniff"):  # fmt: skip
                    assert header in response.head
            assert problem["request_id"] == "shed-request"
            async with asyncio.timeout(5):  # its log is read in a thread
                while not any("shed-request" in x and "queue full" in x for x in server.log):
                    await asyncio.sleep(0.02)
            metrics = (await send(server, load.http_request("GET", "/metrics"))).body.decode()
            assert 'code="overloaded",route="/v1/image/captions"' in metrics
        finally:
            server.process.kill()
            await asyncio.gather(*filling)
            await asyncio.to_thread(server.__exit__, None, None, None)


async def test_a_full_server_checks_the_key_and_the_rate_limit_first() -> None:
    """And it serves requests that need no place to work."""
    async with raw_model_server() as model:
        model.hang()
        server = await start_server(model.base_url, API_KEYS='["right"]', RATE_LIMIT="3/minute")
        key = {"Authorization": "Bearer right"}
        body = {"image_url": IMAGE_URL}
        mine = load.http_request("POST", "/v1/image/caption", body, **key)
        filling = [asyncio.create_task(send(server, mine)) for _ in range(2)]
        try:
            await wait_until_full(server)
            assert (await send(server, CAPTION)).json()["code"] == "unauthorized"
            assert (await send(server, mine)).json()["code"] == "overloaded"
            limited = await send(server, mine)
            assert limited.json()["code"] == "rate_limited"
            assert b"\r\nx-ratelimit-remaining: 0" in limited.head
            styles = await send(server, load.http_request("GET", "/v1/styles", **key))
            assert styles.status == 200
        finally:
            server.process.kill()
            await asyncio.gather(*filling)
            await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.mark.slow
async def test_a_request_counts_only_once_its_body_has_arrived() -> None:
    """So it gets the place that became free while the body arrived."""
    async with raw_model_server() as model:
        model.hang()
        server = await start_server(model.base_url, MODEL_TIMEOUT_S="0.3", REQUEST_TIMEOUT_S="5")
        filling = [asyncio.create_task(send(server, CAPTION)) for _ in range(2)]
        try:
            await wait_until_full(server)
            body = json.dumps({"image_url": IMAGE_URL}).encode()
            head = (
                b"POST /v1/image/caption HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            host, port = server.url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(head + body[:10])
            await asyncio.gather(*filling)
            writer.write(body[10:])
            response = await reader.read()
            writer.close()
            assert b'"code": "model_timeout"' in response, response[-300:]
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


@pytest.mark.slow
async def test_a_body_that_never_arrives_holds_no_connection_of_a_full_server() -> None:
    """A caller without a key is refused at once, and a body must arrive in time."""
    async with raw_model_server() as model:
        model.hang()
        settings = {"API_KEYS": '["right"]', "REQUEST_TIMEOUT_S": "3"}
        server = await start_server(model.base_url, **settings)
        key = {"Authorization": "Bearer right"}
        mine = load.http_request("POST", "/v1/image/caption", {"image_url": IMAGE_URL}, **key)
        filling = [asyncio.create_task(send(server, mine)) for _ in range(2)]
        try:
            await wait_until_full(server)
            head = (
                b"POST /v1/image/caption HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Connection: close\r\nContent-Length: 99\r\n"
            )
            host, port = server.url.removeprefix("http://").split(":")
            for more, code in (
                (b"", b"unauthorized"),
                (b"Authorization: Bearer right\r\n", b"408"),
            ):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(head + more + b"\r\n")
                async with asyncio.timeout(10):
                    assert code in await reader.read()
                writer.close()
        finally:
            server.process.kill()
            await asyncio.gather(*filling)
            await asyncio.to_thread(server.__exit__, None, None, None)
