"""The composition root: makes every part from the settings and puts them together.

`serve` runs what `create_app` returns; `check` tests the parts of `open_parts`, which `create_app`
uses as well.
"""

import asyncio
import gc
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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
from app.api.keys import KeyStore
from app.api.load_shedding import LoadSheddingMiddleware
from app.api.methods import MethodsMiddleware
from app.api.middleware import InternalErrorMiddleware, RequestMiddleware
from app.api.openapi import add_document_route, cached_document
from app.api.pages.routes import pages_router
from app.api.rate_limits import CallerRateLimits
from app.api.request_body import BodyReader
from app.api.root_path import RootPathMiddleware
from app.api.routes import captions_router, service_router
from app.api.usage_middleware import UsageMiddleware
from app.captioning.cache import CaptionCache
from app.captioning.capability_store import CapabilityStore
from app.captioning.captioner import Captioner
from app.captioning.embedded.captioner import EmbeddedCaptioner
from app.captioning.fallback import FallbackCaptioner
from app.captioning.openai_compat.captioner import OpenAICompatCaptioner
from app.captioning.openai_compat.session import ShrinkImage
from app.captioning.openai_compat.settings import ModelSettings
from app.captioning.precheck import PrecheckingCaptioner
from app.captioning.providers.registry import load_providers
from app.captioning.styles.loader import load_styles
from app.drafting import Drafting
from app.fetching.fetcher import Fetcher
from app.imaging.normaliser import Normaliser
from app.pipeline import Pipeline
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.runtime.semaphore import WeightedSemaphore
from app.settings.settings import Settings
from app.telemetry.metrics import Metrics
from app.telemetry.tracing import open_tracer
from app.types import ModelImage, SourceImage, Style
from app.usage.memory_store import MemoryUsageStore
from app.usage.meter import UsageMeter
from app.usage.redis_store import RedisUsageStore
from app.usage.store import UsageStore
from app.validation.languages import load_languages
from app.validation.validation_pool import ValidationPool
from app.validation.verdict import validate_text
from app.validation.warm_up import compile_patterns
from app.verification.evidence import HANDLER as COLOURS_HANDLER
from app.verification.evidence import EvidenceSource
from app.verification.extraction import find_claims
from app.verification.verifier import Verifier
from app.vision.ocr_pool import MODELS_BYTES, OcrPool, is_ocr_installed
from app.workers.cpu import children_per_server_process
from app.workers.pool import POOL_MEMORY_BYTES, WorkerPool

_logger = logging.getLogger(__name__)

