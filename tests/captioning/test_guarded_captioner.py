"""Which failures are an image's own, and which open the circuit breaker."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.circuit_breaker import MAX_RETRY_AFTER_S, CircuitBreakerSettings
from app.captioning.errors import (
    CaptionRefused,
    DeadlineExceeded,
    ImageNotAccepted,
    ModelCrashed,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    RequestRejected,
    RequestSpecificError,
    RetryAfterTooLong,
    ServerFailed,
)
from app.captioning.fallback import FallbackCaptioner
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage
from tests.captioning.draft_requests import draft_request, normalised_image

UNEXPLAINED = [ServerFailed(), RequestRejected()]


class ImageDependentCaptioner(Captioner):
    """Fails on the images whose identity begins with `bad`; `works` is what its probe finds."""

    def __init__(self, error: CaptionError, works: bool | None = True) -> None:
        self.name = "m"
        self.error = error
        self.works = works
        self.calls: list[str] = []
        self.probes = 0

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        self.calls.append(image.source.sha256)
        if image.source.sha256.startswith("bad"):
            raise self.error
        return Draft("A white mug on a table.", self.name)

    async def probe(self) -> bool | None:
        self.probes += 1
        await asyncio.sleep(0)
        return self.works


async def outcome(captioner: Captioner, image_id: str, deadline_s: float = 5.0) -> str:
    """The code of the error, or `caption`. `!` marks an image that the model cannot take."""
    image = normalised_image()
    image = replace(image, source=replace(image.source, sha256=image_id))
    try:
        await captioner.draft(image, draft_request(), Deadline.after(deadline_s))
    except CaptionError as error:
        return error.code + ("!" if isinstance(error, ImageNotAccepted) else "")
    return "caption"


async def outcomes(captioner: Captioner, *image_ids: str) -> list[str]:
    """One after another."""
    return [await outcome(captioner, image_id) for image_id in image_ids]


@pytest.mark.parametrize("error", UNEXPLAINED)
async def test_the_same_image_six_times_opens_no_breaker_and_is_final_the_second_time(
    error: CaptionError,
) -> None:
    """A queue retries it; a known good image tells whose fault it is."""
    model = ImageDependentCaptioner(error)
    captioner = FallbackCaptioner([model])
    assert await outcomes(captioner, *["bad"] * 6) == [error.code] + ["caption_refused!"] * 5
    assert captioner.circuit_states() == {"m": "closed"}
    assert model.probes == 1
    assert await outcome(captioner, "good") == "caption"


@pytest.mark.parametrize("error", UNEXPLAINED)
async def test_six_different_bad_images_open_no_breaker(error: CaptionError) -> None:
    """The fifth is about to open it: the known good image is sent first. Then each is final."""
    model = ImageDependentCaptioner(error)
    captioner = FallbackCaptioner([model])
    found = await outcomes(captioner, *(f"bad{n}" for n in range(6)), "good")
    assert found == [error.code] * 4 + ["caption_refused!"] * 2 + ["caption"]
    assert captioner.circuit_states() == {"m": "closed"}


@pytest.mark.parametrize("error", UNEXPLAINED)
async def test_an_image_that_fails_before_and_after_a_caption_is_refused_after_a_probe(
    error: CaptionError,
) -> None:
    """Somebody else's caption between them says nothing of the present."""
    model = ImageDependentCaptioner(error)
    found = await outcomes(FallbackCaptioner([model]), "bad", "good", "bad", "bad")
    assert found == [error.code, "caption", "caption_refused!", "caption_refused!"]
    assert model.probes == 1


@pytest.mark.parametrize("error", UNEXPLAINED)
async def test_an_image_that_meets_two_outages_is_not_refused_finally(error: CaptionError) -> None:
    """A queue retries it, by chance each time while the server is down."""
    model = ImageDependentCaptioner(error)
    captioner = FallbackCaptioner([model])
    for _ in range(3):
        model.works = False
        assert await outcome(captioner, "bad and innocent") == error.code
        model.works = True
        assert await outcome(captioner, "good") == "caption"
    assert captioner.circuit_states() == {"m": "closed"}


