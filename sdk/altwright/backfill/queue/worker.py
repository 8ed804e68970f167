"""What a worker does with the key of one row, in any of its threads or processes."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import StatementError

from altwright._sync.client import Altwright
from altwright.backfill import database
from altwright.backfill.column_mapping import needs_alt_text, row_from_record
from altwright.backfill.database_errors import ErrorScope, error_scope, error_text
from altwright.backfill.queue.schema import UNSETTLED_STATES
from altwright.backfill.queue.shared_journal import SharedJournal, StoredRow
from altwright.backfill.request_item import RequestedTexts, RequestItem
from altwright.backfill.request_scheduler import (
    PROBE_TEXT,
    CallOutcome,
    Now,
    RequestScheduler,
    needs_probe,
)
from altwright.backfill.rules.hold_rules import HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.caption_request import build_caption_request
from altwright.backfill.run_config import RunConfig
from altwright.backfill.run_state import PendingRequest
from altwright.backfill.sources.table import TableSource
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.targets.table import RowState, TableTarget
from altwright.backfill.types import RequestResult, Row
from altwright.errors import AltwrightError, Problem, UsageError
from altwright.scheduler import Finished, Start, Wait
from altwright.throttle import AdaptiveThrottle
from altwright.transport import random_jitter

_STOP_CACHE_S = 2.0
"""How old the known stop reason may be."""
_MAX_SLEEP_S = 0.5
_RENEW_CLAIM_AFTER = 0.25
"""Share of a lease. What is left of it must be longer than a request may take."""
RETRY_LATER_S = 30.0
"""Until a row is tried again if the server or the table is unavailable."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker makes requests."""

    lease_s: float = 90.0
    """How long a claim lasts: at least a third longer than a request may take. The rows of a killed
    worker wait for it."""
    patience_s: float = 60.0
    """How long a worker waits with one row for a server that is down or refuses everything."""
    longest_wait_s: float = 900.0
    """A longer Retry-After is a quota: every worker stops until then."""


