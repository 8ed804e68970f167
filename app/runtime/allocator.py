"""Settings of glibc's malloc, so that memory of large buffers goes back to the system."""

import contextlib
import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Parameters of mallopt in glibc's malloc.h."""
_MMAP_THRESHOLD_BYTES = 512 * 1024 + 4096
"""Larger than the buffers of an ordinary caption, so that these are reused: fresh pages for each of
them took a millisecond of the kernel's time. With twice as much the heap kept 60 MiB more after
large images and bodies, as small pieces lay above large holes."""
_TRIM_THRESHOLD_BYTES = 8 * 1024 * 1024
_MAX_ARENAS = 2


def return_large_buffers() -> None:
    """Let freed large buffers go back to the system at once.

    By default glibc learns from each freed buffer to keep the next one, of up to 32 MB, in its
    heap. On other systems this does nothing.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES)
        mallopt(_M_ARENA_MAX, _MAX_ARENAS)
