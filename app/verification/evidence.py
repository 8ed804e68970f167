"""Evidence about one picture, each part looked for only where a caption claims something of it.

A part that could not be had in time, or without the models, is None: it is unknown.
"""

import asyncio
import functools
import hashlib
import logging
from collections import OrderedDict
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
from app.workers.job_runner import JobRunner

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

    def joined_with(self, other: "Evidence") -> "Evidence":
        """What both have seen, each of it by one of them."""
        return Evidence(
            lines=self.lines if other.lines is None else other.lines,
            colours=self.colours or other.colours,
            subjects=self.subjects or other.subjects,
            is_complete=self.is_complete and other.is_complete,
        )


_FAILED = Evidence(is_complete=False)


class EvidenceSource:
    """Looks at pictures in child processes. Both pools belong to the caller."""

    def __init__(self, pool: JobRunner, ocr_pool: ModelPool | None) -> None:
        """The handler of `pool` is `measure_job`."""
        self._pool = pool
        self._ocr_pool = ocr_pool
        self._entries: OrderedDict[tuple[bytes, Part], Evidence] = OrderedDict()
        self._in_flight: SingleFlight[tuple[bytes, Part], Evidence] = SingleFlight(
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
        return functools.reduce(Evidence.joined_with, found, Evidence())

    async def _find_part(
        self, key: tuple[bytes, Part], jpeg: bytes, deadline: Deadline, caller: str
    ) -> Evidence:
        if key in self._entries:
            self._entries.move_to_end(key)
            return self._entries[key]
        look = partial(self._look, key[1], jpeg, caller)
        try:
            evidence, _ = await self._in_flight.run(key, deadline, look)
        except (Overloaded, TimeoutError) as error:
            # A caption is not lost because nobody had time to look: its claims are unknown.
            _logger.warning(
                "evidence.not_in_time", extra={"part": key[1], "reason": type(error).__name__}
            )
            return _FAILED
        if evidence.is_complete:
            self._entries[key] = evidence
            if len(self._entries) > MAX_ENTRIES:
                self._entries.popitem(last=False)
        return evidence

    async def _look(self, part: Part, jpeg: bytes, caller: str, deadline: Deadline) -> Evidence:
        if part == "colours":
            facts = await self._measure_colours(jpeg, caller, deadline)
        else:
            assert self._ocr_pool is not None  # noqa: S101 - `find` wants these parts with it alone
            facts = await self._ocr_pool.look(jpeg, part, deadline, caller)
        if facts is None:
            return _FAILED
        try:
            match part:
                case "text":
                    return Evidence(lines=parse_lines(facts))
                case "colours":
                    return Evidence(colours=ColourEvidence.from_json(facts))
                case "subjects":
                    return Evidence(subjects=parse_subjects(facts))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # A picture may have taken the child process over: nothing that it says is kept.
            _logger.warning(
                "evidence.invalid", extra={"part": part, "reason": type(error).__name__}
            )
            return _FAILED

    async def _measure_colours(
        self, jpeg: bytes, caller: str, deadline: Deadline
    ) -> dict[str, Any] | None:
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
