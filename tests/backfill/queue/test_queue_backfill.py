"""A backfill over Celery on real brokers, with workers that are killed: the promises hold."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from altwright.backfill.queue.app import enqueue, producer
from altwright.cli.main import run as command_line

from testing.catalogue import Command
from testing.fleet import Fleet, make_products, query, states
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from testing.servers.rabbitmq import RabbitQueue
from testing.servers.redis import RedisServer

WORKER = ["--concurrency", "4", "--timeout", "15"]


class Place:
    """A broker's queue and a database, and the words that name them."""

    def __init__(self, broker: str, name: str, database: str, command: Command) -> None:
        self.broker, self.name, self.database = broker, name, database
        self.command = command

    def fleet(self, count: int, *words: str) -> Fleet:
        """Workers at it."""
        secrets = {"ALTWRIGHT_BROKER_URL": self.broker, "ALTWRIGHT_DATABASE_URL": self.database}
        names = [*WORKER, "--queue-name", self.name, *words]
        return Fleet(
            count, names, {**self.command.env, **secrets}, self.command.folder / "worker.log"
        )

    def log(self) -> str:
        """What the workers said."""
        return (self.command.folder / "worker.log").read_text()

    @property
    def words(self) -> list[str]:
        """Of the command that feeds it."""
        return [self.database, "--table", "products", "--queue", "celery", "--broker", self.broker,
                "--queue-name", self.name, "--again-after", "3"]  # fmt: skip


@pytest.fixture
def redis_place(redis_server: RedisServer, postgresql: str, command: Command) -> Place:
    """Redis and PostgreSQL."""
    return Place(redis_server.url, "altwright", postgresql, command)


@pytest.fixture
def rabbit_place(rabbit_queue: RabbitQueue, postgresql: str, command: Command) -> Place:
    """RabbitMQ and PostgreSQL."""
    return Place(rabbit_queue.url, rabbit_queue.name, postgresql, command)


@pytest.fixture(params=["redis", "rabbit"])
def place(request: pytest.FixtureRequest) -> Place:
    """One broker, then the other."""
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


def test_workers_that_are_killed_lose_nothing_and_buy_little_twice(
    place: Place, flaky_model: FlakyModelServer
) -> None:
    """429s, resets and refusals, two workers killed with -9, the feeder too, an editor at work."""
    rows, kills = 60, 4
    (
        flaky_model.behaviour.rate_limit_probability,
        flaky_model.behaviour.reset_probability,
        flaky_model.behaviour.response_s,
    ) = 0.1, 0.05, 0.1
    flaky_model.behaviour.refused_every = 11
    make_products(place.database, flaky_model, rows)
    with place.fleet(2, "--timeout", "3", "--lease", "4") as fleet:
        feeder = place.command.start(*place.words)
        for number in range(kills):
            time.sleep(0.7)
            fleet.kill_one()
            edit(place.database, 20 + number)
        feeder.kill()
        feeder.wait()
        summary = place.command.summary(*place.words)
    found = states(place.database)
    edited = found.pop("human")
    assert 0 < edited <= kills
    assert found["rejected"] >= 4
    assert found == {"ai": rows - edited - found["rejected"], "rejected": found["rejected"]}
    assert summary["outcomes"]["failed"] == 0
    for alt, source in query(place.database, "SELECT alt, alt_source FROM products"):
        assert (
            alt == {"ai": CAPTION, "human": "A person wrote this.", "rejected": None}[str(source)]
        )
    # Each kill may cost what was in flight at it, and no more.
    twice = sum(count - 1 for count in flaky_model.log.captioned.values())
    assert twice <= kills * 4
    assert set(flaky_model.log.captioned) | set(range(11, rows, 11)) | edited_rows(
        place.database
    ) == set(range(1, rows + 1))


def edit(url: str, key: int) -> None:
    """An editor writes a text where there is none yet."""
    query(
        url,
        "UPDATE products SET alt = 'A person wrote this.', alt_source = 'human'"
        " WHERE id = :key AND coalesce(alt, '') = ''",
        key=key,
    )


def edited_rows(url: str) -> set[int]:
    """Where one did."""
    return {
        int(str(key)) for (key,) in query(url, "SELECT id FROM products WHERE alt_source = 'human'")
    }


