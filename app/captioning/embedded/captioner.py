"""The captioner for no configuration at all: it says what can be known from the pixels."""

import asyncio
import io
from collections.abc import Mapping
from typing import Any, Protocol

from app.captioning.captioner import DraftRequest
from app.captioning.embedded.phrasebook import Phrases, load_phrases
from app.captioning.embedded.realise import realise
from app.captioning.errors import CaptionUncertain, DeadlineExceeded, RequestSpecificError
from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage
from app.vision.feature_cache import FeatureCache
from app.vision.features import Features
from app.vision.text_lines import TextBlock
from app.workers.errors import ChildDied, ChildTimeout, JobRefused, PoolBusy

HANDLER = "analyse"
LOOK_TIMEOUT_S = 5.0
"""Looking takes 0.05 s of processor time; the rest is for a machine under load."""


class LookPool(Protocol):
    """What is needed of app.workers.pool.WorkerPool: the handler `analyse` runs `analyse_job`."""

    async def run(
        self,
        handler: str,
        data: bytes,
        args: Mapping[str, Any],
        *,
        timeout_s: float,
        deadline: Deadline,
    ) -> tuple[dict[str, Any], bytes]:
        """Facts and bytes of one job. Raises ChildDied, ChildTimeout, JobRefused, PoolBusy."""
        ...


class Reads(Protocol):
    """What is needed of reader.TextReader."""

    async def read(
        self, jpeg: bytes, deadline: Deadline, *, is_sparse: bool
    ) -> tuple[TextBlock, ...]:
        """What can surely be read. Raises Overloaded where its turn does not come in time."""
        ...

    async def is_ready(self) -> bool:
        """Waits until the models are loaded, or have failed to; whether they are."""
        ...


class EmbeddedCaptioner:
    """Looks at a picture in a child process of the pool and says what it saw.

    With a `reader` it quotes the text as well; without one it only looks. Pool and reader belong
    to whoever made them.
    """

    name = "embedded"

    def __init__(self, pool: LookPool, reader: Reads | None = None) -> None:
        self._pool = pool
        self._reader = reader
        self._features = FeatureCache(self._look_and_read, unshared=(Overloaded, DeadlineExceeded))
        self._phrases = load_phrases()

    async def draft(self, image: NormalisedImage, ask: DraftRequest, deadline: Deadline) -> Draft:
        """A true caption, `DECORATIVE` or `UNCERTAIN`; equal pixels give equal words.

        Raises CaptionUncertain for a locale without phrases, Overloaded where no child was free in
        time, and ModelTimeout or ModelError where the child could not look.
        """
        phrases = self._phrases_for(ask.locale)
        try:
            sight = await self._features.get(image.jpeg, deadline)
        except TimeoutError:
            raise DeadlineExceeded(log_reason="waited for an equal image's analysis") from None
        if sight.verdict != "picture":
            return Draft(sight.verdict.upper(), self.name)
        # Judging what may be quoted takes 5 ms, too long to hold the event loop.
        wording = await asyncio.to_thread(realise, sight, ask, phrases)
        return Draft(wording.text, self.name, cut=wording.cut)

    async def check(self) -> str:
        """Look at a drawn picture; says which locales can be written."""
        from PIL import Image  # only a check draws; the server's process does without Pillow

        drawn = io.BytesIO()
        Image.new("RGB", (32, 32), "white").save(drawn, "JPEG")
        await self._look(drawn.getvalue(), Deadline.after(LOOK_TIMEOUT_S))
        does_read = self._reader is not None and await self._reader.is_ready()
        text = "reads text" if does_read else "does not read text"
        return f"looked at a test picture; it writes {self._locales()} and {text}"

    def _phrases_for(self, locale: str) -> Phrases:
        """By language subtag: `en-GB` is written as `en`."""
        found = self._phrases.get(locale.replace("_", "-").split("-")[0].lower())
        if found is None:
            raise CaptionUncertain(
                f"The embedded captioner writes only {self._locales()}. Ask for one of these "
                f"locales, or let the operator set a model."
            )
        return found

    def _locales(self) -> str:
        return ", ".join(self._phrases)

    async def _look_and_read(self, jpeg: bytes, deadline: Deadline) -> Features:
        sight = await self._look(jpeg, deadline)
        if self._reader is None or not sight.may_hold_text:
            return sight
        text = await self._reader.read(jpeg, deadline, is_sparse=sight.is_sparse)
        return sight.with_text(text)

    async def _look(self, jpeg: bytes, deadline: Deadline) -> Features:
        # None of these says anything about the next picture, so none is for a breaker to count.
        try:
            facts, _ = await self._pool.run(
                HANDLER, jpeg, {}, timeout_s=LOOK_TIMEOUT_S, deadline=deadline
            )
            return Features.from_json(facts)
        except ChildTimeout as error:
            raise DeadlineExceeded(log_reason="looking at the picture took too long") from error
        except PoolBusy as error:
            raise Overloaded(log_reason="no child was free to look", retry_after_s=1) from error
        except (ChildDied, JobRefused, KeyError, TypeError) as error:
            raise RequestSpecificError(
                log_reason=f"looking failed: {type(error).__name__}"
            ) from error
