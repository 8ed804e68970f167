"""`altwright worker`: takes rows from the queue, on as many machines as there are."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from altwright._sync.client import Altwright
from altwright.cli.config import resolve_server
from altwright.cli.exit_codes import ExitCode
from altwright.errors import UsageError
from altwright.extras import install_command

Broker = Annotated[
    str | None,
    typer.Option(
        "--broker", metavar="URL", envvar="ALTWRIGHT_BROKER_URL",
        help="redis://host:6379/0 or amqp://user@host//",
    ),
]  # fmt: skip
QueueName = Annotated[
    str,
    typer.Option("--queue-name", metavar="NAME", help="Where several share a broker."),
]


def worker(
    broker: Broker = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="URL",
            envvar="ALTWRIGHT_DATABASE_URL",
            help="Where the table is, with a password if it needs one.",
        ),
    ] = None,
    queue_name: QueueName = "altwright",
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", min=1, max=256)] = 8,
    per_second: Annotated[
        float | None,
        typer.Option("--per-second", min=0.01, help="Requests that this worker begins at most."),
    ] = None,
    pool: Annotated[
        str, typer.Option("--pool", metavar="threads|prefork", help="A call waits: threads do.")
    ] = "threads",
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="Where the server listens."),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds that one call may take.")
    ] = 35.0,
    lease: Annotated[
        float | None,
        typer.Option("--lease", metavar="S", help="The rows of a killed worker wait so long."),
    ] = None,
) -> None:
    """Take rows from the queue and caption them, until SIGTERM; what is in work is finished then.

    Run it on any machine that reaches the broker, the database and the server. The passwords in
    both URLs are better in the environment than on the command line.
    """
    if broker is None or database is None:
        raise UsageError("Name both: --broker URL (or ALTWRIGHT_BROKER_URL) and --database URL (or "
                       "ALTWRIGHT_DATABASE_URL).")  # fmt: skip
    if pool not in ("threads", "prefork"):
        raise UsageError(f"--pool is threads or prefork, not {pool!r}.")
    if lease is not None and 3 * lease < 4 * timeout:
        raise UsageError("--lease is --timeout and a third, or more: or two would ask for one row.")
    try:
        from altwright.backfill import database as databases
        from altwright.backfill.queue.consumer import create_consumer
        from altwright.backfill.queue.worker import RowWorkers, WorkerOptions
    except ModuleNotFoundError as error:
        raise needed(error) from None
    server = resolve_server(base_url)
    databases.connect(database).dispose()  # a wrong URL ends the start, not the first row
    works = RowWorkers(
        database,
        lambda: Altwright(server.api_key, server.base_url, timeout, max_retries=0),
        WorkerOptions(lease_s=2 * timeout if lease is None else lease),
        concurrency=concurrency,
        per_second=per_second,
    )
    app = create_consumer(broker, works, queue_name)
    words = ["worker", "--loglevel=WARNING", f"--concurrency={concurrency}", f"--pool={pool}",
             "--without-gossip", "--without-mingle", "--without-heartbeat"]  # fmt: skip
    sys.stderr.write(f"altwright: a worker with {concurrency} {pool} takes rows\n")
    try:
        app.worker_main(words)
    except SystemExit as ended:
        raise typer.Exit(ended.code if isinstance(ended.code, int) else ExitCode.OK) from None


def needed(error: ModuleNotFoundError) -> UsageError:
    """What to install for a module of the extra that is missing."""
    if (error.name or "").partition(".")[0] not in ("celery", "kombu", "sqlalchemy"):
        raise error
    command = install_command("cli", "backfill", "queue")
    return UsageError(f"The queue's packages are missing: {command}")
