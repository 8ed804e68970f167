"""Adaptive throttling in simulated time: near the rate that the server allows, few refusals."""

import math
from collections import deque
from collections.abc import Callable

import altwright as sdk
import pytest
from altwright import Caption
from altwright.caption_many import CaptionItem, CaptionManyScheduler, Outcome
from altwright.scheduler import Finished, Pull, Start
from altwright.throttle import AdaptiveThrottle


class TokenBucket:
    """Allows `rate_per_s` requests per second, and a burst of ten."""

    def __init__(self, rate_per_s: float) -> None:
        self.rate_per_s = rate_per_s
        self._tokens, self._at_s = 10.0, 0.0

    def admit(self, now_s: float) -> float | None:
        """None if a request is accepted now; else the seconds to wait."""
        self._tokens = min(10.0, self._tokens + (now_s - self._at_s) * self.rate_per_s)
        self._at_s = now_s
        if self._tokens < 1:
            return 1.0
        self._tokens -= 1
        return None


class MovingWindow:
    """Allows `amount` requests in any `seconds`, as the server does."""

    def __init__(self, amount: int, seconds: float) -> None:
        self.rate_per_s = amount / seconds
        self._amount, self._seconds = amount, seconds
        self._accepted_s: deque[float] = deque()

    def admit(self, now_s: float) -> float | None:
        """None if a request is accepted now; else the seconds to wait."""
        while self._accepted_s and self._accepted_s[0] <= now_s - self._seconds:
            self._accepted_s.popleft()
        if len(self._accepted_s) < self._amount:
            self._accepted_s.append(now_s)
            return None
        return max(1.0, math.ceil(self._accepted_s[0] + self._seconds - now_s))


RateLimit = TokenBucket | MovingWindow


class SimulatedRun:
    """caption_many against a rate limit that starts at `limited_from_s`, in simulated time."""

    def __init__(
        self, limit: RateLimit, *, limited_from_s: float, sends_retry_after: bool = True
    ) -> None:
        self.scheduler: CaptionManyScheduler[str] = CaptionManyScheduler(
            {}, concurrency=64, per_second=None, patience_s=600, max_retries=2
        )
        self.limit: RateLimit | None = limit
        self.limited_from_s = limited_from_s
        self.sends_retry_after = sends_retry_after
        self.accepted_s: list[float] = []
        self.refused_s: list[float] = []
        self.now_s = 0.0
        self._in_flight: list[tuple[float, CaptionItem[str], float | None]] = []
        """When each request ends, its item, and the seconds to wait if it is refused."""

    def run(self, until_s: float, *, latency_s: float = 0.5, refusal_s: float = 0.02) -> None:
        """Run until this time."""
        while self.now_s < until_s:
            action = self.scheduler.next_action(self.now_s)
            assert not isinstance(action, Finished)
            if isinstance(action, Pull):
                self.scheduler.add_item("https://images.example.com/mug.jpg")
            elif isinstance(action, Start):
                wait_s = None
                if self.limit is not None and self.now_s >= self.limited_from_s:
                    wait_s = self.limit.admit(self.now_s)
                took_s = latency_s if wait_s is None else refusal_s
                self._in_flight.append((self.now_s + took_s, action.item, wait_s))
            else:
                self._wait(action.timeout_s)

    def used_share(self, from_s: float) -> float:
        """Accepted requests since `from_s`, as a share of what the limit allows."""
        assert self.limit is not None
        count = sum(at_s > from_s for at_s in self.accepted_s)
        return count / (self.now_s - from_s) / self.limit.rate_per_s

    def refused_share(self) -> float:
        """Refused requests as a share of all requests since there is a limit."""
        accepted = sum(at_s > self.limited_from_s for at_s in self.accepted_s)
        return len(self.refused_s) / (accepted + len(self.refused_s))

    def _wait(self, timeout_s: float | None) -> None:
        self._in_flight.sort(key=lambda each: each[0])
        next_end_s = self._in_flight[0][0] if self._in_flight else math.inf
        timeout_at_s = math.inf if timeout_s is None else self.now_s + timeout_s
        self.now_s = min(next_end_s, timeout_at_s)
        if not self._in_flight or next_end_s > timeout_at_s:
            return
        _, item, wait_s = self._in_flight.pop(0)
        outcome: Outcome = CAPTION
        if wait_s is None:
            self.accepted_s.append(self.now_s)
        else:
            self.refused_s.append(self.now_s)
            retry_after_s = wait_s if self.sends_retry_after else None
            outcome = sdk.RateLimited("no", status=429, retry_after=retry_after_s)
        self.scheduler.end_try(item, outcome, self.now_s, 0.5)