class RunnerCaptioner(Captioner):
    """Dies on the images whose identity begins with `bad`, and takes all calls in flight with it.

    A call takes ten turns of the event loop.
    """

    def __init__(self, error: CaptionError) -> None:
        self.name = "m"
        self._error = error
        self._deaths = 0

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        await self._run(is_bad=image.source.sha256.startswith("bad"))
        return Draft("A white mug on a table.", self.name)

    async def probe(self) -> bool | None:
        try:
            await self._run(is_bad=False)
        except CaptionError:
            return False
        return True

    async def _run(self, *, is_bad: bool) -> None:
        deaths = self._deaths
        for _ in range(10):
            await asyncio.sleep(0)
            if self._deaths != deaths:
                raise self._error
        if is_bad:
            self._deaths += 1
            raise self._error


@pytest.mark.parametrize("error", [ModelCrashed(), ServerFailed()])
async def test_an_image_beside_which_the_runner_dies_of_another_is_captioned(
    error: CaptionError,
) -> None:
    """Twenty callers with 60 images, a third of which kill the process; a 503 is retried."""
    captioner = FallbackCaptioner([RunnerCaptioner(error)])
    queue = [f"{'bad' if number % 3 == 0 else 'good'}{number}" for number in range(60)]
    found: dict[str, str] = {}

    async def caller() -> None:
        while queue:
            image_id = queue.pop(0)
            found[image_id] = await outcome(captioner, image_id, deadline_s=30)
            if found[image_id] == "model_unavailable":
                queue.append(image_id)
            await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(*(caller() for _ in range(20))), 30)
    expected = {i: "caption_refused!" if i.startswith("bad") else "caption" for i in found}
    assert (len(found), found) == (60, expected)
    assert captioner.circuit_states() == {"m": "closed"}


async def test_requests_that_fail_while_the_captioner_is_down_share_what_a_probe_found() -> None:
    """Twenty callers whose images failed before: a few probes, and none waits for nineteen."""
    model = ImageDependentCaptioner(ModelCrashed(), works=False)
    captioner = FallbackCaptioner([model])
    found = await asyncio.gather(*(outcome(captioner, f"bad{n}") for n in range(20)))
    assert set(found) == {"model_unavailable"}
    assert model.probes <= 3
    assert captioner.circuit_states() == {"m": "open"}


async def test_a_crash_is_checked_at_once() -> None:
    """The image, the known good image, the image again: one final refusal."""
    model = ImageDependentCaptioner(ModelCrashed())
    captioner = FallbackCaptioner([model])
    assert await outcomes(captioner, "bad1", "bad2", "good") == [
        "caption_refused!", "caption_refused!", "caption",
    ]  # fmt: skip
    assert (model.calls, model.probes) == (["bad1", "bad1", "bad2", "bad2", "good"], 2)


async def test_an_image_that_is_captioned_after_the_probe_gets_its_caption() -> None:
    """The server was down for a moment."""

    class Recovering(ImageDependentCaptioner):
        async def probe(self) -> bool | None:
            self.error = ServerFailed()
            self.draft = self.recovered  # type: ignore[method-assign]
            return True

        async def recovered(self, *_arguments: object) -> Draft:
            return Draft("A white mug on a table.", self.name)

    assert await outcome(FallbackCaptioner([Recovering(ModelCrashed())]), "bad") == "caption"


@pytest.mark.parametrize("error", UNEXPLAINED)
@pytest.mark.parametrize("image_ids", [["bad"] * 8, [f"bad{n}" for n in range(8)]])
async def test_a_captioner_that_fails_on_the_known_good_image_too_is_left_alone(
    error: CaptionError, image_ids: list[str]
) -> None:
    """No caller gets a final answer for an image that may be captioned later."""
    model = ImageDependentCaptioner(error, works=False)
    captioner = FallbackCaptioner([model])
    found = await outcomes(captioner, *image_ids)
    assert found == [error.code] * 5 + ["model_unavailable"] * 3
    assert captioner.circuit_states() == {"m": "open"}
    assert len(model.calls) == 5


