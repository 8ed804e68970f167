"""Memory of a child process: how much it holds, and how its allocator gives freed memory back."""

import ctypes
import os

_M_MMAP_THRESHOLD = -3
"""The mallopt(3) parameter: buffers of at least this size get memory maps of their own."""

_LARGE_JOB_THRESHOLD_BYTES = 256 * 1024
# With this threshold a 16-bit PNG left holes of 3 MB in the heap instead of 100.

_KEPT_BYTES = 16 * 1024 * 1024
# The next image of ordinary size uses this again; clearing fresh pages for it would cost 2 ms.


class Allocator:
    """Settings of glibc's malloc for the next job. Does nothing with another C library."""

    def __init__(self, retained_heap_bytes: int) -> None:
        self._small_job_threshold_bytes = retained_heap_bytes // 2
        self._mallopt = getattr(ctypes.CDLL(None), "mallopt", None)

    def prepare_for_small_job(self) -> None:
        """Put buffers into the heap, where the next job can use their memory again."""
        self._set_threshold(self._small_job_threshold_bytes)

    def prepare_for_large_job(self) -> None:
        """Give buffers memory maps of their own, which return to the system when they are freed.

        In the heap they would leave holes: 100 MB of address space after a 16-bit PNG, so that the
        child would have to be replaced after each.
        """
        self._set_threshold(_LARGE_JOB_THRESHOLD_BYTES)

    def _set_threshold(self, size_bytes: int) -> None:
        if self._mallopt is not None:
            self._mallopt(_M_MMAP_THRESHOLD, size_bytes)


class ProcessMemory:
    """How much memory this process has mapped and holds, from /proc/self/statm.

    The file is opened once, because a confined process can open none.
    """

    def __init__(self) -> None:
        try:
            self._file: int | None = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # not Linux, or /proc is not mounted
            self._file = None
        self._private_bytes_at_start = self._read()[1]

    def mapped_bytes(self) -> int:
        """Mapped address space; 0 where it is unknown."""
        return self._read()[0]

    def trim_heap(self) -> None:
        """Return memory that the allocator kept after a large image: up to 100 MB."""
        if self._read()[1] > self._private_bytes_at_start + _KEPT_BYTES:
            ctypes.CDLL(None).malloc_trim(0)

    def _read(self) -> tuple[int, int]:
        """Mapped bytes, and resident bytes that are not shared with other processes."""
        if self._file is None:
            return 0, 0
        os.lseek(self._file, 0, os.SEEK_SET)
        mapped, resident, shared = os.read(self._file, 200).split()[:3]
        page_bytes = os.sysconf("SC_PAGE_SIZE")
        return int(mapped) * page_bytes, (int(resident) - int(shared)) * page_bytes
