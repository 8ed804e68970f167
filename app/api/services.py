"""What the routes work with; made once by app.main, found on the request's state."""

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Request

from app.api.admission import Admission
from app.api.auth import Authenticator
from app.api.request_body import BodyReader
from app.captioning.fallback import FallbackCaptioner
from app.captioning.styles.loader import StyleRegistry
from app.pipeline import Pipeline
from app.runtime.drain import Drain
from app.telemetry.metrics import Metrics
from app.workers.pool import WorkerPool

Readiness = Literal["ready", "starting", "draining", "no captioner"]


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that a route may need."""

    pipeline: Pipeline
    captioner: FallbackCaptioner
    children: WorkerPool
    styles: StyleRegistry
    gate: Authenticator
    admission: Admission
    bodies: BodyReader
    drain: Drain
    metrics: Metrics
    judges: Executor
    practising: "asyncio.Task[None]"
    """What the first caption needs is being loaded; not ready before."""
    request_timeout_s: float

    def readiness(self) -> Readiness:
        """Whether new captions should come here, and if not, why."""
        if self.drain.is_draining:
            return "draining"
        if not self.children.is_ready() or not self.practising.done():
            return "starting"
        if not self.captioner.is_usable():
            return "no captioner"
        return "ready"


async def _services(request: Request) -> Services:
    services: Services = request.state.services
    return services


ServicesHere = Annotated[Services, Depends(_services)]
