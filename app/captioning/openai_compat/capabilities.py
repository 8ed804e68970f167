"""Which parameters a model wants, learned from what it refuses.

`max_tokens` was renamed, thinking models take no temperature, some chat templates know no system
message. No list of models could keep up, so each captioner asks the common way and remembers.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from app.captioning.openai_compat.error_body import ErrorBody

HEADROOM_FIRST, HEADROOM_MOST = 1_024, 4_096
"""Tokens for thinking, over the caption's own: what is tried first and last. Thinking about one
picture takes vision models some hundred to two thousand tokens."""

_REFUSING = re.compile(
    r"unsupported|not support|n['’]t support|unrecogni[sz]ed|unknown|unexpected|not permitted"
    r"|not allowed|extra|deprecated|no longer|incompatible|not available|not accept|invalid param"
    r"|use ['\"`]?max_",
)
_TOO_MANY = re.compile(
    r"too large|too high|at most|less than|exceed|greater than|maximum value|must be in|above"
    r"|out of range|range of|maximum context"
)
_WINDOW = re.compile(r"context.{0,10}(?:length|window|size)")
_NO_SYSTEM = re.compile(
    r"system (?:role|message|prompt|instruction)s?\b.{0,80}(?:not|unsupported|incompatible)"
    r"|(?:n['’]t|not|un)[ -]?support.{0,60}\bsystem\b|incompatible with system"
    r"|roles? must alternate|(?:developer|system)[ _]instruction is not|unknown role.{0,20}system"
    r"|role.{0,40}system.{0,40}(?:not|invalid)"
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """How one model wants to be asked."""

    refused: frozenset[str] = frozenset()
    """Of `max_tokens`, `max_completion_tokens`, `temperature` and `system`: what it refused."""
    headroom: int = 0
    """Tokens allowed over the caption's ceiling, for thinking."""
    headroom_most: int = HEADROOM_MOST

    @property
    def ceiling_name(self) -> str | None:
        """The parameter that limits the answer; None where the model takes neither."""
        names = ("max_tokens", "max_completion_tokens")
        return next((name for name in names if name not in self.refused), None)

    def exceeds_ceiling(self) -> bool:
        """Whether an answer may hold more tokens than the caption's ceiling."""
        return self.headroom > 0 or self.ceiling_name is None

    def parameters(self, max_tokens: int, temperature: float | None) -> dict[str, Any]:
        """The sampling parameters of a call."""
        parameters: dict[str, Any] = {}
        if self.ceiling_name is not None:
            parameters[self.ceiling_name] = max_tokens + self.headroom
        if temperature is not None and "temperature" not in self.refused:
            parameters["temperature"] = temperature
        return parameters

    def messages(self, system: str, user: str, image_url: str) -> list[dict[str, Any]]:
        """Instructions, then the picture, then the question about it.

        `detail` is left out: `low` blurs text in the picture, and not every server knows the word.
        """
        heads: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
        if "system" in self.refused:
            heads, user = [], f"{system}\n\n{user}" if system else user
        picture = {"type": "image_url", "image_url": {"url": image_url}}
        question = {"type": "text", "text": user}
        return [*heads, {"role": "user", "content": [picture, question]}]

    def with_more_headroom(self) -> "Capabilities":
        """Twice the room to think, up to the most; unchanged where that is reached."""
        wanted = self.headroom * 2 or HEADROOM_FIRST
        return replace(self, headroom=max(self.headroom, min(wanted, self.headroom_most)))

    def merged(self, learned: "Capabilities") -> "Capabilities":
        """Both lessons: what was learned while another call learned something else."""
        most = min(self.headroom_most, learned.headroom_most)
        headroom = min(max(self.headroom, learned.headroom), most)
        return Capabilities(self.refused | learned.refused, headroom, most)


def lesson(
    sent: Capabilities, temperature: float | None, complaint: ErrorBody
) -> Capabilities | None:
    """How to ask instead, after `complaint` about a call made in `sent`; None if it says nothing.

    Only what was sent can be learned from, so lessons end.
    """
    words, param = complaint.words, complaint.param.lower()
    refused: set[str] = set()
    name = sent.ceiling_name
    names_ceiling = name is not None and re.search(rf"\b{name}\b", words) is not None
    if name is not None and names_ceiling and _REFUSING.search(words):
        refused.add(name)
    elif sent.headroom and _TOO_MANY.search(words) and (names_ceiling or _WINDOW.search(words)):
        most = sent.headroom // 2 if sent.headroom >= 512 else 0
        return replace(sent, headroom=most, headroom_most=most)
    sends_temperature = temperature is not None and "temperature" not in sent.refused
    if sends_temperature and re.search(r"\btemperature\b", words):
        refused.add("temperature")
    if "system" not in sent.refused and (
        _NO_SYSTEM.search(words) or ("role" in param and "system" in words)
    ):
        refused.add("system")
    return replace(sent, refused=sent.refused | refused) if refused else None