async def test_a_half_open_breaker_is_not_kept_open_by_a_bad_image() -> None:
    """The first request after the pause has an image that the model cannot take."""
    now_s = [100.0]
    model = ImageDependentCaptioner(ServerFailed(), works=False)
    captioner = FallbackCaptioner([model], clock=lambda: now_s[0])
    await outcomes(captioner, *(f"bad{n}" for n in range(5)))
    assert captioner.circuit_states() == {"m": "open"}
    now_s[0] += 5
    model.works = True
    assert await outcome(captioner, "bad9") == "caption_refused!"
    assert captioner.circuit_states() == {"m": "closed"}


async def test_a_half_open_breaker_opens_again_where_the_known_good_image_fails() -> None:
    """The captioner is still down."""
    now_s = [100.0]
    model = ImageDependentCaptioner(ServerFailed(), works=False)
    captioner = FallbackCaptioner([model], clock=lambda: now_s[0])
    await outcomes(captioner, *(f"bad{n}" for n in range(5)))
    now_s[0] += 5
    assert await outcome(captioner, "bad9") == "model_unavailable"
    assert captioner.circuit_states() == {"m": "open"}


@pytest.mark.parametrize("error", [CaptionRefused(), ImageNotAccepted(), RequestSpecificError()])
async def test_what_is_known_to_be_one_images_fault_never_counts(error: CaptionError) -> None:
    """And no call is spent on a probe."""
    model = ImageDependentCaptioner(error, works=False)
    captioner = FallbackCaptioner([model])
    found = await outcomes(captioner, *(f"bad{n}" for n in range(19)), *["bad0"] * 19)
    assert len(set(found)) == 1
    assert (captioner.circuit_states(), model.probes) == ({"m": "closed"}, 0)
    assert await outcome(captioner, "good") == "caption"


@pytest.mark.parametrize("error", [CaptionRefused(), ImageNotAccepted()])
async def test_a_captioner_that_refuses_the_known_good_image_too_is_left_alone(
    error: CaptionError,
) -> None:
    """An account that its provider blocks, or a filter that refuses whatever comes."""
    model = ImageDependentCaptioner(error, works=False)
    captioner = FallbackCaptioner([model])
    found = await outcomes(captioner, *(f"bad{n}" for n in range(26)))
    assert found[18].startswith("caption_refused")
    assert found[19:] == ["model_error"] * 5 + ["model_unavailable"] * 2
    assert captioner.circuit_states() == {"m": "open"}


async def test_many_refused_images_cost_a_probe_for_every_twenty() -> None:
    """A catalogue that a filter dislikes: each refusal stays final."""
    model = ImageDependentCaptioner(CaptionRefused())
    captioner = FallbackCaptioner([model])
    found = await outcomes(captioner, *(f"bad{n}" for n in range(60)))
    assert (set(found), model.probes) == ({"caption_refused"}, 3)
    assert captioner.circuit_states() == {"m": "closed"}


@pytest.mark.parametrize("error", [ModelUnavailable(), ModelError()])
async def test_what_is_no_images_fault_counts_whatever_the_image(error: CaptionError) -> None:
    """A refused key, a closed port."""
    model = ImageDependentCaptioner(error)
    captioner = FallbackCaptioner([model])
    await outcomes(captioner, *["bad"] * 6)
    assert (len(model.calls), captioner.circuit_states()) == (5, {"m": "open"})


@pytest.mark.parametrize(
    ("image_ids", "state"), [(["bad"] * 8, "closed"), ([f"bad{n}" for n in range(8)], "open")]
)
async def test_timeouts_count_once_an_image(image_ids: list[str], state: str) -> None:
    """One image may be too much for the model."""
    captioner = FallbackCaptioner([ImageDependentCaptioner(ModelTimeout())])
    await outcomes(captioner, *image_ids)
    assert captioner.circuit_states() == {"m": state}


