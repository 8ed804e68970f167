"""Raw answers through the running API; judges that share nothing with it see what comes out."""

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.captions import Result, ask, faults
from testing.servers.altwright import Altwright
from testing.servers.need import need
from testing.servers.replay_model_server import ReplayModelServer
from tests.independent import alt_text

_CATS = "Two tabby cats sleep on a pink blanket beside two remote controls"
# One of each kind of mess, in our own words.
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


@pytest.fixture
def judges() -> None:
    """Node and the package from npm are there."""
    need("node", "nodejs")
    if not alt_text.PACKAGE.is_dir():
        pytest.skip("run `npm ci --prefix testing/servers` to run this test")


def through_the_api(answers: list[str], finish_reason: str = "stop", **fields: int) -> list[Result]:
    """What becomes of each answer in every style."""
    with (
        ReplayModelServer(answers, finish_reason) as model,
        Altwright(MODEL="m", MODEL_BASE_URL=model.base_url, MODEL_API_KEY="none") as server,
    ):
        return asyncio.run(ask(server.url, range(len(answers)), **fields))


def test_one_of_each_mess_comes_out_clean_or_not_at_all(judges: None) -> None:
    """The first six hold a good caption and all give it, in one wrapping or another."""
    results = through_the_api(ANSWERS)
    assert faults(results) == []
    concise = {one.row: one for one in results if one.style == "concise"}
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


@pytest.mark.parametrize(
    ("finish_reason", "max_tokens", "every"), [("stop", 256, 20), ("length", 64, 49)]
)
def test_a_sample_of_real_answers_obeys_every_rule(
    judges: None, corpora: Path, finish_reason: str, max_tokens: int, every: int
) -> None:
    """All of them: `python -m benchmarks.captions --answers vlm_outputs.jsonl`."""
    lines = (corpora / "vlm_outputs.jsonl").read_text(encoding="utf-8").splitlines()[::every]
    answers = [json.loads(line)["output"] for line in lines]
    results = through_the_api(answers, finish_reason, max_tokens=max_tokens)
    assert len(results) == 3 * len(answers)
    assert faults(results) == []
    made = sum(one.outcome == "caption" for one in results)
    assert made > 0.4 * len(results)
    if finish_reason == "length":
        assert all(len(one.caption) <= 4 * max_tokens for one in results)
