"""What a worker does with the key of one row, in whatever thread or process it is."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from altwright._sync.client import Altwright
from altwright.backfill import column_mapping as names
from altwright.backfill import database
from altwright.backfill.column_mapping import needs_alt_text, row_from_record
from altwright.backfill.queue.schema import UNSETTLED_STATES
from altwright.backfill.queue.shared_journal import SharedJournal
from altwright.backfill.request_item import RequestedTexts, RequestItem
from altwright.backfill.request_scheduler import CallOutcome, Now, RequestScheduler
from altwright.backfill.rules.hold_rules import HoldRules
from altwright.backfill.rules.outcome_rules import OutcomeRules
from altwright.backfill.run.caption_request import build_caption_request
from altwright.backfill.run_config import RunConfig
from altwright.backfill.run_state import PendingRequest
from altwright.backfill.sources.table import TableSource
from altwright.backfill.stop_reason import StopReason
from altwright.backfill.targets.table import TableTarget
from altwright.backfill.types import RequestResult, Row
from altwright.errors import AltwrightError, ConnectionFailed, Problem
from altwright.scheduler import Finished, Start, Wait
from altwright.throttle import AdaptiveThrottle
from altwright.transport import random_jitter

_STOP_SEEN_S = 2.0
"""So old may be what is known of a stop."""
_NAP_S = 0.5
_RENEWED_AFTER = 0.25
"""Of a lease: what is left of it must be longer than a call may take."""
RETRY_LATER_S = 30.0
"""Until a row is tried again whose server or table is not there."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker goes about it."""

    lease_s: float = 90.0
    """So long a claim holds: a third more than a call may take, or longer. The rows of a worker
    that is killed wait for it."""
    patience_s: float = 60.0
    """So long one row waits here for a server that is away, or refuses everything."""
    longest_wait_s: float = 900.0
    """A longer Retry-After is a quota: every worker stops asking until then."""


