"""What a model is asked, and how long and how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.captioning.image_tokens import ImageDetail
from app.captioning.openai_compat.extra_params import TOKEN_LIMITS
from app.captioning.providers.provider import ErrorStatement
from app.types import ModelImage


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What the model is asked: two texts and an image."""

    model: str
    system_prompt: str
    user_prompt: str
    image: ModelImage
    max_tokens: int
    """The ceiling of the caption."""
    temperature: float | None
    detail: ImageDetail | None = None
    """How closely the model looks; None: not sent."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """The operator's, merged into the body. What they set is not changed by what is learned."""
    errors: tuple[ErrorStatement, ...] = ()
    """What the provider documents about its errors."""
    total_has_thinking: bool = False
    """Whether thinking is counted in the total alone."""

    @property
    def has_own_token_limit(self) -> bool:
        """Whether the operator limits the tokens."""
        return bool(TOKEN_LIMITS & self.params.keys())


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a call may take, and how often and how long a session waits to repeat it."""

    call_timeout_s: float
    max_wait_s: float
    """A longer wait named by the server is not waited out."""
    max_retries: int = 2
    """After a 5xx, a failed connection, or a 429 that names no wait."""
    max_rate_limit_waits: int = 4
    """After a 429 that names a wait: under load the next call may exceed the limit again."""
