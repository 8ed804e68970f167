"""One ask's talk with a model's server: as many calls as it takes to be understood, no more."""

import asyncio
import logging
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from app.captioning.errors import CaptionRefused, ModelError, ModelTimeout, ModelUnavailable
from app.captioning.openai_compat.capabilities import Capabilities, lesson
from app.captioning.openai_compat.endpoint import ConnectionFailed, Endpoint, Reply
from app.captioning.openai_compat.error_body import ErrorBody, loggable, read_complaint
from app.captioning.openai_compat.error_classifier import (
    AskedToWait,
    Fault,
    NoTimeLeft,
    RequestFault,
    Silent,
    classify,
)
from app.captioning.openai_compat.request_body import RequestBody
from app.captioning.openai_compat.response import InvalidResponse, ModelResponse, parse_response
from app.runtime.deadline import Deadline

_logger = logging.getLogger(__name__)

Shrink = Callable[[bytes], Awaitable[bytes]]
"""The same JPEG with fewer pixels."""

_TRIES_MORE = 2
"""After a 5xx, a broken connection, or a 429 that names no wait."""
_WAITS_MORE = 4
"""After a 429 that says how long: under load the next call may meet the next limit."""
_LESSONS_MORE = 3
"""One for each parameter that can be refused."""
_BACKOFF_S = 0.5
"""The first pause where none is named; doubled each time, as the SDK does."""
_ANSWER_S = 0.5
"""No model answers faster: a wait must leave this much of the deadline."""
_FAIR_S = 5.0
"""A model that had this long, or its whole timeout, and said nothing, is slow by its own fault."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: two texts, a JPEG and the caption's ceiling in tokens."""

    model: str
    system: str
    user: str
    jpeg: bytes
    max_tokens: int
    private: tuple[str, ...] = ()
    """What must never be logged although the server may repeat it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How patient one exchange is; seconds."""

    timeout_s: float
    temperature: float | None
    retry_wait_max_s: float
    tries_more: int = _TRIES_MORE
    waits_more: int = _WAITS_MORE


class Memory:
    """What a captioner learned about its model. In this process only; lost with it."""

    def __init__(self) -> None:
        self.dialect = Capabilities()

    def learn(self, model: str, dialect: Capabilities) -> None:
        """Keep a lesson, besides those that other calls learned meanwhile."""
        merged = self.dialect.merged(dialect)
        if merged != self.dialect:
            self.dialect = merged
            _logger.info(
                "learned how a model wants to be asked",
                extra={
                    "model": model,
                    "left_out": ",".join(sorted(merged.refused)) or "nothing",
                    "headroom_tokens": merged.headroom,
                },
            )


