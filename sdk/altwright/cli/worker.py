"""`altwright worker`: takes rows from the queue and captions them, on any number of machines."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from altwright._sync.client import Altwright
from altwright.cli.config import resolve_server
from altwright.cli.dataclass_options import takes_options
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
    typer.Option("--queue-name", metavar="NAME", help="Queue name, for a shared broker."),
]


@dataclass(frozen=True, kw_only=True)
class WorkerCommandOptions:
    """Options of `altwright worker`."""

    broker: Broker = None
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="URL",
            envvar="ALTWRIGHT_DATABASE_URL",
            help="Database of the table.",
        ),
    ] = None
    queue_name: QueueName = "altwright"
    concurrency: Annotated[int, typer.Option("--concurrency", "-j", min=1, max=256)] = 8
    per_second: Annotated[
        float | None,
        typer.Option(
            "--per-second", min=0.01, help="The most requests that this worker starts in a second."
        ),
    ] = None
    pool: Annotated[
        str, typer.Option("--pool", metavar="threads|prefork", help="Kind of concurrency.")
    ] = "threads"
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="The server's address.")
    ] = None
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.1, help="The most seconds that a call may take.")
    ] = 35.0
    lease_s: Annotated[
        float | None,
        typer.Option(
            "--lease", metavar="S", help="Seconds before a killed worker's rows are taken over."
        ),
    ] = None


@takes_options(WorkerCommandOptions)
def worker(options: WorkerCommandOptions) -> None:
    """Take rows from the queue and caption them. On SIGTERM the rows in work are finished.

    Run it on any machine that reaches the broker, the database and the server. The passwords in
    both URLs are better in the environment than on the command line.
    """
    if options.broker is None or options.database is None:
        raise UsageError("Name both: --broker URL (or ALTWRIGHT_BROKER_URL) and --database URL (or "
                         "ALTWRIGHT_DATABASE_URL).")  # fmt: skip
    if options.pool not in ("threads", "prefork"):
        raise UsageError(f"--pool is threads or prefork, not {options.pool!r}.")
    timeout_s = options.timeout_s
    lease_s = 2 * timeout_s if options.lease_s is None else options.lease_s
    if 3 * lease_s < 4 * timeout_s:
        raise UsageError(
            "--lease must be at least a third longer than --timeout: otherwise two workers could "
            "request one row."
        )
    try:
        from altwright.backfill import database
        from altwright.backfill.queue.broker import check_broker_url
        from altwright.backfill.queue.consumer import create_consumer, tell_how_to_stop
        from altwright.backfill.queue.worker import RunWorkers, WorkerOptions
    except ModuleNotFoundError as error:
        raise missing_packages(error) from None
    check_broker_url(options.broker)
    server = resolve_server(options.base_url)
    # A wrong URL fails here and not at the first row.
    engine = database.connect(options.database)
    engine.dispose()
    if engine.dialect.name == "sqlite":
        raise UsageError("A queue needs a database of many machines: PostgreSQL or MySQL.")
    workers = RunWorkers(
        options.database,
        lambda: Altwright(server.api_key, server.base_url, timeout_s, max_retries=0),
        WorkerOptions(lease_s=lease_s),
        concurrency=options.concurrency,
        per_second=options.per_second,
    )
    app = create_consumer(options.broker, workers, options.queue_name)
    threads, pool = options.concurrency, options.pool
    arguments = ["worker", "--loglevel=WARNING", f"--concurrency={threads}", f"--pool={pool}",
                 "--without-gossip", "--without-mingle", "--without-heartbeat"]  # fmt: skip
    sys.stderr.write(f"altwright: a worker with {threads} {pool} takes rows\n")
    tell_how_to_stop()
    try:
        app.worker_main(arguments)
    except SystemExit as exited:
        raise typer.Exit(exited.code if isinstance(exited.code, int) else ExitCode.OK) from None


def missing_packages(error: ModuleNotFoundError) -> UsageError:
    """What to install if a module of the extra `queue` is missing; raises any other error."""
    if (error.name or "").partition(".")[0] not in ("celery", "kombu", "redis", "sqlalchemy"):
        raise error
    command = install_command("cli", "backfill", "queue")
    return UsageError(f"The queue's packages are missing: {command}")
