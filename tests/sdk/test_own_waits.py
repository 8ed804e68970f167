"""A Retry-After that concerns one image of caption_many keeps no other image waiting."""

from typing import Any

from altwright import ImageUnreachable
from altwright.caption_many import CaptionItem, CaptionManyScheduler, Outcome
from altwright.models import Caption, ImageFacts, Usage
from altwright.scheduler import Finished, Pull, Start, Wait

CAPTION = Caption(
    "a", "concise", "en", False, False, (), "m", Usage(None, None),
    ImageFacts(1, 1, "png", 1, "", 1, 1), {},
)  # fmt: skip


def unreachable(retry_after: float) -> ImageUnreachable:
    """An origin that asks to wait."""
    return ImageUnreachable("origin", status=502, code="image_unreachable", retry_after=retry_after)


class Many:
    """A call of caption_many on a simulated clock; tries take no time."""

    def __init__(self, outcomes: dict[str, list[Outcome]]) -> None:
        self.now_s = 0.0
        self.ended: list[tuple[float, str, Outcome]] = []
        self._outcomes = outcomes
        self._scheduler: CaptionManyScheduler[Any] = CaptionManyScheduler(
            {}, concurrency=2, per_second=None, patience_s=300, max_retries=2
        )

    def run(self) -> None:
        """To its end."""
        items = iter(self._outcomes)
        while not isinstance(action := self._scheduler.next_action(self.now_s), Finished):
            if isinstance(action, Pull):
                self._scheduler.pull_from(items)
            elif isinstance(action, Start):
                self._try(action.item)
            elif isinstance(action, Wait):
                assert action.timeout_s is not None
                self.now_s += action.timeout_s

    def _try(self, item: CaptionItem[Any]) -> None:
        given = self._outcomes[item.item]
        outcome = given.pop(0) if len(given) > 1 else given[0]
        ended = self._scheduler.end_try(item, outcome, self.now_s, 0.0)
        if ended is not None:
            self.ended.append((self.now_s, item.item, ended))


def test_images_that_wait_for_their_origin_come_last_and_the_others_go_on() -> None:
    waiting = {f"w{n}": [unreachable(200.0), CAPTION] for n in range(30)}
    many = Many({**waiting, **{f"n{n}": [CAPTION] for n in range(30)}})
    many.run()
    assert [name for _, name, _ in many.ended[:30]] == [f"n{n}" for n in range(30)]
    assert many.ended[29][0] == 0.0
    assert all(outcome is CAPTION for _, _, outcome in many.ended)
    assert many.now_s == 200.0


def test_an_image_that_should_wait_longer_than_patience_ends_with_its_retry_after() -> None:
    many = Many({"w": [unreachable(3_600.0)], "n": [CAPTION]})
    many.run()
    [(at_s, name, outcome), _] = many.ended
    assert (at_s, name) == (0.0, "w")
    assert isinstance(outcome, ImageUnreachable)
    assert outcome.retry_after == 3_600.0


def test_the_waits_of_one_image_end_with_patience() -> None:
    many = Many({"w": [unreachable(200.0)]})
    many.run()
    assert many.now_s == 200.0
