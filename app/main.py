"""The only wiring: which parts there are and how they are put together."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app import __version__
from app.budget import Budget
from app.cache import CaptionCache
from app.captioning.captioner import Captioner
from app.captioning.chain import Chain
from app.captioning.embedded.captioner import EmbeddedCaptioner
from app.captioning.embedded.reader import TextReader, is_installed
from app.captioning.precheck import Prechecked
from app.captioning.remote import RemoteCaptioner
from app.captioning.styles.loader import StyleRegistry
from app.captioning.validate.language import warm_up
from app.deadline import Deadline
from app.drain import Drain
from app.errors import CaptionError
from app.http.admission import Admission
from app.http.auth import Gate
from app.http.body import BodyReader
from app.http.keys import KeyRing
from app.http.limits import CaptionLimits
from app.http.middleware import AroundEveryRequest
from app.http.openapi import document
from app.http.pages import pages
from app.http.problems import MethodNotAllowed, NotFound, response_for
from app.http.routes import captions, service
from app.http.schemas import CaptionBody, CaptionsBody, CheckBody
from app.http.services import Services
from app.images.fetch import Fetcher
from app.images.normalise import Normaliser
from app.images.share import SMALL_BYTES
from app.observability import Metrics
from app.pipeline import Pipeline
from app.sandbox.pool import MEMORY_BYTES, ChildPool, children_for_this_machine
from app.settings import Settings
from app.values import SourceImage

_logger = logging.getLogger(__name__)

_START_AGAIN_S = 5.0


SMALLER_PX = 640
"""What a model gets that refused the picture as too large: about a quarter of the pixels."""
CLIENT_GONE_STATUS = 499
"""nginx's number for a client that left; nobody reads it, only the log."""

Lifespan = Callable[[FastAPI], Any]


