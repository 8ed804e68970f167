"""Long texts are validated in a child process: with the same verdict, fairly, within a deadline."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.captioning.styles.loader import load_styles
from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.types import Draft, Style
from app.validation import validation_pool as validation_pool_module
from app.validation.validation_pool import INLINE_MAX_CHARS, ValidationPool
from app.validation.verdict import Verdict, validate_draft

STYLES = load_styles()
SENTENCE = "A brown dog runs along a sandy beach beside the grey sea. "
LONG = SENTENCE + "Behind it a steep cliff of white chalk rises into a cloudless sky. " * 60


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One event loop for the module, so that one child process is started."""
    return "asyncio"


@pytest.fixture(scope="module")
async def pool(anyio_backend: str) -> AsyncIterator[ValidationPool]:
    """The time limit is for a machine that is busy with other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation_pool_module, "VALIDATION_TIMEOUT_S", 120.0)
        pool = ValidationPool()
        await pool.start()
        yield pool
        await pool.aclose()


async def validate(pool: ValidationPool, text: str, caller: str = "anna") -> Verdict:
    return await pool.validate(
        Draft(text, model=""),
        style=STYLES["detailed"],
        locale="en",
        deadline=Deadline.after(120),
        caller=caller,
    )


@pytest.mark.parametrize(
    ("draft", "style", "locale"),
    [
        pytest.param(Draft(LONG, "m"), "detailed", "en", id="cut to its style"),
        pytest.param(Draft(LONG, "m", cut=True), "concise", "en", id="cut at the ceiling"),
        pytest.param(Draft(LONG, "m"), "detailed", "de", id="another language"),
        pytest.param(Draft(LONG, "m"), "detailed", "xx-Latn", id="an unknown language"),
        pytest.param(Draft(f"Image result for {LONG}", "m"), "detailed", "de", id="a query"),
        pytest.param(Draft(" " * 4_000, "m"), "concise", "de", id="empty"),
        pytest.param(Draft("DECORATIVE" + " " * 400, "m"), "concise", "en", id="decorative"),
        pytest.param(Draft("I'm sorry, I can't help." + " " * 400, "m"), "seo", "en", id="refused"),
        pytest.param(Draft("\U0001f600" * 5_000, "m"), "concise", "en", id="emoji"),
        pytest.param(Draft("\ud800 a" * 2_000, "m"), "concise", "en", id="lone surrogates"),
        pytest.param(Draft("漢字" * 2_500, "m"), "concise", "en", id="Han"),
        pytest.param(Draft("<think>" * 14_000, "m"), "concise", "en", id="reasoning"),
    ],
)
async def test_a_long_text_gets_the_same_verdict_in_the_child_process(
    pool: ValidationPool, draft: Draft, style: str, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The language is identified in the server, everything else in the child."""
    given = STYLES[style]
    style_with_words = replace(given, banned=("chalk",))
    options = {"locale": locale, "context": "Rügen", "max_tokens": 256, "is_final": True}
    expected = validate_draft(draft, style=style_with_words, **options)
    monkeypatch.setattr(validation_pool_module, "validate_draft", _never)
    assert len(draft.text) > INLINE_MAX_CHARS
    found = await pool.validate(
        draft, style=style_with_words, deadline=Deadline.after(120), caller="anna", **options
    )
    assert found == expected


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
async def test_long_drafts_of_models_get_the_same_verdict_in_the_child_process(
    pool: ValidationPool, corpora: Path, style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever they contain, no rule needs a file that a confined process cannot open."""
    lines = (corpora / "vlm_outputs.jsonl").read_text().splitlines()
    drafts = [str(json.loads(line)["output"]) for line in lines]
    long = [draft for draft in drafts if len(draft) > INLINE_MAX_CHARS][:150]
    assert long
    expected = [validate_draft(Draft(draft, ""), style=style, locale="en") for draft in long]
    monkeypatch.setattr(validation_pool_module, "validate_draft", _never)
    for draft, verdict in zip(long, expected, strict=True):
        found = await pool.validate(
            Draft(draft, ""), style=style, locale="en", deadline=Deadline.after(120)
        )
        assert found == verdict


async def test_a_text_that_its_child_process_cannot_take_is_validated_in_a_thread(
    pool: ValidationPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_verdict(_result: bytes) -> Verdict:
        raise ValueError("not a verdict")

    monkeypatch.setattr(validation_pool_module, "decode_verdict", no_verdict)
    assert (await validate(pool, LONG)).caption.startswith(SENTENCE.strip())


async def test_a_short_text_needs_no_child_process() -> None:
    assert (await validate(ValidationPool(), SENTENCE.strip())).caption == SENTENCE.strip()


async def test_a_caller_with_many_texts_does_not_keep_another_waiting(
    pool: ValidationPool,
) -> None:
    """The other's text is validated after the one in work, not after thirty."""
    finished: list[str] = []

    async def run(caller: str) -> None:
        await validate(pool, LONG, caller)
        finished.append(caller)

    async with asyncio.TaskGroup() as group:
        for caller in ["anna"] * 30 + ["bob"]:
            group.create_task(run(caller))
    assert finished.index("bob") < 3


async def test_a_text_past_its_deadline_is_overloaded_and_ends_no_child_process(
    pool: ValidationPool,
) -> None:
    """It waits behind a text that the stopped child process cannot finish."""
    (pid,) = pool.pids()
    os.kill(pid, signal.SIGSTOP)
    try:
        first = asyncio.create_task(validate(pool, LONG))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as raised:
            await pool.validate(
                Draft(LONG, ""),
                style=STYLES["detailed"],
                locale="en",
                deadline=Deadline.after(0.05),
                caller="bob",
            )
        assert raised.value.retry_after_s is not None
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (await first).outcome == "caption"
    assert pool.pids() == [pid]


async def test_a_text_whose_child_process_is_killed_is_validated_in_another(
    pool: ValidationPool,
) -> None:
    (pid,) = pool.pids()
    os.kill(pid, signal.SIGSTOP)
    working = asyncio.create_task(validate(pool, LONG))
    while not pool._pool._children[0].process.jobs:
        await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    assert (await working).outcome == "caption"
    assert pool.pids() != [pid]


def _never(*_: object, **__: object) -> Verdict:
    raise AssertionError("validated in the server process")
