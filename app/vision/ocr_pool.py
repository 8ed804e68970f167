"""OCR and recognition for the server process: a pool of child processes that hold the models.

Each runs `app.vision.ocr` and `app.vision.recogniser`.
"""

import asyncio
import importlib.util
import logging
from typing import Any, Literal

from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.vision.colour_names import COLOUR_NAMES
from app.vision.concepts import load_concepts
from app.vision.features import FaceCount, Sighting
from app.vision.text_lines import TextBlock
from app.workers.errors import ChildDied, ChildTimeout, JobRefused, NoTimeToRetry, PoolBusy
from app.workers.fair_queue import FairnessKey
from app.workers.pool import WorkerPool

_logger = logging.getLogger(__name__)

HANDLER, RECOGNISE_HANDLER, LOOK_HANDLER = "ocr", "recognise", "look"
RECOGNISE_TIMEOUT_S = 5.0
"""Recognition takes 0.05 s of processor time; the rest is for a machine under load."""
OCR_TIMEOUT_S = 8.0
"""OCR takes 0.2 to 1.2 s of processor time; the rest is for a machine under load."""
TYPICAL_OCR_S = 0.7
"""For an estimate of the waiting time."""
TIME_AFTER_OCR_S = 1.0
"""What a request needs after OCR, to write and validate the caption."""
MODELS_BYTES = 176 * 1024 * 1024
"""Memory of the models in a child process of 220 MB. The worker pool gets this much less."""
_OVERRUN_S = OCR_TIMEOUT_S
"""A job that comes too late may end: loading the models anew takes 3 to 5 s, in which all others
would come too late as well."""
INPUT_MAX_BYTES = 16_777_216
"""A normalised image has under 1 MB at 1200 px, and under 8 MB at the largest setting."""
_RESTART_PAUSE_S, _PROBE_TIMEOUT_S = 30.0, 10.0

_BLOCK_MAX_CHARS, _MAX_BLOCKS = 500, 64
_MAX_FACES = 99

Recognition = tuple[tuple[Sighting, ...], FaceCount]
"""What is certain to be in an image, the surest first, and the faces."""


def is_ocr_installed() -> bool:
    """Whether the packages of the extra `embedded` are installed."""
    return all(importlib.util.find_spec(name) for name in ("rapidocr", "onnxruntime"))