def create_app(settings: Settings, *, drain: Drain | None = None) -> FastAPI:
    """The whole application. `drain` is the server's, so that SIGTERM reaches the routes."""
    drain = drain or Drain()
    metrics = Metrics()
    app = FastAPI(
        title="Altwright",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would be built from Host, which callers choose
        generate_unique_id_function=lambda route: route.name,
        lifespan=_lifespan(settings, drain, metrics),
    )
    app.include_router(captions)
    app.include_router(service)
    app.include_router(pages)
    app.add_middleware(
        AroundEveryRequest,
        observe=_observer(metrics),
        is_draining=lambda: drain.is_draining,
    )
    app.add_exception_handler(CaptionError, _render_problem)
    app.add_exception_handler(HTTPException, _render_http_exception)
    app.add_exception_handler(ClientDisconnect, _note_client_gone)
    app.openapi = _openapi_once(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def _lifespan(settings: Settings, drain: Drain, metrics: Metrics) -> Lifespan:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with AsyncExitStack() as stack:
            yield {"services": await _services(settings, drain, metrics, stack)}

    return lifespan


async def _services(
    settings: Settings, drain: Drain, metrics: Metrics, stack: AsyncExitStack
) -> Services:
    memory = Budget(MEMORY_BYTES)
    children = ChildPool(
        size=children_for_this_machine(settings.workers) + 1,
        handlers={
            "normalise": "app.images.render:render",
            "look": "app.captioning.embedded.look:look_job",
        },
        memory=memory,
        input_max_bytes=settings.fetch.max_bytes,
    )
    stack.push_async_callback(children.aclose)
    # The children warm up while the port is already open: /healthz answers, /readyz says starting.
    reader = _reader(settings, memory, stack)
    starting = asyncio.create_task(_start(children, reader))
    stack.callback(starting.cancel)
    warming = asyncio.create_task(asyncio.to_thread(warm_up))
    stack.callback(warming.cancel)
    fetcher = Fetcher(
        settings.fetch,
        Budget(settings.concurrency * SMALL_BYTES + settings.fetch.max_bytes),
    )
    stack.push_async_callback(fetcher.aclose)
    chain = Chain(_captioners(settings, children, reader))
    stack.push_async_callback(chain.aclose)
    captioner: Captioner = chain
    if settings.precheck and settings.model is not None:
        captioner = Prechecked(chain, EmbeddedCaptioner(children))
    limits = CaptionLimits(
        settings.rate_limit, settings.rate_limit_store, on_store=metrics.limit_store_up.set
    )
    stack.callback(limits.close)
    cache = CaptionCache(settings.cache_url) if settings.cache_url else None
    if cache is not None:
        stack.push_async_callback(cache.aclose)
    judges = ThreadPoolExecutor(1, thread_name_prefix="judge")
    stack.callback(judges.shutdown, wait=False, cancel_futures=True)
    styles = StyleRegistry.load(settings.styles_dir)
    keys = KeyRing((key.get_secret_value() for key in settings.api_keys), settings.keys_file)
    return Services(
        pipeline=Pipeline(
            fetcher=fetcher,
            normaliser=Normaliser(settings.image, children),
            captioner=captioner,
            styles=styles,
            drain=drain,
            metrics=metrics,
            cache=cache,
        ),
        captioner=chain,
        children=children,
        styles=styles,
        gate=Gate(keys, limits),
        admission=Admission(settings.concurrency, settings.queue, drain),
        bodies=BodyReader(settings.request_timeout_s, drain),
        drain=drain,
        metrics=metrics,
        judges=judges,
        request_timeout_s=settings.request_timeout_s,
    )


async def _start(children: ChildPool, reader: TextReader | None) -> None:
    await _start_decoding(children)
    if reader is not None:  # after them: loading its models takes a core for a second
        await reader.start()


async def _start_decoding(children: ChildPool) -> None:
    while True:
        try:
            await children.start()
        except Exception:
            # The server stays up and not ready: an orchestrator sees that, its log says why, and
            # where memory or descriptors were short it gets ready by itself.
            _logger.critical("no child process can start; captions wait", exc_info=True)
            await asyncio.sleep(_START_AGAIN_S)
        else:
            return


def _reader(settings: Settings, memory: Budget, stack: AsyncExitStack) -> TextReader | None:
    """The reader of text where the embedded captioner writes and it is installed."""
    if settings.remotes() and not settings.embedded_fallback:
        return None
    if not is_installed():
        _logger.warning("text in pictures is not read: the extra `embedded` is not installed")
        return None
    reader = TextReader(memory)
    stack.push_async_callback(reader.aclose)
    return reader


def _captioners(
    settings: Settings, children: ChildPool, reader: TextReader | None
) -> list[Captioner]:
    """The chain in order: the model, its fallbacks, and the embedded one last or alone."""
    smaller = Normaliser(
        settings.image.model_copy(update={"longest_edge_px": SMALLER_PX}), children
    )

    async def shrink(jpeg: bytes) -> bytes:
        source = SourceImage(data=jpeg, format="jpeg")
        image = await smaller.normalise(source, Deadline.after(settings.image.decode_timeout_s))
        return image.jpeg

    chain: list[Captioner] = [
        RemoteCaptioner(remote, shrink=shrink) for remote in settings.remotes()
    ]
    if not chain or settings.embedded_fallback:
        chain.append(EmbeddedCaptioner(children, reader))
    return chain


def _observer(metrics: Metrics) -> Callable[[str, str, float], None]:
    def observe(route: str, code: str, seconds: float) -> None:
        metrics.requests.labels(route, code).inc()
        metrics.seconds.labels(route).observe(seconds)

    return observe


async def _render_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, CaptionError)  # noqa: S101 - what Starlette hands to this handler
    request.state.code = error.code
    if error.log_reason:
        request.state.log = {**getattr(request.state, "log", {}), "reason": error.log_reason}
    response = response_for(error, request.state.request_id)
    if error.status == 429:
        response.headers.update(getattr(request.state, "rate_limit_headers", {}))
    return response


async def _render_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what Starlette hands to this handler
    own = MethodNotAllowed() if error.status_code == 405 else NotFound()
    response = await _render_problem(request, own)
    response.headers.update(error.headers or {})  # Allow, for 405
    return response


async def _note_client_gone(request: Request, _error: Exception) -> Response:
    request.state.code = "client_gone"
    return Response(status_code=CLIENT_GONE_STATUS)


def _openapi_once(app: FastAPI) -> Callable[[], dict[str, Any]]:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app, (CaptionBody, CaptionsBody, CheckBody))
        return app.openapi_schema

    return openapi
