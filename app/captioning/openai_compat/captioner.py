"""Captioner that calls a vision model behind an OpenAI-compatible server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from app.captioning.capability_store import CapabilityStore, capability_key
from app.captioning.captioner import Captioner, DraftRequest, RejectedDraft
from app.captioning.errors import CaptionRefused, ModelError, ModelTimeout, ModelUnavailable
from app.captioning.image_tokens import ImageDetail, Size
from app.captioning.openai_compat.capabilities import (
    Capabilities,
    LearnedCapabilities,
    documented_capabilities,
)
from app.captioning.openai_compat.chat_request import ChatRequest, RetryPolicy
from app.captioning.openai_compat.endpoint import Endpoint
from app.captioning.openai_compat.error_body import redact_for_terminal
from app.captioning.openai_compat.errors import EmptyResponse, TransportError
from app.captioning.openai_compat.known_good_image import known_good_image
from app.captioning.openai_compat.model_list import ModelList, bare_name
from app.captioning.openai_compat.response import ModelResponse
from app.captioning.openai_compat.session import Session, ShrinkImage
from app.captioning.openai_compat.settings import ModelSettings
from app.captioning.prices import Price
from app.captioning.prompt import system_prompt, user_prompt
from app.captioning.providers.notes import describe_model
from app.captioning.providers.provider import ErrorStatement, Provider
from app.captioning.styles.loader import load_styles
from app.errors import CaptionError
from app.runtime.deadline import Deadline
from app.types import Draft, ModelImage, NormalisedImage
from app.validation.verdict import validate_draft

_logger = logging.getLogger(__name__)

_PROBE_MAX_TOKENS = 16
_CHECK_MAX_TOKENS = 64
_CHECK_CALLS = 3
"""Calls that one draft of a check may take: parameters may be refused, reasoning needs headroom."""
_SHOWN_CHARS = 200
_LIST_MODELS_TIMEOUT_S = 5.0


class _CommonParts(TypedDict):
    temperature: float | None
    detail: ImageDetail | None
    params: Mapping[str, Any]
    errors: tuple[ErrorStatement, ...]
    total_has_thinking: bool


@dataclass(frozen=True, slots=True)
class ListingProblem:
    """Something that an operator should know of a model."""

    said: str
    is_ending: bool = False
    """It is listed, and its provider dates its end."""


class OpenAICompatCaptioner(Captioner):
    """One model. All draft requests share its connections and learned capabilities."""

    def __init__(
        self,
        settings: ModelSettings,
        *,
        reduce: ShrinkImage | None = None,
        shrink: ShrinkImage | None = None,
        reencode: ShrinkImage | None = None,
        provider: Provider | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`reduce` makes images of at most the settings' `longest_edge_px`.

        `shrink` is called where the model refuses an image as too large, `reencode` where it cannot
        read it. `provider` is what its provider documents.

        Raises ValueError where OpenAI itself would be called without a key.
        """
        self.name, self.identity = settings.model, settings.identity
        self._settings = settings
        self._reduce = reduce
        self._shrink = shrink
        self._reencode = reencode
        self.provider = provider
        self._sleep = sleep
        self._endpoint = Endpoint(
            settings.base_url, settings.resolve_api_key(), settings.header_values()
        )
        self._learned = LearnedCapabilities(
            settings.model,
            documented_capabilities(provider, settings.model, settings.params),
            on_change=self._keep,
        )
        self._is_other_told = False
        self._keeping: set[asyncio.Task[None]] = set()
        self._store: CapabilityStore | None = None
        self._price = None if settings.price is None else settings.price.token_price()

    async def draft(
        self, image: NormalisedImage, request: DraftRequest, deadline: Deadline
    ) -> Draft:
        """Write one draft before the deadline. Cancelling the call closes its connection.

        Raises ModelUnavailable, ModelError, ModelTimeout or CaptionRefused. Either tells the
        tokens of all calls.
        """
        retry_policy = RetryPolicy(self._settings.timeout_s, self._settings.retry_wait_max_s)
        model_image = await self._image_for_model(image.for_models)
        chat_request = self._chat_request(model_image, request)
        session = self._create_session(chat_request, retry_policy, deadline)
        try:
            draft = self._draft_of(*await session.run())
        except CaptionError as error:
            error.token_uses = session.token_uses(self._price)
            raise
        sent = session.sent_image
        return replace(
            draft, sent_px=(sent.width_px, sent.height_px), earlier_uses=session.untold_uses
        )

    async def probe(self) -> bool | None:
        """Whether the model answers a request with a known good image with any text now."""
        chat_request = ChatRequest(
            model=self.name,
            system_prompt="",
            user_prompt="Say in three words what this picture shows.",
            image=known_good_image().for_models,
            max_tokens=_PROBE_MAX_TOKENS,
            **self._common,
        )
        timeout_s = self._settings.timeout_s
        session = self._create_session(chat_request, _once(timeout_s), Deadline.after(timeout_s))
        try:
            await session.run()
        except EmptyResponse:
            return True  # reasoning only: the server works
        except (ModelUnavailable, ModelError, ModelTimeout, CaptionRefused):
            return False
        return True

    async def check(self) -> str:
        """Caption a small drawn image as a request would, and validate what came.

        Shows that key, model name and image input work. Raises ModelUnavailable, ModelError or
        ModelTimeout, whose text says what to correct.
        """
        base_url = self._endpoint.base_url
        try:
            caption, served_model = await self._caption_known_image()
        except ModelError as error:
            reason = f"{error.log_reason} (at {base_url}){await self._describe_model_list()}"
            raise ModelError(log_reason=reason) from None
        except CaptionRefused as error:
            reason = f"it refused a harmless drawing: {error.log_reason} (at {base_url})"
            raise ModelError(log_reason=reason) from None
        except (ModelUnavailable, ModelTimeout) as error:
            reason = f"{error.log_reason} (at {base_url})"
            raise type(error)(log_reason=reason, retry_after_s=error.retry_after_s) from None
        is_same = served_model in (None, self.name)
        name = self.name if is_same else f"{self.name} (served as {served_model})"
        return f'{name} at {base_url} captioned a drawn house: "{caption}"'

    async def _caption_known_image(self) -> tuple[str, str | None]:
        """The caption and the model that has answered.

        After a second request with the reasons where the first draft broke rules.

        Raises ModelError where no draft is a caption.
        """
        style = load_styles()["concise"]
        request = DraftRequest(style=style, locale="en", max_tokens=_CHECK_MAX_TOKENS)
        image = known_good_image().for_models
        timeout_s = self._settings.timeout_s
        for is_last in (False, True):
            chat_request = self._chat_request(image, request)
            deadline = Deadline.after(_CHECK_CALLS * timeout_s)
            session = self._create_session(chat_request, _once(timeout_s), deadline)
            draft = self._draft_of(*await session.run())
            verdict = validate_draft(
                draft, style=style, locale="en", max_tokens=_CHECK_MAX_TOKENS, is_final=is_last
            )
            if verdict.outcome == "caption" and not verdict.violations:
                return verdict.caption, draft.served_model
            reasons = tuple(violation.reason for violation in verdict.violations)
            if verdict.outcome != "caption":
                reasons = (f"It is no caption but {verdict.outcome}: the picture shows a house.",)
            request = replace(request, rejected=RejectedDraft(draft.text[:_SHOWN_CHARS], reasons))
        shown = redact_for_terminal(draft.text, self._endpoint.secrets)
        raise ModelError(log_reason=f'{self.name}: no caption, but "{shown}": {" ".join(reasons)}')

    @property
    def price(self) -> Price | None:
        """The operator's."""
        return self._settings.price

    def usual_size(self, longest_edge_px: int) -> Size:
        """The size in which it gets a picture of 4:3, where all models get at most this edge."""
        edge_px = self._settings.image_edge_px(longest_edge_px)
        return edge_px, edge_px * 3 // 4

    def count_image_tokens(self, size: Size) -> int | None:
        """What its provider documents that a picture takes; None where no formula is known."""
        provider = self.provider
        if provider is None:
            return None
        return provider.count_image_tokens(self.name, size, self._settings.detail)

    @property
    def is_known_to_think(self) -> bool:
        """Whether its provider documents that it thinks, unless it is told not to as it is here."""
        provider, params = self.provider, self._settings.params
        thinking = None if provider is None else provider.thinking_of(self.name)
        if provider is None or thinking is None or not thinking.by_default:
            return False
        return not provider.switches_thinking_off(self.name, params)

    def describe(self, longest_edge_px: int) -> list[str]:
        """What its provider documents about it, and what a picture of 4:3 takes.

        `longest_edge_px` is that of all models; this one may get less.
        """
        if self.provider is None:
            return []
        settings, size = self._settings, self.usual_size(longest_edge_px)
        return describe_model(self.provider, self.name, settings.params, size, settings.detail)

    async def recall(self, store: CapabilityStore) -> None:
        """Know what an earlier process has learned, and keep there what this one learns."""
        self._store = store
        stored = await store.load(self._store_key)
        if stored is not None:
            self._learned.recall(stored)

    def _keep(self, learned: Capabilities) -> None:
        if self._store is not None:
            task = asyncio.create_task(self._store.save(self._store_key, learned))
            self._keeping.add(task)
            task.add_done_callback(self._keeping.discard)

    @property
    def _store_key(self) -> str:
        return capability_key(self._settings.known_base_url(), self.name, self._settings.params)

    async def warn_of_listing(self) -> None:
        """Log what the server's list of models says against this one."""
        for problem in await self.find_listing_problems():
            extra = {"model": self.name, "reason": problem.said}
            if problem.is_ending:
                _logger.warning("model.ends", extra=extra)
            else:
                _logger.warning("model.not_listed", extra=extra)

    def warm_up(self) -> None:
        """Import the openai SDK, which takes half a second; in any thread."""
        self._endpoint.warm_up()

    async def aclose(self) -> None:
        """Close all connections, once what was learned is kept."""
        await asyncio.gather(*self._keeping)
        await self._endpoint.aclose()

    async def _image_for_model(self, image: ModelImage) -> ModelImage:
        longest_px = max(image.width_px, image.height_px)
        if self._reduce is None or longest_px <= self._settings.image_edge_px(longest_px):
            return image
        return await self._reduce(image.jpeg)

    def _chat_request(self, image: ModelImage, request: DraftRequest) -> ChatRequest:
        return ChatRequest(
            model=self.name,
            system_prompt=system_prompt(request),
            user_prompt=user_prompt(request),
            image=image,
            max_tokens=request.max_tokens,
            **self._common,
        )

    @property
    def _common(self) -> "_CommonParts":
        """What is the same in all requests."""
        provider = self.provider
        return {
            "temperature": self._settings.temperature,
            "detail": self._settings.detail,
            "params": self._settings.params,
            "errors": provider.errors if provider is not None else (),
            "total_has_thinking": "gemini" in self.name.lower()
            or (provider is not None and provider.total_has_thinking),
        }

    def _draft_of(self, response: ModelResponse, had_headroom: bool) -> Draft:
        return Draft(
            text=response.text,
            model=self.name,
            cut=response.truncated,
            had_headroom=had_headroom,
            input_tokens=response.input_tokens,
            output_tokens=response.output_tokens,
            served_model=self._served_model(response.model),
            price=self._price,
        )

    def _served_model(self, name: str | None) -> str | None:
        """The name that the server has sent, unless it is or contains a secret."""
        if name is None or self._has_secret(name):
            return None
        if not self._is_other_told and not bare_name(name).startswith(bare_name(self.name)):
            # The name is the server's text: it is in the answer and not in the log.
            self._is_other_told = True
            hint = "`model` of the answers names it; MODEL_PRICE is counted for it as well"
            _logger.warning("model.another_answers", extra={"model": self.name, "hint": hint})
        return name

    def _has_secret(self, text: str) -> bool:
        return any(secret in text for secret in self._endpoint.secrets)

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
            reencode=self._reencode,
            sleep=self._sleep,
        )

    async def _describe_model_list(self) -> str:
        """Whether the server lists this model, for a failed check; empty where it lists none."""
        listed = await self._list_models()
        if not listed.entries:
            return ""
        if listed.has(self.name):
            return "; the server lists this model"
        return f"; the server does not list this model, but: {listed.describe()}"

    async def find_listing_problems(self) -> list[ListingProblem]:
        """What the server's list of models says against this one: it is missing, or ends."""
        listed = await self._list_models()
        if listed.entries and not listed.has(self.name):
            said = f"its server does not list it, but: {listed.describe()}"
            return [ListingProblem(said)]
        members = () if self.provider is None else self.provider.endings
        days = [day for each in members if (day := listed.ends(self.name, each.member))]
        return [
            ListingProblem(f"its provider shuts it down on {day}: choose another", is_ending=True)
            for day in days[:1]
        ]

    async def _list_models(self) -> ModelList:
        timeout_s = min(self._settings.timeout_s, _LIST_MODELS_TIMEOUT_S)
        try:
            response = await self._endpoint.list_models(timeout_s)
        except (TransportError, TimeoutError):
            return ModelList()
        return ModelList.read(response, may_show=lambda name: not self._has_secret(name))


def _once(timeout_s: float) -> RetryPolicy:
    """One call, without waits."""
    return RetryPolicy(timeout_s, max_wait_s=0.0, max_retries=0, max_rate_limit_waits=0)
