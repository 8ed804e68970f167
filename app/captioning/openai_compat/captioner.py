"""The captioner that asks a model behind any OpenAI-compatible server."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.errors import CaptionRefused, ModelError, ModelTimeout, ModelUnavailable
from app.captioning.openai_compat.endpoint import ConnectionFailed, Endpoint, Reply
from app.captioning.openai_compat.error_classifier import Silent
from app.captioning.openai_compat.session import Memory, Question, Session, Shrink, Terms
from app.captioning.prompt import system_text, user_text
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage

_CHECK_TOKENS = 32
_CHECK_EDGE_PX = 64
"""Some models refuse pictures under 28 pixels (Qwen-VL's patch)."""


class ModelSettings(
    BaseModel,
    frozen=True,
    use_attribute_docstrings=True,
    str_strip_whitespace=True,
    hide_input_in_errors=True,
):
    """One model and how to ask it; also the form of an element of FALLBACKS."""

    model: str = Field(min_length=1, max_length=200)
    """The name that the model's server knows it by."""
    base_url: str | None = None
    """Where the server's API begins, mostly ending in /v1. None: the openai SDK's own."""
    api_key: SecretStr | None = None
    """None: the openai SDK's own where `base_url` is None, else no key is sent that means anything.
    The environment's OPENAI_API_KEY never goes to another server."""
    timeout_s: float = Field(15.0, gt=0, le=600)
    """Seconds for one call."""
    temperature: float | None = Field(0.2, ge=0, le=2)
    """None: the model's own."""
    retry_wait_max_s: float = Field(10.0, ge=0, le=600)
    """A wait that the server names is waited out up to this many seconds."""

    @model_validator(mode="before")
    @classmethod
    def _only_known_fields(cls, values: object) -> object:
        if isinstance(values, Mapping):
            unknown = sorted(str(name) for name in values if name not in cls.model_fields)
            if unknown:
                known = ", ".join(cls.model_fields)
                raise ValueError(f"unknown field {unknown[0]!r}: a model has {known}")
        return values

    @field_validator("base_url", "api_key", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        return None if isinstance(text, str) and not text.strip() else value

    @field_validator("base_url")
    @classmethod
    def _is_a_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("write it with its scheme and host, like http://127.0.0.1:11434/v1")
        if parts.path.rstrip("/").endswith("/chat/completions"):
            raise ValueError("leave /chat/completions away: it is added to the base URL")
        return value

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value().strip()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("a key is printable ASCII without spaces; part of it may be missing")
        return SecretStr(text)


class OpenAICompatCaptioner(Captioner):
    """A vision model behind one endpoint. One client, made once, shared by every call."""

    def __init__(
        self,
        settings: ModelSettings,
        *,
        shrink: Shrink | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`shrink` gives a smaller JPEG for models that find a picture too large.

        Raises ValueError where OpenAI itself would be asked without a key.
        """
        self.name = settings.model
        self._settings = settings
        self._shrink = shrink
        self._sleep = sleep
        self._endpoint = Endpoint(settings.base_url, settings.api_key)
        self._memory = Memory()

    def is_usable(self) -> bool:
        """Always: whether it is left alone is the chain's breaker's business."""
        return True

    async def draft(self, image: NormalisedImage, ask: DraftRequest, deadline: Deadline) -> Draft:
        """One draft before the deadline. Cancelling the call closes its connection.

        Raises ModelUnavailable, ModelError, ModelTimeout or CaptionRefused.
        """
        rejected = ask.rejected.draft if ask.rejected is not None else ""
        question = Question(
            model=self.name,
            system=system_text(ask),
            user=user_text(ask),
            jpeg=image.jpeg,
            max_tokens=ask.max_tokens,
            private=(ask.context or "", rejected, *ask.keywords),
        )
        exchange = self._exchange(question, deadline)
        answer, had_headroom = await exchange.run()
        return Draft(
            text=answer.text,
            model=self.name,
            cut=answer.cut,
            had_headroom=had_headroom,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
        )

    async def check(self) -> str:
        """Shows the model one small grey picture, as a caption would: key, name and sight in one.

        Raises ModelUnavailable, ModelError or ModelTimeout; their text says what to mend.
        """
        question = Question(
            self.name, "", "Answer with the word OK.", _grey_square(), _CHECK_TOKENS
        )
        deadline = Deadline.after(self._settings.timeout_s)
        seen = f"{self.name} at {self._endpoint.base_url} answers a question with a picture"
        try:
            await self._exchange(question, deadline, patient=False).run()
        except Silent:
            return f"{seen} (it thought longer than a check lasts)"
        except ModelError as error:
            raise ModelError(log_reason=error.log_reason + await self._what_is_there()) from None
        except CaptionRefused:
            return f"{seen} (its content filter is wakeful)"
        except (ModelUnavailable, ModelTimeout) as error:
            where = f"{error.log_reason} (at {self._endpoint.base_url})"
            raise type(error)(log_reason=where, retry_after_s=error.retry_after_s) from None
        return seen

    def warm_up(self) -> None:
        """Load what the first call needs; takes half a second, in any thread."""
        self._endpoint.warm_up()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._endpoint.aclose()

    def _exchange(self, question: Question, deadline: Deadline, *, patient: bool = True) -> Session:
        settings = self._settings
        terms = Terms(settings.timeout_s, settings.temperature, settings.retry_wait_max_s)
        if not patient:
            terms = Terms(settings.timeout_s, settings.temperature, 0.0, 0, 0)
        return Session(
            question,
            terms,
            deadline,
            endpoint=self._endpoint,
            memory=self._memory,
            shrink=self._shrink,
            sleep=self._sleep,
        )

    async def _what_is_there(self) -> str:
        """What the server's list of models says about a failed check; empty where it has none."""
        at = f" (at {self._endpoint.base_url})"
        try:
            reply = await self._endpoint.models(min(self._settings.timeout_s, 5.0))
        except (ConnectionFailed, TimeoutError):
            return at
        names = _model_names(reply)
        if not names:
            return at
        if any(name.removesuffix(":latest") == self.name.removesuffix(":latest") for name in names):
            return f"{at}; the server lists this model"
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        return f"{at}; the server does not list this model, but: {shown}"


def _model_names(reply: Reply) -> list[str]:
    """The names in a list of models, at most 1,000 of at most 100 characters."""
    if reply.status != 200:
        return []
    try:
        value: Any = json.loads(reply.body)
    except (ValueError, RecursionError):
        return []
    models = value.get("data") if isinstance(value, Mapping) else value
    names = (
        [m.get("id") for m in models[:1_000] if isinstance(m, Mapping)]
        if isinstance(models, list)
        else []
    )
    return [name[:100] for name in names if isinstance(name, str)]


def _grey_square() -> bytes:
    """The smallest picture that every model takes."""
    from PIL import Image  # only a check draws; the server's process does without Pillow

    out = io.BytesIO()
    Image.new("RGB", (_CHECK_EDGE_PX, _CHECK_EDGE_PX), (128, 128, 128)).save(out, "JPEG")
    return out.getvalue()
