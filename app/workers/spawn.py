"""How a child process is started: arguments, environment, limits and priority."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.semaphore import WeightedSemaphore
from app.workers.child import ChildArguments

BASE_MEMORY_BYTES = 32 * 1024 * 1024
"""Memory that each job may take without a reservation: an image of 2 megapixels, a copy of it and
the result."""

EXPRESS_MAX_WORK_MS = 30.0
"""Longest work of the express child: a JPEG of 7 megapixels, a WebP of 1.6. The next cheap job
waits at most for the rest of it."""

RETAINED_HEAP_BYTES = 12 * 1024 * 1024
"""Freed memory that malloc keeps in a child. By default glibc returns all of it to the kernel,
which then clears each page again: 1,900 pages and 4 ms for an image of 1 megapixel, more than a
third of its decoding. A buffer of over half of this has a memory map of its own."""

ADDRESS_SPACE_SLACK_BYTES = 64 * 1024 * 1024
"""Address space beyond the memory that is used: allocators map in steps, and never touch some
pages."""

NICENESS, EXPRESS_NICENESS = 10, 5
# A saturated server must still refuse requests, answer /healthz and talk to models at once. Its
# event loop runs for about a millisecond at a time. A child at niceness 10 has a tenth of its
# weight (sched(7)); the express child has three times as much, and preempts the others. A single
# decode on an idle machine is not slowed down. Beside busy neighbours a child still gets a tenth of
# a core, where SCHED_IDLE would give it next to nothing.

_BOOT = (
    "import sys, json; arguments, sys.path[:] = json.loads(sys.argv[1]); "
    "from app.workers.child import ChildArguments, main; main(ChildArguments(**arguments))"
)


@dataclass(frozen=True, slots=True)
class ChildConfig:
    """What all children of one pool have in common."""

    handlers: Mapping[str, str]
    input_max_bytes: int
    memory: WeightedSemaphore
    """Bytes that jobs reserve beyond BASE_MEMORY_BYTES each."""
    bandwidth: BandwidthLimiter

    @property
    def max_growth_bytes(self) -> int:
        """Address space that a child may map beyond what it has mapped after its warm-up."""
        return BASE_MEMORY_BYTES + self.memory.total + ADDRESS_SPACE_SLACK_BYTES


def spawn(
    config: ChildConfig,
    socket_fd: int,
    input_fd: int,
    stderr_fd: int,
    *,
    is_express: bool,
    is_urgent: bool,
) -> subprocess.Popen[bytes]:
    """Start a child process with its ends of the socket, the shared input and the stderr pipe.

    It is a fresh interpreter, because a fork would inherit the server's threads and secrets. -I and
    -S leave out what a child does not need (site, the user's packages); it imports modules from the
    same folders as the server.
    """
    arguments = ChildArguments(
        parent_pid=os.getpid(),
        niceness=EXPRESS_NICENESS if is_express else NICENESS,
        is_batch=not is_express,
        is_urgent=is_urgent,
        socket_fd=socket_fd,
        input_fd=input_fd,
        input_max_bytes=config.input_max_bytes,
        max_growth_bytes=config.max_growth_bytes,
        base_memory_bytes=BASE_MEMORY_BYTES,
        max_work_ms=EXPRESS_MAX_WORK_MS if is_express else None,
        retained_heap_bytes=RETAINED_HEAP_BYTES,
        handlers=dict(config.handlers),
    )
    root = str(Path(__file__).parents[2])
    module_path = [root, *(str(Path(entry).absolute()) for entry in sys.path)]
    environment = {
        "LANG": "C.UTF-8",
        # One child uses one core: these libraries would start threads of their own.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # A second malloc arena reserves 64 MB of address space, which the limit would count.
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_THRESHOLD_": str(RETAINED_HEAP_BYTES // 2),
        "MALLOC_TRIM_THRESHOLD_": str(RETAINED_HEAP_BYTES),
        **{name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
    }
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
        [sys.executable, "-I", "-S", "-c", _BOOT, json.dumps([asdict(arguments), module_path])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr_fd,
        pass_fds=(socket_fd, input_fd),
        env=environment,
        cwd="/",
        # A process group, not a session: Linux divides the processor evenly among sessions
        # (sched_autogroup), which would make niceness ineffective.
        process_group=0,
    )
