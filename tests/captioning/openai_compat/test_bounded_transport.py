"""A model server that misbehaves costs its own caller a caption, and nobody else anything."""

import asyncio
import json
import time

import pytest

from app.captioning.errors import ModelError, ModelUnavailable
from app.captioning.fallback import FallbackCaptioner
from app.captioning.openai_compat import session
from testing.servers.raw_model_server import RawModelServer, completion, raw_model_server
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft

CHUNKED = b"HTTP/1.1 200 x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
TEXT = "A blue disc on a plain white ground."


def head(length: int, *lines: str, status: int = 200) -> bytes:
    """The head of a response."""
    fields = (f"HTTP/1.1 {status} x", f"content-length: {length}", *lines, "", "")
    return "\r\n".join(fields).encode()


def chunks(body: bytes, size: int) -> bytes:
    """A body in chunks of `size` bytes."""
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def nested(opening: str, closing: str, depth: int) -> bytes:
    """A chat completion whose content is nested."""
    return json.dumps(completion("X")).replace('"X"', opening * depth + closing * depth).encode()


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((CHUNKED, b"1\r\nx\r\n" * 1_000), id="chunks of one byte"),
        pytest.param((CHUNKED, b"1;" + b"e" * 200 + b"\r\nx\r\n" * 100), id="chunk extensions"),
        pytest.param((b"HTTP/1.1 103 x\r\n\r\n" * 500,), id="103"),
        pytest.param((b"HTTP/1.1 100 x\r\na: b\r\n\r\n" * 500,), id="100 with a header"),
        pytest.param((b"HTTP/1.1 200 x\r\n", b"a: b\r\n" * 500), id="an endless head"),
        pytest.param((b"HTTP/1.1 200 x\r\na: ", b"b" * 65_536), id="an endless header"),
        pytest.param((b"HTTP/1.1 200 x\r\n", b"nonsense\r\n" * 500), id="an endless bad head"),
        pytest.param((head(10**9), b"x" * 65_536), id="a gigabyte"),
        pytest.param((head(10**9, "content-encoding: br, gzip"), b"\x1f\x8b"), id="twice"),
        pytest.param((CHUNKED + b"f" * 18 + b"\r\n", b"x" * 65_536), id="an endless chunk"),
        pytest.param((CHUNKED, b"0\r\n" + b"a: b\r\n" * 500), id="endless trailers"),
        pytest.param((b"HTTP/1.1 101 Switching Protocols\r\n\r\n",), id="another protocol"),
        pytest.param((b"SSH-2.0-OpenSSH_9.2\r\n" * 50,), id="SSH"),
        pytest.param((b"\x15\x03\x01" * 50_000,), id="TLS"),
    ],
)
async def test_a_response_that_no_model_sends_is_refused_while_it_arrives(
    make_captioner: CaptionerFactory, pieces: tuple[bytes, ...]
) -> None:
    """The last piece comes a thousand times. The model's timeout is much longer."""
    async with raw_model_server() as model:
        model.send(*pieces, repeat=1_000)
        captioner = make_captioner(model.base_url, timeout_s=60)
        with pytest.raises((ModelError, ModelUnavailable)):
            await asyncio.wait_for(draft(captioner, 60), 30)


@pytest.mark.parametrize("size", [1, 40])
async def test_a_short_response_may_come_in_tiny_pieces(
    make_captioner: CaptionerFactory, size: int
) -> None:
    body = json.dumps({"choices": [{"message": {"content": TEXT}}]}).encode()
    async with raw_model_server() as model:
        model.send(CHUNKED + chunks(body, size))
        assert (await draft(make_captioner(model.base_url))).text == TEXT