CAPTION = Caption(
    "a", "concise", "en", False, False, (), "m", sdk.Usage(None, None),
    sdk.ImageFacts(1, 1, "png", 1, "", 1, 1), {},
)  # fmt: skip


@pytest.mark.parametrize("sends_retry_after", [True, False])
@pytest.mark.parametrize(
    "make_limit",
    [lambda n=n: TokenBucket(n) for n in (5, 100)]
    + [lambda n=n: MovingWindow(n, 1) for n in (5, 60)],
)
def test_it_settles_near_the_allowed_rate_with_few_refusals(
    make_limit: Callable[[], RateLimit], sends_retry_after: bool
) -> None:
    run = SimulatedRun(make_limit(), limited_from_s=20.0, sends_retry_after=sends_retry_after)
    run.run(220.0)
    before = sum(2 < at_s <= 20 for at_s in run.accepted_s)
    assert before / 18 > 0.95 * 64 / 0.5
    assert 0.88 < run.used_share(from_s=50) < 1.02
    assert run.refused_share() < 0.05


@pytest.mark.parametrize(("sends_retry_after", "least"), [(True, 0.95), (False, 0.7)])
@pytest.mark.parametrize("amount", [600, 3600])
def test_a_limit_per_minute_is_used_up_and_not_exceeded(
    amount: int, sends_retry_after: bool, least: float
) -> None:
    """Without Retry-After, a pause that was too short does not lower the rate."""
    limit = MovingWindow(amount, 60)
    run = SimulatedRun(limit, limited_from_s=20.0, sends_retry_after=sends_retry_after)
    run.run(620.0)
    assert least < run.used_share(from_s=80) < 1.02
    assert run.refused_share() < 0.05


def test_the_rate_recovers_soon_after_the_limit_is_gone() -> None:
    run = SimulatedRun(TokenBucket(40.0), limited_from_s=10.0)
    run.run(60.0)
    assert run.scheduler.throttle.rate_per_s < 60
    run.limit = None
    run.run(180.0)
    assert sum(at_s > 170 for at_s in run.accepted_s) / 10 > 0.9 * 64 / 0.5


def test_a_refusal_of_a_request_from_before_a_cut_does_not_cut_again() -> None:
    throttle = AdaptiveThrottle(concurrency=64, per_second=None)
    for number in range(64):
        throttle.record_start(number * 0.001)
    throttle.record_refused(0.0, 1.0, 0.1, 0.5)
    rate_per_s = throttle.rate_per_s
    throttle.record_refused(0.05, 1.0, 0.11, 0.5)
    assert throttle.rate_per_s == rate_per_s
    assert throttle.delay_s(0.2) == pytest.approx(0.91)


def test_after_a_pause_that_was_too_short_one_request_at_a_time_is_tried() -> None:
    """Nothing was accepted since the last cut, so the rate is not the reason."""
    throttle = AdaptiveThrottle(concurrency=64, per_second=None)
    throttle.record_start(0.0)
    throttle.record_refused(0.0, None, 0.1, 0.5)
    rate_per_s = throttle.rate_per_s
    throttle.record_start(5.0)
    throttle.record_refused(5.0, None, 5.1, 0.5)
    assert throttle.rate_per_s == pytest.approx(rate_per_s, rel=0.2)
    assert throttle.max_in_flight == 1
    throttle.record_start(9.0)
    throttle.record_accepted(9.0, 9.5)
    assert throttle.max_in_flight > 1
