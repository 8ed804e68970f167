"""The composition root: puts the parts together and starts them.

`serve` runs what `create_app` returns; `check` tests the same parts (`app.parts`).
"""

import asyncio
import gc
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from app import __version__
from app.api.admission import Admission
from app.api.auth import Authenticator
from app.api.cors import CorsMiddleware
from app.api.dependencies import Services
from app.api.exception_handlers import add_exception_handlers, render_caption_error
from app.api.expected_tokens import expected_tokens
from app.api.fair_turns import FairTurnsMiddleware
from app.api.load_shedding import LoadSheddingMiddleware
from app.api.methods import MethodsMiddleware
from app.api.middleware import InternalErrorMiddleware, RequestMiddleware
from app.api.openapi import add_document_route, cached_document
from app.api.pages.routes import pages_router
from app.api.request_body import BodyReader
from app.api.root_path import RootPathMiddleware
from app.api.routes import captions_router, service_router
from app.api.usage_middleware import UsageMiddleware
from app.captioning.captioner import Captioner
from app.captioning.embedded.captioner import EmbeddedCaptioner
from app.captioning.precheck import PrecheckingCaptioner
from app.drafting import Drafting
from app.parts import Parts, open_parts
from app.pipeline import Pipeline
from app.runtime.drain import Drain
from app.settings.settings import Settings
from app.telemetry.metrics import Metrics
from app.telemetry.tracing import open_tracer
from app.usage.meter import UsageMeter
from app.usage.redis_store import RedisUsageStore
from app.validation.languages import load_languages
from app.validation.verdict import validate_text
from app.validation.warm_up import compile_patterns
from app.verification.evidence import EvidenceSource
from app.verification.extraction import find_claims
from app.verification.verifier import Verifier
from app.workers.pool import WorkerPool

_logger = logging.getLogger(__name__)

_RESTART_PAUSE_S = 5.0
_READINESS_POLL_S = 0.1
_RECORD_PAUSE_S = 1.0
_GC_THRESHOLD = 10_000
"""New objects before the garbage collector runs: about once per caption. Python's default is
fifteen times as often, and no memory here waits for the collector to be freed."""
_WARM_UP_DRAFT = "A brown wooden bench beside a gravel path in a park with tall green trees."
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI's own would record paths, and the texts of errors. Ours: app/telemetry/tracing.py."""

_Lifespan = Callable[[FastAPI], Any]