class RunWorker:
    """Processes rows of one run in one process; its threads share it."""

    def __init__(
        self,
        run: str,
        database_url: str,
        client: Altwright,
        throttle: AdaptiveThrottle,
        options: WorkerOptions,
        *,
        threads: int = 1,
    ) -> None:
        """Raises UsageError if the database has no such run, or not its table."""
        engine = database.connect(database_url, connections=threads)
        self.journal = SharedJournal(engine, run)
        identity = self.journal.identity
        config = RunConfig.from_identity(identity, database_url=database_url)
        self._source = TableSource(
            engine, name="" if config.query else config.table, query=config.query,
            written_to=config.table if config.query else "",
        )  # fmt: skip
        try:
            self._columns = self._source.guess_columns(config.column_roles, config.recorded_columns)
        except UsageError as error:
            self.journal.set_stop(StopReason.table_refuses(str(error).rstrip(".")))
            raise
        self._image_base = config.image_base
        self._caption_options = config.caption_options
        self._source.set_columns(self._columns, only_blank=False)
        self._target = TableTarget(
            engine, config.table, self._columns, self._caption_options, self._source
        )
        self._rules = OutcomeRules(
            self._caption_options,
            hold_rules_from_settings(identity.settings),
            self._target.max_chars(),
        )
        self._client = client
        self._throttle = throttle
        self._options = options
        self._stop: StopReason | None = None
        self._stop_read_at_s = float("-inf")

    def process_row(self, key: str) -> float | None:
        """Bring one row to its outcome. Returns None, or after how many seconds to try again.

        Raises SQLAlchemy's errors if the database is unavailable or a row is locked.
        """
        if self._read_stop() is not None:
            self.journal.mark_pending(key)
            return None
        try:
            return self._bring_to_outcome(key)
        except StatementError as error:
            if error_scope(error) is not ErrorScope.TABLE:
                raise
            # The table takes no row: each would be paid for, and stay in the journal.
            self._stop_all(StopReason.table_refuses(error_text(error)))
            return self._postpone(key)

    def _bring_to_outcome(self, key: str) -> float | None:
        stored = self.journal.find_row(key) or self._add_uploaded_row(key)
        if stored is None or stored.state not in UNSETTLED_STATES:
            return None
        state = self._target.look_up([stored.row])[key]
        if state is RowState.CHANGED:
            stored = self._add_uploaded_row(key)
        if stored is None or state in (RowState.FILLED, RowState.MISSING):
            self.journal.drop_row(key)
            return None
        if stored.state not in UNSETTLED_STATES:  # a decision came back with its picture
            return None
        return self._settle(key, stored)

    def _settle(self, key: str, stored: StoredRow) -> float | None:
        request_key = stored.request_key
        worker = f"{socket.gethostname()[:32]}:{os.getpid()}:{threading.get_ident()}"
        claim = self.journal.claim(request_key, worker, self._options.lease_s)
        if claim.busy_s:
            self.journal.mark_queued([key])
            return claim.busy_s
        result = claim.result if claim.is_final else None
        if result is None:
            pending = PendingRequest(request_key, stored.row, 1, claim.result)
            try:
                result = self._request(pending, worker)
            except BaseException:
                self.journal.release(request_key, worker)
                raise
        if result is None:
            self.journal.release(request_key, worker)
            return self._postpone(key)
        self.journal.settle(request_key, result, self._rules.decide, self._target)
        return None

    def _postpone(self, key: str) -> float | None:
        if self._read_stop() is not None:
            self.journal.mark_pending(key)
            return None
        self.journal.mark_queued([key])
        return RETRY_LATER_S

    def _request(self, pending: PendingRequest, worker: str) -> RequestResult | None:
        """The complete result, stored in the journal; None if the server is unavailable.

        The request has just been claimed.
        """
        claimed_at_s = time.monotonic()
        item = RequestItem(pending, self._caption_options)
        if item.is_complete:
            # An earlier worker was killed between the result and its outcome.
            return item.to_result()
        scheduler = RequestScheduler(
            self._throttle,
            concurrency=1,
            patience_s=self._options.patience_s,
            longest_wait_s=self._options.longest_wait_s,
        )
        scheduler.add(item)
        scheduler.close_input()
        while True:
            action = scheduler.next_action(time.monotonic())
            if isinstance(action, Finished):
                self._publish_stop(scheduler)
                return None
            if isinstance(action, Wait):
                # In short sleeps, since other threads share the throttle and change it.
                time.sleep(min(action.timeout_s or 0.0, _MAX_SLEEP_S))
                continue
            assert isinstance(action, Start)  # noqa: S101 - the input is closed: no Pull comes
            if time.monotonic() - claimed_at_s > self._options.lease_s * _RENEW_CLAIM_AFTER:
                self.journal.claim(pending.request_key, worker, self._options.lease_s)
                claimed_at_s = time.monotonic()
            requested = item.next_texts()
            outcome = self._call(pending.row, requested)
            is_alive = needs_probe(outcome) and self._is_server_alive()
            now = Now(time.monotonic(), time.time(), random_jitter())
            to_record = scheduler.end_try(item, requested, outcome, now, is_server_alive=is_alive)
            if to_record is not None:
                self.journal.record_result(pending.request_key, to_record.result)
            scheduler.release()
            if to_record is not None and to_record.is_complete:
                return to_record.result

    def _call(self, row: Row, requested: RequestedTexts) -> CallOutcome:
        try:
            image, options = build_caption_request(row, requested, self._caption_options)
            if requested.is_single:
                return [self._client.caption(image, **options)]
            return self._client.captions(image, **options)
        except AltwrightError as error:
            return error

    def _is_server_alive(self) -> bool:
        """Whether the server responds to a small request of the same kind, without a model."""
        try:
            self._client.check(PROBE_TEXT)
        except Problem:
            return True
        except AltwrightError:
            return False
        return True

    def _publish_stop(self, scheduler: RequestScheduler) -> None:
        """Stop every worker for a reason that holds for every row, not for one that may pass."""
        since_s = scheduler.unavailable_since_s
        is_down = since_s is not None and time.monotonic() - since_s > self._options.patience_s
        if scheduler.stop_reason is not None and not is_down:
            self._stop_all(scheduler.stop_reason)

    def _stop_all(self, reason: StopReason) -> None:
        self.journal.set_stop(reason)
        self._stop_read_at_s = float("-inf")

    def _read_stop(self) -> StopReason | None:
        if time.monotonic() - self._stop_read_at_s > _STOP_CACHE_S:
            self._stop = self.journal.stop
            self._stop_read_at_s = time.monotonic()
        return self._stop

    def _add_uploaded_row(self, key: str) -> StoredRow | None:
        """Add a row that came between two scans, if it is blank in the source."""
        values = self._source.read_one(key)
        if values is None or not needs_alt_text(values, self._columns):
            return None
        row = row_from_record(values, self._columns, line_number=0, image_base=self._image_base)
        self.journal.add_row(row)
        return self.journal.find_row(key)


class RunWorkers:
    """A worker for every run that a message names, created on demand, and again after a fork."""

    def __init__(
        self,
        database_url: str,
        make_client: Callable[[], Altwright],
        options: WorkerOptions,
        *,
        concurrency: int,
        per_second: float | None,
    ) -> None:
        self._database_url = database_url
        self._make_client = make_client
        self._options = options
        self._concurrency = concurrency
        self._per_second = per_second
        self._lock = threading.Lock()
        self._pid = 0
        self._workers: dict[str, RunWorker] = {}

    def for_run(self, run: str) -> RunWorker:
        """The worker of a run. Raises UsageError if there is no such run."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._workers = {}
                self._client = self._make_client()
                self._throttle = AdaptiveThrottle(
                    concurrency=self._concurrency, per_second=self._per_second
                )
            if run not in self._workers:
                self._workers[run] = RunWorker(
                    run,
                    self._database_url,
                    self._client,
                    self._throttle,
                    self._options,
                    threads=self._concurrency,
                )
            return self._workers[run]


def hold_rules_from_settings(settings: object) -> HoldRules:
    """The hold rules that a run's identity stores."""
    stored = settings.get("rules") if isinstance(settings, dict) else None
    if not isinstance(stored, dict):
        return HoldRules()
    columns = tuple((name, tuple(values)) for name, values in stored["columns"])
    lists = {name: tuple(stored[name]) for name in ("sets", "patterns", "locales")}
    return HoldRules(columns=columns, **lists, generic=stored.get("generic", True) is not False)