async def test_an_image_that_one_model_cannot_take_goes_to_the_next() -> None:
    """A refusal of the content does not."""
    first, second = (
        ImageDependentCaptioner(ImageNotAccepted()),
        ImageDependentCaptioner(ModelError()),
    )
    second.name = "second"
    first_only = FallbackCaptioner([first])
    assert await outcome(first_only, "bad") == "caption_refused!"
    both = FallbackCaptioner([first, second])
    assert await outcome(both, "bad") == "model_error"
    second.draft = first_good(second)  # type: ignore[method-assign]
    assert await outcome(both, "bad") == "caption"


def first_good(captioner: Captioner) -> Callable[..., object]:
    async def draft(*_arguments: object) -> Draft:
        return Draft("A white mug on a table.", captioner.name)

    return draft


async def test_requests_at_once_share_one_probe() -> None:
    """Twelve captions of one image."""
    model = ImageDependentCaptioner(ModelCrashed())
    captioner = FallbackCaptioner([model])
    found = await asyncio.gather(*(outcome(captioner, "bad") for _ in range(12)))
    assert set(found) == {"caption_refused!"}
    assert model.probes == 1
    assert captioner.circuit_states() == {"m": "closed"}


async def test_a_probe_that_outlasts_its_request_still_counts() -> None:
    """The request gets its error, the next one the benefit."""

    class Slow(ImageDependentCaptioner):
        async def probe(self) -> bool | None:
            await asyncio.sleep(0.05)
            return await super().probe()

    model = Slow(ModelCrashed())
    captioner = FallbackCaptioner([model], breaker=CircuitBreakerSettings(failure_threshold=1))
    assert await outcome(captioner, "bad", deadline_s=0.02) == "model_unavailable"
    assert captioner.circuit_states() == {"m": "open"}
    while not model.probes:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0)
    assert captioner.circuit_states() == {"m": "closed"}
    assert await outcome(captioner, "bad") == "caption_refused!"


class ReplicasCaptioner(Captioner):
    """Two servers behind one address, one of which rejects everything; `turns` says which answers.

    An image whose identity begins with `bad` is rejected by both.
    """

    def __init__(self, turns: Callable[[int], bool]) -> None:
        self.name = "m"
        self._turns = turns
        self.calls = 0

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        if not self._answers() or image.source.sha256.startswith("bad"):
            raise RequestRejected
        return Draft("A white mug on a table.", self.name)

    async def probe(self) -> bool | None:
        return self._answers()

    def _answers(self) -> bool:
        self.calls += 1
        return self._turns(self.calls)


async def final_answers(captioner: Captioner, image_ids: list[str]) -> dict[str, str]:
    """What a queue ends with that retries what is retryable, each image 40 times at most."""
    found = {}
    for image_id in image_ids:
        for _ in range(40):
            found[image_id] = await outcome(captioner, image_id)
            if found[image_id] in ("caption", "caption_refused!"):
                break
    return found


async def test_no_image_is_refused_for_what_one_of_two_servers_does() -> None:
    """Each gets every second call; the bad images are still told from the others."""
    captioner = FallbackCaptioner([ReplicasCaptioner(lambda call: call % 2 == 0)])
    image_ids = [f"{'bad' if n % 10 == 9 else 'good'}{n}" for n in range(40)]
    found = await final_answers(captioner, image_ids)
    assert found == {i: "caption_refused!" if i.startswith("bad") else "caption" for i in found}


async def test_hardly_an_image_is_refused_for_what_one_of_two_servers_chosen_at_random_does() -> (
    None
):
    """Once the same image was rejected and captioned, a rejection says little about an image."""
    turns = random.Random(17)
    now_s = [100.0]
    captioner = FallbackCaptioner(
        [ReplicasCaptioner(lambda _: turns.random() < 0.5)], clock=lambda: now_s[0]
    )
    refused = 0
    for number in range(400):
        found = await final_answers(captioner, [f"good{number}"])
        refused += "caption_refused!" in found.values()
        now_s[0] += 5.0  # an open breaker is half-open again
    assert refused <= 2