async def test_an_event_for_each_token_is_no_flood(make_captioner: CaptionerFactory) -> None:
    """Four thousand of them, as small as they can be, each in a chunk of its own."""
    events = [b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'
              % word.encode() for word in ("A ", "blue ", "disc.")]  # fmt: skip
    thought = b'data: {"choices":[{"index":0,"delta":{"reasoning":"x"}}]}\n\n'
    body = b"".join(
        b"%x\r\n%s\r\n" % (len(event), event)
        for event in (*[thought] * 4_000, *events, b"data: [DONE]\n\n")
    )
    async with raw_model_server() as model:
        model.send(CHUNKED + body + b"0\r\n\r\n")
        assert (await draft(make_captioner(model.base_url), 30)).text == "A blue disc."


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(nested("[", "]", 100_000), id="deep lists"),
        pytest.param(nested("[", "]", 900), id="lists nearly too deep"),
        pytest.param(nested('{"a":', "1", 900).replace(b"11", b"1"), id="deep objects"),
        pytest.param(b'{"error":' * 900 + b"1" + b"}" * 900, id="deep errors"),
        pytest.param(b"[" + b"[]," * 600_000 + b"[]]", id="a million lists"),
        pytest.param(b"{" + b'"a":1,' * 300_000 + b'"b":1}', id="a million members"),
        pytest.param(b"[" + (b"9" * 4_000 + b",") * 400 + b"1]", id="long numbers"),
        pytest.param(b"9" * 2_000_000, id="a long number"),
        pytest.param(b"data: [\n" + b"data: 1,\n" * 40_000, id="an event of many lines"),
        pytest.param(b'{"choices":1}' * 40_000, id="many values"),
        pytest.param(b"\x00" * 1_000_000, id="zeros"),
        pytest.param(b'{"choices":[' + b"[" * 500 + b"]" * 500 + b"]}", id="a choice that is none"),
        pytest.param(b'{"detail":' + b"[" * 900 + b"]" * 900 + b"}", id="a deep detail"),
        pytest.param(
            b'{"detail":[{"msg":"x","loc":[' + b"[" * 900 + b"]" * 900 + b"]}]}", id="a deep place"
        ),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 500])
async def test_json_that_costs_more_than_its_bytes_is_an_error_of_the_model(
    make_captioner: CaptionerFactory, body: bytes, status: int
) -> None:
    """Read within a second, also on a busy machine: read naively, some take minutes."""
    async with raw_model_server() as model:
        model.respond(body, status)
        captioner = make_captioner(model.base_url, timeout_s=60)
        with pytest.raises((ModelError, ModelUnavailable)):
            await asyncio.wait_for(draft(captioner, 60), 30)


@pytest.mark.parametrize("charset", ["punycode", "idna", "utf-7", "unicode_escape", "x" * 1_000])
async def test_the_charset_that_a_response_names_is_not_used(
    make_captioner: CaptionerFactory, charset: str
) -> None:
    """JSON is UTF-8. Punycode takes the square of the length."""
    async with raw_model_server() as model:
        body = b"a" * 1_500_000 + b"-" + b"b" * 500_000
        model.respond(body, 400, content_type=f"application/json; charset={charset}")
        with pytest.raises((ModelError, ModelUnavailable)):
            await asyncio.wait_for(draft(make_captioner(model.base_url), 60), 30)


async def test_cookies_are_not_sent_back_and_redirects_not_followed(
    make_captioner: CaptionerFactory,
) -> None:
    async with raw_model_server() as elsewhere, raw_model_server() as model:
        elsewhere.complete(TEXT)
        model.respond(completion(TEXT), set_cookie="session=1; Path=/").complete(TEXT)
        model.respond(b"", 307, location=f"{elsewhere.base_url}/chat/completions")
        captioner = make_captioner(model.base_url)
        await draft(captioner)
        await draft(captioner)
        with pytest.raises(ModelError) as caught:
            await draft(captioner)
        assert "redirects" in caught.value.log_reason
        assert "cookie" not in model.request_heads[1].lower()
        assert elsewhere.requests == []


@pytest.mark.parametrize("target", ["http://[", "\xff", "a" * 10_000, "http://u:p@h/", "//"])
async def test_a_redirect_to_no_address_is_an_error_of_the_model(
    make_captioner: CaptionerFactory, target: str
) -> None:
    async with raw_model_server() as model:
        model.send(head(0, status=302).replace(b"\r\n\r\n", f"\r\nlocation: {target}\r\n\r\n"
                                             .encode("latin-1")))  # fmt: skip
        with pytest.raises(ModelError):
            await draft(make_captioner(model.base_url))


