"""A full server says no before the framework is asked, and says the same as the routes would."""

import asyncio
import json

from testing import load
from testing.pictures import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.raw_model_server import raw_model_server

PICTURE = data_url(jpeg((64, 64)))
CAPTION = load.caption(PICTURE)


async def full(model_url: str, **settings: str) -> Altwright:
    """A server whose one place and one waiting place will be taken by a model that hangs."""
    server = Altwright(
        MODEL="m",
        MODEL_BASE_URL=model_url,
        MODEL_API_KEY="k",
        CONCURRENCY="1",
        QUEUE="1",
        **settings,
    )
    return await asyncio.to_thread(server.__enter__)


async def until_full(server: Altwright) -> None:
    """Wait until one request is in work and one waits."""
    async with load.Connection(server.url) as connection, asyncio.timeout(10):
        while True:
            text = (await connection.ask(load.request("GET", "/metrics"))).body.decode()
            if "altwright_requests_waiting 1.0" in text:
                return
            await asyncio.sleep(0.02)


async def asked(server: Altwright, message: bytes) -> load.Answer:
    async with load.Connection(server.url) as connection:
        return await connection.ask(message)


async def test_a_refusal_at_the_door_is_the_same_problem_as_in_a_route() -> None:
    """Code, headers, request ID, log line and number; on both routes that take a place."""
    async with raw_model_server() as model:
        model.hang()
        server = await full(model.base_url)
        filling = [asyncio.create_task(asked(server, CAPTION)) for _ in range(2)]
        try:
            await until_full(server)
            several = load.request(
                "POST", "/v1/image/captions", {"image_url": PICTURE, "styles": ["concise"]},
                X_Request_ID="at-the-door",
            )  # fmt: skip
            for message in (CAPTION, several):
                answer = await asked(server, message)
                assert answer.status == 503
                problem = answer.json()
                assert problem["code"] == "overloaded"
                assert problem["retryable"] is True
                for header in (b"\r\nretry-after: ", b"\r\nx-request-id: ", b"problem+json",
                               b"\r\nx-content-type-options: nosniff"):  # fmt: skip
                    assert header in answer.headers
            assert problem["request_id"] == "at-the-door"
            async with asyncio.timeout(5):  # its log is read in a thread
                while not any("at-the-door" in x and "queue full" in x for x in server.log):
                    await asyncio.sleep(0.02)
            metrics = (await asked(server, load.request("GET", "/metrics"))).body.decode()
            assert 'code="overloaded",route="/v1/image/captions"' in metrics
        finally:
            server.process.kill()
            await asyncio.gather(*filling)
            await asyncio.to_thread(server.__exit__, None, None, None)


async def test_a_full_server_still_asks_for_the_key_and_the_limit_first() -> None:
    """Overload is no way around either, and what needs no place is served."""
    async with raw_model_server() as model:
        model.hang()
        server = await full(model.base_url, API_KEYS='["right"]', RATE_LIMIT="3/minute")
        key = {"Authorization": "Bearer right"}
        body = {"image_url": PICTURE}
        mine = load.request("POST", "/v1/image/caption", body, **key)
        filling = [asyncio.create_task(asked(server, mine)) for _ in range(2)]
        try:
            await until_full(server)
            assert (await asked(server, CAPTION)).json()["code"] == "unauthorized"
            assert (await asked(server, mine)).json()["code"] == "overloaded"
            limited = await asked(server, mine)
            assert limited.json()["code"] == "rate_limited"
            assert b"\r\nx-ratelimit-remaining: 0" in limited.headers
            styles = await asked(server, load.request("GET", "/v1/styles", **key))
            assert styles.status == 200
        finally:
            server.process.kill()
            await asyncio.gather(*filling)
            await asyncio.to_thread(server.__exit__, None, None, None)


async def test_a_body_that_is_still_coming_is_judged_when_it_has_come() -> None:
    """It is not counted before, so it finds the place that has come free meanwhile."""
    async with raw_model_server() as model:
        model.hang()
        server = await full(model.base_url, MODEL_TIMEOUT_S="0.3", REQUEST_TIMEOUT_S="5")
        filling = [asyncio.create_task(asked(server, CAPTION)) for _ in range(2)]
        try:
            await until_full(server)
            body = json.dumps({"image_url": PICTURE}).encode()
            head = (
                b"POST /v1/image/caption HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
            )
            host, port = server.url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(head + body[:10])
            await asyncio.gather(*filling)
            writer.write(body[10:])
            answer = await reader.read()
            writer.close()
            assert b'"code": "model_timeout"' in answer, answer[-300:]
        finally:
            await asyncio.to_thread(server.__exit__, None, None, None)


async def test_a_body_that_never_comes_holds_no_connection() -> None:
    """Not at a full server either: no key is refused at once, and a body has its time."""
    async with raw_model_server() as model:
        model.hang()
        settings = {"API_KEYS": '["right"]', "REQUEST_TIMEOUT_S": "3"}
        server = await full(model.base_url, **settings)
        key = {"Authorization": "Bearer right"}
        mine = load.request("POST", "/v1/image/caption", {"image_url": PICTURE}, **key)
        filling = [asyncio.create_task(asked(server, mine)) for _ in range(2)]
        try:
            await until_full(server)
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