_RESTART_PAUSE_S = 5.0
_READINESS_POLL_S = 0.1
_GC_THRESHOLD = 10_000
"""New objects before the garbage collector runs: about once per caption. Python's default is
fifteen times as often, and no memory here waits for the collector to be freed."""
_WARM_UP_DRAFT = "A brown wooden bench beside a gravel path in a park with tall green trees."
_RETRY_EDGE_PX = 640
"""Longest edge of the image for a model that refused the first one as too large: about a quarter
of the pixels."""
_REENCODED_FRACTION = 0.9
"""Of IMAGE__LONGEST_EDGE_PX, for the image of a model that could not read the first one: every byte
is another, and what could be read in it still can be."""

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


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a server that depend on settings alone. The child processes are not started."""

    keys: KeyStore
    styles: Mapping[str, Style]
    rate_limits: CallerRateLimits
    usage_store: UsageStore
    cache: CaptionCache | None
    worker_pool: WorkerPool
    validation_pool: ValidationPool
    ocr_pool: OcrPool | None
    """None where neither the embedded captioner nor VERIFY is used, or the extra is missing."""
    fetcher: Fetcher
    normaliser: Normaliser
    model_captioners: tuple[OpenAICompatCaptioner, ...]
    embedded_captioner: EmbeddedCaptioner | None
    """None where only models write captions."""
    captioner: FallbackCaptioner
    """The model captioners, then the embedded one."""


@asynccontextmanager
async def open_parts(settings: Settings, metrics: Metrics) -> AsyncIterator[Parts]:
    """Make the parts, and close them at the end of the block."""
    async with AsyncExitStack() as stack:
        uses_embedded = settings.model is None or settings.embedded_fallback
        uses_ocr = (uses_embedded or settings.verify != "off") and is_ocr_installed()
        memory = WeightedSemaphore(POOL_MEMORY_BYTES - (MODELS_BYTES if uses_ocr else 0))
        worker_pool = _create_worker_pool(settings, memory)
        stack.push_async_callback(worker_pool.aclose)
        validation_pool = ValidationPool()
        stack.push_async_callback(validation_pool.aclose)
        ocr_pool = OcrPool(memory) if uses_ocr else None
        if ocr_pool is not None:
            stack.push_async_callback(ocr_pool.aclose)
        fetcher = Fetcher(settings.fetch, WeightedSemaphore(settings.fetch.max_bytes))
        stack.push_async_callback(fetcher.aclose)
        model_captioners = _create_model_captioners(settings, worker_pool)
        location = settings.capabilities_store_location() if model_captioners else None
        store = CapabilityStore(location) if location is not None else None
        if store is not None:
            stack.push_async_callback(store.aclose)
        for model_captioner in model_captioners:
            stack.push_async_callback(model_captioner.aclose)
            if store is not None:
                await model_captioner.recall(store)
        embedded = EmbeddedCaptioner(worker_pool, ocr_pool) if uses_embedded else None
        captioner = FallbackCaptioner([*model_captioners, *([embedded] if embedded else [])])
        rate_limits = CallerRateLimits(
            settings.default_rate_limit(),
            settings.rate_limit_store,
            on_store_change=metrics.rate_limit_store_up.set,
        )
        stack.callback(rate_limits.close)
        usage_store = _create_usage_store(settings, metrics)
        stack.push_async_callback(usage_store.aclose)
        cache = CaptionCache(settings.cache_url) if settings.cache_url else None
        if cache is not None:
            stack.push_async_callback(cache.aclose)
        yield Parts(
            keys=KeyStore(
                (key.get_secret_value() for key in settings.api_keys), settings.keys_file
            ),
            styles=load_styles(settings.styles_dir),
            rate_limits=rate_limits,
            usage_store=usage_store,
            cache=cache,
            worker_pool=worker_pool,
            validation_pool=validation_pool,
            ocr_pool=ocr_pool,
            fetcher=fetcher,
            normaliser=Normaliser(settings.image, worker_pool),
            model_captioners=model_captioners,
            embedded_captioner=embedded,
            captioner=captioner,
        )


def _create_usage_store(settings: Settings, metrics: Metrics) -> UsageStore:
    url = settings.usage_store_url()
    if url.startswith("memory:"):
        return MemoryUsageStore()
    return RedisUsageStore(
        url, on_change=metrics.usage_store_up.set, spool_dir=settings.usage_spool_dir
    )


def _create_worker_pool(settings: Settings, memory: WeightedSemaphore) -> WorkerPool:
    return WorkerPool(
        size=children_per_server_process(settings.workers) + 1,
        handlers={
            "normalise": "app.imaging.normalise_handler:normalise_job",
            "analyse": "app.vision.analyse:analyse_job",
            COLOURS_HANDLER: "app.vision.colour_evidence:measure_job",
        },
        memory=memory,
        input_max_bytes=settings.fetch.max_bytes,
    )


def _create_model_captioners(
    settings: Settings, worker_pool: WorkerPool
) -> tuple[OpenAICompatCaptioner, ...]:
    """MODEL and its FALLBACKS, in order."""

    def encode_anew(longest_edge_px: int) -> ShrinkImage:
        image_settings = settings.image.model_copy(update={"longest_edge_px": longest_edge_px})
        normaliser = Normaliser(image_settings, worker_pool)

        async def encode(jpeg: bytes) -> ModelImage:
            source = SourceImage(data=jpeg, format="jpeg")
            deadline = Deadline.after(settings.image.decode_timeout_s)
            return (await normaliser.normalise(source, deadline)).for_models

        return encode

    def create(model: ModelSettings) -> OpenAICompatCaptioner:
        edge_px = model.image_edge_px(settings.image.longest_edge_px)
        return OpenAICompatCaptioner(
            model,
            reduce=encode_anew(edge_px),
            shrink=encode_anew(min(_RETRY_EDGE_PX, edge_px)),
            reencode=encode_anew(int(edge_px * _REENCODED_FRACTION)),
            provider=model.find_provider(providers),
        )

    providers = load_providers(settings.providers_dir)
    return tuple(create(model) for model in settings.configured_models())


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
            if listens_when_ready:
                await starting
            yield {"services": services, "tracer": tracer}

    return lifespan


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
