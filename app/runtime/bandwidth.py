"""How fast the bytes of large files go through the process."""

import asyncio

FREE_BYTES = 8 * 1024 * 1024
"""Of each file that are never held up: a camera's JPEG of 12 megapixels has 4 to 8 MB."""


class BandwidthLimiter:
    """A rate that all large files share, so that they leave time for everybody's small ones.

    A megabyte takes the event loop 0.7 ms to read and half a millisecond to hand on and take back,
    and nothing slows a near origin down: a file of 60 MB would be all that the process does for
    most of a tenth of a second. `most_bytes`, all that may be in flight at once, go in half a
    second.
    """

    def __init__(self, most_bytes: int) -> None:
        self._bytes_a_second = 2 * most_bytes
        self._free_at_s = 0.0

    async def turn(self, moved_bytes: int, file_bytes: int) -> None:
        """Let others have their turn, after `moved_bytes` more of a file that has `file_bytes` now.

        Past FREE_BYTES of the file, until the pace allows as many again.
        """
        wait_s = 0.0
        if file_bytes > FREE_BYTES:
            now_s = asyncio.get_running_loop().time()
            self._free_at_s = max(self._free_at_s, now_s) + moved_bytes / self._bytes_a_second
            wait_s = self._free_at_s - now_s
        await asyncio.sleep(wait_s)
