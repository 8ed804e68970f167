"""Captioner that calls a vision model behind an OpenAI-compatible server."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from app.captioning.captioner import Captioner, DraftRequest
from app.captioning.errors import CaptionRefused, ModelError, ModelTimeout, ModelUnavailable
from app.captioning.openai_compat.capabilities import LearnedCapabilities
from app.captioning.openai_compat.endpoint import Endpoint, HttpResponse
from app.captioning.openai_compat.errors import EmptyResponse, TransportError
from app.captioning.openai_compat.session import ChatRequest, RetryPolicy, Session, ShrinkImage
from app.captioning.openai_compat.settings import ModelSettings
from app.captioning.prompt import system_prompt, user_prompt
from app.runtime.deadline import Deadline
from app.types import Draft, NormalisedImage

_CHECK_MAX_TOKENS = 32
_CHECK_IMAGE_EDGE_PX = 64
"""Some models refuse images under 28 pixels (the patch size of Qwen-VL)."""
_LIST_MODELS_TIMEOUT_S = 5.0


class OpenAICompatCaptioner(Captioner):
    """One model. All draft requests share its connections and learned capabilities."""

    def __init__(
        self,
        settings: ModelSettings,
        *,
        shrink: ShrinkImage | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`shrink` is called where the model refuses an image as too large.

        Raises ValueError where OpenAI itself would be called without a key.
        """
        self.name = settings.model
        self._settings = settings
        self._shrink = shrink
        self._sleep = sleep
        self._endpoint = Endpoint(settings.base_url, settings.resolve_api_key())
        self._learned = LearnedCapabilities(settings.model)

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        """Write one draft before the deadline. Cancelling the call closes its connection.

        Raises ModelUnavailable, ModelError, ModelTimeout or CaptionRefused.
        """
        rejected_draft = request.rejected.draft if request.rejected is not None else ""
        chat_request = ChatRequest(
            model=self.name,
            system_prompt=system_prompt(request),
            user_prompt=user_prompt(request),
            jpeg=image.jpeg,
            max_tokens=request.max_tokens,
            temperature=self._settings.temperature,
            private_texts=(request.context or "", rejected_draft, *request.keywords),
        )
        retry_policy = RetryPolicy(self._settings.timeout_s, self._settings.retry_wait_max_s)
        session = self._create_session(chat_request, retry_policy, deadline)
        response, had_headroom = await session.run()
        return Draft(
            text=response.text,
            model=self.name,
            cut=response.truncated,
            had_headroom=had_headroom,
            input_tokens=response.input_tokens,
            output_tokens=response.output_tokens,
        )

    async def check(self) -> str:
        """Send one small grey image: shows that key, model name and image input work.

        Raises ModelUnavailable, ModelError or ModelTimeout, whose text says what to correct.
        """
        base_url, timeout_s = self._endpoint.base_url, self._settings.timeout_s
        chat_request = ChatRequest(
            model=self.name,
            system_prompt="",
            user_prompt="Answer with the word OK.",
            jpeg=_grey_image(),
            max_tokens=_CHECK_MAX_TOKENS,
            temperature=self._settings.temperature,
        )
        retry_policy = RetryPolicy(timeout_s, max_wait_s=0.0, max_retries=0, max_rate_limit_waits=0)
        session = self._create_session(chat_request, retry_policy, Deadline.after(timeout_s))
        result = f"{self.name} at {base_url} responds to a request with an image"
        try:
            await session.run()
        except EmptyResponse:
            return f"{result} (with reasoning only, within the tokens of a check)"
        except ModelError as error:
            reason = f"{error.log_reason} (at {base_url}){await self._describe_model_list()}"
            raise ModelError(log_reason=reason) from None
        except CaptionRefused:
            return f"{result} (its content filter refused the test image)"
        except (ModelUnavailable, ModelTimeout) as error:
            reason = f"{error.log_reason} (at {base_url})"
            raise type(error)(log_reason=reason, retry_after_s=error.retry_after_s) from None
        return result

    def warm_up(self) -> None:
        """Import the openai SDK, which takes half a second; in any thread."""
        self._endpoint.warm_up()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._endpoint.aclose()

    def _create_session(
        self, request: ChatRequest, retry_policy: RetryPolicy, deadline: Deadline
    ) -> Session:
        return Session(
            request,
            retry_policy,
            deadline,
            endpoint=self._endpoint,
            learned=self._learned,
            shrink=self._shrink,
            sleep=self._sleep,
        )

    async def _describe_model_list(self) -> str:
        """Whether the server lists this model, for a failed check; empty where it lists none."""
        timeout_s = min(self._settings.timeout_s, _LIST_MODELS_TIMEOUT_S)
        try:
            names = _model_names(await self._endpoint.list_models(timeout_s))
        except (TransportError, TimeoutError):
            return ""
        if not names:
            return ""
        if any(name.removesuffix(":latest") == self.name.removesuffix(":latest") for name in names):
            return "; the server lists this model"
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        return f"; the server does not list this model, but: {shown}"


def _model_names(response: HttpResponse) -> list[str]:
    """The names in a list of models: at most 1,000, cut to 100 characters each."""
    if response.status != 200:
        return []
    try:
        value: Any = json.loads(response.body)
    except (ValueError, RecursionError):
        return []
    models = value.get("data") if isinstance(value, Mapping) else value
    if not isinstance(models, list):
        return []
    names = (model.get("id") for model in models[:1_000] if isinstance(model, Mapping))
    return [name[:100] for name in names if isinstance(name, str)]


def _grey_image() -> bytes:
    from PIL import Image  # only a check draws: the server process does not load Pillow

    out = io.BytesIO()
    size = (_CHECK_IMAGE_EDGE_PX, _CHECK_IMAGE_EDGE_PX)
    Image.new("RGB", size, (128, 128, 128)).save(out, "JPEG")
    return out.getvalue()
