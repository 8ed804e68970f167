"""A captioner that fails again and again is left alone, and tried again by itself."""

from app.captioning.circuit_breaker import CircuitBreaker, CircuitBreakerSettings


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def breaker() -> tuple[CircuitBreaker, Clock]:
    """Opens after three failures; pauses 5, 10, 20 and at most 30 seconds."""
    clock = Clock()
    return CircuitBreaker(CircuitBreakerSettings(3, 5.0, 30.0), clock), clock


def fail(tried: CircuitBreaker, wait_s: float | None = None) -> bool:
    """One call that fails."""
    ticket = tried.admit()
    assert ticket is not None
    return tried.failed(ticket, wait_s)


def opened() -> tuple[CircuitBreaker, Clock]:
    """A breaker that has just opened."""
    tried, clock = breaker()
    assert [fail(tried) for _ in range(3)] == [False, False, True]
    return tried, clock


def test_failures_in_a_row_open_it() -> None:
    """Then nobody is admitted until the pause is over, and callers learn how long that is."""
    tried, clock = opened()
    assert (tried.state, tried.admit(), tried.wait_s()) == ("open", None, 5.0)
    clock.now_s += 4.9
    assert tried.admit() is None
    assert tried.wait_s() == 1.0  # never less, or callers come back at once


def test_a_success_between_failures_keeps_it_closed() -> None:
    """Only failures in a row count."""
    tried, _ = breaker()
    for _ in range(5):
        fail(tried)
        fail(tried)
        ticket = tried.admit()
        assert ticket is not None
        assert not tried.succeeded(ticket)
    assert tried.state == "closed"


def test_a_request_that_was_wrong_itself_neither_counts_nor_clears() -> None:
    """Odd pictures do not close the shop, nor hide that it is burning."""
    tried, _ = breaker()
    for _ in range(10):
        ticket = tried.admit()
        assert ticket is not None
        assert not tried.answered(ticket)
    assert tried.state == "closed"
    fail(tried)
    fail(tried)
    ticket = tried.admit()
    assert ticket is not None
    tried.answered(ticket)
    assert fail(tried)


def test_when_the_pause_is_over_one_request_alone_tries() -> None:
    """The state says half open before it comes, so that traffic comes at all."""
    tried, clock = opened()
    clock.now_s += 5
    assert tried.state == "half_open"
    ticket = tried.admit()
    assert ticket is not None
    assert (tried.admit(), tried.state, tried.wait_s()) == (None, "half_open", 1.0)
    assert tried.succeeded(ticket)
    assert (tried.state, tried.wait_s()) == ("closed", None)
    assert tried.admit() is not None


def test_a_probe_that_was_wrong_itself_closes_it() -> None:
    """A 400 shows that the server is back."""
    tried, clock = opened()
    clock.now_s += 5
    ticket = tried.admit()
    assert ticket is not None
    assert tried.answered(ticket)
    assert tried.state == "closed"


def test_each_failed_probe_doubles_the_pause_up_to_the_longest() -> None:
    """5, 10, 20, then 30 for ever; a success forgets them."""
    tried, clock = opened()
    for pause_s in (5.0, 10.0, 20.0, 30.0, 30.0):
        assert tried.wait_s() == pause_s
        clock.now_s += pause_s
        assert fail(tried)
    clock.now_s += 30
    ticket = tried.admit()
    assert ticket is not None
    tried.succeeded(ticket)
    assert [fail(tried) for _ in range(3)] == [False, False, True]
    assert tried.wait_s() == 5.0


def test_a_probe_whose_caller_goes_away_lets_the_next_one_try() -> None:
    """Nothing was learned, and nothing is stuck."""
    tried, clock = opened()
    clock.now_s += 5
    ticket = tried.admit()
    assert ticket is not None
    tried.set_aside(ticket)
    assert tried.admit() is not None


def test_a_wait_that_the_server_names_opens_it_at_once() -> None:
    """Until then, and callers are told that time."""
    tried, clock = breaker()
    assert fail(tried, wait_s=20)
    assert (tried.state, tried.wait_s()) == ("open", 20)
    clock.now_s += 20
    assert tried.state == "half_open"


def test_a_day_is_not_believed_but_told() -> None:
    """A probe tries earlier, because a quota may be raised; callers hear the server's own word."""
    tried, clock = breaker()
    fail(tried, wait_s=86_400)
    assert tried.wait_s() == 86_400
    clock.now_s += 30
    assert tried.state == "half_open"
    assert fail(tried, wait_s=86_370)
    assert (tried.state, tried.wait_s()) == ("open", 86_370)


def test_answers_to_calls_of_before_settle_nothing() -> None:
    """64 calls are in flight when it opens: neither their failures nor their luck counts now."""
    tried, clock = breaker()
    tickets = [tried.admit() for _ in range(64)]
    assert None not in tickets
    opening = [tried.failed(ticket) for ticket in tickets[:60] if ticket is not None]
    assert opening.count(True) == 1
    assert tried.wait_s() == 5.0
    assert tickets[60] is not None
    assert not tried.succeeded(tickets[60])
    assert tried.state == "open"
    clock.now_s += 5
    probe = tried.admit()
    assert tickets[61] is not None
    tried.set_aside(tickets[61])
    assert tried.admit() is None  # the probe is still out
    assert probe is not None
    assert tried.succeeded(probe)
