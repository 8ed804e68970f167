"""The only wiring: which parts there are and how they are put together."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app import __version__
from app.api.admission import Admission
from app.api.auth import Authenticator
from app.api.errors import MethodNotAllowed, NotFound
from app.api.keys import KeyStore
from app.api.load_shedding import LoadSheddingMiddleware
from app.api.middleware import RequestMiddleware
from app.api.openapi import document
from app.api.pages.routes import pages
from app.api.problems import response_for
from app.api.rate_limits import CallerRateLimits
from app.api.request_body import BodyReader
from app.api.routes import captions, service
from app.api.schemas import CaptionBody, CaptionsBody, CheckBody
from app.api.services import Services
from app.captioning.cache import CaptionCache
from app.captioning.captioner import Captioner
from app.captioning.embedded.captioner import EmbeddedCaptioner
from app.captioning.fallback import FallbackCaptioner
from app.captioning.openai_compat.captioner import OpenAICompatCaptioner
from app.captioning.precheck import PrecheckingCaptioner
from app.captioning.styles.loader import StyleRegistry
from app.errors import CaptionError
from app.fetching.fetcher import Fetcher
from app.imaging.normaliser import Normaliser
from app.pipeline import Pipeline
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.runtime.semaphore import WeightedSemaphore
from app.settings import Settings
from app.telemetry.metrics import Metrics
from app.types import SourceImage
from app.validation.verdict import validate_draft
from app.vision.text_reader import MODELS_BYTES, TextReader, is_installed
from app.workers.cpu import children_per_server_process
from app.workers.pool import POOL_MEMORY_BYTES, WorkerPool

_logger = logging.getLogger(__name__)

_START_AGAIN_S = 5.0
_COLLECT_AFTER = 10_000
"""Objects more than before: about one look for each caption, and not the fifteen of the default,
since nothing here waits for the collector to be freed."""
_PRACTICE = "A brown wooden bench beside a gravel path in a park with tall green trees."

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
    # The last one added is the outermost: ID, headers and log line stand around the door, too.
    app.add_middleware(
        LoadSheddingMiddleware,
        paths=frozenset({"/v1/image/caption", "/v1/image/captions"}),
        render=_render_problem,
    )
    app.add_middleware(
        RequestMiddleware,
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
    reads = _reads_text(settings)
    memory = WeightedSemaphore(POOL_MEMORY_BYTES - (MODELS_BYTES if reads else 0))
    children = WorkerPool(
        size=children_per_server_process(settings.workers) + 1,
        handlers={
            "normalise": "app.imaging.render:render",
            "analyse": "app.vision.analyse:analyse_job",
        },
        memory=memory,
        input_max_bytes=settings.fetch.max_bytes,
    )
    stack.push_async_callback(children.aclose)
    # The children warm up while the port is already open: /healthz answers, /readyz says starting.
    reader = TextReader(memory) if reads else None
    if reader is not None:
        stack.push_async_callback(reader.aclose)
    starting = asyncio.create_task(_start(children, reader))
    stack.callback(starting.cancel)
    fetcher = Fetcher(settings.fetch, WeightedSemaphore(settings.fetch.max_bytes))
    stack.push_async_callback(fetcher.aclose)
    captioners = _captioners(settings, children, reader)
    chain = FallbackCaptioner(captioners)
    stack.push_async_callback(chain.aclose)
    captioner: Captioner = chain
    if settings.precheck and settings.model is not None:
        captioner = PrecheckingCaptioner(chain, EmbeddedCaptioner(children))
    limits = CallerRateLimits(
        settings.rate_limit, settings.rate_limit_store, on_store=metrics.limit_store_up.set
    )
    stack.callback(limits.close)
    cache = CaptionCache(settings.cache_url) if settings.cache_url else None
    if cache is not None:
        stack.push_async_callback(cache.aclose)
    judges = ThreadPoolExecutor(1, thread_name_prefix="judge")
    stack.callback(judges.shutdown, wait=False, cancel_futures=True)
    styles = StyleRegistry.load(settings.styles_dir)
    practising = asyncio.create_task(asyncio.to_thread(_practise, styles, captioners))
    stack.callback(practising.cancel)
    keys = KeyStore((key.get_secret_value() for key in settings.api_keys), settings.keys_file)
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
        gate=Authenticator(keys, limits),
        admission=Admission(settings.concurrency, settings.queue, drain),
        bodies=BodyReader(settings.request_timeout_s, drain),
        drain=drain,
        metrics=metrics,
        judges=judges,
        practising=practising,
        request_timeout_s=settings.request_timeout_s,
    )


def _practise(styles: StyleRegistry, captioners: Sequence[Captioner]) -> None:
    """Do once, in a thread, what the first caption would otherwise make every other one wait for.

    Compiling the rules of all languages, loading the language identifier and importing the SDK took
    a second of the event loop.
    """
    for captioner in captioners:
        if isinstance(captioner, OpenAICompatCaptioner):
            captioner.warm_up()
    for style in styles.values():
        validate_draft(_PRACTICE, style=style, locale="en", context=None)
    # What lives now lives as long as the process. Looked through again and again, it made the
    # collector hold the event loop for 50 to 100 ms at a time under load.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


async def _start(children: WorkerPool, reader: TextReader | None) -> None:
    await _start_decoding(children)
    if reader is not None:  # after them: loading its models takes a core for a second
        await reader.start()


async def _start_decoding(children: WorkerPool) -> None:
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


def _reads_text(settings: Settings) -> bool:
    """Whether the embedded captioner writes, and what reads text in pictures is installed."""
    if settings.remotes() and not settings.embedded_fallback:
        return False
    if not is_installed():
        _logger.warning("text in pictures is not read: the extra `embedded` is not installed")
        return False
    return True


def _captioners(
    settings: Settings, children: WorkerPool, reader: TextReader | None
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
        OpenAICompatCaptioner(remote, shrink=shrink) for remote in settings.remotes()
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
