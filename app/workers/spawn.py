"""How a child is started: with what arguments, environment, limits and weight."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.semaphore import WeightedSemaphore

FREE_BYTES = 32 * 1024 * 1024
"""What each child may take without asking: a 2 megapixel picture decoded, its copy and result."""

EXPRESS_MS = 30.0
"""Of work that the express child takes: a JPEG of 7 megapixels, a WebP of 1.6. Who comes next with
a cheap picture waits for the rest of it."""

KEPT_BYTES = 12 * 1024 * 1024
"""Of freed memory that a child does not give back to the system. By default glibc gives all of it
back, and the kernel clears each page anew: 1,900 pages and 4 ms for a picture of 1 megapixel, more
than a third of its decoding. One buffer of over half of this still has pages of its own."""

SLACK_BYTES = 64 * 1024 * 1024
"""Address space is more than memory: allocators map in steps, zeroed pages that nobody touches."""

NICENESS, EXPRESS_NICENESS = 10, 5
# A saturated server still has to refuse, answer /healthz and talk to models at once, and its event
# loop wakes for a millisecond at a time: a child weighs a tenth of it (sched(7)). Cheap pictures
# weigh three times as much as costly ones, and push them aside when they come. A lone decode is not
# slowed; beside busy neighbours it still gets a tenth, where SCHED_IDLE would get next to nothing.

_BOOT = (
    "import sys, json; plan = json.loads(sys.argv[1]); sys.path[:] = plan['path']; "
    "from app.workers.child import main; main(plan)"
)


@dataclass(frozen=True, slots=True)
class ChildConfig:
    """What every child of one pool is started with."""

    handlers: Mapping[str, str]
    input_max_bytes: int
    memory: WeightedSemaphore
    pace: BandwidthLimiter


def most_bytes(plan: ChildConfig) -> int:
    """Of address space that a child may map, beyond what it has mapped when it is warm."""
    return FREE_BYTES + plan.memory.total + SLACK_BYTES


def anonymous_file() -> int:
    """A file that has no name and, where the system can, lives in memory."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("altwright-job", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def spawn(
    plan: ChildConfig, channel: int, inbox: int, words: int, *, express: bool
) -> subprocess.Popen[bytes]:
    """Start a child: its ends of the channel and of the pipe for its words, and its inbox.

    A fresh interpreter, not a fork of a server full of threads and secrets. -I and -S skip what
    a child has no use for (site, the user's folder); it finds modules where the server does.
    """
    root = str(Path(__file__).parents[2])
    arguments = {
        "path": [root, *(str(Path(entry).absolute()) for entry in sys.path)],
        "parent_pid": os.getpid(),
        "niceness": EXPRESS_NICENESS if express else NICENESS,
        "express": express,
        "socket": channel,
        "inbox": inbox,
        "input_max_bytes": plan.input_max_bytes,
        "memory_bytes": most_bytes(plan),
        "free_bytes": FREE_BYTES,
        "kept_bytes": KEPT_BYTES,
        "free_ms": EXPRESS_MS if express else None,
        "handlers": dict(plan.handlers),
    }
    environment = {
        "LANG": "C.UTF-8",
        # One child, one core: libraries that start threads of their own are told not to.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # A second malloc arena reserves 64 MB of address space, which the limit would count.
        "MALLOC_ARENA_MAX": "1",
        # What one small picture was decoded in is kept for the next (see KEPT_BYTES).
        "MALLOC_MMAP_THRESHOLD_": str(KEPT_BYTES // 2),
        "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES),
        **{name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ},
    }
    return subprocess.Popen(  # noqa: S603 - our own interpreter, our own code
        [sys.executable, "-I", "-S", "-c", _BOOT, json.dumps(arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=words,
        pass_fds=(channel, inbox),
        env=environment,
        cwd="/",
        # A process group, not a session: Linux shares the processor between sessions alike
        # (sched_autogroup), and niceness says nothing any more.
        process_group=0,
    )