class OcrPool:
    """Reads the text in images and recognises what is in them, in child processes with the models.

    Their memory for jobs comes from the semaphore that all child processes share. A caption must
    not depend on the load of the machine, so no image is skipped for lack of time: it waits for its
    turn, and where that would come too late for its deadline, the request fails with Overloaded.
    """

    def __init__(self, memory: WeightedSemaphore, *, size: int = 1) -> None:
        self._pool = WorkerPool(
            size=size,
            handlers={
                HANDLER: "app.vision.ocr:ocr_job",
                RECOGNISE_HANDLER: "app.vision.recogniser:recognise_job",
                LOOK_HANDLER: "app.vision.model_evidence:look_job",
            },
            memory=memory,
            input_max_bytes=INPUT_MAX_BYTES,
            overrun_s=_OVERRUN_S,
        )
        self._size = size
        self._start_attempted = asyncio.Event()
        self._is_started = False
        self._recognises = False

    def pids(self) -> list[int]:
        """The process ids of the child processes."""
        return self._pool.pids()

    async def start(self) -> None:
        """Loads the models. Retries until that succeeds."""
        while not self._is_started:
            try:
                await self._pool.start()
                self._recognises = await self._probe_recogniser()
                self._is_started = True
            except Exception:
                # With any error the server becomes ready, and its captions quote no text.
                _logger.critical("ocr.start_failed", exc_info=True)
            self._start_attempted.set()
            if not self._is_started:
                await asyncio.sleep(_RESTART_PAUSE_S)

    def has_tried_to_start(self) -> bool:
        """Whether the first attempt to load the models has ended, with or without success."""
        return self._start_attempted.is_set()

    async def is_ready(self) -> bool:
        """Whether the models are loaded; waits for the first attempt to load them."""
        await self._start_attempted.wait()
        return self._is_started

    async def recognises(self) -> bool:
        """Whether the recogniser is loaded; waits for the first attempt to load the models."""
        await self._start_attempted.wait()
        return self._recognises

    async def aclose(self) -> None:
        """Ends the child processes."""
        await self._pool.aclose()

    async def read_text(
        self, jpeg: bytes, deadline: Deadline, *, is_text_sparse: bool, caller: str = ""
    ) -> tuple[TextBlock, ...] | None:
        """The reliable text in reading order; None where it is unknown, and another try may tell.

        That is where the models are not loaded, and where the child process died twice or was too
        slow. `is_text_sparse`: only prominent text is searched for, which takes less time. Callers
        take turns. Raises Overloaded where the job cannot be done before the deadline.
        """
        try:
            async with deadline.timeout():
                await self._start_attempted.wait()
            if not self._is_started:
                return None
            if len(jpeg) > INPUT_MAX_BYTES:
                return ()
            self._check_queue(deadline, (caller,))
            facts, _ = await self._pool.run(
                HANDLER,
                jpeg,
                {"is_text_sparse": is_text_sparse},
                timeout_s=OCR_TIMEOUT_S,
                deadline=deadline,
                fairness_key=(caller,),
            )
            return _parse_blocks(facts)
        except (ChildTimeout, ChildDied, NoTimeToRetry) as error:
            _logger.warning("ocr.failed", extra={"reason": type(error).__name__})
            return None
        except (JobRefused, KeyError, TypeError, ValueError) as error:  # of this image alone
            _logger.warning("ocr.failed", extra={"reason": type(error).__name__})
            return ()
        except (PoolBusy, TimeoutError) as error:
            raise Overloaded(log_reason="OCR was not done in time", retry_after_s=2) from error

    async def recognise(
        self, jpeg: bytes, deadline: Deadline, *, is_plain: bool, caller: str = ""
    ) -> Recognition | None:
        """What is in an image; None where it is unknown, as for `read_text`.

        Nothing is in it where the recogniser has no weights. `is_plain`: the image has a plain
        background. Raises Overloaded where the job cannot be done before the deadline.
        """
        try:
            async with deadline.timeout():
                await self._start_attempted.wait()
            if not self._is_started:
                return None
            if not self._recognises or len(jpeg) > INPUT_MAX_BYTES:
                return (), FaceCount()
            self._check_queue(deadline, (caller,))
            facts, _ = await self._pool.run(
                RECOGNISE_HANDLER,
                jpeg,
                {"is_plain": is_plain},
                timeout_s=RECOGNISE_TIMEOUT_S,
                deadline=deadline,
                fairness_key=(caller,),
            )
            return _parse_recognition(facts)
        except (ChildTimeout, ChildDied, NoTimeToRetry) as error:
            _logger.warning("recogniser.failed", extra={"reason": type(error).__name__})
            return None
        except (JobRefused, KeyError, TypeError, ValueError) as error:  # of this image alone
            _logger.warning("recogniser.failed", extra={"reason": type(error).__name__})
            return (), FaceCount()
        except (PoolBusy, TimeoutError) as error:
            raise Overloaded(
                log_reason="recognition was not done in time", retry_after_s=2
            ) from error

    async def look(
        self, jpeg: bytes, part: Literal["text", "subjects"], deadline: Deadline, caller: str = ""
    ) -> dict[str, Any] | None:
        """What `model_evidence.look_job` sends for one part; None where it is unknown.

        Raises Overloaded where the job cannot be done before the deadline.
        """
        try:
            async with deadline.timeout():
                await self._start_attempted.wait()
            if not self._is_started or len(jpeg) > INPUT_MAX_BYTES:
                return None
            self._check_queue(deadline, (caller,))
            facts, _ = await self._pool.run(
                LOOK_HANDLER,
                jpeg,
                {"part": part},
                timeout_s=OCR_TIMEOUT_S if part == "text" else RECOGNISE_TIMEOUT_S,
                deadline=deadline,
                fairness_key=(caller,),
            )
        except (ChildTimeout, ChildDied, NoTimeToRetry, JobRefused) as error:
            _logger.warning("look.failed", extra={"part": part, "reason": type(error).__name__})
            return None
        except (PoolBusy, TimeoutError) as error:
            raise Overloaded(log_reason=f"{part} was not seen in time", retry_after_s=2) from error
        return facts

    async def _probe_recogniser(self) -> bool:
        """Whether a child process has loaded the recogniser; a line in the log if not."""
        try:
            facts, _ = await self._pool.run(
                RECOGNISE_HANDLER,
                b"",
                {"probe": True},
                timeout_s=_PROBE_TIMEOUT_S,
                deadline=Deadline.after(_PROBE_TIMEOUT_S),
            )
            failure = str(facts["failure"])
        except (
            ChildTimeout,
            ChildDied,
            PoolBusy,
            JobRefused,
            KeyError,
            TypeError,
            ValueError,
        ) as error:
            failure = type(error).__name__
        if failure:
            # Once: captions say less, and everything else works.
            _logger.error("recogniser.unavailable", extra={"reason": failure[:200]})
        return not failure

    def _check_queue(self, deadline: Deadline, fairness_key: FairnessKey) -> None:
        """Raises Overloaded where the jobs before this one take too long for the deadline."""
        wait_s = self._pool.waiting_before(fairness_key) * TYPICAL_OCR_S / self._size
        if wait_s + TIME_AFTER_OCR_S > deadline.left_s():
            raise Overloaded(
                log_reason="the OCR queue is too long for the deadline",
                retry_after_s=max(2, round(wait_s)),
            )


def _parse_blocks(facts: dict[str, Any]) -> tuple[TextBlock, ...]:
    """The blocks that a child process sent. Raises an exception for invalid data."""
    return tuple(
        TextBlock(
            text=str(block["text"])[:_BLOCK_MAX_CHARS],
            score=float(block["score"]),
            height=float(block["height"]),
            top=float(block["top"]),
            lines=int(block["lines"]),
            width=float(block["width"]),
            ink=_parse_colour(str(block["ink"])),
            is_first=bool(block["is_first"]),
        )
        for block in facts["blocks"][:_MAX_BLOCKS]
    )


def _parse_colour(name: str) -> str:
    if name not in COLOUR_NAMES:
        raise ValueError("not a colour name")
    return name


def _parse_recognition(facts: dict[str, Any]) -> Recognition | None:
    """What a child process sent. Raises an exception for invalid data."""
    concepts = load_concepts().concepts
    sightings = tuple(
        Sighting(str(sighting["concept"]), float(sighting["probability"]))
        for sighting in facts["sightings"]
    )
    faces = int(facts["faces"])
    if any(sighting.concept not in concepts for sighting in sightings) or faces < 0:
        raise ValueError("not a concept, or not a number of faces")
    return sightings, FaceCount(min(faces, _MAX_FACES), are_all=bool(facts["are_all_faces"]))
