"""When a circuit breaker trips, probes and resets."""

from app.captioning.circuit_breaker import CircuitBreaker, CircuitBreakerSettings


class Clock:
    """A clock in seconds that a test advances."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def closed_breaker() -> tuple[CircuitBreaker, Clock]:
    """Trips after three failures; stays open for 5, 10, 20 and at most 30 seconds."""
    clock = Clock()
    return CircuitBreaker(CircuitBreakerSettings(3, 5.0, 30.0), clock), clock


def acquire(breaker: CircuitBreaker) -> int:
    """A permit, which must be given."""
    permit = breaker.acquire()
    assert permit is not None
    return permit


def fail(breaker: CircuitBreaker, retry_after_s: float | None = None) -> bool:
    """One call that fails. Whether it tripped the breaker."""
    return breaker.record_failure(acquire(breaker), retry_after_s)


def open_breaker() -> tuple[CircuitBreaker, Clock]:
    """A breaker that has just tripped."""
    breaker, clock = closed_breaker()
    assert [fail(breaker) for _ in range(3)] == [False, False, True]
    return breaker, clock


def test_failures_in_a_row_trip_it() -> None:
    """No call passes until the pause is over; callers get its length, but at least a second."""
    breaker, clock = open_breaker()
    assert (breaker.state, breaker.acquire(), breaker.retry_after_s()) == ("open", None, 5.0)
    clock.now_s += 4.9
    assert breaker.acquire() is None
    assert breaker.retry_after_s() == 1.0


def test_a_success_between_failures_keeps_it_closed() -> None:
    """Only failures in a row count."""
    breaker, _ = closed_breaker()
    for _ in range(5):
        fail(breaker)
        fail(breaker)
        assert not breaker.record_success(acquire(breaker))
    assert breaker.state == "closed"


def test_a_request_error_neither_counts_nor_ends_a_row_of_failures() -> None:
    """Unusual images do not trip it, nor hide that the captioner fails."""
    breaker, _ = closed_breaker()
    for _ in range(10):
        assert not breaker.record_request_error(acquire(breaker))
    assert breaker.state == "closed"
    fail(breaker)
    fail(breaker)
    breaker.record_request_error(acquire(breaker))
    assert fail(breaker)


def test_after_the_pause_one_probe_alone_may_pass() -> None:
    """The state is half-open before the probe, so that traffic comes at all."""
    breaker, clock = open_breaker()
    clock.now_s += 5
    assert breaker.state == "half_open"
    probe = acquire(breaker)
    assert (breaker.acquire(), breaker.state, breaker.retry_after_s()) == (None, "half_open", 1.0)
    assert breaker.record_success(probe)
    assert (breaker.state, breaker.retry_after_s()) == ("closed", None)
    assert breaker.acquire() is not None


def test_a_probe_with_a_request_error_resets_it() -> None:
    """A 400 shows that the server is back."""
    breaker, clock = open_breaker()
    clock.now_s += 5
    assert breaker.record_request_error(acquire(breaker))
    assert breaker.state == "closed"


def test_each_failed_probe_doubles_the_pause_up_to_the_maximum() -> None:
    """5, 10, 20, then 30 seconds; a success begins with 5 again."""
    breaker, clock = open_breaker()
    for pause_s in (5.0, 10.0, 20.0, 30.0, 30.0):
        assert breaker.retry_after_s() == pause_s
        clock.now_s += pause_s
        assert fail(breaker)
    clock.now_s += 30
    breaker.record_success(acquire(breaker))
    assert [fail(breaker) for _ in range(3)] == [False, False, True]
    assert breaker.retry_after_s() == 5.0


def test_a_released_probe_lets_the_next_one_pass() -> None:
    """Its caller disconnected, so it has no outcome."""
    breaker, clock = open_breaker()
    clock.now_s += 5
    breaker.release(acquire(breaker))
    assert breaker.acquire() is not None


def test_a_retry_after_trips_it_at_once() -> None:
    """For that time."""
    breaker, clock = closed_breaker()
    assert fail(breaker, retry_after_s=20)
    assert (breaker.state, breaker.retry_after_s()) == ("open", 20)
    clock.now_s += 20
    assert breaker.state == "half_open"


def test_a_retry_after_of_a_day_is_an_hour_to_callers_and_probed_earlier() -> None:
    """A quota may be raised before."""
    breaker, clock = closed_breaker()
    fail(breaker, retry_after_s=86_400)
    assert breaker.retry_after_s() == 3_600
    clock.now_s += 30
    assert breaker.state == "half_open"
    assert fail(breaker, retry_after_s=86_370)
    assert (breaker.state, breaker.retry_after_s()) == ("open", 3_600)


def test_outcomes_of_calls_from_before_a_trip_are_ignored() -> None:
    """64 calls are in flight when it trips: their failures and successes do not count."""
    breaker, clock = closed_breaker()
    permits = [acquire(breaker) for _ in range(64)]
    trips = [breaker.record_failure(permit) for permit in permits[:60]]
    assert trips.count(True) == 1
    assert breaker.retry_after_s() == 5.0
    assert not breaker.record_success(permits[60])
    assert breaker.state == "open"
    clock.now_s += 5
    probe = acquire(breaker)
    breaker.release(permits[61])
    assert breaker.acquire() is None  # the probe is still in flight
    assert breaker.record_success(probe)