@pytest.mark.parametrize(
    "usage",
    ["null", "[]", '"x"', "{}", *(
        f'{{"prompt_tokens":{value},"completion_tokens":{value}}}'
        for value in ("-1", "1e400", "-1e400", "NaN", "Infinity", '"12"', "true", "[]", "{}",
                      "null", "9" * 400, "99999999999")
    )],
)  # fmt: skip
async def test_a_usage_that_cannot_be_is_unknown(
    make_captioner: CaptionerFactory, usage: str
) -> None:
    body = f'{{"choices":[{{"message":{{"content":"{TEXT}"}}}}],"usage":{usage}}}'
    async with raw_model_server() as model:
        model.respond(body)
        made = await draft(make_captioner(model.base_url))
    assert (made.text, made.input_tokens, made.output_tokens) == (TEXT, None, None)


async def test_of_ten_thousand_choices_and_tool_calls_the_first_text_counts(
    make_captioner: CaptionerFactory,
) -> None:
    choice = {"message": {"content": TEXT, "tool_calls": [{"id": "x"}] * 5_000}}
    async with raw_model_server() as model:
        model.respond({"choices": [choice, *[{"message": {"content": "No."}}] * 10_000]})
        assert (await draft(make_captioner(model.base_url))).text == TEXT


def flood_103(model: RawModelServer) -> RawModelServer:
    """Interim responses without an end."""
    return model.send(b"HTTP/1.1 103 x\r\n\r\n" * 500, repeat=1_000)


async def test_after_fallbacks_that_misbehave_in_turn_the_last_one_captions(
    make_captioner: CaptionerFactory,
) -> None:
    """Each in its own way; none is an error that nobody foresaw."""
    async with (
        raw_model_server() as first,
        raw_model_server() as second,
        raw_model_server() as third,
        raw_model_server() as last,
    ):
        flood_103(first)
        second.send(CHUNKED, b"1\r\nx\r\n" * 1_000, repeat=1_000)
        third.respond(b"[" * 1_000_000)
        last.complete(TEXT)
        captioner = FallbackCaptioner(
            [make_captioner(model.base_url, timeout_s=60) for model in (first, second, third, last)]
        )
        assert (await draft(captioner, 120)).text == TEXT


async def test_a_response_that_nobody_foresaw_is_an_error_of_the_model(
    make_captioner: CaptionerFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fallback captions, and the log says where to look."""

    def fail(_: object) -> None:
        raise ArithmeticError("a bug")

    monkeypatch.setattr(session, "_parse", fail)
    async with raw_model_server() as model:
        model.complete(TEXT)
        with pytest.raises(ModelError, match="ArithmeticError"):
            await draft(make_captioner(model.base_url))
    assert [record.msg for record in caplog.records] == ["model.response_unforeseen"]


@pytest.mark.measures
@pytest.mark.parametrize("kind", ["103", "chunks"])
async def test_the_event_loop_goes_on_beside_many_floods(
    make_captioner: CaptionerFactory, kind: str
) -> None:
    """Half of its turns take less than 20 ms; they took 300 to 1,000."""
    async with raw_model_server() as model:
        if kind == "103":
            flood_103(model)
        else:
            model.send(CHUNKED, b"1\r\nx\r\n" * 10_000, repeat=1_000)
        captioner = make_captioner(model.base_url, timeout_s=5)
        drafts = [asyncio.create_task(draft(captioner, 5)) for _ in range(32)]
        turns_s = []
        while not all(task.done() for task in drafts):
            began_s = time.perf_counter()
            await asyncio.sleep(0)
            turns_s.append(time.perf_counter() - began_s)
        await asyncio.gather(*drafts, return_exceptions=True)
    assert sorted(turns_s)[len(turns_s) // 2] < 0.02
