"""The embedded captioner: describes what the pixels of an image prove, without a model server."""

import asyncio
import io
from dataclasses import replace

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.embedded.phrasebook import Phrasebook, load_phrasebooks
from app.captioning.embedded.realise import realise
from app.captioning.errors import CaptionUncertain, DeadlineExceeded, RequestSpecificError
from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.telemetry.tracing import step_span
from app.types import Draft, NormalisedImage
from app.validation.language_tags import language_of
from app.vision.feature_cache import FeatureCache
from app.vision.features import Features
from app.vision.ocr_pool import OcrPool
from app.workers.errors import ChildDied, ChildTimeout, JobRefused, PoolBusy
from app.workers.job_runner import JobRunner

HANDLER = "analyse"
ANALYSIS_TIMEOUT_S = 5.0
"""An analysis takes 0.05 s of processor time; the rest is for a machine under load."""


class EmbeddedCaptioner(Captioner):
    """Analyses an image in a child process and puts its features into sentences.

    With an `ocr_pool` it quotes the text in the image as well. Both pools belong to the caller, who
    also closes them.
    """

    name = "embedded"

    def __init__(self, pool: JobRunner, ocr_pool: OcrPool | None = None) -> None:
        self._pool = pool
        self._ocr_pool = ocr_pool
        self._features = FeatureCache(self._find_features, unshared=(Overloaded, DeadlineExceeded))
        self._phrasebooks = load_phrasebooks()

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        """A true caption, `DECORATIVE` or `UNCERTAIN`; equal pixels get equal drafts.

        Raises CaptionUncertain for a locale without a phrasebook, Overloaded where no child process
        was free in time, and ModelTimeout or ModelError where the analysis failed.
        """
        phrasebook = self._phrasebook_for(request.locale)
        try:
            with step_span("image.analyse"):
                features = await self._features.get(image.jpeg, deadline, request.caller)
        except TimeoutError:
            raise DeadlineExceeded(log_reason="waited for an equal image's analysis") from None
        is_complete = features.is_complete
        if features.triage != "describable":
            return Draft(features.triage.upper(), self.name, is_complete=is_complete, is_free=True)
        # In a thread: validating the quotations takes 5 ms, too long for the event loop.
        wording = await asyncio.to_thread(realise, features, request, phrasebook)
        return Draft(
            wording.text, self.name, cut=wording.is_cut, is_complete=is_complete, is_free=True
        )

    async def check(self) -> str:
        """Analyses a sample image; returns the locales, and what it reads and names."""
        from PIL import Image  # only used here; the server process runs without Pillow

        sample = io.BytesIO()
        Image.new("RGB", (32, 32), "white").save(sample, "JPEG")
        await self._analyse(sample.getvalue(), Deadline.after(ANALYSIS_TIMEOUT_S))
        reads_text = self._ocr_pool is not None and await self._ocr_pool.is_ready()
        names_things = self._ocr_pool is not None and await self._ocr_pool.recognises()
        text = "reads text" if reads_text else "does not read text"
        things = "names what it sees" if names_things else "does not name what it sees"
        return f"analysed a test image; it writes {self._locales()}, {text} and {things}"

    def _phrasebook_for(self, locale: str) -> Phrasebook:
        """By the language subtag: `en-GB` gets the phrasebook of `en`."""
        phrasebook = self._phrasebooks.get(language_of(locale))
        if phrasebook is None:
            raise CaptionUncertain(
                f"The embedded captioner writes only {self._locales()}. Ask for one of these "
                f"locales, or let the operator set a model."
            )
        return phrasebook

    def _locales(self) -> str:
        return ", ".join(self._phrasebooks)

    async def _find_features(self, jpeg: bytes, deadline: Deadline, caller: str) -> Features:
        features = await self._analyse(jpeg, deadline, caller)
        if self._ocr_pool is None:
            return features
        if features.may_show_things:
            seen = await self._ocr_pool.recognise(
                jpeg, deadline, is_plain=features.background is not None, caller=caller
            )
            if seen is None:
                features = replace(features, is_complete=False)
            else:
                features = features.with_sightings(*seen)
        if not features.may_have_text:
            return features
        text = await self._ocr_pool.read_text(
            jpeg, deadline, is_text_sparse=features.is_text_sparse, caller=caller
        )
        return replace(features, is_complete=False) if text is None else features.with_text(text)

    async def _analyse(self, jpeg: bytes, deadline: Deadline, caller: str = "") -> Features:
        # No error here says anything about the next image, so the circuit breaker counts none.
        try:
            facts, _ = await self._pool.run(
                HANDLER,
                jpeg,
                {},
                timeout_s=ANALYSIS_TIMEOUT_S,
                deadline=deadline,
                fairness_key=(caller,),
            )
            return Features.from_json(facts)
        except ChildTimeout as error:
            raise DeadlineExceeded(log_reason="the analysis of the image took too long") from error
        except PoolBusy as error:
            raise Overloaded(
                log_reason="no child process was free for the analysis", retry_after_s=1
            ) from error
        except (ChildDied, JobRefused, KeyError, TypeError) as error:
            raise RequestSpecificError(
                log_reason=f"the analysis of the image failed: {type(error).__name__}"
            ) from error
