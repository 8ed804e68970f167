"""Bandwidth limiter: large files share one rate and leave the event loop time for small ones."""

import asyncio

UNTHROTTLED_BYTES = 8 * 1024 * 1024
"""The first bytes of each file that are never throttled. A camera's JPEG of 12 megapixels has 4 to
8 MB."""


class BandwidthLimiter:
    """Limits how fast the bytes of all large files together pass through this process.

    A megabyte takes the event loop 0.7 ms to read and 0.5 ms to hand to a child process and clear.
    A near origin is as fast as the loop, so that unthrottled a file of 60 MB would be all that the
    process does for most of 0.1 s. The rate is such that a file of `max_file_bytes` takes 0.5 s.
    """

    def __init__(self, max_file_bytes: int) -> None:
        self._bytes_per_s = 2 * max_file_bytes
        self._free_at_s = 0.0

    async def throttle(self, moved_bytes: int, file_bytes: int) -> None:
        """Wait after `moved_bytes` more of a file of which `file_bytes` have passed by now.

        Up to UNTHROTTLED_BYTES of the file this only lets other tasks run.
        """
        wait_s = 0.0
        if file_bytes > UNTHROTTLED_BYTES:
            now_s = asyncio.get_running_loop().time()
            self._free_at_s = max(self._free_at_s, now_s) + moved_bytes / self._bytes_per_s
            wait_s = self._free_at_s - now_s
        await asyncio.sleep(wait_s)
