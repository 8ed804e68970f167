"""A backfill over Celery with real brokers: workers and feeder may be killed at any time."""

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from altwright.backfill.queue.app import TASK, enqueue, producer
from altwright.cli.main import run as command_line

from testing.catalogue import COMMAND, BackfillCommand, wait_until
from testing.products_table import count_alt_sources, create_products, run_sql
from testing.queue_workers import QueueWorkers
from testing.servers.flaky_model_server import CAPTION, FlakyModelServer
from testing.servers.rabbitmq import RabbitQueue
from testing.servers.redis import RedisServer

WORKER_OPTIONS = ["--concurrency", "4", "--timeout", "15"]


class QueueSetup:
    """A broker's queue and a database, with the options that name them."""

    def __init__(self, broker: str, name: str, database: str, command: BackfillCommand) -> None:
        self.broker, self.name, self.database = broker, name, database
        self.command = command

    def start_workers(self, count: int, *options: str) -> QueueWorkers:
        """Start workers for the queue."""
        urls = {"ALTWRIGHT_BROKER_URL": self.broker, "ALTWRIGHT_DATABASE_URL": self.database}
        all_options = [*WORKER_OPTIONS, "--queue-name", self.name, *options]
        env = {**self.command.env, **urls}
        return QueueWorkers(count, all_options, env, self.command.folder / "worker.log")

    def read_log(self) -> str:
        """The log of the workers."""
        return (self.command.folder / "worker.log").read_text()

    @property
    def feeder_arguments(self) -> list[str]:
        """Arguments of the command that feeds the queue."""
        return [self.database, "--table", "products", "--queue", "celery", "--broker", self.broker,
                "--queue-name", self.name, "--again-after", "3"]  # fmt: skip


@pytest.fixture
def redis_setup(redis_server: RedisServer, postgresql: str, command: BackfillCommand) -> QueueSetup:
    """Redis and PostgreSQL."""
    return QueueSetup(redis_server.url, "altwright", postgresql, command)


@pytest.fixture
def rabbit_setup(
    rabbit_queue: RabbitQueue, postgresql: str, command: BackfillCommand
) -> QueueSetup:
    """RabbitMQ and PostgreSQL."""
    return QueueSetup(rabbit_queue.url, rabbit_queue.name, postgresql, command)


@pytest.fixture(params=["redis", "rabbit"])
def queue_setup(request: pytest.FixtureRequest) -> QueueSetup:
    """Each broker in turn."""
    setup: QueueSetup = request.getfixturevalue(f"{request.param}_setup")
    return setup


@pytest.mark.slow
def test_killed_workers_lose_nothing_and_pay_at_most_for_calls_in_flight_twice(
    queue_setup: QueueSetup, flaky_model: FlakyModelServer
) -> None:
    """With rate limits, resets, refusals, SIGKILL for workers and feeder, and an editor."""
    rows, kills = 60, 4
    (
        flaky_model.behaviour.rate_limit_probability,
        flaky_model.behaviour.reset_probability,
        flaky_model.behaviour.response_s,
    ) = 0.1, 0.05, 0.1
    flaky_model.behaviour.refused_every = 11
    create_products(queue_setup.database, flaky_model, rows)
    with queue_setup.start_workers(2, "--timeout", "3", "--lease", "4") as workers:
        feeder = queue_setup.command.start(*queue_setup.feeder_arguments)
        for number in range(kills):
            time.sleep(0.7)
            workers.kill_one()
            fill_as_editor(queue_setup.database, 20 + number)
        feeder.kill()
        feeder.wait()
        summary = queue_setup.command.run_json(*queue_setup.feeder_arguments)
    found = count_alt_sources(queue_setup.database)
    edited = found.pop("human")
    assert 0 < edited <= kills
    assert found["rejected"] >= 4
    assert found == {"ai": rows - edited - found["rejected"], "rejected": found["rejected"]}
    assert summary["outcomes"]["failed"] == 0
    for alt, source in run_sql(queue_setup.database, "SELECT alt, alt_source FROM products"):
        assert (
            alt == {"ai": CAPTION, "human": "A person wrote this.", "rejected": None}[str(source)]
        )
    # Each kill may cost the calls in flight, and no more.
    paid_twice = sum(count - 1 for count in flaky_model.log.captioned.values())
    assert paid_twice <= kills * 4
    assert set(flaky_model.log.captioned) | set(range(11, rows, 11)) | keys_of_edited_rows(
        queue_setup.database
    ) == set(range(1, rows + 1))


