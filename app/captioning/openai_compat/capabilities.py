"""Model capabilities: the request parameters that one model accepts, learned from its responses.

Newer models renamed `max_tokens`, reasoning models take no `temperature`, some chat templates have
no system role. No list of models stays complete, so each captioner begins with the common
parameters and remembers what its model refused.
"""

import logging
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from app.captioning.openai_compat.error_body import ErrorBody
from app.captioning.openai_compat.extra_params import TOKEN_LIMITS
from app.captioning.openai_compat.failure_kinds import FailureKind
from app.captioning.providers.provider import Provider

_logger = logging.getLogger(__name__)

FIRST_HEADROOM_TOKENS, MAX_HEADROOM_TOKENS = 2_048, 16_384
"""Tokens for reasoning besides the caption's: tried first and at most. Vision models spend some
hundred to two thousand tokens on reasoning about one image, some of them nine thousand."""
_HEADROOM_FACTOR = 8
"""A limit costs nothing, a call that ends at its limit does: the second step is the largest."""
_LEAST_HEADROOM_TOKENS = 512

_REFUSED = re.compile(
    r"unsupported|not support|n['’]t support|unrecogni[sz]ed|unknown|unexpected|not permitted"
    r"|not allowed|extra|deprecated|no longer|incompatible|not available|not accept|invalid param"
    r"|use ['\"`]?max_",
)
_TOO_MANY_TOKENS = re.compile(
    r"too large|too high|at most|less than|exceed|greater than|maximum value|must be in|above"
    r"|out of range|range of|maximum context"
)
_FEWER_TOKENS = re.compile(
    r"fewer max_tokens|can only afford|tokens per minute\b.{0,200}\brequested"
)
"""OpenRouter asks for credit for the whole limit, Groq counts it against the minute's tokens."""
_CONTEXT_WINDOW = re.compile(r"context.{0,10}(?:length|window|size)")
_SYSTEM_ROLE_REFUSED = re.compile(
    r"system (?:role|message|prompt|instruction)s?\b.{0,80}(?:not|unsupported|incompatible)"
    r"|(?:n['’]t|not|un)[ -]?support.{0,60}\bsystem\b|incompatible with system"
    r"|roles? must alternate|(?:developer|system)[ _]instruction is not|unknown role.{0,20}system"
    r"|role.{0,40}system.{0,40}(?:not|invalid)"
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The request parameters that one model accepts, and how many tokens it needs."""

    refused: frozenset[str] = frozenset()
    """Of `max_tokens`, `max_completion_tokens`, `temperature`, `stream`, `stream_options` and
    `system`: what it refused."""
    must_stream: bool = False
    """Whether the model answers with an event stream only."""
    headroom_tokens: int = 0
    """Tokens allowed besides the caption's ceiling, for reasoning."""
    max_headroom_tokens: int = MAX_HEADROOM_TOKENS

    @property
    def max_tokens_parameter(self) -> str | None:
        """The name of the parameter that limits tokens; None where the model takes none."""
        names = ("max_tokens", "max_completion_tokens")
        return next((name for name in names if name not in self.refused), None)

    def may_exceed_ceiling(self) -> bool:
        """Whether a response may have more tokens than the caption's ceiling."""
        return self.headroom_tokens > 0 or self.max_tokens_parameter is None

    def build_sampling_parameters(
        self, max_tokens: int, temperature: float | None, fixed: AbstractSet[str] = frozenset()
    ) -> dict[str, Any]:
        """Token limit, temperature and `stream` of a call, as far as the model takes them.

        A stream is asked for its usage, which it has by default with few servers.

        Without those in `fixed`, which the operator sets.
        """
        parameters: dict[str, Any] = {}
        if self.max_tokens_parameter is not None and not TOKEN_LIMITS & fixed:
            parameters[self.max_tokens_parameter] = max_tokens + self.headroom_tokens
        if temperature is not None and not {"temperature"} & (self.refused | fixed):
            parameters["temperature"] = temperature
        if "stream" not in self.refused:
            # Said although it is the default: some servers stream unless they are told not to.
            parameters["stream"] = self.must_stream
        if self.must_stream and "stream_options" not in self.refused:
            parameters["stream_options"] = {"include_usage": True}
        return parameters

    def build_messages(
        self,
        system_prompt: str,
        user_prompt: str,
        image_url: str,
        detail: str | None = None,
    ) -> list[dict[str, Any]]:
        """The `messages` of a call: instructions, then the image, then the question about it.

        `detail` is the operator's: some servers refuse it, and `low` makes text unreadable.
        """
        system: list[dict[str, Any]] = []
        if system_prompt and "system" in self.refused:
            user_prompt = f"{system_prompt}\n\n{user_prompt}"
        elif system_prompt:
            system = [{"role": "system", "content": system_prompt}]
        shown = {"url": image_url} if detail is None else {"url": image_url, "detail": detail}
        image = {"type": "image_url", "image_url": shown}
        text = {"type": "text", "text": user_prompt}
        return [*system, {"role": "user", "content": [image, text]}]

    def with_more_headroom(self) -> "Capabilities":
        """The next number of tokens for reasoning, up to the maximum."""
        wanted = self.headroom_tokens * _HEADROOM_FACTOR or FIRST_HEADROOM_TOKENS
        headroom = max(self.headroom_tokens, min(wanted, self.max_headroom_tokens))
        return replace(self, headroom_tokens=headroom)

    def with_less_headroom(self) -> "Capabilities":
        """Half the tokens for reasoning, and never more again."""
        half = self.headroom_tokens // 2
        most = half if half * 2 >= _LEAST_HEADROOM_TOKENS else 0
        return replace(self, headroom_tokens=most, max_headroom_tokens=most)

    def merge(self, other: "Capabilities") -> "Capabilities":
        """What both calls learned, where two of them learned at the same time."""
        most = min(self.max_headroom_tokens, other.max_headroom_tokens)
        headroom = min(max(self.headroom_tokens, other.headroom_tokens), most)
        must_stream = self.must_stream or other.must_stream
        return Capabilities(self.refused | other.refused, must_stream, headroom, most)


class LearnedCapabilities:
    """What a captioner has learned about its model."""

    def __init__(
        self,
        model: str,
        documented: Capabilities | None = None,
        on_change: Callable[[Capabilities], None] = lambda _learned: None,
    ) -> None:
        """`documented` is what is known before the first call."""
        self._model = model
        self.current = documented or Capabilities()
        self._on_change = on_change

    def recall(self, stored: Capabilities) -> None:
        """Merge what an earlier process has learned."""
        self.current = self.current.merge(stored)

    def learn(self, capabilities: Capabilities) -> None:
        """Merge them into what other calls have learned meanwhile."""
        merged = self.current.merge(capabilities)
        if merged != self.current:
            self.current = merged
            self._on_change(merged)
            _logger.info(
                "model.capabilities_learned",
                extra={
                    "model": self._model,
                    "refused": ",".join(sorted(merged.refused)),
                    "headroom_tokens": merged.headroom_tokens,
                    "must_stream": merged.must_stream,
                },
            )


def documented_capabilities(
    provider: Provider | None, model: str, params: Mapping[str, Any]
) -> Capabilities:
    """What the provider documents: a known model is asked rightly at the first call."""
    if provider is None:
        return Capabilities()
    headroom = FIRST_HEADROOM_TOKENS if provider.thinks(model, params) else 0
    return Capabilities(provider.refused_by(model), headroom_tokens=headroom)


def learn_fewer_tokens(sent: Capabilities, error: ErrorBody) -> Capabilities | None:
    """Less headroom where the server counts a token limit as if it were used up.

    The image then is not too large, and the credit is not used up.
    """
    is_about_limit = sent.headroom_tokens and _FEWER_TOKENS.search(error.search_text)
    return sent.with_less_headroom() if is_about_limit else None


def learn_from_error(
    sent: Capabilities,
    temperature: float | None,
    error: ErrorBody,
    kind: FailureKind,
    fixed: AbstractSet[str] = frozenset(),
) -> Capabilities | None:
    """The capabilities for another call, after an error in response to a call made with `sent`.

    None where the error is not about a parameter that was sent, or about one in `fixed`, which the
    operator has set. Each parameter can be refused only once, so the number of further calls is
    bounded.
    """
    has_own_limit = bool(TOKEN_LIMITS & fixed)
    if kind is FailureKind.MORE_TOKENS_NEEDED:
        if has_own_limit:
            return None
        more = sent.with_more_headroom()
        return more if more != sent else None
    if kind is FailureKind.STREAM_REQUIRED:
        may_learn = "stream" not in sent.refused and not sent.must_stream
        return replace(sent, must_stream=True) if may_learn else None
    text, param = error.search_text, error.param.lower()
    refused: set[str] = set()
    name = None if has_own_limit else sent.max_tokens_parameter
    names_max_tokens = name is not None and re.search(rf"\b{name}\b", text) is not None
    if name is not None and names_max_tokens and _REFUSED.search(text):
        refused.add(name)
    elif (
        sent.headroom_tokens
        and not has_own_limit
        and _TOO_MANY_TOKENS.search(text)
        and (names_max_tokens or _CONTEXT_WINDOW.search(text))
    ):
        return sent.with_less_headroom()
    was_temperature_sent = temperature is not None and not {"temperature"} & (sent.refused | fixed)
    if was_temperature_sent and re.search(r"\btemperature\b", text):
        refused.add("temperature")
    refused |= _refused_of_streams(sent, text) - fixed
    if "system" not in sent.refused and (
        _SYSTEM_ROLE_REFUSED.search(text) or ("role" in param and "system" in text)
    ):
        refused.add("system")
    return replace(sent, refused=sent.refused | refused) if refused else None


def _refused_of_streams(sent: Capabilities, text: str) -> set[str]:
    """Of the parameters about streams, the one that an error is about."""
    if re.search(r"stream_options|include_usage", text):
        return {"stream_options"} - sent.refused if sent.must_stream else set()
    is_about_stream = re.search(r"\bstream\b", text) and _REFUSED.search(text)
    return {"stream"} - sent.refused if is_about_stream else set()
