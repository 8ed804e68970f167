"""When a call to a model server is repeated, and what is logged about it."""

import asyncio
import base64
import logging
from dataclasses import replace

import pytest

from app.captioning.errors import (
    ImageNotAccepted,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    RetryAfterTooLong,
)
from app.captioning.fallback import FallbackCaptioner
from app.runtime.deadline import Deadline
from app.token_use import UNKNOWN_TOKEN_USE, TokenUse
from app.types import ModelImage
from testing.images import jpeg
from testing.servers.llmock_model_server import LlmockModelServer
from testing.servers.raw_model_server import (
    completion,
    openai_error,
    raw_model_server,
    sent_image,
)
from tests.captioning.conftest import CaptionerFactory
from tests.captioning.draft_requests import draft, draft_request, failed_draft, normalised_image

KEY = "sk-test-0123456789abcdef"


async def test_a_short_retry_after_is_waited_out(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """With a real sleep, and never shorter than the server asked for."""
    model_server.fail(429, retry_after=0.2, times=2).reply("A blue disc.")
    found = await draft(make_captioner(model_server.base_url, sleep=asyncio.sleep), 30)
    assert found.text == "A blue disc."
    first, second, third = (call.started_at_s for call in model_server.calls())
    assert min(second - first, third - second) >= 0.2
    model_server.llmock.assert_resilient()


async def test_a_long_retry_after_goes_to_the_caller_after_one_call(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """Longer than `retry_wait_max_s`."""
    model_server.fail(429, retry_after=11, times=None)
    error = await failed_draft(make_captioner(model_server.base_url))
    assert isinstance(error, RetryAfterTooLong)
    assert error.retry_after_s == 11
    assert (len(model_server.calls()), make_captioner.sleep.waits_s) == (1, [])


async def test_a_wait_beyond_the_deadline_is_not_begun(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """A wait of eight seconds, with three left."""
    model_server.fail(429, retry_after=8, times=None)
    error = await failed_draft(make_captioner(model_server.base_url), deadline_s=3)
    assert isinstance(error, ModelUnavailable)
    assert (error.retry_after_s, len(model_server.calls())) == (8, 1)


async def test_rate_limit_waits_are_bounded(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """Four waits, however short."""
    model_server.fail(429, retry_after=0.05, times=None)
    error = await failed_draft(make_captioner(model_server.base_url))
    assert isinstance(error, ModelUnavailable)
    assert len(model_server.calls()) == 5


async def test_a_rate_limit_that_llmock_enforces_names_its_wait(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """Two requests per minute."""
    model_server.llmock.limits(rpm=2)
    for _ in range(2):
        await draft(make_captioner(model_server.base_url), 30)
    error = await failed_draft(make_captioner(model_server.base_url))
    assert isinstance(error, ModelUnavailable)
    assert error.retry_after_s == pytest.approx(30, abs=2)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529])
async def test_a_5xx_is_retried_twice_with_growing_waits(
    make_captioner: CaptionerFactory, status: int
) -> None:
    """Then the model is unavailable, or has recovered."""
    async with raw_model_server() as model:
        model.respond("{}", status)
        error = await failed_draft(make_captioner(model.base_url))
        assert isinstance(error, ModelUnavailable)
        assert (error.retry_after_s, len(model.requests)) == (None, 3)
    first_s, second_s = make_captioner.sleep.waits_s
    assert 0.5 < first_s < 0.7
    assert 1.0 < second_s < 1.3
    async with raw_model_server() as model:
        model.respond("{}", status).respond("", status).complete("A blue disc.")
        assert (await draft(make_captioner(model.base_url), 30)).text == "A blue disc."


async def test_the_retry_after_of_a_5xx_is_obeyed(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """A short one is waited out, a long one goes to the caller."""
    model_server.fail(503, retry_after=1).reply("A blue disc.")
    assert (await draft(make_captioner(model_server.base_url), 30)).text == "A blue disc."
    assert 1.0 < make_captioner.sleep.waits_s[0] < 1.3
    model_server.fail(503, retry_after=120)
    error = await failed_draft(make_captioner(model_server.base_url))
    assert error.retry_after_s == 120


async def test_a_broken_connection_is_retried_twice(make_captioner: CaptionerFactory) -> None:
    """A reset, or half a response."""
    async with raw_model_server() as model:
        model.reset_connection().break_off().complete("A blue disc.")
        assert (await draft(make_captioner(model.base_url), 30)).text == "A blue disc."
        assert len(model.requests) == 3
    async with raw_model_server() as model:
        model.reset_connection()
        assert isinstance(await failed_draft(make_captioner(model.base_url)), ModelUnavailable)
        assert len(model.requests) == 3


async def test_a_closed_port_is_unavailable(make_captioner: CaptionerFactory) -> None:
    """The caller does not learn its address."""
    error = await failed_draft(make_captioner("http://127.0.0.1:9/v1"))
    assert isinstance(error, ModelUnavailable)
    assert "no usable HTTP response" in error.log_reason
    assert "127.0.0.1" not in error.detail


@pytest.mark.parametrize("drip", [b"", b" "])
async def test_a_model_that_hangs_or_sends_slowly_times_out_and_is_not_retried(
    make_captioner: CaptionerFactory, drip: bytes
) -> None:
    """The timeout is for the whole call, not for each byte."""
    async with raw_model_server() as model:
        model.hang(drip)
        with pytest.raises(ModelTimeout):
            await draft(make_captioner(model.base_url, timeout_s=0.3))
        assert len(model.requests) == 1


async def test_a_delayed_response_of_llmock_times_out(
    make_captioner: CaptionerFactory, model_server: LlmockModelServer
) -> None:
    """It comes after the timeout of a call."""
    model_server.delay(1)
    with pytest.raises(ModelTimeout):
        await draft(make_captioner(model_server.base_url, timeout_s=0.3))


async def test_a_call_ends_at_the_deadline(make_captioner: CaptionerFactory) -> None:
    """Although its own timeout is much longer."""
    async with raw_model_server() as model:
        model.hang()
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(ModelTimeout):
            await draft(make_captioner(model.base_url, timeout_s=25), deadline_s=0.3)
        assert asyncio.get_running_loop().time() - began_s < 10


IMAGE_TOO_LARGE = (
    "The prompt contains an image item with length 4200, which exceeds the encoder cache"
)


async def test_an_image_that_is_too_large_is_sent_smaller_once(
    make_captioner: CaptionerFactory,
) -> None:
    """A second refusal is an error."""
    shrunk: list[bytes] = []

    async def shrink(jpeg: bytes) -> ModelImage:
        shrunk.append(jpeg)
        return ModelImage(b"smaller", 30, 20)

    async with raw_model_server() as model:
        model.respond(openai_error(IMAGE_TOO_LARGE), 400).complete("A blue disc.")
        model.respond(openai_error(IMAGE_TOO_LARGE), 400)
        captioner = make_captioner(model.base_url, shrink=shrink)
        assert (await draft(captioner)).sent_px == (30, 20)
        url = model.requests[1]["messages"][1]["content"][0]["image_url"]["url"]
        assert base64.b64decode(url.partition(",")[2]) == b"smaller"
        with pytest.raises(ImageNotAccepted):
            await draft(captioner)
        jpeg = normalised_image().jpeg
        assert (len(model.requests), shrunk) == (4, [jpeg, jpeg])


async def test_an_image_that_is_too_large_is_refused_where_it_cannot_be_shrunk(
    make_captioner: CaptionerFactory,
) -> None:
    """After one call."""
    async with raw_model_server() as model:
        model.respond(openai_error(IMAGE_TOO_LARGE), 400)
        with pytest.raises(ImageNotAccepted):
            await draft(make_captioner(model.base_url))
        assert len(model.requests) == 1


async def test_texts_of_the_request_and_the_key_are_neither_logged_nor_raised(
    make_captioner: CaptionerFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """Servers repeat what they got in errors: llama.cpp the messages, FastAPI the input."""
    context = "The wedding of Annelise Overbeck and Torvald Quist, only for the family."
    caplog.set_level(logging.DEBUG)
    encoded = base64.b64encode(normalised_image().jpeg).decode()
    echoes: list[str | dict[str, object]] = [
        openai_error(f"bad key {KEY} for data:image/jpeg;base64,{encoded}"),
        openai_error(f"Failed to parse; messages = [{{'content': '{context}'}}]"),
        openai_error(f"I do not like: {context[10:60]}"),
        {"detail": [{"loc": ["body"], "msg": "wrong", "input": {"text": context, "k": KEY}}]},
        f"<html><body>{context} {KEY} {encoded}</body></html>",
    ]
    for status in (400, 401, 429, 500):
        for echo in echoes:
            async with raw_model_server() as model:
                model.respond(echo, status)
                captioner = make_captioner(model.base_url, api_key=KEY)
                with pytest.raises((ModelError, ModelUnavailable)) as caught:
                    await draft(captioner, context=context)
                raised = f"{caught.value} {caught.value.detail} {caught.value.log_reason}"
                assert caught.value.__cause__ is None
                for secret in (KEY, "Annelise", "Torvald", "Overbeck", encoded[:60]):
                    assert secret not in raised
    logged = " ".join(f"{r.getMessage()} {vars(r)}" for r in caplog.records if "app." in r.name)
    assert "model.retry_scheduled" in logged
    for secret in (KEY, "Annelise", "Torvald", encoded[:60]):
        assert secret not in logged


@pytest.mark.parametrize(
    "odd", [b"[1, 2]", b'{"choices": [7]}', b"<html>Log in</html>", b""],
    ids=["JSON", "choices", "HTML", "empty"],
)  # fmt: skip
async def test_unusable_responses_to_some_images_do_not_close_the_model_to_others(
    make_captioner: CaptionerFactory, odd: bytes
) -> None:
    """Before the circuit breaker opens, a known good image shows that others are captioned."""
    async with raw_model_server() as model:
        for _ in range(5):
            model.respond(odd)
        model.complete("A house.").respond(odd).respond(odd).complete("A blue disc.")
        captioner = FallbackCaptioner([make_captioner(model.base_url)])
        for number in range(5):
            image = normalised_image()
            image = replace(image, source=replace(image.source, sha256=f"bad{number}"))
            expected = ImageNotAccepted if number == 4 else ModelError
            with pytest.raises(expected):
                await captioner.draft(image, draft_request(), Deadline.after(10))
        assert set(captioner.circuit_states().values()) == {"closed"}
        assert (await draft(captioner)).text == "A blue disc."


async def test_an_image_that_the_model_could_not_read_is_sent_once_more_encoded_anew(
    make_captioner: CaptionerFactory,
) -> None:
    """Not unchanged, and not again after that."""
    anew = ModelImage(jpeg((288, 216)), 288, 216)

    async def reencode(_jpeg: bytes) -> ModelImage:
        return anew

    async with raw_model_server() as model:
        model.respond(openai_error("Could not process image"), 400).complete("A blue disc.")
        found = await draft(make_captioner(model.base_url, reencode=reencode), 30)
        assert (found.text, found.sent_px) == ("A blue disc.", (288, 216))
        assert [sent_image(request).size for request in model.requests] == [(320, 240), (288, 216)]
        model.clear().respond(openai_error("Could not process image"), 400)
        error = await failed_draft(make_captioner(model.base_url, reencode=reencode))
        assert isinstance(error, ImageNotAccepted)
        assert len(model.requests) == 4


async def test_thinking_that_is_in_the_total_alone_is_paid_and_gets_room(
    make_captioner: CaptionerFactory,
) -> None:
    """A half sentence of Gemini is asked for again; what both calls cost is counted."""
    cut = completion("A blue disc on a", finish_reason="length")
    cut["usage"] = {"prompt_tokens": 300, "completion_tokens": 4, "total_tokens": 364}
    whole = completion("A blue disc on white.")
    whole["usage"] = {"prompt_tokens": 300, "completion_tokens": 8, "total_tokens": 9_308}
    async with raw_model_server() as model:
        model.respond(cut).respond(whole)
        found = await draft(make_captioner(model.base_url, model="gemini-2.5-pro"), 30)
        assert (found.text, found.cut) == ("A blue disc on white.", False)
        assert (found.input_tokens, found.output_tokens) == (600, 64 + 9_008)
        assert [request["max_tokens"] for request in model.requests] == [64, 2112]


TOLD = TokenUse(300, 20, None)
"""What `completion` says of each response."""


async def test_tokens_of_responses_are_told_where_a_later_call_of_the_session_fails(
    make_captioner: CaptionerFactory,
) -> None:
    """Thinking used up the first one; the server is limited at the second."""
    async with raw_model_server() as model:
        model.respond(completion("", finish_reason="length")).respond("{}", 429, retry_after="99")
        chain = FallbackCaptioner([make_captioner(model.base_url)])
        error = await failed_draft(chain)
        assert (error.code, error.take_token_uses()) == ("model_unavailable", (TOLD,))


@pytest.mark.parametrize(
    ("body", "uses"),
    [
        (completion("", finish_reason="length"), (TOLD,) * 3),
        (completion("Two", finish_reason="content_filter"), (TOLD,)),
        (completion("loop " * 40_000), (UNKNOWN_TOKEN_USE,)),
    ],
    ids=["nothing but thinking", "filtered", "unusable"],
)
async def test_tokens_of_a_response_that_is_no_caption_are_told(
    make_captioner: CaptionerFactory, body: dict[str, object], uses: tuple[TokenUse, ...]
) -> None:
    """Unknown ones only where the response could not be read."""
    async with raw_model_server() as model:
        model.respond(body)
        error = await failed_draft(FallbackCaptioner([make_captioner(model.base_url)]))
        assert error.take_token_uses() == uses


@pytest.mark.parametrize(("status", "message"), [(401, "Incorrect API key"), (404, "no model")])
async def test_a_call_with_a_wrong_key_or_name_takes_no_tokens(
    make_captioner: CaptionerFactory, status: int, message: str
) -> None:
    """The cost of a chain whose first model is misconfigured is known."""
    async with raw_model_server() as wrong, raw_model_server() as right:
        wrong.respond(openai_error(message), status)
        right.complete("A blue disc.")
        chain = [make_captioner(wrong.base_url), make_captioner(right.base_url)]
        assert (await draft(FallbackCaptioner(chain))).token_uses() == (TOLD,)


async def test_a_response_that_was_lost_on_its_way_may_be_paid(
    make_captioner: CaptionerFactory,
) -> None:
    """The connection broke, or a gateway did not wait; a 500 costs nothing."""
    async with raw_model_server() as model:
        captioner = make_captioner(model.base_url)
        model.break_off().complete("A blue disc.")
        assert (await draft(captioner, 30)).token_uses() == (UNKNOWN_TOKEN_USE, TOLD)
        model.clear().respond("{}", 504).complete("A blue disc.")
        assert (await draft(captioner, 30)).token_uses() == (UNKNOWN_TOKEN_USE, TOLD)
        model.clear().respond("{}", 500).complete("A blue disc.")
        assert (await draft(captioner, 30)).token_uses() == (TOLD,)


async def test_tokens_of_an_image_that_was_tried_again_are_told(
    make_captioner: CaptionerFactory,
) -> None:
    """The connection broke three times, twice, before the trial that captioned it."""
    async with raw_model_server() as model:
        chain = FallbackCaptioner([make_captioner(model.base_url)])
        for _ in range(6):
            model.break_off()
        model.complete("A house.").complete("A blue disc.")
        first = await failed_draft(chain)
        assert (first.code, first.take_token_uses()) == ("model_unavailable", (UNKNOWN_TOKEN_USE,))
        found = await draft(chain, 30)
        assert (found.text, found.token_uses()) == ("A blue disc.", (UNKNOWN_TOKEN_USE, TOLD))


async def test_tokens_in_no_count_are_unknown_where_they_are_not_geminis(
    make_captioner: CaptionerFactory,
) -> None:
    """A gateway's own name for Gemini: what has answered tells."""
    body = completion("A blue disc.")
    body["usage"] = {"prompt_tokens": 300, "completion_tokens": 8, "total_tokens": 400}
    async with raw_model_server() as model:
        model.respond(body)
        found = await draft(make_captioner(model.base_url), 30)
        assert (found.input_tokens, found.output_tokens) == (300, None)
        model.clear().respond({**body, "model": "gemini-3.5-flash"})
        found = await draft(make_captioner(model.base_url), 30)
        assert (found.input_tokens, found.output_tokens) == (300, 100)
