"""Every 200 of a model server becomes a caption or a problem, never a 500."""

import asyncio
import json
from typing import Any

import pytest

from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.raw_model_server import RawModelServer, completion, raw_model_server

VALID_CAPTION = "Two tabby cats sleep on a red sofa."
IMAGE_URL = data_url(jpeg())

_TOOL_CALLS = [{"id": "1", "type": "function", "function": {"name": "caption", "arguments": "{}"}}]
_TWO_CHOICES = {
    **completion(VALID_CAPTION),
    "choices": completion(VALID_CAPTION)["choices"] + completion("A sofa.")["choices"],
}
_NO_USAGE = {name: value for name, value in completion(VALID_CAPTION).items() if name != "usage"}
_PARTS = [{"type": "text", "text": "Two tabby cats "}, {"type": "text", "text": VALID_CAPTION[15:]}]

# What the model server sends, and what the caller gets: a caption, or the code of a problem.
RESPONSES: dict[str, tuple[bytes | str | dict[str, Any], str]] = {
    "plain": (completion(VALID_CAPTION), VALID_CAPTION),
    "several choices": (_TWO_CHOICES, VALID_CAPTION),
    "parts": (completion(_PARTS), VALID_CAPTION),
    "a part as an object": (completion(_PARTS[0] | {"text": VALID_CAPTION}), VALID_CAPTION),
    "thinking part first": (
        completion(
            [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": VALID_CAPTION}]
        ),
        VALID_CAPTION,
    ),
    "text completion": (
        {"choices": [{"text": VALID_CAPTION, "finish_reason": "stop"}]},
        VALID_CAPTION,
    ),
    "text beside a tool call": (
        completion(
            None, message={"role": "assistant", "content": VALID_CAPTION, "tool_calls": _TOOL_CALLS}
        ),
        VALID_CAPTION,
    ),
    "odd usage": (
        {**completion(VALID_CAPTION), "usage": {"completion_tokens": "many"}},
        VALID_CAPTION,
    ),
    "no usage": (_NO_USAGE, VALID_CAPTION),
    "a byte order mark": (
        b"\xef\xbb\xbf" + json.dumps(completion(VALID_CAPTION)).encode(),
        VALID_CAPTION,
    ),
    "HTML around the caption": (
        completion(f"<p><b>{VALID_CAPTION}</b></p><script>x</script>"),
        VALID_CAPTION,
    ),
    "a megabyte of one text": (completion("loop " * 200_000), "model_error"),
    "a megabyte of spaces": (completion(" " * 1_000_000), "model_error"),
    "a megabyte of thinking": (
        completion(f"<think>{'hm ' * 330_000}</think>{VALID_CAPTION}"),
        "model_error",
    ),
    "invalid UTF-8": (
        json.dumps(completion("A m@g.")).encode().replace(b"@", b"\xff"),
        "model_error",
    ),
    "UTF-16": (json.dumps(completion(VALID_CAPTION)).encode("utf-16"), "model_error"),
    "only tool calls": (
        completion(
            None, message={"content": None, "tool_calls": _TOOL_CALLS}, finish_reason="tool_calls"
        ),
        "model_error",
    ),
    "null content": (completion(None), "model_error"),
    "empty content": (completion(""), "model_error"),
    "a number for content": (completion(17), "model_error"),
    "no choices": ({**completion(VALID_CAPTION), "choices": []}, "caption_refused"),
    "choices that are null": ({**completion(VALID_CAPTION), "choices": None}, "caption_refused"),
    "choices of null": ({**completion(VALID_CAPTION), "choices": [None]}, "model_error"),
    "choices as an object": ({**completion(VALID_CAPTION), "choices": {"0": 1}}, "model_error"),
    "deep JSON": ("[" * 100_000, "model_error"),
    "a list": ("[]", "model_error"),
    "a JSON string": (json.dumps(VALID_CAPTION), "model_error"),
    "no body": ("", "model_error"),
    "an HTML page": ("<!doctype html><html><body>Sign in</body></html>", "model_error"),
    "not JSON": (VALID_CAPTION, "model_error"),
    "HTML without words": (completion("<div></div><br/>"), "caption_rejected"),
    "a lone surrogate": (completion("\ud800 cats sleep on a red sofa\ud800."), "caption_rejected"),
    "lost letters": (completion("Two tabby c\ufffdts sleep on a red sofa."), "caption_rejected"),
    "null bytes": (completion("Two tabby\x00 cats sleep on a red sofa."), VALID_CAPTION),
    "a refusal field": (
        completion(None, message={"content": None, "refusal": "I cannot."}),
        "caption_refused",
    ),
    "a filter": (completion("Two", finish_reason="content_filter"), "caption_refused"),
    "an error in a 200": ({"error": {"message": "overloaded", "code": 503}}, "model_unavailable"),
}


@pytest.mark.slow
async def test_every_response_of_a_model_becomes_a_caption_or_a_problem() -> None:
    """One server gets all of them: none may affect the next one."""
    async with raw_model_server() as model:
        with Altwright(
            MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="none", REQUEST_TIMEOUT_S="8"
        ) as server:
            for name, (body, expected) in RESPONSES.items():
                result = await _request_caption(server, model, body)
                assert result == expected, name
                # Five failures in a row would open the model's circuit breaker.
                valid = await _request_caption(server, model, completion(VALID_CAPTION))
                assert valid == VALID_CAPTION
            assert not [line for line in server.log if "Traceback" in line]


async def _request_caption(
    server: Altwright, model: RawModelServer, body: bytes | str | dict[str, Any]
) -> str:
    """The caption, or the code of the problem. Both routes return the same."""
    model.clear().respond(body)
    one = await asyncio.to_thread(server.caption, IMAGE_URL)
    several = await asyncio.to_thread(server.captions, IMAGE_URL, styles=["concise"])
    assert one.status_code != 500, one.text
    [result] = several.json()["results"]
    from_one, from_several = (
        found.get("caption") if "caption" in found else found["code"]
        for found in (one.json(), result.get("problem", result))
    )
    assert from_one == from_several
    return str(from_one)


@pytest.mark.parametrize("name", ["a megabyte of one text", "an HTML page"])
def test_a_megabyte_in_the_table_is_a_megabyte(name: str) -> None:
    body, _ = RESPONSES[name]
    assert len(json.dumps(body)) > (1_000_000 if "megabyte" in name else 10)
