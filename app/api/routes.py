"""The paths of the API."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from app.api.errors import (
    InvalidRequest,
    RateLimited,
    RequestTimeout,
    RequestTooLarge,
    Unauthorized,
    UnsupportedMediaType,
)
from app.api.openapi import takes
from app.api.problems import body_of, documented
from app.api.schemas import (
    Alive,
    CaptionAnswer,
    CaptionBody,
    CaptionsAnswer,
    CaptionsBody,
    CheckAnswer,
    CheckBody,
    FailedResult,
    Health,
    StylesAnswer,
)
from app.api.services import Services, ServicesHere
from app.captioning.errors import (
    CaptionRefused,
    CaptionUncertain,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from app.captioning.styles.describe import describe
from app.errors import CaptionError, InternalError, Overloaded
from app.fetching.errors import ImageTimeout
from app.fetching.fetcher import ImageDenied, ImageNotFound, ImageUnreachable, ImageUrlForbidden
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from app.pipeline import CaptionRejected
from app.runtime.deadline import Deadline
from app.telemetry.redaction import safe_url
from app.types import Caption
from app.validation.verdict import validate_draft

_T = TypeVar("_T")

_ASKING: tuple[type[CaptionError], ...] = (
    Unauthorized,
    RequestTimeout,
    RequestTooLarge,
    UnsupportedMediaType,
    InvalidRequest,
    RateLimited,
    Overloaded,
    InternalError,
)
_PICTURE: tuple[type[CaptionError], ...] = (
    ImageUrlForbidden,
    ImageNotFound,
    ImageDenied,
    ImageTooLarge,
    ImageUnsupported,
    ImageCorrupt,
    ImageUnreachable,
    ImageTimeout,
)
_MODEL: tuple[type[CaptionError], ...] = (
    CaptionUncertain,
    CaptionRefused,
    CaptionRejected,
    ModelUnavailable,
    ModelError,
    ModelTimeout,
)

captions = APIRouter(prefix="/v1", tags=["captions"])
service = APIRouter(tags=["service"])


@captions.post(
    "/image/caption",
    summary="One caption of one picture",
    response_model=CaptionAnswer,
    responses=documented(*_ASKING, *_PICTURE, *_MODEL),
    openapi_extra=takes(CaptionBody),
)
async def caption_one(request: Request, response: Response, here: ServicesHere) -> CaptionAnswer:
    """Fetch the picture, ask the captioner, check its answer against the style's rules.

    The caption that comes back obeys every hard rule: it can be stored unread.
    """
    caller = await here.gate.admit(request, response)
    async with here.bodies.read(request, CaptionBody, caller.name) as body:
        _require_known(here, [body.style], "style")
        _log_url(request, body.image_url)
        job = body.request(caller.name)
        caption = await _admitted(
            request, here, lambda deadline: here.pipeline.caption(job, deadline)
        )
        _note_cache(response, [caption])
        return CaptionAnswer.of(caption, body.metadata)


@captions.post(
    "/image/captions",
    summary="Several styles and locales of one picture",
    response_model=CaptionsAnswer,
    responses=documented(*_ASKING, *_PICTURE, *_MODEL),
    openapi_extra=takes(CaptionsBody),
)
async def caption_several(
    request: Request, response: Response, here: ServicesHere
) -> CaptionsAnswer:
    """One fetch and one decode; one model call for each style and locale, side by side.

    A caption that fails stands in its place as a problem. Where the picture itself fails, the
    whole answer is that problem.
    """
    caller = await here.gate.admit(request, response)
    async with here.bodies.read(request, CaptionsBody, caller.name) as body:
        _require_known(here, body.styles, "styles")
        _log_url(request, body.image_url)
        requests = body.requests(caller.name)
        results = await _admitted(
            request, here, lambda deadline: here.pipeline.captions(requests, deadline)
        )
        _note_cache(response, [result for result in results if isinstance(result, Caption)])
        return CaptionsAnswer(
            results=[
                CaptionAnswer.of(result, body.metadata)
                if isinstance(result, Caption)
                else FailedResult(
                    style=job.style,
                    locale=job.locale,
                    problem=body_of(result, request.state.request_id),
                )
                for job, result in zip(requests, results, strict=True)
            ]
        )


@captions.post(
    "/caption/check",
    summary="Check a text that a person or another tool wrote",
    response_model=CheckAnswer,
    responses=documented(*_ASKING),
    openapi_extra=takes(CheckBody),
)
async def check_caption(request: Request, response: Response, here: ServicesHere) -> CheckAnswer:
    """The rules that the text breaks, and the text as cleaning leaves it. No model is called."""
    caller = await here.gate.admit(request, response)
    async with here.bodies.read(request, CheckBody, caller.name) as body:
        _require_known(here, [body.style], "style")
        # A thread of the rules' own: they take a millisecond for an ordinary text, more for a
        # long one, and no other work of the server waits behind them.
        verdict = await asyncio.get_running_loop().run_in_executor(
            here.judges,
            partial(
                validate_draft,
                body.caption,
                style=here.styles[body.style],
                locale=body.locale,
                context=body.context,
                final=True,
            ),
        )
        return CheckAnswer(
            ok=not verdict.hard and verdict.outcome in ("caption", "decorative"),
            caption=verdict.caption,
            hard=[broken.code for broken in verdict.hard],
            soft=list(verdict.soft),
        )


@captions.get(
    "/styles",
    summary="The styles that this server accepts",
    response_model=StylesAnswer,
    responses=documented(Unauthorized, InternalError),
)
async def list_styles(request: Request, here: ServicesHere) -> StylesAnswer:
    """Names, what each is for, limits in characters, and rules with their severity."""
    here.gate.identify(request)
    return StylesAnswer(styles=[describe(style) for style in here.styles.values()])


@service.get("/healthz", summary="Is the process alive?", response_model=Alive)
async def healthz() -> Alive:
    """200 as long as the process answers at all."""
    return Alive(status="ok")


@service.get(
    "/readyz",
    summary="Should captions be sent here?",
    response_model=Health,
    responses={503: {"model": Health, "description": "Starting, draining, or no captioner usable"}},
)
async def readyz(response: Response, here: ServicesHere) -> Health:
    """503 while starting, while draining, and while no captioner is usable."""
    status = here.readiness()
    if status != "ready":
        response.status_code = 503
    return Health(status=status, captioners=dict(here.captioner.states()))


@service.head("/healthz", include_in_schema=False)
async def healthz_head() -> Response:
    """As GET, for balancers that probe with HEAD."""
    return Response()


@service.head("/readyz", include_in_schema=False)
async def readyz_head(here: ServicesHere) -> Response:
    """As GET, for balancers that probe with HEAD."""
    return Response(status_code=200 if here.readiness() == "ready" else 503)


@service.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(here: ServicesHere) -> Response:
    """The Prometheus text format."""
    here.metrics.in_work.set(here.admission.in_work)
    here.metrics.waiting.set(here.admission.waiting)
    here.metrics.children_lost.set(here.children.children_lost)
    here.metrics.children_waiting.set(here.children.waiting)
    for name, state in here.captioner.states().items():
        here.metrics.captioner_up.labels(name).set(state != "open")
    return Response(here.metrics.exposition(), media_type="text/plain; version=0.0.4")


def _require_known(here: Services, styles: Sequence[str], field: str) -> None:
    unknown = [style for style in styles if style not in here.styles]
    if unknown:
        known = ", ".join(here.styles.names())
        raise InvalidRequest(
            (field, f"There is no style {style[:100]!r}; this server has {known}")
            for style in unknown
        )


def _note_cache(response: Response, made: Sequence[Caption]) -> None:
    """X-Cache, where a cache is configured: `hit` if no caption of this answer had to be made."""
    if any(caption.cached is not None for caption in made):
        response.headers["X-Cache"] = "hit" if all(caption.cached for caption in made) else "miss"


def _log_url(request: Request, image_url: str) -> None:
    request.state.log["image"] = safe_url(image_url)


async def _admitted(
    request: Request, here: Services, work: Callable[[Deadline], Awaitable[_T]]
) -> _T:
    """Run the work in its turn, and stop it when the caller goes away."""
    deadline = Deadline.after(here.request_timeout_s)

    async def in_turn() -> _T:
        async with here.admission.place(deadline):
            return await work(deadline)

    return await _while_connected(request, in_turn)


async def _while_connected(request: Request, work: Callable[[], Awaitable[_T]]) -> _T:
    """The work's result. Raises ClientDisconnect, with the work stopped, if the caller leaves."""
    working = asyncio.ensure_future(work())
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        leaving.cancel()
        working.cancel()
        # The work lets go of its connection, child and place before the request is over.
        await asyncio.gather(working, leaving, return_exceptions=True)
        # A task holds its error, the error its frames, and one of them the picture: without this
        # circle it is freed now and not when the collector next looks.
        del working, leaving


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
