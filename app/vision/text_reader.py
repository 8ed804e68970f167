"""The reader as the server sees it: child processes of their own that hold the models."""

import asyncio
import importlib.util
import logging
from typing import Any

from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.vision.colour_names import NAMES
from app.vision.text_lines import TextBlock
from app.workers.errors import ChildDied, ChildTimeout, JobRefused, PoolBusy
from app.workers.pool import WorkerPool

_logger = logging.getLogger(__name__)

HANDLER = "read"
READ_TIMEOUT_S = 8.0
"""Reading takes 0.2 to 1.2 s of processor time; the rest is for a machine under load."""
TYPICAL_S = 0.7
"""What one picture takes, for telling how long the line is."""
SPARE_S = 1.0
"""Left of a request's time when a reading ends: to put it in words and to answer."""
MODELS_BYTES = 128 * 1024 * 1024
"""What the child that reads holds for its models, 156 MB in all: less for everybody's pictures."""
INPUT_MAX_BYTES = 16_777_216
"""A normalised picture has under 1 MB at 1200 px, and under 8 MB at the largest setting."""
_START_AGAIN_S = 30.0

_SENSELESS = (KeyError, TypeError, ValueError)


def is_installed() -> bool:
    """Whether the packages of the extra `embedded` are there."""
    return all(importlib.util.find_spec(name) for name in ("rapidocr", "onnxruntime"))


class TextReader:
    """Reads the text in pictures, one picture at a time, in a child that holds the models.

    Its memory comes out of the budget that all children share. A caption must not depend on how
    busy the machine is, so a picture is never left unread for want of time: it waits its turn, and
    where the line is too long for its deadline, the caller is told to come back.
    """

    def __init__(self, memory: WeightedSemaphore, *, size: int = 1) -> None:
        self._pool = WorkerPool(
            size=size,
            handlers={HANDLER: "app.vision.ocr:read_job"},
            memory=memory,
            input_max_bytes=INPUT_MAX_BYTES,
        )
        self._size = size
        self._tried = asyncio.Event()
        self._works = False

    def pids(self) -> list[int]:
        """The process ids of the children."""
        return self._pool.pids()

    async def start(self) -> None:
        """Load the models, and try again for as long as that fails."""
        while not self._works:
            try:
                await self._pool.start()
                self._works = True
            except (ChildDied, OSError):
                _logger.critical("the text reader cannot start; text is not read", exc_info=True)
            self._tried.set()
            if not self._works:
                await asyncio.sleep(_START_AGAIN_S)

    async def is_ready(self) -> bool:
        """Waits until the models are loaded, or have failed to; whether they are."""
        await self._tried.wait()
        return self._works

    async def aclose(self) -> None:
        """End the children."""
        await self._pool.aclose()

    async def read(
        self, jpeg: bytes, deadline: Deadline, *, is_sparse: bool
    ) -> tuple[TextBlock, ...]:
        """What can surely be read, in reading order; empty where the picture cannot be read.

        `is_sparse`: only lettering that stands out is looked for, which takes less time. Raises
        Overloaded where the turn of this picture does not come in time.
        """
        try:
            async with deadline.timeout():
                await self._tried.wait()
            if not self._works or len(jpeg) > INPUT_MAX_BYTES:
                return ()
            self._expect_a_turn(deadline)
            facts, _ = await self._pool.run(
                HANDLER, jpeg, {"is_sparse": is_sparse}, timeout_s=READ_TIMEOUT_S, deadline=deadline
            )
            return _blocks(facts)
        except (PoolBusy, TimeoutError) as error:
            raise Overloaded(log_reason="no turn to read in time", retry_after_s=2) from error
        except (ChildTimeout, ChildDied, JobRefused, *_SENSELESS) as error:
            # This picture's own fault: it gets the caption that it would have without a reader.
            _logger.warning("not read", extra={"reason": type(error).__name__})
            return ()

    def _expect_a_turn(self, deadline: Deadline) -> None:
        line_s = self._pool.waiting * TYPICAL_S / self._size
        if line_s + SPARE_S > deadline.left_s():
            raise Overloaded(
                log_reason="the line in front of the reader is too long",
                retry_after_s=max(2, round(line_s)),
            )


def _blocks(facts: dict[str, Any]) -> tuple[TextBlock, ...]:
    found = facts["blocks"]
    return tuple(
        TextBlock(
            text=str(block["text"])[:500],
            score=float(block["score"]),
            height=float(block["height"]),
            top=float(block["top"]),
            lines=int(block["lines"]),
            width=float(block["width"]),
            ink=_known(str(block["ink"])),
            is_first=bool(block["is_first"]),
        )
        for block in found[:64]
    )


def _known(colour: str) -> str:
    """A name of ours. Raises ValueError on any other: a child may say what it likes."""
    if colour not in NAMES:
        raise ValueError("not a colour")
    return colour