class RowWorker:
    """One run's, in one process; its threads share it."""

    def __init__(
        self,
        run: str,
        database_url: str,
        client: Altwright,
        pace: AdaptiveThrottle,
        manner: WorkerOptions,
        *,
        threads: int = 1,
    ) -> None:
        """Raises UsageError where the database has no such run, or not its table."""
        engine = database.connect(database_url, connections=threads)
        self.journal = SharedJournal(engine, run)
        facts = self.journal.facts
        spec = RunConfig.of(facts, database_url=database_url)
        self._spec = spec
        self._source = TableSource(engine, name="" if spec.query else spec.table, query=spec.query)
        self._columns = names.guess_columns(
            self._source.columns, spec.chosen, primary_key=self._source.primary_key
        )
        self._target = TableTarget(engine, spec.table, self._columns, spec.asked)
        self._judge = OutcomeRules(
            spec.asked, hold_rules_from_settings(facts.settings), self._target.room()
        )
        self._client = client
        self._pace = pace
        self._manner = manner
        self._stop: StopReason | None = None
        self._stop_seen_s = float("-inf")

    def caption(self, key: str) -> float | None:
        """One row, to its outcome. None: done with; else after so many seconds again.

        Raises sqlalchemy's errors where the database is not there or something is held.
        """
        if self._stopped() is not None:
            self.journal.put_back(key)
            return None
        found = self.journal.row(key) or self._uploaded(key)
        if found is None:
            return None
        state, ask, row = found
        if state not in UNSETTLED_STATES:
            return None
        if not self._target.still_blank([key]):
            self.journal.forget(key)
            return None
        return self._answered(key, ask, row)

    def _answered(self, key: str, ask: str, row: Row) -> float | None:
        who = f"{socket.gethostname()[:32]}:{os.getpid()}:{threading.get_ident()}"
        claim = self.journal.claim(ask, who, self._manner.lease_s)
        if claim.busy_s:
            self.journal.queued([key])
            return claim.busy_s
        answer = claim.answer if claim.is_settled else None
        if answer is None:
            try:
                answer = self._asked(PendingRequest(ask, row, 1, claim.answer), who)
            except BaseException:
                self.journal.release(ask, who)
                raise
        if answer is None:
            self.journal.release(ask, who)
            return self._later(key)
        self.journal.settle(ask, answer, self._judge, self._target)
        return None

    def _later(self, key: str) -> float | None:
        if self._stopped() is not None:
            self.journal.put_back(key)
            return None
        self.journal.queued([key])
        return RETRY_LATER_S

    def _asked(self, ask: PendingRequest, who: str) -> RequestResult | None:
        """The whole answer, kept; None where the server is not to be had now. Claimed just now."""
        claimed_s = time.monotonic()
        item = RequestItem(ask, self._spec.asked)
        if item.is_complete:
            # Paid for, and killed before anything was made of it.
            return item.to_result()
        scheduler = RequestScheduler(
            self._pace,
            concurrency=1,
            patience_s=self._manner.patience_s,
            longest_wait_s=self._manner.longest_wait_s,
        )
        scheduler.add(item)
        scheduler.close_input()
        while True:
            action = scheduler.next_action(time.monotonic())
            if isinstance(action, Finished):
                self._tell(scheduler)
                return None
            if isinstance(action, Wait):
                # In short sleeps, since other threads share the throttle and change it.
                time.sleep(min(action.timeout_s or 0.0, _NAP_S))
                continue
            assert isinstance(action, Start)  # noqa: S101 - the input is closed: no Pull comes
            if time.monotonic() - claimed_s > self._manner.lease_s * _RENEWED_AFTER:
                self.journal.claim(ask.ask, who, self._manner.lease_s)
                claimed_s = time.monotonic()
            requested = item.next_texts()
            outcome = self._attempt(ask.row, requested)
            is_broken = isinstance(outcome, ConnectionFailed) and outcome.reached
            is_alive = self._is_alive() if is_broken else False
            now = Now(time.monotonic(), time.time(), random_jitter())
            recorded = scheduler.end_try(item, requested, outcome, now, is_server_alive=is_alive)
            if recorded is not None:
                self.journal.keep(ask.ask, recorded.result)
            scheduler.release()
            if recorded is not None and recorded.is_complete:
                return recorded.result

    def _attempt(self, row: Row, requested: RequestedTexts) -> CallOutcome:
        try:
            picture, options = build_caption_request(row, requested, self._spec.asked)
            if requested.is_single:
                return [self._client.caption(picture, **options)]
            return self._client.captions(picture, **options)
        except AltwrightError as error:
            return error

    def _is_alive(self) -> bool:
        try:
            self._client.styles()
        except Problem:
            return True
        except AltwrightError:
            return False
        return True

    def _tell(self, scheduler: RequestScheduler) -> None:
        """A stop that holds for every row is told to every worker; one that may pass is not."""
        since_s = scheduler.unavailable_since_s
        is_away = since_s is not None and time.monotonic() - since_s > self._manner.patience_s
        if scheduler.stop_reason is not None and not is_away:
            self.journal.set_stop(scheduler.stop_reason)
            self._stop_seen_s = float("-inf")

    def _stopped(self) -> StopReason | None:
        if time.monotonic() - self._stop_seen_s > _STOP_SEEN_S:
            self._stop = self.journal.stop
            self._stop_seen_s = time.monotonic()
        return self._stop

    def _uploaded(self, key: str) -> tuple[str, str, Row] | None:
        """A row that came between two runs: read from the source, where it is blank."""
        values = self._source.one(self._columns.key, key)
        if values is None or not needs_alt_text(values, self._columns):
            return None
        row = row_from_record(values, self._columns, place=0, base=self._spec.base)
        self.journal.see_one(row)
        return self.journal.row(key)


class RowWorkers:
    """The work of every run that a message names, made when it is needed, anew after a fork."""

    def __init__(
        self,
        database_url: str,
        make_client: Callable[[], Altwright],
        manner: WorkerOptions,
        *,
        concurrency: int,
        per_second: float | None,
    ) -> None:
        self._database_url = database_url
        self._make_client = make_client
        self._manner = manner
        self._concurrency = concurrency
        self._per_second = per_second
        self._lock = threading.Lock()
        self._of_process = 0
        self._works: dict[str, RowWorker] = {}

    def of(self, run: str) -> RowWorker:
        """Raises UsageError where there is no such run."""
        with self._lock:
            if self._of_process != os.getpid():
                self._of_process = os.getpid()
                self._works = {}
                self._client = self._make_client()
                self._pace = AdaptiveThrottle(
                    concurrency=self._concurrency, per_second=self._per_second
                )
            if run not in self._works:
                self._works[run] = RowWorker(
                    run,
                    self._database_url,
                    self._client,
                    self._pace,
                    self._manner,
                    threads=self._concurrency,
                )
            return self._works[run]


def hold_rules_from_settings(settings: object) -> HoldRules:
    """The rules of a run, as its facts keep them."""
    kept = settings.get("rules") if isinstance(settings, dict) else None
    if not isinstance(kept, dict):
        return HoldRules()
    columns = tuple((name, tuple(values)) for name, values in kept["columns"])
    lists = {name: tuple(kept[name]) for name in ("sets", "patterns", "locales")}
    return replace(HoldRules(), columns=columns, **lists)
