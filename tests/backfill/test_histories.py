"""Random histories: people, commands, kills and faults take turns, and an oracle looks after each.

More of them: python -m benchmarks.histories.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from testing.histories.caption_stub import CaptionStub, PaidText
from testing.histories.catalogue import Options, image_of
from testing.histories.command import load_modules
from testing.histories.command_result import CommandResult
from testing.histories.machine_text import make_text
from testing.histories.oracle import MadeDecision, Oracle, Record
from testing.histories.run_history import run_history
from testing.servers.redis import RedisServer

pytestmark = pytest.mark.filterwarnings(
    # The stub's thread holds no lock that a forked child waits for.
    "ignore:This process .* is multi-threaded:DeprecationWarning",
    # Celery says so of a worker in a container; forked children have the test's filters.
    "ignore:You.re running the worker with superuser privileges",
)


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaptionStub]:
    """The stub of the API, and a process that has imported what the command imports."""
    stub = CaptionStub()
    load_modules(stub, tmp_path_factory.mktemp("histories"))
    yield stub
    stub.close()


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["sqlite", "csv", "jsonl", "parquet"])
def test_a_history_loses_no_text_and_pays_for_none_twice(
    kind: str, seed: int, stub: CaptionStub
) -> None:
    result = run_history(seed, kind, stub)
    assert not result.faults, "\n".join([*result.steps, *result.faults])


def test_a_column_stays_the_users_own_when_a_run_has_filled_every_row(stub: CaptionStub) -> None:
    # In the table of this seed people have a column `search_text` in rows that a run fills.
    result = run_history(1008, "sqlite", stub)
    assert any("own-search_text" in step for step in result.steps)
    assert not result.faults, "\n".join([*result.steps, *result.faults])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "csv", "jsonl", "parquet"])
def test_eight_histories_lose_no_text(kind: str, stub: CaptionStub) -> None:
    results = [run_history(seed, kind, stub) for seed in range(2001, 2009)]
    assert {result.seed: result.faults for result in results if result.faults} == {}
    assert sum(result.kills for result in results) > 0
    steps = [step for result in results for step in result.steps]
    assert any("during the next command" in step for step in steps)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_histories_of_a_server_lose_no_text(
    kind: str, stub: CaptionStub, request: pytest.FixtureRequest
) -> None:
    url: str = request.getfixturevalue("mysql" if kind == "mariadb" else "postgresql")
    results = [run_history(seed, kind, stub, url) for seed in range(2001, 2006)]
    assert {result.seed: result.faults for result in results if result.faults} == {}


@pytest.mark.slow
def test_histories_over_a_queue_lose_no_text(
    stub: CaptionStub, postgresql: str, redis_server: RedisServer
) -> None:
    results = [
        run_history(seed, "queue", stub, postgresql, redis_server.url) for seed in (2001, 2002)
    ]
    assert {result.seed: result.faults for result in results if result.faults} == {}


# The oracle itself

OPTIONS = Options("csv", ("concise", "seo"), ("en", "de"), "integer", ["alt"])
ROW: Record = {
    "_uid": "u1", "id": "1", "image_url": image_of("ok-1"), "title": "Mug", "note": "n", "alt": "",
}  # fmt: skip


def _oracle() -> Oracle:
    oracle = Oracle(replace(OPTIONS), cell_texts={"Human words 1"})
    oracle.note_rows([ROW, {**ROW, "title": "Renamed"}])
    return oracle


@pytest.mark.parametrize("name", ["alt", "seo", "alt_de", "seo_de"])
def test_the_oracle_accepts_a_text_where_it_belongs(name: str) -> None:
    oracle = _oracle()
    text = make_text("ok-1", *OPTIONS.fields[name], "Renamed", 1)
    oracle.check_row(ROW, ROW, {**ROW, name: text}, "x")
    assert not oracle.faults


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", make_text("ok-2", "concise", "en", "Mug", 1), "another picture"),
        ("", make_text("ok-1", "concise", "de", "Mug", 1), "a text in concise de"),
        ("", make_text("ok-1", "concise", "en", "Cup", 1), "another title"),
        ("", "Words of nobody", "nobody decided"),
        ("Human words 1", make_text("ok-1", "concise", "en", "Mug", 1), "a person's"),
        ("Human words 1", "", "a person's"),
        (make_text("ok-1", "concise", "en", "Mug", 1), "", "emptied"),
    ],
    ids=["picture", "locale", "title", "nobody", "replaced", "person-emptied", "emptied"],
)
def test_the_oracle_finds_a_text_that_is_wrong(before: str, after: str, said: str) -> None:
    oracle = _oracle()
    oracle.check_row(ROW, {**ROW, "alt": before}, {**ROW, "alt": after}, "x")
    assert said in "".join(oracle.faults)


def test_the_oracle_finds_a_decision_that_went_to_another_picture() -> None:
    oracle = _oracle()
    oracle.decisions.append(
        MadeDecision("d", "1", ("u1",), "ok-1", "1", "edit", "", {"alt": "Human words 2"})
    )
    oracle.check_row(ROW, ROW, {**ROW, "alt": "Human words 2"}, "x")
    assert not oracle.faults
    other = {**ROW, "image_url": image_of("ok-3")}
    oracle.check_row(other, other, {**other, "alt": "Human words 2"}, "x")
    assert "nobody decided" in "".join(oracle.faults)


def test_the_oracle_finds_a_text_in_bytes_that_is_replaced() -> None:
    oracle = _oracle()
    text = make_text("ok-1", "concise", "en", "Mug", 1)
    oracle.check_row(ROW, {**ROW, "alt": b"Human words 1"}, {**ROW, "alt": text.encode()}, "x")
    assert "a person's" in "".join(oracle.faults)


def test_columns_of_a_persons_own_are_not_the_products() -> None:
    oracle = _oracle()
    oracle.options.variant = "own-reasons"
    oracle.check_row(ROW, {**ROW, "reasons": None}, {**ROW, "reasons": "held: x"}, "x")
    assert "u1.reasons was None, is 'held: x'" in "".join(oracle.faults)


def test_the_oracle_finds_a_cell_that_is_not_the_products() -> None:
    oracle = _oracle()
    oracle.check_row(ROW, ROW, {**ROW, "note": "m"}, "x")
    assert "u1.note was 'n', is 'm'" in "".join(oracle.faults)


def test_the_oracle_finds_a_text_that_is_paid_for_twice() -> None:
    paid = [PaidText(n, image_of("ok-1"), "Mug", "null", "concise", "en") for n in (1, 2)]
    oracle = _oracle()
    oracle.check_payment(paid, 1)
    assert "paid twice, in commands 1 and 2" in "".join(oracle.faults)
    after_a_kill = _oracle()
    after_a_kill.lossy.add(1)
    after_a_kill.check_payment(paid, 1)
    assert not after_a_kill.faults


@pytest.mark.parametrize(
    ("code", "err"), [(70, ""), (0, "altwright: this is a bug (KeyError)"), (3, "")]
)
def test_the_oracle_finds_a_bug_of_the_command(code: int, err: str) -> None:
    oracle = _oracle()
    oracle.check_result(CommandResult(("backfill",), code, "", err, 1))
    assert oracle.faults