def fill_as_editor(url: str, key: int) -> None:
    """Write a text into a row that has none, as an editor does."""
    run_sql(
        url,
        "UPDATE products SET alt = 'A person wrote this.', alt_source = 'human'"
        " WHERE id = :key AND coalesce(alt, '') = ''",
        key=key,
    )


def keys_of_edited_rows(url: str) -> set[int]:
    """Keys of rows that the editor filled."""
    return {
        int(str(key))
        for (key,) in run_sql(url, "SELECT id FROM products WHERE alt_source = 'human'")
    }


@pytest.mark.slow
def test_an_upload_hook_needs_only_a_key(
    redis_setup: QueueSetup, flaky_model: FlakyModelServer
) -> None:
    """A row that is added after the run is captioned by the same task without a command."""
    queue_setup = redis_setup
    create_products(queue_setup.database, flaky_model, 1)
    with queue_setup.start_workers(1), producer(queue_setup.broker, queue_setup.name) as app:
        assert queue_setup.command.run_json(*queue_setup.feeder_arguments)["calls"] == 1
        for key, alt in ((2, None), (3, "A person wrote this.")):
            run_sql(
                queue_setup.database,
                "INSERT INTO products (id, image_url, name, alt) VALUES (:id, :image, :name, :alt)",
                id=key, image=flaky_model.image_url(key), name=f"Mug, row-{key}", alt=alt,
            )  # fmt: skip
        for key in ("2", "2", "3", "77"):
            enqueue(app, "products", key)
        enqueue(app, "no such run", "2")
        wait_for(lambda: count_alt_sources(queue_setup.database)["ai"] == 2)
        wait_for(lambda: "no such run" in queue_setup.read_log())
    assert (flaky_model.log.captioned[2], flaky_model.log.captioned[3]) == (1, 0)
    assert "Traceback" not in queue_setup.read_log()
    assert queue_setup.command.run_json(*queue_setup.feeder_arguments)["calls"] == 0


@pytest.mark.slow
def test_a_wrong_key_stops_the_run_with_its_exit_code(
    redis_setup: QueueSetup, flaky_model: FlakyModelServer
) -> None:
    queue_setup = redis_setup
    create_products(queue_setup.database, flaky_model, 5)
    with QueueWorkers(1, [*WORKER_OPTIONS, "--queue-name", queue_setup.name], {
        **queue_setup.command.env, "ALTWRIGHT_BROKER_URL": queue_setup.broker,
        "ALTWRIGHT_DATABASE_URL": queue_setup.database, "ALTWRIGHT_API_KEY": "wrong",
    }, queue_setup.command.folder / "worker.log"):  # fmt: skip
        summary = queue_setup.command.run_json(*queue_setup.feeder_arguments, exit_code=77)
    assert summary["outcomes"]["pending"] == 5
    assert "wrong" not in queue_setup.read_log()