class Session:
    """Runs once. `endpoint` and `memory` are shared by all exchanges of a captioner."""

    def __init__(
        self,
        question: Question,
        terms: Terms,
        deadline: Deadline,
        *,
        endpoint: Endpoint,
        memory: Memory,
        shrink: Shrink | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._question = question
        self._terms = terms
        self._deadline = deadline
        self._endpoint = endpoint
        self._memory = memory
        self._shrink = shrink
        self._sleep = sleep
        self._tries = terms.tries_more
        self._waits = terms.waits_more
        self._lessons = _LESSONS_MORE
        self._thought_longer = False
        self._spent: list[ModelResponse] = []

    async def run(self) -> tuple[ModelResponse, bool]:
        """The answer, and whether it was allowed more tokens than the caption's ceiling.

        Tokens are those of every call that was answered. Raises ModelUnavailable, ModelError (also
        its child RequestFault), ModelTimeout (also NoTimeLeft) or CaptionRefused.
        """
        while True:
            sent = self._memory.dialect
            try:
                reply = await self._call(sent)
            except ConnectionFailed as failed:
                await self._mend(self._broken_wire(failed), sent)
                continue
            heard = _hear(reply)
            if isinstance(heard, Fault):
                await self._mend(heard, sent)
                continue
            self._spent.append(heard)
            if self._lets_it_think(heard, sent):
                continue
            return self._accepted(heard), sent.exceeds_ceiling()

    async def _call(self, sent: Capabilities) -> Reply:
        question, terms = self._question, self._terms
        given_s = min(terms.timeout_s, self._deadline.left_s())
        if given_s <= 0:
            raise NoTimeLeft(log_reason=f"no time was left to ask {question.model}")
        place = secrets.token_hex(16)
        parameters: dict[str, Any] = {
            "model": question.model,
            "messages": sent.messages(question.system, question.user, place),
            **sent.parameters(question.max_tokens, terms.temperature),
        }
        try:
            body = RequestBody(parameters, place, question.jpeg)
            return await self._endpoint.complete(body, given_s)
        except TimeoutError:
            had_a_chance = given_s >= min(terms.timeout_s, _FAIR_S)
            reason = f"{question.model} gave no answer within {given_s:.1f} s"
            raise (ModelTimeout if had_a_chance else NoTimeLeft)(log_reason=reason) from None

    async def _mend(self, fault: Fault, sent: Capabilities) -> None:
        """Returns when it is worth asking again, changed or later; raises when it is not."""
        reason = self._reason(fault)
        if fault.kind == "filtered":
            raise CaptionRefused(log_reason=reason)
        if fault.kind == "quota":
            told = ModelUnavailable if fault.wait_s is None else AskedToWait
            raise told(log_reason=reason, retry_after_s=fault.wait_s)
        if self._learns(fault, sent):
            return
        if fault.kind == "image" and self._shrink is not None:
            shrink, self._shrink = self._shrink, None  # once
            smaller = await shrink(self._question.jpeg)
            self._question = replace(self._question, jpeg=smaller)
            return
        if fault.kind in ("busy", "down"):
            await self._pause(fault, reason)
            return
        raise (ModelError if fault.kind == "broken" else RequestFault)(log_reason=reason)

    def _broken_wire(self, failed: ConnectionFailed) -> Fault:
        """A connection that broke is tried again; one that was slow to come is not."""
        reason = f"no answer over the wire ({failed.reason})"
        if failed.kind == "slow":
            raise ModelUnavailable(log_reason=f"{self._question.model}: {reason}")
        return Fault("down" if failed.kind == "down" else "request", reason)

    def _learns(self, fault: Fault, sent: Capabilities) -> bool:
        """Whether the fault is about a parameter that can be left out or named otherwise."""
        if fault.complaint is None or fault.kind == "busy" or not self._lessons:
            return False
        learned = lesson(sent, self._terms.temperature, fault.complaint)
        if learned is None:
            return False
        self._lessons -= 1
        self._memory.learn(self._question.model, learned)
        return True

    async def _pause(self, fault: Fault, reason: str) -> None:
        """Wait as long as was asked, or longer each time; raises where that is too long."""
        named_s = fault.wait_s
        is_named_limit = fault.kind == "busy" and named_s is not None
        left = self._waits if is_named_limit else self._tries
        tries_before = self._terms.tries_more - self._tries
        wait_s = _BACKOFF_S * 2**tries_before if named_s is None else named_s
        too_long = named_s is not None and named_s > self._terms.retry_wait_max_s
        if too_long:
            raise AskedToWait(log_reason=reason, retry_after_s=named_s)
        if not left or wait_s + _ANSWER_S > self._deadline.left_s():
            raise ModelUnavailable(log_reason=reason, retry_after_s=named_s)
        if is_named_limit:
            self._waits -= 1
        else:
            self._tries -= 1
        _logger.info(
            "waiting for a model",
            extra={"model": self._question.model, "wait_s": round(wait_s, 3), "reason": reason},
        )
        # Never less than was asked; spread, so that all who were refused do not come back at once.
        spread = random.uniform(0.02, 0.25)  # noqa: S311
        await self._sleep(wait_s + spread * min(wait_s, 1.0))

    def _lets_it_think(self, answer: ModelResponse, sent: Capabilities) -> bool:
        """Whether thinking ate the answer and more room may mend it: tried once per ask."""
        silent = answer.is_silent and not answer.refused
        if not (answer.thought or (silent and answer.cut)):
            return False
        eaten = silent or answer.cut
        more = sent.with_more_headroom() if eaten or not sent.headroom else sent
        self._memory.learn(self._question.model, more)
        if not eaten or answer.refused or self._thought_longer or more == sent:
            return False
        self._thought_longer = True
        return True

    def _accepted(self, answer: ModelResponse) -> ModelResponse:
        if answer.refused:
            raise CaptionRefused(log_reason=f"{self._question.model} refused, or its filter")
        if answer.is_silent:
            how = "at its token ceiling, still thinking" if answer.cut else "without a word"
            raise Silent(log_reason=f"{self._question.model} ended {how}")
        return replace(
            answer,
            input_tokens=_total([a.input_tokens for a in self._spent]),
            output_tokens=_total([a.output_tokens for a in self._spent]),
        )

    def _reason(self, fault: Fault) -> str:
        """What went wrong, for the log: our words, and the server's where they are safe."""
        parts = [f"{self._question.model}: {fault.reason}"]
        if fault.status is not None:
            parts.append(f"HTTP {fault.status}")
        if fault.complaint is not None and fault.status not in (401, 403, 407):
            words = (*self._endpoint.secrets, *self._question.private)
            said = loggable(fault.complaint.message, words)
            if said:
                parts.append(f"it said: {said}")
        return "; ".join(parts)


def _hear(reply: Reply) -> ModelResponse | Fault:
    """What a reply is."""
    if not 200 <= reply.status < 300:
        return classify(reply.status, reply.headers, read_complaint(reply.body), time.time())
    heard = parse_response(reply.body)
    if isinstance(heard, ErrorBody):
        return classify(200, reply.headers, heard, time.time())
    if isinstance(heard, InvalidResponse):
        return Fault("broken" if heard.is_broken else "request", heard.reason, status=reply.status)
    return heard


def _total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
