"""The cost that is told is what the models' providers charge, whatever a caption takes."""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.settings.keys_file import KeyEntry, KeysFile, hash_key, write_keys_file
from testing.images import data_url, jpeg
from testing.servers.altwright import Altwright
from testing.servers.chat_completions_server import ChatCompletionsServer, chat_completion

GOOD = "A round blue disc lies in the middle of a plain white ground."
BAD = "A picture."
IMAGE_URL = data_url(jpeg((320, 240)))
CHEAP = {"input": 0.15, "output": 0.60, "currency": "USD"}
DEAR = {"input": 3, "output": 15, "currency": "USD"}
HEADERS = {"Authorization": "Bearer key-of-shop"}
Reply = Mapping[str, Any] | int


class ChargingServer(ChatCompletionsServer):
    """Sends queued replies, or captions, and charges for each 200 what its usage says."""

    def __init__(self, price: Mapping[str, Any]) -> None:
        super().__init__()
        self.price = price
        self.replies: deque[Reply] = deque()
        self.charged = Decimal(0)

    def _respond(self, body: dict[str, Any]) -> tuple[int, bytes]:
        reply = self.replies.popleft() if self.replies else answer(GOOD)
        if isinstance(reply, int):
            return reply, b'{"error": {"message": "no"}}'
        usage = reply["usage"]
        written = usage["completion_tokens"]
        if "total_tokens" in usage:
            written = usage["total_tokens"] - usage["prompt_tokens"]
        for tokens, price in ((usage["prompt_tokens"], "input"), (written, "output")):
            self.charged += tokens * Decimal(str(self.price[price])) / 1_000_000
        if reply.get("is_streamed"):
            return 200, streamed(reply)
        return 200, json.dumps(reply).encode()

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


def answer(text: str, *, finish: str = "stop", **usage: Any) -> dict[str, Any]:
    """A reply of 901 and 17 tokens, or others."""
    usage = {"prompt_tokens": 901, "completion_tokens": 17, **usage}
    return {**chat_completion(text, finish_reason=finish), "usage": usage}


def streamed(reply: Mapping[str, Any]) -> bytes:
    """The reply as an event stream, with the usage in its last chunk."""
    [choice] = reply["choices"]
    chunks: list[Mapping[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"content": choice["message"]["content"]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None},
        {"choices": [], "usage": reply["usage"]},
    ]
    lines = [f"data: {json.dumps(chunk)}" for chunk in chunks]
    return "\n\n".join([*lines, "data: [DONE]", ""]).encode()


THOUGHT = {"completion_tokens": 64, "completion_tokens_details": {"reasoning_tokens": 64}}
CACHED = {"prompt_tokens_details": {"cached_tokens": 800}}
THINKING = answer("", finish="length", **THOUGHT)
REPLIES: dict[str, tuple[list[Reply], list[Reply]]] = {
    "a caption": ([answer(GOOD)], []),
    "a second draft": ([answer(BAD), answer(GOOD)], []),
    "two rejected drafts": ([answer(BAD), answer(BAD)], []),
    "uncertain": ([answer("UNCERTAIN")], []),
    "refused": ([answer("I'm sorry, but I can't help with that.")], []),
    "filtered after it was written": ([answer("A", finish="content_filter")], []),
    "a cut answer": ([answer("A round blue disc lies in the middle of a", finish="length")], []),
    "thinking, then a limit": ([THINKING, 429, 429, 429], [answer(GOOD)]),
    "thinking": ([THINKING, answer(GOOD, completion_tokens=714)], []),
    "thinking with all the room there is": ([THINKING], [answer(GOOD)]),
    "a draft, then a limit": ([answer(BAD), 429, 429, 429], [answer(GOOD)]),
    "a fallback's second draft": ([401, 401], [answer(BAD), answer(GOOD)]),
    "a draft, then the fallback's": ([answer(BAD), 401], [answer(GOOD)]),
    "cached tokens": ([answer(GOOD, **CACHED)], []),
    "a 500": ([500, answer(GOOD)], []),
    "a stream": ([{**answer(GOOD), "is_streamed": True}], []),
    "thinking beside the completion": (
        [answer(GOOD, total_tokens=901 + 17 + 300,
                completion_tokens_details={"reasoning_tokens": 300})], []),
    "thinking in the total alone": (
        [{**answer(GOOD, total_tokens=901 + 17 + 300), "model": "gemini-2.5-flash"}], []),
}  # fmt: skip
"""What the first model and its fallback reply, in this order: room for thinking is learned."""


@pytest.fixture(scope="module")
def models() -> Iterator[tuple[ChargingServer, ChargingServer]]:
    """The first model and its fallback."""
    with ChargingServer(CHEAP) as first, ChargingServer(DEAR) as second:
        yield first, second


@pytest.fixture(scope="module")
def server(
    models: tuple[ChargingServer, ChargingServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Altwright]:
    """A server with both, and one key."""
    path: Path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys_file(path, KeysFile(keys=[KeyEntry(name="shop", sha256=hash_key("key-of-shop"))]))
    first, second = models
    fallback = {"model": "b", "base_url": second.base_url, "price": DEAR}
    with Altwright(
        KEYS_FILE=str(path), MODEL="a", MODEL_BASE_URL=first.base_url,
        MODEL_PRICE=json.dumps(CHEAP), FALLBACKS=json.dumps([fallback]),
    ) as server:  # fmt: skip
        yield server


def usage(server: Altwright) -> tuple[Decimal, int]:
    """The cost so far, and of how many captions it is unknown."""
    body = server.get("/v1/usage", headers=HEADERS).json()
    amount = body["cost"]["amount"] if body["cost"] else 0
    return Decimal(str(amount)), body["unknown"]["cost"]


def test_the_cost_is_what_both_models_charge(
    server: Altwright, models: tuple[ChargingServer, ChargingServer]
) -> None:
    """Whatever the caller gets, and nothing of it is unknown."""
    for name, replies in REPLIES.items():
        before, unknown = usage(server)
        for model, own in zip(models, replies, strict=True):
            model.replies = deque(own)
            model.charged = Decimal(0)
        server.post("/v1/image/caption", {"image_url": IMAGE_URL}, headers=HEADERS)
        assert [model.replies for model in models] == [deque(), deque()], name
        after, still_unknown = usage(server)
        charged = float(sum(model.charged for model in models))
        assert float(after - before) == pytest.approx(charged), name
        assert still_unknown == unknown, name


def test_the_cost_of_several_captions_is_that_of_all_their_drafts(
    server: Altwright, models: tuple[ChargingServer, ChargingServer]
) -> None:
    """Of which some are asked for twice."""
    before, _ = usage(server)
    for model in models:
        model.charged = Decimal(0)
    models[0].replies.extend([answer(BAD), answer(GOOD), answer(BAD), answer(GOOD, **CACHED)])
    body = {"image_url": IMAGE_URL, "styles": ["concise", "seo"], "locales": ["en", "de"]}
    assert server.post("/v1/image/captions", body, headers=HEADERS).status_code == 200
    after, _ = usage(server)
    assert float(after - before) == pytest.approx(float(sum(model.charged for model in models)))
