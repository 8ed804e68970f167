"""Shared memory through which a child process gets the input of a job."""

import os
import tempfile

from app.runtime.bandwidth import BandwidthLimiter

_SLICE_BYTES = 1024 * 1024
# Writing 1 MB into memory takes some 0.3 ms and releasing it 0.2, about as long as the event loop
# may be held.


class SharedInput:
    """An anonymous file that the child has mapped for reading, and the server writes to.

    Large inputs are written and released in slices, at the rate that `bandwidth` allows.
    """

    def __init__(self, max_bytes: int, bandwidth: BandwidthLimiter) -> None:
        self._max_bytes = max_bytes
        self._bandwidth = bandwidth
        self.fd = _open_anonymous_file()
        os.ftruncate(self.fd, max_bytes)

    async def write(self, data: bytes | memoryview) -> None:
        """Make `data` the input of the next job."""
        view = memoryview(data)
        for start in range(0, len(view), _SLICE_BYTES):
            if start:
                await self._bandwidth.throttle(_SLICE_BYTES, start)
            os.pwrite(self.fd, view[start : start + _SLICE_BYTES], start)

    async def clear(self, size_bytes: int) -> None:
        """Remove an input of this size, so that the next job cannot read it.

        Truncating the file releases its memory. The child's mapping stays valid, because the file
        gets its full length again.
        """
        for end in range(size_bytes - size_bytes % _SLICE_BYTES, 0, -_SLICE_BYTES):
            os.ftruncate(self.fd, end)
            await self._bandwidth.throttle(_SLICE_BYTES, end)
        os.ftruncate(self.fd, 0)
        os.ftruncate(self.fd, self._max_bytes)

    def close(self) -> None:
        """Close the server's descriptor. The child keeps its mapping."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _open_anonymous_file() -> int:
    """A file without a name, in memory where the system supports that."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("altwright-job", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