def test_an_upload_hook_needs_a_key_alone(
    redis_place: Place, flaky_model: FlakyModelServer
) -> None:
    """A row that came after the run: in the same table, by the same task, with no command."""
    place = redis_place
    make_products(place.database, flaky_model, 1)
    with place.fleet(1), producer(place.broker, place.name) as app:
        assert place.command.summary(*place.words)["calls"] == 1
        for key, alt in ((2, None), (3, "A person wrote this.")):
            query(
                place.database,
                "INSERT INTO products (id, image_url, name, alt) VALUES (:id, :image, :name, :alt)",
                id=key, image=flaky_model.image_url(key), name=f"Mug, row-{key}", alt=alt,
            )  # fmt: skip
        for key in ("2", "2", "3", "77"):
            enqueue(app, "products", key)
        enqueue(app, "no such run", "2")
        wait_for(lambda: states(place.database)["ai"] == 2)
        wait_for(lambda: "no such run" in place.log())
    assert (flaky_model.log.captioned[2], flaky_model.log.captioned[3]) == (1, 0)
    assert "Traceback" not in place.log()
    assert place.command.summary(*place.words)["calls"] == 0


def test_a_wrong_key_stops_the_run_with_its_own_code(
    redis_place: Place, flaky_model: FlakyModelServer
) -> None:
    place = redis_place
    make_products(place.database, flaky_model, 5)
    with Fleet(1, [*WORKER, "--queue-name", place.name], {
        **place.command.env, "ALTWRIGHT_BROKER_URL": place.broker,
        "ALTWRIGHT_DATABASE_URL": place.database, "ALTWRIGHT_API_KEY": "wrong",
    }, place.command.folder / "worker.log"):  # fmt: skip
        summary = place.command.summary(*place.words, expect=77)
    assert summary["outcomes"]["pending"] == 5
    assert "wrong" not in place.log()


def test_a_run_of_a_queue_is_reviewed_and_applied_like_any_other(
    redis_place: Place,
    flaky_model: FlakyModelServer,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    place = redis_place
    flaky_model.behaviour.refused_every = 2
    make_products(place.database, flaky_model, 2)
    with place.fleet(1):
        words = [*place.words, "--hold-column", "name=nothing"]
        assert place.command.summary(*words, "--limit", "1")["outcomes"]["pending"] == 1
        place.command.summary(*words)
    journal = [place.database, "--run", "products"]
    page = tmp_path / "page.html"
    assert command_line(["review", *journal, "--to", str(page)]) == 0
    run = re.search(r'"journal": "([0-9a-f]{12})"', page.read_text())
    assert run is not None
    decided = [
        {"key": "1", "outcome": "ai", "shown": CAPTION, "decision": "edit", "text": "A mug."},
        {"key": "2", "outcome": "rejected", "shown": "", "decision": "blank", "text": ""},
    ]
    decided[1]["shown"] = json.loads(
        re.search(r'id="data">(.*?)</script>', page.read_text(), re.DOTALL)[1]  # type: ignore[index]
    )["items"][0]["text"]
    file = tmp_path / "decisions.json"
    file.write_text(json.dumps({"version": 1, "journal": run[1], "decisions": decided}))
    words = ["apply", str(file), "--journal", *journal]
    assert command_line([*words, "--dry-run"]) == 0
    assert command_line(words) == 0
    rows = query(place.database, "SELECT alt, alt_source FROM products ORDER BY id")
    assert rows == [("A mug.", "human-edited-ai"), (None, "rejected")]
    assert command_line(words) == 0
    assert "2 applied before" in capfd.readouterr().out


def test_what_cannot_be_fed_is_one_sentence(
    command: Command, flaky_model: FlakyModelServer, postgresql: str
) -> None:
    make_products(postgresql, flaky_model, 0)
    for words, sentence in (
        (["--queue", "sqs"], "--queue is celery"),
        (["--queue", "celery"], "Name the broker"),
        (["--queue", "celery", "--broker", "redis://u:secret@127.0.0.1:1/0"], "127.0.0.1:1 does"),
    ):
        done = command.run(postgresql, "--table", "products", *words)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert "secret" not in done.stderr


def test_a_queue_wants_a_database_of_many_machines(
    command: Command, flaky_model: FlakyModelServer
) -> None:
    url = f"sqlite:///{command.folder}/shop.db"
    make_products(url, flaky_model, 1)
    words = ["--table", "products", "--queue", "celery", "--broker", "redis://127.0.0.1:1/0"]
    done = command.run(url, *words)
    assert done.returncode == 2
    assert "PostgreSQL or MySQL" in done.stderr


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Until it is true."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)
