"""FastAPI dependencies of the routes: the server's services, and the caller of a request."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request, Response
from starlette.types import Scope

from app.api.admission import Admission
from app.api.auth import Authenticator
from app.api.keys import Caller
from app.api.request_body import BodyReader
from app.api.response_schemas import ExpectedTokens, UsageStoreState
from app.api.root_path import route_path
from app.captioning.fallback import FallbackCaptioner
from app.pipeline import Pipeline
from app.runtime.drain import Drain
from app.telemetry.metrics import Metrics
from app.types import Style, VerifyMode
from app.usage.meter import UsageMeter
from app.usage.redis_store import RedisUsageStore
from app.usage.store import UsageStore
from app.validation.validation_pool import ValidationPool
from app.vision.ocr_pool import OcrPool
from app.workers.pool import WorkerPool

ReadinessStatus = Literal["ready", "starting", "draining", "no captioner"]


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes work with. app.main makes it once, in the application's lifespan."""

    pipeline: Pipeline
    captioner: FallbackCaptioner
    worker_pool: WorkerPool
    ocr_pool: OcrPool | None
    """None where captions quote no text."""
    validation_pool: ValidationPool
    styles: Mapping[str, Style]
    authenticator: Authenticator
    admission: Admission
    body_reader: BodyReader
    meter: UsageMeter
    usage_store: UsageStore
    drain: Drain
    metrics: Metrics
    warm_up: "asyncio.Task[None]"
    """Loads what the first caption needs; the server is not ready before."""
    request_timeout_s: float
    expected_tokens: ExpectedTokens
    """What a picture takes of the first model, for those who estimate a bill."""
    verify: VerifyMode
    """Whether captions are held against their picture where a request does not say."""

    def readiness(self) -> ReadinessStatus:
        """Whether this server should get new captions, and if not, why."""
        if self.drain.is_draining:
            return "draining"
        if not self._is_warm():
            return "starting"
        if not self.captioner.is_usable():
            return "no captioner"
        return "ready"

    def usage_store_state(self) -> UsageStoreState:
        """Whether usage is counted in memory, in a store that responds, or in one that does not."""
        if not isinstance(self.usage_store, RedisUsageStore):
            return "memory"
        return "up" if self.usage_store.is_available else "down"

    def record_state(self) -> None:
        """Set the gauges that are read where they are asked for."""
        self.metrics.in_work.set(self.admission.in_work)
        self.metrics.waiting.set(self.admission.waiting)
        self.metrics.children_lost.set(self.worker_pool.children_lost)
        self.metrics.jobs_outgrown.set(self.worker_pool.jobs_outgrown)
        self.metrics.children_waiting.set(self.worker_pool.waiting)
        for name, state in self.captioner.circuit_states().items():
            # Half-open is not usable yet: an alert would end whenever nobody asks for a caption.
            self.metrics.captioner_usable.labels(name).set(state == "closed")

    def _is_warm(self) -> bool:
        """Whether the first caption is as quick as the next. Without OCR models it has no text."""
        return (
            self.worker_pool.is_ready()
            and self.validation_pool.is_ready()
            and self.warm_up.done()
            and (self.ocr_pool is None or self.ocr_pool.has_tried_to_start())
        )


async def _get_services(request: Request) -> Services:
    services: Services = request.state.services
    return services


ServicesDep = Annotated[Services, Depends(_get_services)]


async def _authenticate(request: Request, services: ServicesDep) -> Caller:
    return services.authenticator.authenticate(request)


async def _authenticate_and_count(
    request: Request, response: Response, services: ServicesDep
) -> Caller:
    return await services.authenticator.authenticate_and_count(request, response)


AuthenticatedCaller = Annotated[Caller, Depends(_authenticate)]
"""Raises Unauthorized."""
RateLimitedCaller = Annotated[Caller, Depends(_authenticate_and_count)]
"""One request counted against the caller's rate limit. Raises Unauthorized or RateLimited."""


def find_services(scope: Scope, paths: frozenset[str]) -> Services | None:
    """The services, for middleware that acts on POST requests to `paths`; None for any other."""
    if scope["type"] != "http" or scope["method"] != "POST" or route_path(scope) not in paths:
        return None
    services: Services | None = scope.get("state", {}).get("services")
    return services
