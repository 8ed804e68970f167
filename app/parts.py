"""The parts of a server that depend on settings alone: made here, and closed."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app.api.keys import KeyStore
from app.api.rate_limits import CallerRateLimits
from app.captioning.cache import CaptionCache
from app.captioning.capability_store import CapabilityStore
from app.captioning.embedded.captioner import EmbeddedCaptioner
from app.captioning.fallback import FallbackCaptioner
from app.captioning.openai_compat.captioner import OpenAICompatCaptioner
from app.captioning.openai_compat.session import ShrinkImage
from app.captioning.openai_compat.settings import ModelSettings
from app.captioning.providers.registry import load_providers
from app.captioning.styles.loader import load_styles
from app.fetching.fetcher import Fetcher
from app.imaging.normaliser import Normaliser
from app.runtime.deadline import Deadline
from app.runtime.semaphore import WeightedSemaphore
from app.settings.settings import Settings
from app.telemetry.metrics import Metrics
from app.types import ModelImage, SourceImage, Style
from app.usage.memory_store import MemoryUsageStore
from app.usage.redis_store import RedisUsageStore
from app.usage.store import UsageStore
from app.validation.validation_pool import ValidationPool
from app.verification.evidence import HANDLER as COLOURS_HANDLER
from app.vision.ocr_pool import MODELS_BYTES, OcrPool, is_ocr_installed
from app.workers.cpu import children_per_server_process
from app.workers.pool import POOL_MEMORY_BYTES, WorkerPool

_RETRY_EDGE_PX = 640
"""Longest edge of the image for a model that refused the first one as too large: about a quarter
of the pixels."""
_REENCODED_FRACTION = 0.9
"""Of IMAGE__LONGEST_EDGE_PX, for the image of a model that could not read the first one: every byte
is another, and what could be read in it still can be."""


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
        usage_store = _create_usage_store(settings, metrics)
        stack.push_async_callback(usage_store.aclose)
        rate_limits = _create_rate_limits(settings, metrics, usage_store)
        stack.callback(rate_limits.close)
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


def _create_rate_limits(
    settings: Settings, metrics: Metrics, usage_store: UsageStore
) -> CallerRateLimits:
    url = settings.rate_limit_store
    in_same_redis = url == settings.usage_store_url()

    def record_change(responds: bool) -> None:
        metrics.rate_limit_store_up.set(responds)
        if in_same_redis and not responds and isinstance(usage_store, RedisUsageStore):
            usage_store.expect_late()

    return CallerRateLimits(settings.default_rate_limit(), url, on_store_change=record_change)


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
