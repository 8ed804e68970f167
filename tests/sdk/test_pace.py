"""How fast caption_many asks: near what the server allows, with few refusals, in simulated time."""

import math
from collections import deque
from collections.abc import Callable

import altwright as sdk
import pytest
from altwright import Caption
from altwright.many import Finished, Many, Pull, Start, Wait
from altwright.throttle import AdaptiveThrottle


class Bucket:
    """Lets `per_s` in, and a burst of ten."""

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._tokens, self._at_s = 10.0, 0.0

    def wait_s(self, now_s: float) -> float | None:
        """None where one more may come in, and then it has."""
        self._tokens = min(10.0, self._tokens + (now_s - self._at_s) * self.per_s)
        self._at_s = now_s
        if self._tokens < 1:
            return 1.0
        self._tokens -= 1
        return None


class Window:
    """Lets so many in within any stretch of so many seconds, as the server does."""

    def __init__(self, amount: int, seconds: float) -> None:
        self.per_s = amount / seconds
        self._amount, self._seconds = amount, seconds
        self._came_s: deque[float] = deque()

    def wait_s(self, now_s: float) -> float | None:
        """None where one more may come in, and then it has."""
        while self._came_s and self._came_s[0] <= now_s - self._seconds:
            self._came_s.popleft()
        if len(self._came_s) < self._amount:
            self._came_s.append(now_s)
            return None
        return max(1.0, math.ceil(self._came_s[0] + self._seconds - now_s))


class Simulated:
    """A run of Many against a limit, without sockets, in a time of its own."""

    def __init__(self, limit: Bucket | Window, *, from_s: float, tells: bool = True) -> None:
        """`tells`: whether refusals carry Retry-After."""
        self.many: Many[str] = Many(
            {}, concurrency=64, per_second=None, patience_s=600, max_retries=2
        )
        self.limit: Bucket | Window | None = limit
        self.from_s = from_s
        self.tells = tells
        self.accepted: list[float] = []
        self.refused: list[float] = []
        self.now_s = 0.0
        self.flying: list[tuple[float, object, float | None]] = []

    def run(self, until_s: float, *, latency_s: float = 0.5, refusal_s: float = 0.02) -> None:
        while self.now_s < until_s:
            step = self.many.step(self.now_s)
            assert not isinstance(step, Finished)
            if isinstance(step, Pull):
                self.many.offer("https://images.example.com/mug.jpg")
            elif isinstance(step, Start):
                wait_s = None
                if self.limit is not None and self.now_s >= self.from_s:
                    wait_s = self.limit.wait_s(self.now_s)
                took_s = latency_s if wait_s is None else refusal_s
                self.flying.append((self.now_s + took_s, step.ticket, wait_s))
            else:
                assert isinstance(step, Wait)
                self._wait(step.seconds)

    def share(self, from_s: float) -> float:
        """What came through from then on, as a share of what the limit allows."""
        assert self.limit is not None
        came = sum(at_s > from_s for at_s in self.accepted)
        return came / (self.now_s - from_s) / self.limit.per_s

    def refusals(self) -> float:
        """The share of what was asked since there is a limit that was refused."""
        asked = sum(at_s > self.from_s for at_s in self.accepted) + len(self.refused)
        return len(self.refused) / asked

    def _wait(self, seconds: float | None) -> None:
        self.flying.sort(key=lambda each: each[0])
        landing_s = self.flying[0][0] if self.flying else math.inf
        waking_s = math.inf if seconds is None else self.now_s + seconds
        self.now_s = min(landing_s, waking_s)
        if not self.flying or landing_s > waking_s:
            return
        _, ticket, wait_s = self.flying.pop(0)
        outcome: Caption | sdk.RateLimited = CAPTION
        if wait_s is None:
            self.accepted.append(self.now_s)
        else:
            self.refused.append(self.now_s)
            retry_after_s = wait_s if self.tells else None
            outcome = sdk.RateLimited("no", status=429, retry_after=retry_after_s)
        self.many.ended(ticket, outcome, self.now_s, 0.5)  # type: ignore[arg-type]


CAPTION = Caption(
    "a", "concise", "en", False, False, (), "m", sdk.Usage(None, None),
    sdk.ImageFacts(1, 1, "png", 1, "", 1, 1), {},
)  # fmt: skip


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize(
    "make",
    [lambda n=n: Bucket(n) for n in (5, 100)] + [lambda n=n: Window(n, 1) for n in (5, 60)],
)
def test_it_settles_near_an_allowed_rate_with_few_refusals(
    make: Callable[[], Bucket | Window], tells: bool
) -> None:
    run = Simulated(make(), from_s=20.0, tells=tells)
    run.run(220.0)
    before = sum(2 < at_s <= 20 for at_s in run.accepted)
    assert before / 18 > 0.95 * 64 / 0.5
    assert 0.88 < run.share(from_s=50) < 1.02
    assert run.refusals() < 0.05


@pytest.mark.parametrize(("tells", "least"), [(True, 0.95), (False, 0.7)])
@pytest.mark.parametrize("amount", [600, 3600])
def test_a_limit_by_the_minute_is_used_up_and_no_more(
    amount: int, tells: bool, least: float
) -> None:
    """Where nobody says how long to wait, a pause that was too short is no reason to go slower."""
    run = Simulated(Window(amount, 60), from_s=20.0, tells=tells)
    run.run(620.0)
    assert least < run.share(from_s=80) < 1.02
    assert run.refusals() < 0.05


def test_it_is_fast_again_soon_after_the_limit_is_gone() -> None:
    run = Simulated(Bucket(40.0), from_s=10.0)
    run.run(60.0)
    assert run.many.pace.rate_per_s < 60
    run.limit = None
    run.run(180.0)
    assert sum(at_s > 170 for at_s in run.accepted) / 10 > 0.9 * 64 / 0.5


def test_what_was_sent_before_a_cut_does_not_cut_again() -> None:
    pace = AdaptiveThrottle(concurrency=64, per_second=None)
    for number in range(64):
        pace.started(number * 0.001)
    pace.refused(0.0, 1.0, 0.1, 0.5)
    rate = pace.rate_per_s
    pace.refused(0.05, 1.0, 0.11, 0.5)
    assert pace.rate_per_s == rate
    assert pace.wait_s(0.2) == pytest.approx(0.91)


def test_a_pause_that_was_too_short_is_tried_out_with_one() -> None:
    """Nothing came through since the last cut: the rate is not what is wrong."""
    pace = AdaptiveThrottle(concurrency=64, per_second=None)
    pace.started(0.0)
    pace.refused(0.0, None, 0.1, 0.5)
    rate = pace.rate_per_s
    pace.started(5.0)
    pace.refused(5.0, None, 5.1, 0.5)
    assert pace.rate_per_s == pytest.approx(rate, rel=0.2)
    assert pace.limit == 1
    pace.started(9.0)
    pace.accepted(9.0, 9.5)
    assert pace.limit > 1
