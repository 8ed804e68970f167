"""Model answers sent through the running API; independent checkers examine the captions."""

import asyncio
import json
from pathlib import Path

import pytest

from testing.answer_replay import ReplayResult, find_violations, replay
from testing.servers.altwright import Altwright
from testing.servers.replay_model_server import ReplayModelServer

_CATS = "Two tabby cats sleep on a pink blanket beside two remote controls"
# One example of each kind of answer: wrapped, unusable, sentinel, refused, empty.
ANSWERS = [
    f"{_CATS}.",
    f"Certainly! Here's a concise alt text for the image:\n\n**Alt text:** {_CATS}.",
    f"<think>The user wants a caption.</think>\n\n{_CATS}.",
    f"This image shows {_CATS.lower()}.",
    f'```json\n{{"alt_text": "{_CATS}."}}\n```',
    f"Title: Cats\n\nDescription: {_CATS}. The sofa behind is red.\n\nKeywords: cats, sofa, pink",
    f"Option 1: {_CATS}.\nOption 2: Cats on a sofa.",
    f"1. **Setting:** a room\n2. **Subject:** {_CATS}\n3. **Mood:** calm",
    "cats, sofa, blanket, remote control, tabby, pink, sleeping, indoors, animals, pets, fur",
    "A cat on a sofa on a sofa on a sofa on a sofa on a sofa on a sofa on a sofa on a sofa.",
    "Okay, let me think. The user wants alt text. I should mention the cats.",
    f"{_CATS}. Photo by Jane Doe, © Getty Images. See https://example.com/cats.",
    f"{_CATS} 🐈🐈.",
    "Zwei getigerte Katzen schlafen auf einer rosa Decke neben zwei Fernbedienungen im Zimmer.",
    f"{_CATS}. " + "They dream of mice and of fish in a wide and quiet river. " * 30,
    "# Cats\n\n## Scene\n\n- two cats\n- a sofa\n",
    "assistant\n\n<|im_start|>A photo of " + _CATS.lower() + ".<|im_end|>",
    "DECORATIVE",
    "UNCERTAIN",
    "I'm sorry, but I can't help with that.",
    "",
]


def replay_answers(
    answers: list[str], finish_reason: str = "stop", **fields: int
) -> list[ReplayResult]:
    """The result of each answer in every style."""
    with (
        ReplayModelServer(answers, finish_reason) as model,
        Altwright(MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="none") as server,
    ):
        return asyncio.run(replay(server.url, range(len(answers)), **fields))


@pytest.mark.slow
def test_each_kind_of_answer_becomes_a_valid_caption_or_an_error() -> None:
    """Seven answers contain the same good caption in different wrapping, and all give it."""
    results = replay_answers(ANSWERS)
    assert find_violations(results) == []
    concise = {result.row: result for result in results if result.style == "concise"}
    for row in (0, 1, 2, 3, 4, 6, 16):
        assert concise[row].caption == f"{_CATS}.", ANSWERS[row]
    outcomes = [concise[row].outcome for row in range(8, 14)]
    assert outcomes == ["caption_rejected"] * 6
    assert [concise[row].outcome for row in range(17, 21)] == [
        "decorative",
        "caption_uncertain",
        "caption_refused",
        "model_error",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("finish_reason", "max_tokens", "every"), [("stop", 256, 20), ("length", 64, 49)]
)
def test_captions_from_real_answers_break_no_rule(
    corpora: Path, finish_reason: str, max_tokens: int, every: int
) -> None:
    """A sample; all of them: `python -m benchmarks.captions --answers vlm_outputs.jsonl`."""
    lines = (corpora / "vlm_outputs.jsonl").read_text(encoding="utf-8").splitlines()
    if len(lines) > 500:
        lines = lines[::every]
    answers = [json.loads(line)["output"] for line in lines]
    results = replay_answers(answers, finish_reason, max_tokens=max_tokens)
    assert len(results) == 3 * len(answers)
    assert find_violations(results) == []
    captions = sum(result.outcome == "caption" for result in results)
    assert captions > 0.4 * len(results)
    if finish_reason == "length":
        assert all(len(result.caption) <= 4 * max_tokens for result in results)
