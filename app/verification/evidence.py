"""Evidence about one picture, each part looked for only where a caption claims something of it.

A part that could not be had in time, or without the models, is None: it is unknown.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.single_flight import SingleFlight
from app.vision.evidence import (
    ColourEvidence,
    SeenLine,
    SubjectEvidence,
    parse_lines,
    parse_subjects,
)
from app.workers.errors import ChildDied, ChildTimeout, JobRefused, PoolBusy
from app.workers.fair_queue import FairnessKey

_logger = logging.getLogger(__name__)

HANDLER = "measure_colours"
COLOURS_TIMEOUT_S = 5.0
"""It takes 0.1 s of processor time; the rest is for a machine under load."""
MAX_ENTRIES = 256
"""Parts of evidence that are kept, a few kilobytes each: one image serves every style and locale,
and the second draft."""
_TIME_AFTER_S = 0.5
"""What a request needs after the evidence."""

Part = Literal["text", "colours", "subjects"]
Facts = dict[str, Any]


class MeasurePool(Protocol):
    """The part of WorkerPool that measures colours: its handler is `measure_job`."""

    async def run(
        self,
        handler: str,
        data: bytes,
        args: Mapping[str, Any],
        *,
        timeout_s: float,
        deadline: Deadline,
        fairness_key: FairnessKey = (),
    ) -> tuple[dict[str, Any], bytes]:
        """Facts and bytes of one job. Raises ChildDied, ChildTimeout, JobRefused or PoolBusy."""
        ...


class ModelPool(Protocol):
    """The part of OcrPool that looks with models."""

    async def look(
        self, jpeg: bytes, part: Literal["text", "subjects"], deadline: Deadline, caller: str = ""
    ) -> dict[str, Any] | None:
        """What `model_evidence.look_job` sends; None where unknown. Raises Overloaded."""
        ...


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of one picture; None where it was not looked for, or is unknown."""

    lines: tuple[SeenLine, ...] | None = None
    colours: ColourEvidence | None = None
    subjects: SubjectEvidence | None = None
    is_complete: bool = True
    """False where a part failed that another try may find."""


class EvidenceSource:
    """Looks at pictures in child processes. Both pools belong to the caller."""

    def __init__(self, pool: MeasurePool, ocr_pool: ModelPool | None) -> None:
        self._pool = pool
        self._ocr_pool = ocr_pool
        self._entries: OrderedDict[tuple[bytes, Part], Facts] = OrderedDict()
        self._in_flight: SingleFlight[tuple[bytes, Part], Facts | None] = SingleFlight(
            unshared=(Overloaded,)
        )

    async def find(
        self, jpeg: bytes, parts: frozenset[Part], deadline: Deadline, caller: str = ""
    ) -> Evidence:
        """The evidence of these parts, side by side. Equal pictures are looked at once."""
        digest = hashlib.sha256(jpeg).digest()
        wanted = sorted(part for part in parts if part == "colours" or self._ocr_pool is not None)
        sooner = Deadline(deadline.at_s - _TIME_AFTER_S)
        found = await asyncio.gather(
            *(self._find_part((digest, part), jpeg, sooner, caller) for part in wanted)
        )
        facts = dict(zip(wanted, found, strict=True))
        lines, colours, subjects = (facts.get(part) for part in ("text", "colours", "subjects"))
        try:
            return Evidence(
                lines=None if lines is None else parse_lines(lines),
                colours=None if colours is None else ColourEvidence.from_json(colours),
                subjects=None if subjects is None else parse_subjects(subjects),
                is_complete=None not in found,
            )
        except (KeyError, TypeError, ValueError) as error:
            _logger.warning("evidence.invalid", extra={"reason": type(error).__name__})
            return Evidence()

    async def _find_part(
        self, key: tuple[bytes, Part], jpeg: bytes, deadline: Deadline, caller: str
    ) -> Facts | None:
        if key in self._entries:
            self._entries.move_to_end(key)
            return self._entries[key]
        look = partial(self._look, key[1], jpeg, caller)
        try:
            facts, _ = await self._in_flight.run(key, deadline, look)
        except (Overloaded, TimeoutError) as error:
            # A caption is not lost because nobody had time to look: its claims are unknown.
            _logger.warning(
                "evidence.not_in_time", extra={"part": key[1], "reason": type(error).__name__}
            )
            return None
        if facts is not None:
            self._entries[key] = facts
            if len(self._entries) > MAX_ENTRIES:
                self._entries.popitem(last=False)
        return facts

    async def _look(self, part: Part, jpeg: bytes, caller: str, deadline: Deadline) -> Facts | None:
        if part != "colours":
            return (
                await self._ocr_pool.look(jpeg, part, deadline, caller) if self._ocr_pool else None
            )
        return await self._measure_colours(jpeg, caller, deadline)

    async def _measure_colours(self, jpeg: bytes, caller: str, deadline: Deadline) -> Facts | None:
        try:
            facts, _ = await self._pool.run(
                HANDLER,
                jpeg,
                {},
                timeout_s=COLOURS_TIMEOUT_S,
                deadline=deadline,
                fairness_key=(caller,),
            )
        except (ChildDied, ChildTimeout, JobRefused) as error:
            _logger.warning("colours.failed", extra={"reason": type(error).__name__})
            return None
        except PoolBusy as error:
            raise Overloaded(log_reason="colours were not measured in time") from error
        return facts