def create_app(
    settings: Settings, *, drain: Drain | None = None, listens_when_ready: bool = False
) -> FastAPI:
    """The whole application. `drain` is the server's, through which SIGTERM reaches the routes.

    With `listens_when_ready` its startup ends when it is ready, and the server listens only then.
    """
    drain = drain or Drain()
    metrics = Metrics()
    app = FastAPI(
        title="Altwright",
        version=__version__,
        openapi_url=None,  # add_document_route
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # the redirect's address would come from the caller's Host header
        generate_unique_id_function=lambda route: route.name,
        telemetry=_NO_TELEMETRY,
        lifespan=_create_lifespan(settings, drain, metrics, listens_when_ready),
    )
    for router in (captions_router, service_router, pages_router):
        app.include_router(router)
    caption_paths = frozenset({"/v1/image/caption", "/v1/image/captions", "/v1/caption/check"})
    # The middleware that is added last is the outermost one: load shedding happens inside it, so
    # that a refusal gets a request ID, headers and a log line too, and is done in fair turns.
    app.add_middleware(MethodsMiddleware)
    app.add_middleware(
        LoadSheddingMiddleware,
        paths=caption_paths,
        render_error=render_caption_error,
    )
    app.add_middleware(UsageMiddleware, paths=caption_paths)
    app.add_middleware(FairTurnsMiddleware)
    app.add_middleware(InternalErrorMiddleware)
    if settings.cors_origins:
        app.add_middleware(CorsMiddleware, origins=settings.cors_origins)
    if settings.root_path:
        app.add_middleware(RootPathMiddleware, root_path=settings.root_path)
    app.add_middleware(
        RequestMiddleware,
        observe=metrics.observe_request,
        is_draining=lambda: drain.is_draining,
    )
    add_exception_handlers(app)
    add_document_route(app, settings.root_path)
    app.openapi = cached_document(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app


def _create_lifespan(
    settings: Settings, drain: Drain, metrics: Metrics, listens_when_ready: bool
) -> _Lifespan:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with open_parts(settings, metrics) as parts, AsyncExitStack() as stack:
            tracer = open_tracer(os.environ, __version__)
            if tracer is not None:
                stack.push_async_callback(tracer.aclose)
            services = _start_services(settings, drain, metrics, parts, stack)
            starting = asyncio.create_task(_wait_until_started(services))
            stack.callback(starting.cancel)
            if metrics.is_multiprocess:
                stack.callback(asyncio.create_task(_record_state(services)).cancel)
            if listens_when_ready:
                await starting
            yield {"services": services, "tracer": tracer}

    return lifespan


async def _record_state(services: Services) -> None:
    """Another process may be the one that is asked for the metrics of all."""
    while True:
        services.record_state()
        await asyncio.sleep(_RECORD_PAUSE_S)


async def _wait_until_started(services: Services) -> None:
    began_s = time.monotonic()
    while services.readiness() == "starting":  # noqa: ASYNC110 - no event
        await asyncio.sleep(_READINESS_POLL_S)
    took_s = round(time.monotonic() - began_s, 1)
    _logger.info("server.ready", extra={"pid": os.getpid(), "took_s": took_s})


def _start_services(
    settings: Settings, drain: Drain, metrics: Metrics, parts: Parts, stack: AsyncExitStack
) -> Services:
    """Put the parts together and start them in the background.

    The port is usually open meanwhile: /healthz responds, and /readyz says `starting`.
    """
    log_missing_extra(settings, parts)
    if isinstance(parts.usage_store, RedisUsageStore):
        parts.usage_store.start()
    starting = asyncio.create_task(_start_child_processes(parts))
    stack.callback(starting.cancel)
    listing = asyncio.create_task(_warn_of_model_lists(parts))
    stack.callback(listing.cancel)
    warm_up = asyncio.create_task(asyncio.to_thread(_warm_up, parts))
    stack.callback(warm_up.cancel)
    captioner: Captioner = parts.captioner
    if settings.precheck and settings.model is not None:
        captioner = PrecheckingCaptioner(captioner, EmbeddedCaptioner(parts.worker_pool))
    return Services(
        pipeline=Pipeline(
            fetcher=parts.fetcher,
            normaliser=parts.normaliser,
            drafting=Drafting(
                captioner=captioner,
                validation_pool=parts.validation_pool,
                styles=parts.styles,
                metrics=metrics,
                verifier=Verifier(
                    EvidenceSource(parts.worker_pool, parts.ocr_pool), metrics.observe_claim
                ),
            ),
            drain=drain,
            metrics=metrics,
            cache=parts.cache,
        ),
        captioner=parts.captioner,
        worker_pool=parts.worker_pool,
        validation_pool=parts.validation_pool,
        ocr_pool=parts.ocr_pool,
        styles=parts.styles,
        authenticator=Authenticator(parts.keys, parts.rate_limits),
        admission=Admission(settings.concurrency, settings.queue, drain),
        body_reader=BodyReader(settings.request_timeout_s, drain, parts.fetcher.uploads),
        meter=UsageMeter(parts.usage_store, metrics.observe_usage),
        usage_store=parts.usage_store,
        drain=drain,
        metrics=metrics,
        warm_up=warm_up,
        request_timeout_s=settings.request_timeout_s,
        expected_tokens=expected_tokens(
            next(iter(parts.model_captioners), None), settings.image.longest_edge_px
        ),
        verify=settings.verify,
    )


def log_missing_extra(settings: Settings, parts: Parts) -> None:
    """What is not done because the packages of the extra `embedded` are missing."""
    if parts.ocr_pool is not None:
        return
    if parts.embedded_captioner is not None:
        _logger.warning("ocr.not_installed", extra={"extra_to_install": "embedded"})
    if settings.verify != "off":
        # Text and subjects of captions stay unknown.
        _logger.warning("verification.limited", extra={"extra_to_install": "embedded"})


def _warm_up(parts: Parts) -> None:
    """Do in a thread what would delay the first caption and every request beside it.

    Compiling the rules of all languages, loading the language identifier and importing the openai
    SDK took a second of the event loop.
    """
    for captioner in parts.model_captioners:
        captioner.warm_up()
    for style in parts.styles.values():
        validate_text(_WARM_UP_DRAFT, style=style, locale="en")
    compile_patterns(load_languages())
    find_claims(_WARM_UP_DRAFT, "en")
    # What exists now lives as long as the process. Searching it again and again, the garbage
    # collector held the event loop for 50 to 100 ms at a time under load.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


async def _warn_of_model_lists(parts: Parts) -> None:
    """For known providers: the list of another server may be a part of what it serves."""
    for captioner in parts.model_captioners:
        if captioner.provider is not None:
            await captioner.warn_of_listing()


async def _start_child_processes(parts: Parts) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_start_worker_pool(parts.worker_pool))
        group.create_task(parts.validation_pool.start())
    if parts.ocr_pool is not None:  # last: loading its models takes a core for a second
        await parts.ocr_pool.start()


async def _start_worker_pool(worker_pool: WorkerPool) -> None:
    while True:
        try:
            await worker_pool.start()
        except Exception:
            # The server stays up and is not ready, which an orchestrator sees. Where memory or
            # descriptors were short, it becomes ready by itself.
            _logger.critical("worker_pool.start_failed", exc_info=True)
            await asyncio.sleep(_RESTART_PAUSE_S)
        else:
            return
