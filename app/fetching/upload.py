"""Upload: an image file that a caller sends in its request, received as a download is."""

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType

from app.errors import Overloaded
from app.fetching.byte_lease import ByteLease
from app.fetching.image_buffer import ImageBuffer
from app.fetching.settings import FetchSettings
from app.imaging.sniff import SNIFF_BYTES, sniff
from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.semaphore import WeightedSemaphore
from app.types import SourceImage

_logger = logging.getLogger(__name__)

_NO_ROOM_RETRY_AFTER_S = 5.0
"""Room for a large image is free when another one is done, within seconds."""
_LOOK_EVERY_S = 1.0
"""How often it is looked whether somebody waits for the room that a slow file holds."""


class UploadReceiver:
    """Receives uploads within the byte lease and the bandwidth of all downloads."""

    def __init__(
        self, settings: FetchSettings, semaphore: WeightedSemaphore, bandwidth: BandwidthLimiter
    ) -> None:
        self.max_bytes = settings.max_bytes
        self._timeout_s = settings.timeout_s
        self._semaphore = semaphore
        self._bandwidth = bandwidth

    def open(self, expected_bytes: int | None, timer: asyncio.Timeout, caller: str) -> "Upload":
        """A file of at most `expected_bytes`, if that is known. `timer` ends its reception."""
        return Upload(
            self._semaphore, self._bandwidth, timer, caller,
            expected_bytes=None if expected_bytes is None else min(expected_bytes, self.max_bytes),
            max_bytes=self.max_bytes, timeout_s=self._timeout_s,
        )  # fmt: skip


class Upload:
    """One file: `append` what arrives, then `finish`, then open it once, as a context manager.

    Its memory is leased as a download's, and freed when the block ends or by `discard`.
    """

    def __init__(
        self,
        semaphore: WeightedSemaphore,
        bandwidth: BandwidthLimiter,
        timer: asyncio.Timeout,
        caller: str,
        *,
        expected_bytes: int | None,
        max_bytes: int,
        timeout_s: float,
    ) -> None:
        """`timer` ends the reception. A file with more than what is free of charge gets `timeout_s`
        for the rest of it, as a download does, where others wait for the room that it holds."""
        self._semaphore = semaphore
        self._timer = timer
        self._timeout_s = timeout_s
        self._lease = ByteLease(semaphore, caller)
        self._buffer = ImageBuffer(
            self._lease, self._lease_bytes, bandwidth,
            max_bytes=max_bytes, expected_bytes=expected_bytes,
        )  # fmt: skip
        self._format: str | None = None
        self._hurry: asyncio.TimerHandle | None = None
        self._freed_callbacks: list[Callable[[], None]] = []
        self.is_waiting_for_room = False

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self._buffer.size

    def beginning(self) -> bytes:
        """The first SNIFF_BYTES, as far as they have arrived."""
        return bytes(self._buffer.view()[:SNIFF_BYTES])

    async def append(self, data: memoryview) -> None:
        """Add what has arrived. Raises ImageTooLarge, and ImageUnsupported as soon as it is one."""
        await self._buffer.append(data)
        if self._format is None and self.size >= SNIFF_BYTES:
            self._format = sniff(self.beginning())

    def finish(self) -> None:
        """The file is complete. Raises ImageUnsupported."""
        self._stop_hurrying()
        if self._format is None:
            self._format = sniff(self.beginning())
        self._lease.shrink_to(self.size)
        _logger.info("image.uploaded", extra={"format": self._format, "bytes": self.size})

    def no_room_error(self) -> Overloaded:
        """The error where the time ended while it waited for room."""
        return Overloaded(
            log_reason="no room for the image's bytes", retry_after_s=_NO_ROOM_RETRY_AFTER_S
        )

    def when_freed(self, callback: Callable[[], None]) -> None:
        """Call back once the memory is freed."""
        self._freed_callbacks.append(callback)

    async def discard(self) -> None:
        """Free the memory, if that has not been done."""
        self._stop_hurrying()
        try:
            await self._lease.release()
        finally:
            callbacks, self._freed_callbacks = self._freed_callbacks, []
            for callback in callbacks:
                callback()

    async def __aenter__(self) -> SourceImage:
        assert self._format is not None  # noqa: S101 - finish was called
        return SourceImage(data=self._buffer.view(), format=self._format)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.discard()

    async def _lease_bytes(self, size_bytes: int) -> None:
        self.is_waiting_for_room = True
        await self._lease.grow_to(size_bytes)
        self.is_waiting_for_room = False
        self._look_later(self._timeout_s)

    def _look_later(self, seconds: float) -> None:
        self._stop_hurrying()
        self._hurry = asyncio.get_running_loop().call_later(seconds, self._end_if_others_wait)

    def _end_if_others_wait(self) -> None:
        if not self._semaphore.waiting:
            self._look_later(_LOOK_EVERY_S)
        elif not self._timer.expired():
            self._timer.reschedule(asyncio.get_running_loop().time())

    def _stop_hurrying(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None