class SlowCaptioner(ImageDependentCaptioner):
    """Takes three seconds for a call, and fails on bad images after ten (it retries)."""

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        try:
            async with deadline.timeout():
                await asyncio.sleep(10 if image.source.sha256.startswith("bad") else 3)
        except TimeoutError:
            raise DeadlineExceeded from None
        return await super().draft(image, request, deadline)

    async def probe(self) -> bool | None:
        await asyncio.sleep(3)
        return await super().probe()


@pytest.mark.usefixtures("virtual_time")
async def test_bad_images_on_a_slow_server_neither_wait_for_each_other_nor_open_the_breaker() -> (
    None
):
    """Those that cannot be tried soon get a retryable answer, and each is final in the end."""
    captioner = FallbackCaptioner([SlowCaptioner(ServerFailed())])
    found: dict[str, str] = {}
    waited_s: list[float] = []

    async def retry_until_final(image_id: str) -> None:
        while found.get(image_id) != "caption_refused!":
            began_s = time.monotonic()
            found[image_id] = await outcome(captioner, image_id, deadline_s=30)
            waited_s.append(time.monotonic() - began_s)
            assert captioner.circuit_states() == {"m": "closed"}
            await asyncio.sleep(5)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(retry_until_final(f"bad{number}"))
    assert set(found.values()) == {"caption_refused!"}
    assert max(waited_s) <= 30
    assert await outcome(captioner, "good", deadline_s=30) == "caption"


@pytest.mark.usefixtures("virtual_time")
async def test_twelve_captions_of_one_bad_image_share_a_slow_trial() -> None:
    """None of them gives up while their own image is tried."""
    model = SlowCaptioner(ModelCrashed())
    captioner = FallbackCaptioner([model])
    found = await asyncio.gather(*(outcome(captioner, "bad", deadline_s=30) for _ in range(12)))
    assert set(found) == {"caption_refused!"}
    assert model.probes == 1


A_CENTURY_S = 3.2e9


async def test_a_very_long_wait_that_the_model_server_names_to_some_requests_stops_no_other() -> (
    None
):
    """Its limit is that of one caller, or its header is nonsense."""
    model = ImageDependentCaptioner(RetryAfterTooLong(retry_after_s=A_CENTURY_S))
    captioner = FallbackCaptioner([model])
    for number in range(10):
        found = await outcomes(captioner, f"bad{number}", "good")
        assert found == ["model_unavailable", "caption"]
    assert captioner.circuit_states() == {"m": "closed"}


async def test_nobody_is_told_to_wait_for_a_century() -> None:
    image = normalised_image()
    image = replace(image, source=replace(image.source, sha256="bad"))
    model = ImageDependentCaptioner(RetryAfterTooLong(retry_after_s=A_CENTURY_S))
    with pytest.raises(ModelUnavailable) as caught:
        await FallbackCaptioner([model]).draft(image, draft_request(), Deadline.after(5.0))
    assert caught.value.retry_after_s == MAX_RETRY_AFTER_S


@pytest.mark.parametrize(
    ("wait_s", "works", "probes"),
    [(A_CENTURY_S, False, 1), (A_CENTURY_S, None, 1), (60.0, True, 0)],
)
async def test_a_wait_opens_the_breaker_at_once_where_it_is_usual_or_the_known_good_image_waits_too(
    wait_s: float, works: bool | None, probes: int
) -> None:
    model = ImageDependentCaptioner(RetryAfterTooLong(retry_after_s=wait_s), works)
    captioner = FallbackCaptioner([model])
    assert await outcomes(captioner, "bad", "good") == ["model_unavailable"] * 2
    assert (captioner.circuit_states(), model.probes) == ({"m": "open"}, probes)


async def test_a_very_long_wait_named_to_all_images_but_the_known_good_one_opens_the_breaker() -> (
    None
):
    """A limit by tokens may let the small picture pass."""
    model = ImageDependentCaptioner(RetryAfterTooLong(retry_after_s=A_CENTURY_S))
    captioner = FallbackCaptioner([model])
    await outcomes(captioner, *(f"bad{number}" for number in range(20)))
    assert captioner.circuit_states() == {"m": "open"}
    assert await outcome(captioner, "good") == "model_unavailable"
    assert len(model.calls) == 20
