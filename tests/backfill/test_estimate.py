"""An estimate is what a run then costs: calls of twelve texts, and a mean of what was measured."""

import pytest
from altwright.backfill.caption_options import CaptionOptions
from altwright.backfill.request_item import RequestItem
from altwright.backfill.run_state import PendingRequest
from altwright.backfill.types import RequestResult, Row, TextResult

from testing.catalogue import BackfillCommand, blank_row, write_csv
from testing.servers.altwright import Altwright
from testing.servers.flaky_model_server import FlakyModelServer

CSV = ("in.csv", "--to", "out.csv")
MANY = ("--styles", "concise,seo", "--locales", "en,de,fr,es,it,hr,sl")


@pytest.mark.parametrize(
    ("styles", "locales", "calls"), [(1, 1, 1), (2, 6, 1), (2, 7, 2), (3, 5, 2), (1, 14, 2)]
)
def test_the_calls_of_a_picture_are_counted_by_twelve_texts(
    styles: int, locales: int, calls: int
) -> None:
    options = CaptionOptions(
        tuple(f"s{n}" for n in range(styles)), tuple(f"l{n}" for n in range(locales))
    )
    pending = PendingRequest("k", Row("1", "https://a.example/1.jpg"), 1, None)
    assert RequestItem(pending, options).count_calls() == calls


def test_texts_that_are_paid_for_are_not_counted_again() -> None:
    earlier = RequestResult((TextResult("concise", "en", "A mug.", input_tokens=9),))
    pending = PendingRequest("k", Row("1", "https://a.example/1.jpg"), 1, earlier)
    item = RequestItem(pending, CaptionOptions(("concise", "seo"), ("en", "de")))
    assert (item.count_texts(), item.count_calls()) == (3, 2)


def test_fourteen_texts_a_picture_are_two_calls_in_the_estimate_and_in_the_run(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [blank_row(n, flaky_model.image_url(n)) for n in range(1, 4)]
    write_csv(command.folder / "in.csv", rows)
    estimate = command.run_json(*CSV, *MANY, "--estimate")
    assert (estimate["calls"], estimate["input_tokens"]) == (6, 3 * 14 * 1_500)
    assert command.run_json(*CSV, *MANY)["calls"] == 6


def test_failed_and_uncertain_pictures_do_not_make_the_rest_look_cheaper(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    flaky_model.behaviour.uncertain_every = 2
    names = [*range(1, 41), *(f"missing-{n}" for n in range(20)), *range(101, 111)]
    rows = [blank_row(n, flaky_model.image_url(name)) for n, name in enumerate(names, 1)]
    write_csv(command.folder / "in.csv", rows)
    command.run_json(*CSV, "--limit", "60", exit_code=1)
    estimate = command.run_json(*CSV, "--estimate")
    assert estimate["tokens_are_measured"]
    assert estimate["calls"] == 10 + 20  # pictures that were missing are asked for again
    assert estimate["input_tokens"] == 30 * 1_000


def test_a_pilot_of_one_picture_measures_what_the_rest_costs(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    rows = [blank_row(n, flaky_model.image_url(n)) for n in range(1, 11)]
    write_csv(command.folder / "in.csv", rows)
    assumed = command.run_json(*CSV, "--estimate")
    assert (assumed["tokens_are_measured"], assumed["input_tokens"]) == (False, 10 * 1_500)
    command.run_json(*CSV, "--limit", "1")
    measured = command.run_json(*CSV, "--estimate")
    assert (measured["tokens_are_measured"], measured["input_tokens"]) == (True, 9 * 1_000)


def test_before_a_pilot_the_server_says_what_a_picture_takes_and_costs(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    """By the formula of the provider; the operator's price where the command names none."""
    rows = [blank_row(n, flaky_model.image_url(n)) for n in range(1, 11)]
    write_csv(command.folder / "in.csv", rows)
    settings = {
        "MODEL": "gpt-5.6-luna",
        "MODEL_BASE_URL": flaky_model.base_url,
        "MODEL_PROVIDER": "openai",
        "MODEL_PRICE": '{"input": 0.2, "output": 1.2, "currency": "USD"}',
    }
    with Altwright(**settings) as server:
        url = ("--base-url", server.url)
        estimate = command.run_json(*CSV, *url, "--estimate")
        assert (estimate["tokens_are"], estimate["input_tokens"]) == ("formula", 10 * (1_323 + 300))
        assert estimate["money"] == round((16_230 * 0.2 + 400 * 1.2) / 1_000_000, 2)
        own = command.run_json(*CSV, *url, "--estimate", "--price-in", "1000")
        assert own["money"] == 16.23
        assert estimate["is_without_thinking"] is True
        assert "thinks before it writes" in command.run(*CSV, *url, "--estimate").stdout
    with Altwright(**settings, MODEL_PARAMS='{"reasoning_effort": "none"}') as server:
        estimate = command.run_json(*CSV, "--base-url", server.url, "--estimate")
        assert estimate["is_without_thinking"] is False


def test_without_a_server_the_tokens_are_assumed(
    command: BackfillCommand, flaky_model: FlakyModelServer
) -> None:
    write_csv(command.folder / "in.csv", [blank_row(1, flaky_model.image_url(1))])
    url = ("--base-url", "http://127.0.0.1:1")
    estimate = command.run_json(*CSV, *url, "--estimate")
    assert (estimate["tokens_are"], estimate["input_tokens"]) == ("assumed", 1_500)
