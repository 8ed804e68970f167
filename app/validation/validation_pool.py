"""Validation for the server process: short texts at once, long ones in a child process.

A regular expression holds Python's interpreter lock while it matches, so a long text in a thread
delays every other request as much as one on the event loop. In a child process it delays none.
"""

import asyncio
import logging
from functools import partial

from app.errors import Overloaded
from app.runtime.deadline import Deadline
from app.runtime.fair_loop import end_step
from app.runtime.semaphore import WeightedSemaphore
from app.telemetry.tracing import Span, step_span
from app.types import Draft, Style
from app.validation.validation_handler import HANDLER, decode_verdict, encode_job
from app.validation.verdict import Verdict, check_language, validate_draft
from app.workers.errors import ChildDied, ChildTimeout, JobRefused, PoolBusy
from app.workers.handler import JsonValue
from app.workers.pool import WorkerPool

_logger = logging.getLogger(__name__)

INLINE_MAX_CHARS = 300
"""A text up to this length is validated on the event loop: an ordinary caption takes 1 ms there,
the worst some 5."""
INPUT_MAX_BYTES = 4 * 1024 * 1024
"""A draft has up to 100,000 characters, and JSON takes up to 12 bytes for each."""
VALIDATION_TIMEOUT_S = 5.0
"""The longest text takes 0.1 s of processor time; the rest is for a machine under load."""
_OVERRUN_S = 10.0
_RESTART_PAUSE_S = 5.0


class ValidationPool:
    """Validates drafts and texts, fairly by caller where they are long."""

    def __init__(self, *, size: int = 1) -> None:
        self._pool = WorkerPool(
            size=size,
            handlers={HANDLER: "app.validation.validation_handler:validate_job"},
            memory=WeightedSemaphore(0),
            input_max_bytes=INPUT_MAX_BYTES,
        )

    def pids(self) -> list[int]:
        """The process ids of the child processes."""
        return self._pool.pids()

    def is_ready(self) -> bool:
        """Whether long texts can be validated."""
        return self._pool.is_ready()

    async def start(self) -> None:
        """Start the child process; tries again until it starts."""
        while True:
            try:
                await self._pool.start()
            except Exception:
                # With any error the server answers, and is not ready until the child has started.
                _logger.critical("validation_pool.start_failed", exc_info=True)
                await asyncio.sleep(_RESTART_PAUSE_S)
            else:
                return

    async def aclose(self) -> None:
        """End the child process."""
        await self._pool.aclose()

    async def validate(
        self,
        draft: Draft,
        *,
        style: Style,
        locale: str,
        deadline: Deadline,
        context: str | None = None,
        visible_text: str | None = None,
        max_tokens: int | None = None,
        is_final: bool = False,
        caller: str = "",
    ) -> Verdict:
        """What `validate_draft` returns. `caller` is the fairness key of a long text.

        Raises Overloaded where a long text was not validated before the deadline.
        """
        with step_span("draft.validate") as span:
            verdict = await self._validate(
                draft, style, locale, deadline, context, visible_text, max_tokens, is_final, caller
            )
            _record(verdict, span)
        return verdict

    async def _validate(
        self,
        draft: Draft,
        style: Style,
        locale: str,
        deadline: Deadline,
        context: str | None,
        visible_text: str | None,
        max_tokens: int | None,
        is_final: bool,
        caller: str,
    ) -> Verdict:
        validate_here = partial(
            validate_draft,
            draft,
            style=style,
            locale=locale,
            context=context,
            visible_text=visible_text,
            max_tokens=max_tokens,
            is_final=is_final,
        )
        if len(draft.text) <= INLINE_MAX_CHARS:
            await end_step()  # the one that read and logged the model's answer took a millisecond
            return validate_here()
        options: dict[str, JsonValue] = {
            "locale": locale,
            "context": context,
            "visible_text": visible_text,
            "max_tokens": max_tokens,
            "is_final": is_final,
        }
        job = encode_job(draft, style, options)
        try:
            # The pool's own deadline is later: it would kill the child in the middle of a job,
            # whereas a cancelled job may end, and starting another child takes half a second.
            async with deadline.timeout():
                _, result = await self._pool.run(
                    HANDLER,
                    job,
                    {},
                    timeout_s=VALIDATION_TIMEOUT_S,
                    deadline=Deadline(deadline.at_s + _OVERRUN_S),
                    fairness_key=(caller,),
                )
            verdict = decode_verdict(result)
        except (PoolBusy, TimeoutError, ChildTimeout) as error:
            raise Overloaded(
                log_reason="the text was not validated in time", retry_after_s=1
            ) from error
        except (ChildDied, JobRefused, KeyError, TypeError, ValueError):
            # A text that its child process cannot take is validated all the same.
            _logger.exception("validation.failed", extra={"chars": len(draft.text)})
            return await asyncio.to_thread(validate_here)
        return check_language(verdict, locale)


def _record(verdict: Verdict, span: Span) -> None:
    """The codes alone: a text is nobody's business but its caller's."""
    hard = [violation.code for violation in verdict.violations]
    _logger.info(
        "draft.validated",
        extra={
            "outcome": verdict.outcome,
            "hard": ",".join(hard),
            "soft": ",".join(verdict.warnings),
        },
    )
    span.set_attributes(
        {
            "altwright.outcome": verdict.outcome,
            "altwright.hard_rules": hard or None,
            "altwright.soft_rules": verdict.warnings or None,
        }
    )
