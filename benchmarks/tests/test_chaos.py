"""The chaos test: what counts as stood, and a short run of one attack on a real server."""

from dataclasses import replace

import pytest

from benchmarks.chaos import table
from benchmarks.chaos.attacks import ATTACKS
from benchmarks.chaos.run import Timing, measure, started_callers
from benchmarks.chaos.verdict import Row, Window


def window(*latencies_ms: float, **codes: int) -> Window:
    return Window(
        latencies_s=tuple(ms / 1000 for ms in latencies_ms),
        health_s=(0.001,),
        codes=codes or {"ok": len(latencies_ms)},
    )


STOOD = Row(
    name="an-attack",
    what="does something",
    alone=(window(10, 20), window(10, 30)),
    beside=window(10, 80),
    attacker_sent=5,
    attacker_codes={"ok": 1, "422 image_corrupt": 1, "429 rate_limited": 1, "503 overloaded": 1},
    peak_mib=1024,
)


def test_a_p99_of_twice_that_alone_plus_20_ms_is_stood() -> None:
    assert STOOD.alone_together().p99_ms() == pytest.approx(30)
    assert STOOD.limit_ms() == pytest.approx(80)
    assert STOOD.faults() == []


def test_a_higher_p99_is_not_stood() -> None:
    assert replace(STOOD, beside=window(10, 81)).faults() == ["p99 over 80 ms"]


def test_a_failure_of_the_good_caller_is_not_stood() -> None:
    row = replace(STOOD, beside=window(10, ok=1, overloaded=2))
    assert row.faults() == ["the good caller got 2 overloaded"]


@pytest.mark.parametrize("code", ["500 internal", "500", "502 model_error", "504 image_timeout"])
def test_a_5xx_that_the_contract_does_not_name_is_not_stood(code: str) -> None:
    row = replace(STOOD, attacker_codes={code: 3})
    assert row.faults() == [f"the attacker got 3 {code}"]


def test_a_timeout_that_the_attacker_brings_about_is_stood() -> None:
    row = replace(STOOD, attacker_codes={"504 model_timeout": 3})
    assert replace(row, allowed=frozenset({"model_timeout"})).faults() == []


def test_more_memory_than_promised_is_not_stood() -> None:
    assert replace(STOOD, peak_mib=1025).faults() == ["memory over 1024 MiB"]


def test_the_difference_of_the_windows_alone_is_reported_as_noise() -> None:
    assert "differ by 10 ms (median)" in table.summary([STOOD])


def test_there_are_forty_attacks_and_more() -> None:
    assert len(ATTACKS) >= 40
    assert all(name == attack.name and attack.what for name, attack in ATTACKS.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["check-long-texts", "model-wrong-types"])
def test_a_short_run_measures_both_callers(name: str) -> None:
    """What is measured is not compared: one second says nothing about the server."""
    with started_callers() as callers:
        row = measure(ATTACKS[name], callers, Timing(beside_s=1.0, alone_s=0.5))
    assert all(each.codes.get("ok") for each in (*row.alone, row.beside))
    assert all(each.health_s for each in (*row.alone, row.beside))
    assert row.attacker_sent > 0
    assert row.peak_mib > 50
    assert f"`{name}`" in table.markdown([row])
    assert table.to_json(row)["attacker"]["sent"] == row.attacker_sent
