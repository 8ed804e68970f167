"""A report adds up what was counted, and says what is not known."""

from decimal import Decimal

from app.token_use import UNKNOWN_TOKEN_USE, TokenPrice, TokenUse
from app.usage.months import Month
from app.usage.report import UsageReport
from app.usage.request_usage import RequestUsage
from app.usage.store import KeyMonth

NOVEMBER = Month(2026, 11)
CHEAP = TokenPrice(Decimal("0.15"), Decimal("0.60"), "USD")


def report_of(*requests: RequestUsage) -> UsageReport:
    counts: dict[str, int] = {}
    for request in requests:
        for name, count in request.counts().items():
            counts[name] = counts.get(name, 0) + count
    return UsageReport.of(KeyMonth("shop", NOVEMBER), counts)


def caption(*uses: TokenUse) -> RequestUsage:
    request = RequestUsage(NOVEMBER, makes_captions=True)
    request.add_caption(uses, is_decorative=False)
    return request


def test_captions_are_counted_by_outcome_and_requests_once() -> None:
    request = RequestUsage(NOVEMBER, makes_captions=True)
    request.add_caption((), is_decorative=False)
    request.add_caption((), is_decorative=True)
    request.add_problem("caption_rejected")
    report = report_of(request, caption())
    assert report.requests == 2
    assert report.captions == {"caption": 2, "caption_rejected": 1, "decorative": 1}
    assert report.delivered == 3


def test_a_check_of_a_text_is_a_request_without_captions() -> None:
    request = RequestUsage(NOVEMBER, makes_captions=False)
    request.add_problem("overloaded")
    assert request.counts() == {"requests": 1}


def test_a_cost_is_exact_and_each_price_counts_for_its_own_tokens() -> None:
    """Two replicas may have different prices, and one its price in another notation."""
    dear = TokenPrice(Decimal(3), Decimal(15), "USD")
    same = TokenPrice(Decimal("0.150"), Decimal("0.6"), "USD")
    report = report_of(
        caption(TokenUse(1_000_001, 7, CHEAP), TokenUse(1, 0, same)),
        caption(TokenUse(100, 10, dear)),
    )
    assert report.costs == {
        "USD": Decimal("0.15") * 1_000_002 / 1_000_000
        + Decimal("0.60") * 7 / 1_000_000
        + Decimal(3) * 100 / 1_000_000
        + Decimal(15) * 10 / 1_000_000
    }
    assert (report.input_tokens, report.output_tokens) == (1_000_102, 17)
    assert (report.unknown_tokens, report.unknown_cost) == (0, 0)


def test_prices_in_two_currencies_are_not_added() -> None:
    report = report_of(
        caption(TokenUse(1_000_000, 0, CHEAP)),
        caption(TokenUse(1_000_000, 0, TokenPrice(Decimal(1), Decimal(1), "EUR"))),
    )
    assert report.costs == {"EUR": Decimal(1), "USD": Decimal("0.15")}


def test_tokens_that_the_model_server_does_not_tell_are_counted_as_unknown() -> None:
    report = report_of(
        caption(TokenUse(100, 5, CHEAP), UNKNOWN_TOKEN_USE),
        caption(TokenUse(None, 5, CHEAP)),
        caption(),
    )
    assert (report.input_tokens, report.output_tokens) == (100, 10)
    assert (report.unknown_tokens, report.unknown_cost) == (2, 2)


def test_tokens_without_a_price_have_an_unknown_cost_and_no_tokens_cost_nothing() -> None:
    report = report_of(caption(TokenUse(100, 5)), caption(TokenUse(0, 0)))
    assert (report.unknown_tokens, report.unknown_cost, report.costs) == (0, 1, {})


def test_a_request_without_an_answer_may_have_cost_tokens_once_the_work_began() -> None:
    """The client left, or a bug ended it."""
    early, late, broken = (RequestUsage(NOVEMBER, makes_captions=True) for _ in range(3))
    late.begin_work()
    for request in (early, late):
        request.add_client_gone()
    broken.begin_work()
    broken.add_internal_error()
    report = report_of(early, late, broken)
    assert report.captions == {"client_gone": 2, "internal": 1}
    assert report.unknown_tokens == 2


def test_fields_that_nobody_here_wrote_are_no_error() -> None:
    report = UsageReport.of(KeyMonth("shop", NOVEMBER), {"price USD": 5, "x": 1, "": 2})
    assert report.costs == {}
