"""The routes of the API: captions, checks and styles; health and metrics."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request, Response

from app.api.admission import Places
from app.api.client_disconnect import run_while_connected
from app.api.dependencies import AuthenticatedCaller, RateLimitedCaller, Services, ServicesDep
from app.api.errors import (
    InvalidRequest,
    RateLimited,
    RequestTimeout,
    RequestTooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from app.api.keys import Caller
from app.api.openapi_bodies import request_body
from app.api.problems import documented_responses
from app.api.request_schemas import UPLOADED, CaptionBody, CaptionsBody, CheckBody
from app.api.response_schemas import (
    CaptionResponse,
    CaptionsResponse,
    CheckResponse,
    Liveness,
    Readiness,
    StylesResponse,
    UsageResponse,
)
from app.captioning.errors import (
    CaptionRefused,
    CaptionUncertain,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from app.captioning.styles.listing import describe_style
from app.drafting import CaptionRejected
from app.errors import CaptionError, InternalError, Overloaded
from app.fetching.errors import (
    ImageDenied,
    ImageNotFound,
    ImageTimeout,
    ImageUnreachable,
    ImageUrlForbidden,
)
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from app.runtime.deadline import Deadline
from app.telemetry.redaction import loggable_url
from app.telemetry.request_context import record_time, set_log_fields
from app.types import Caption, Draft
from app.usage.errors import QuotaExceeded, UsageUnavailable
from app.usage.months import Month
from app.usage.request_usage import RequestUsage
from app.validation.language_tags import registered_part

_T = TypeVar("_T")

_REQUEST_ERRORS: tuple[type[CaptionError], ...] = (
    Unauthorized,
    RequestTimeout,
    RequestTooLarge,
    UnsupportedMediaType,
    InvalidRequest,
    RateLimited,
    Overloaded,
    InternalError,
)
_USAGE_RETRY_S = 5.0
_IMAGE_ERRORS: tuple[type[CaptionError], ...] = (
    ImageUrlForbidden,
    ImageNotFound,
    ImageDenied,
    ImageTooLarge,
    ImageUnsupported,
    ImageCorrupt,
    ImageUnreachable,
    ImageTimeout,
)
_MODEL_ERRORS: tuple[type[CaptionError], ...] = (
    CaptionUncertain,
    CaptionRefused,
    CaptionRejected,
    ModelUnavailable,
    ModelError,
    ModelTimeout,
)

captions_router = APIRouter(prefix="/v1", tags=["captions"])
service_router = APIRouter(tags=["service"])


@captions_router.post(
    "/image/caption",
    summary="One caption of one image",
    response_model=CaptionResponse,
    responses=documented_responses(*_REQUEST_ERRORS, QuotaExceeded, *_IMAGE_ERRORS, *_MODEL_ERRORS),
    openapi_extra=request_body(CaptionBody),
)
async def caption_one(
    request: Request, response: Response, services: ServicesDep, caller: RateLimitedCaller
) -> CaptionResponse:
    """Fetches the image, asks the captioner for a draft, and checks it against the style's rules.

    The caption obeys every hard rule, so it can be stored without being read.
    """
    async with (
        services.admission.places(caller.name) as places,
        services.body_reader.read(
            request, CaptionBody, places, lambda: _require_quota(request, services, caller)
        ) as received,
    ):
        body = received.fields
        _require_known_styles(services, [body.style], "style")
        _log_request(body.image_url, [body.style], [body.locale])
        caption_request = body.caption_request(caller.name, services.verify, received.upload)
        await services.meter.begin_work(request.state.usage, caller.quota, 1)
        caption = await _run_admitted(
            request,
            services,
            places,
            lambda deadline, _: services.pipeline.caption(caption_request, deadline),
        )
        _add_cache_header(response, [caption])
        _count_results(request, [caption])
        return CaptionResponse.from_caption(caption, body.metadata)


@captions_router.post(
    "/image/captions",
    summary="Several styles and locales of one image",
    response_model=CaptionsResponse,
    responses=documented_responses(*_REQUEST_ERRORS, QuotaExceeded, *_IMAGE_ERRORS, *_MODEL_ERRORS),
    openapi_extra=request_body(CaptionsBody),
)
async def caption_several(
    request: Request, response: Response, services: ServicesDep, caller: RateLimitedCaller
) -> CaptionsResponse:
    """Fetches and decodes the image once, and calls the model for every style and locale at once.

    Where a caption fails, its result is a problem. Where the image fails, the whole response is
    that problem.
    """
    async with (
        services.admission.places(caller.name) as places,
        services.body_reader.read(
            request, CaptionsBody, places, lambda: _require_quota(request, services, caller)
        ) as received,
    ):
        body = received.fields
        _require_known_styles(services, body.styles, "styles")
        _log_request(body.image_url, body.styles, body.locales or [body.locale])
        requests = body.caption_requests(caller.name, services.verify, received.upload)
        await services.meter.begin_work(request.state.usage, caller.quota, len(requests))
        results = await _run_admitted(
            request,
            services,
            places,
            lambda deadline, count: services.pipeline.captions(
                requests, deadline, side_by_side=count
            ),
            wanted=len(requests),
        )
        _add_cache_header(response, [result for result in results if isinstance(result, Caption)])
        _count_results(request, results)
        return CaptionsResponse.from_results(
            requests,
            results,
            body.metadata,
            request.state.request_id,
            request.scope.get("root_path", ""),
        )


@captions_router.post(
    "/caption/check",
    summary="Check a text that a person or another tool wrote",
    response_model=CheckResponse,
    responses=documented_responses(*_REQUEST_ERRORS, *_IMAGE_ERRORS),
    openapi_extra=request_body(CheckBody),
)
async def check_caption(
    request: Request, services: ServicesDep, caller: RateLimitedCaller
) -> CheckResponse:
    """The rules that the text breaks, and the text after cleaning. No model is called.

    With `image_url` or a file the text is held against the picture as well.
    """
    async with (
        services.admission.places(caller.name) as places,
        services.body_reader.read(request, CheckBody, places) as received,
    ):
        body = received.fields
        _require_known_styles(services, [body.style], "style")
        _log_request(body.image_url, [body.style], [body.locale])
        if body.image_url is not None:
            check_request = body.check_request(
                body.image_url, caller.name, services.verify, received.upload
            )
            judged = await _run_admitted(
                request,
                services,
                places,
                lambda deadline, _: services.pipeline.check(body.caption, check_request, deadline),
            )
            return CheckResponse.from_verdict(judged.verdict, judged.checks)
        verdict = await _run_admitted(
            request,
            services,
            places,
            lambda deadline, _: services.validation_pool.validate(
                Draft(body.caption, model=""),
                style=services.styles[body.style],
                locale=body.locale,
                context=body.context,
                visible_text=body.visible_text,
                is_final=True,
                deadline=deadline,
                caller=caller.name,
            ),
        )
        return CheckResponse.from_verdict(verdict, None)


@captions_router.get(
    "/styles",
    summary="The styles that this server accepts",
    response_model=StylesResponse,
    responses=documented_responses(Unauthorized, InternalError),
)
async def list_styles(services: ServicesDep, _caller: AuthenticatedCaller) -> StylesResponse:
    """Name, purpose, limits in characters, and the rules with their severity."""
    styles = [describe_style(style) for style in services.styles.values()]
    return StylesResponse.model_validate({"styles": styles, "expected": services.expected_tokens})


@captions_router.get(
    "/usage",
    summary="What the caller's key used in a month",
    response_model=UsageResponse,
    responses=documented_responses(Unauthorized, InvalidRequest, Overloaded, InternalError),
)
async def read_usage(
    services: ServicesDep,
    caller: AuthenticatedCaller,
    month: Annotated[
        str | None,
        Query(description="`YYYY-MM` in UTC; without it the current month.", examples=["2026-11"]),
    ] = None,
) -> UsageResponse:
    """Requests, captions by outcome, tokens, cost and quota, over all replicas."""
    meter = services.meter
    current = meter.current_month()
    try:
        wanted = current if month is None else Month.parse(month)
    except ValueError as error:
        raise InvalidRequest([("month", str(error))]) from None
    try:
        report = await meter.report(caller.usage_name, wanted)
    except UsageUnavailable:
        raise Overloaded(
            "Usage cannot be read at the moment. Try again after the time in Retry-After.",
            log_reason="usage store does not respond",
            retry_after_s=_USAGE_RETRY_S,
        ) from None
    return UsageResponse.from_report(report, caller.quota if wanted == current else None)


@service_router.get("/healthz", summary="Is the process alive?", response_model=Liveness)
async def healthz() -> Liveness:
    """200 as long as the process responds."""
    return Liveness(status="ok")


@service_router.get(
    "/readyz",
    summary="Should captions be sent here?",
    response_model=Readiness,
    responses={
        503: {"model": Readiness, "description": "Starting, draining, or no usable captioner"}
    },
)
async def readyz(response: Response, services: ServicesDep) -> Readiness:
    """503 while starting, from SIGTERM on, and while no captioner is usable.

    After 200 the first caption takes no longer than the next.
    """
    status = services.readiness()
    if status != "ready":
        response.status_code = 503
    return Readiness(
        status=status,
        captioners=dict(services.captioner.circuit_states()),
        usage_store=services.usage_store_state(),
    )


@service_router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(services: ServicesDep) -> Response:
    """The Prometheus text format."""
    services.record_state()
    return Response(services.metrics.exposition(), media_type="text/plain; version=0.0.4")


async def _require_quota(request: Request, services: Services, caller: Caller) -> None:
    await services.meter.require_quota(request.state.usage, caller.quota)


def _require_known_styles(services: Services, styles: Sequence[str], field: str) -> None:
    unknown = [style for style in styles if style not in services.styles]
    if unknown:
        known = ", ".join(services.styles)
        raise InvalidRequest(
            (field, f"There is no style {style[:100]!r}; this server has {known}")
            for style in unknown
        )


def _add_cache_header(response: Response, captions: Sequence[Caption]) -> None:
    """X-Cache, where a cache is configured: `hit` if every caption came from it."""
    if any(caption.cached is not None for caption in captions):
        response.headers["X-Cache"] = "hit" if all(c.cached for c in captions) else "miss"


def _count_results(request: Request, results: Sequence[Caption | CaptionError]) -> None:
    usage: RequestUsage = request.state.usage
    for result in results:
        if isinstance(result, Caption):
            usage.add_caption(result.token_uses, is_decorative=result.decorative)
        else:
            usage.add_problem(result.code, result.take_token_uses())


def _log_request(
    image_url: str | None, styles: Sequence[str], locales: Sequence[str] | None
) -> None:
    """What the last log line tells of the request. Of a locale no words of the caller's own."""
    tags = [registered_part(locale) or "(private)" for locale in locales or ()]
    set_log_fields(style=",".join(styles), locale=",".join(tags))
    if image_url is not None:
        set_log_fields(image="upload" if image_url == UPLOADED else loggable_url(image_url))


async def _run_admitted(
    request: Request,
    services: Services,
    places: Places,
    work: Callable[[Deadline, int], Awaitable[_T]],
    *,
    wanted: int = 1,
) -> _T:
    """Run the work in places of its own, and cancel it when the client disconnects.

    It gets its deadline and the number of its places, which is `wanted` unless others need them.
    """
    deadline = Deadline.after(services.drain.shorten(services.request_timeout_s))

    async def wait_and_work() -> _T:
        began_s = time.monotonic()
        count = await places.take(deadline, wanted=wanted)
        record_time("wait", time.monotonic() - began_s)
        return await work(deadline, count)

    return await run_while_connected(request, wait_and_work)