def test_a_queues_run_is_reviewed_and_applied(
    redis_setup: QueueSetup,
    flaky_model: FlakyModelServer,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    queue_setup = redis_setup
    flaky_model.behaviour.refused_every = 2
    create_products(queue_setup.database, flaky_model, 2)
    with queue_setup.start_workers(1):
        arguments = [*queue_setup.feeder_arguments, "--hold-column", "name=nothing"]
        assert queue_setup.command.run_json(*arguments, "--limit", "1")["outcomes"]["pending"] == 1
        queue_setup.command.run_json(*arguments)
    journal = [queue_setup.database, "--run", "products"]
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
    arguments = ["apply", str(file), "--journal", *journal]
    assert command_line([*arguments, "--dry-run"]) == 0
    assert command_line(arguments) == 0
    rows = run_sql(queue_setup.database, "SELECT alt, alt_source FROM products ORDER BY id")
    assert rows == [("A mug.", "human-edited-ai"), (None, "rejected")]
    assert command_line(arguments) == 0
    assert "2 applied before" in capfd.readouterr().out


@pytest.mark.slow
def test_a_broker_that_dies_while_it_is_fed_ends_the_run_with_75_and_the_rows_stay_pending(
    redis_setup: QueueSetup, redis_server: RedisServer, flaky_model: FlakyModelServer
) -> None:
    create_products(redis_setup.database, flaky_model, 3_000)
    process = subprocess.Popen(
        [COMMAND, "backfill", *redis_setup.feeder_arguments, "--patience", "0.05"],
        cwd=redis_setup.command.folder, env=redis_setup.command.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_until(lambda: count_queued(redis_setup.database) > 0, process)
    redis_server.stop()
    _, printed = process.communicate(timeout=120)
    assert process.returncode == 75, printed
    last = printed.splitlines()[-1]
    assert "does not respond" in last
    assert "the same command goes on" in last
    assert "Traceback" not in printed


@pytest.mark.slow
def test_a_feeder_survives_a_broker_that_restarts_empty(
    redis_setup: QueueSetup, redis_server: RedisServer, flaky_model: FlakyModelServer
) -> None:
    create_products(redis_setup.database, flaky_model, 60)
    feeder = redis_setup.command.start(*redis_setup.feeder_arguments)
    wait_until(lambda: count_queued(redis_setup.database) > 0, feeder)
    redis_server.stop()
    redis_server.start()
    with redis_setup.start_workers(1):
        assert feeder.wait(60) == 0
    assert count_alt_sources(redis_setup.database) == {"ai": 60}


def count_queued(url: str) -> int:
    """Rows on the queue, as the journal knows them."""
    with contextlib.suppress(sa.exc.ProgrammingError):  # before the tables are there
        [(number,)] = run_sql(url, "SELECT count(*) FROM altwright_rows WHERE state = 'queued'")
        return int(str(number))
    return 0


@pytest.mark.slow
def test_poisoned_messages_are_skipped_and_others_are_served(
    redis_setup: QueueSetup, flaky_model: FlakyModelServer
) -> None:
    create_products(redis_setup.database, flaky_model, 2)
    arguments = redis_setup.feeder_arguments
    with redis_setup.start_workers(1), producer(redis_setup.broker, redis_setup.name) as app:
        assert redis_setup.command.run_json(*arguments, "--limit", "1")["calls"] == 1
        for message in (
            [], ["products"], ["products", 1, 2], ["products", None], [{"run": 1}, ["1"]],
            ["products", "99999999999999999999999"], ["products", "1\0"], ["products", "x" * 9999],
            ["x" * 9999, "1"], ["products", ""],
        ):  # fmt: skip
            app.send_task(TASK, message)
        app.send_task(TASK, ["products", "1"], {"more": 1})
        app.send_task("altwright.no_such_task", ["products", "1"])
        assert redis_setup.command.run_json(*arguments)["outcomes"]["ai"] == 2
        wait_for(lambda: "row.skipped run='products' key=''" in redis_setup.read_log())
    log = redis_setup.read_log()
    assert "row.postponed" not in log
    assert log.count("message.skipped") == 6
    assert (flaky_model.log.captioned[1], flaky_model.log.captioned[2]) == (1, 1)


def test_a_wrong_queue_or_broker_is_refused_with_one_line(
    command: BackfillCommand, flaky_model: FlakyModelServer, postgresql: str
) -> None:
    create_products(postgresql, flaky_model, 0)
    for arguments, message in (
        (["--queue", "sqs"], "--queue is celery"),
        (["--queue", "celery"], "Name the broker"),
        (["--queue", "celery", "--broker", "sqs://key:secret@"], "--broker is redis://"),
        (
            ["--queue", "celery", "--broker", "redis://u:secret@127.0.0.1:1/0"],
            "127.0.0.1:1 does not respond",
        ),
    ):
        completed = command.run(postgresql, "--table", "products", *arguments)
        assert completed.returncode == 2
        assert message in completed.stderr
        assert "secret" not in completed.stderr


def test_a_queue_refuses_sqlite(command: BackfillCommand, flaky_model: FlakyModelServer) -> None:
    url = f"sqlite:///{command.folder}/shop.db"
    create_products(url, flaky_model, 1)
    arguments = ["--table", "products", "--queue", "celery", "--broker", "redis://127.0.0.1:1/0"]
    completed = command.run(url, *arguments)
    assert completed.returncode == 2
    assert "PostgreSQL or MySQL" in completed.stderr


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait until it is true; fail after a timeout."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
