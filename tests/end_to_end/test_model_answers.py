"""Whatever a model's server sends in a 200 becomes a caption or a problem, never a 500."""

import asyncio
import json
from typing import Any

import pytest

from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.raw_model_server import RawModelServer, completion, raw_model_server

GOOD = "Two tabby cats sleep on a red sofa."
PICTURE = data_url(jpeg())

_CALLS = [{"id": "1", "type": "function", "function": {"name": "caption", "arguments": "{}"}}]
_TWO = {
    **completion(GOOD),
    "choices": completion(GOOD)["choices"] + completion("A sofa.")["choices"],
}
_NO_USAGE = {name: value for name, value in completion(GOOD).items() if name != "usage"}
_PARTS = [{"type": "text", "text": "Two tabby cats "}, {"type": "text", "text": GOOD[15:]}]

# What the server says, and what the caller is told: a caption or a problem's code.
ANSWERS: dict[str, tuple[bytes | str | dict[str, Any], str]] = {
    "plain": (completion(GOOD), GOOD),
    "several choices": (_TWO, GOOD),
    "parts": (completion(_PARTS), GOOD),
    "a part as an object": (completion(_PARTS[0] | {"text": GOOD}), GOOD),
    "thinking part first": (
        completion([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": GOOD}]),
        GOOD,
    ),
    "text completion": ({"choices": [{"text": GOOD, "finish_reason": "stop"}]}, GOOD),
    "text beside a tool call": (
        completion(None, message={"role": "assistant", "content": GOOD, "tool_calls": _CALLS}),
        GOOD,
    ),
    "odd usage": ({**completion(GOOD), "usage": {"completion_tokens": "many"}}, GOOD),
    "no usage": (_NO_USAGE, GOOD),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps(completion(GOOD)).encode(), GOOD),
    "HTML around the caption": (completion(f"<p><b>{GOOD}</b></p><script>x</script>"), GOOD),
    "a megabyte of one answer": (completion("loop " * 200_000), "model_error"),
    "a megabyte of spaces": (completion(" " * 1_000_000), "model_error"),
    "a megabyte of thinking": (
        completion(f"<think>{'hm ' * 330_000}</think>{GOOD}"),
        "model_error",
    ),
    "invalid UTF-8": (
        json.dumps(completion("A m@g.")).encode().replace(b"@", b"\xff"),
        "model_error",
    ),
    "UTF-16": (json.dumps(completion(GOOD)).encode("utf-16"), "model_error"),
    "only tool calls": (
        completion(
            None, message={"content": None, "tool_calls": _CALLS}, finish_reason="tool_calls"
        ),
        "model_error",
    ),
    "null content": (completion(None), "model_error"),
    "empty content": (completion(""), "model_error"),
    "a number for content": (completion(17), "model_error"),
    "no choices": ({**completion(GOOD), "choices": []}, "model_error"),
    "choices of null": ({**completion(GOOD), "choices": [None]}, "model_error"),
    "choices as an object": ({**completion(GOOD), "choices": {"0": 1}}, "model_error"),
    "deep JSON": ("[" * 100_000, "model_error"),
    "a list": ("[]", "model_error"),
    "a JSON string": (json.dumps(GOOD), "model_error"),
    "no body": ("", "model_error"),
    "an HTML page": ("<!doctype html><html><body>Sign in</body></html>", "model_error"),
    "not JSON": (GOOD, "model_error"),
    "an HTML answer without words": (completion("<div></div><br/>"), "caption_rejected"),
    "a lone surrogate": (completion("\ud800 cats sleep on a red sofa\ud800."), "caption_rejected"),
    "lost letters": (completion("Two tabby c\ufffdts sleep on a red sofa."), "caption_rejected"),
    "null bytes": (completion("Two tabby\x00 cats sleep on a red sofa."), GOOD),
    "a refusal field": (
        completion(None, message={"content": None, "refusal": "I cannot."}),
        "caption_refused",
    ),
    "a filter": (completion("Two", finish_reason="content_filter"), "caption_refused"),
    "an error in a 200": ({"error": {"message": "overloaded", "code": 503}}, "model_unavailable"),
}


async def test_every_answer_of_a_model_becomes_a_caption_or_a_problem() -> None:
    """One server for all of them: none may harm the next."""
    async with raw_model_server() as model:
        with Altwright(
            MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="none", REQUEST_TIMEOUT_S="8"
        ) as server:
            for name, (body, wanted) in ANSWERS.items():
                said = await _said(server, model, body)
                assert said == wanted, name
                # Five failures in a row would have the server leave the model alone for a while.
                assert await _said(server, model, completion(GOOD)) == GOOD
            assert not [line for line in server.log if "Traceback" in line]


async def _said(
    server: Altwright, model: RawModelServer, body: bytes | str | dict[str, Any]
) -> str:
    """The caption, or the problem's code; both routes say the same."""
    model.clear().respond(body)
    one = await asyncio.to_thread(server.caption, PICTURE)
    several = await asyncio.to_thread(server.captions, PICTURE, styles=["concise"])
    assert one.status_code != 500, one.text
    [result] = several.json()["results"]
    told = [
        found.get("caption") if "caption" in found else found["code"]
        for found in (one.json(), result.get("problem", result))
    ]
    assert told[0] == told[1]
    return str(told[0])


@pytest.mark.parametrize("name", ["a megabyte of one answer", "an HTML page"])
def test_the_table_is_as_large_as_it_says(name: str) -> None:
    """A megabyte is one."""
    body, _ = ANSWERS[name]
    assert len(json.dumps(body)) > (1_000_000 if "megabyte" in name else 10)
