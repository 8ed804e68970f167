"""One child process as the server sees it: start, run a job, limit its memory, kill."""

import asyncio
import contextlib
import logging
import os
import resource
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.runtime.deadline import Deadline
from app.workers import ipc
from app.workers.cpu import exclude_current_core
from app.workers.errors import (
    ChildDied,
    ChildTimeout,
    JobRefused,
    NotForExpressChild,
    OutgrewExpressChild,
    PoolBusy,
)
from app.workers.express import OverrunWatch
from app.workers.handler import JsonValue
from app.workers.shared_input import SharedInput
from app.workers.spawn import ADDRESS_SPACE_SLACK_BYTES, BASE_MEMORY_BYTES, ChildConfig, spawn

_logger = logging.getLogger(__name__)

_MAX_FRAGMENTATION_BYTES = 64 * 1024 * 1024
# A heap keeps the address space of freed memory that lies between two live objects. The memory
# limit counts it, so this much is added to the limit; a child with more of it is replaced.

_REFUSAL_TIMEOUT_S = 1.0
# A child that is denied memory needs about a millisecond to end its job.

_READ_BUFFER_BYTES = 1024 * 1024

_SEND_BUFFER_BYTES = 512 * 1024
# For a whole result: an image of 1200 px has up to 300 KB, and half a result would wake the server
# in vain. The kernel doubles this number, within its own limit.

_START_TIMEOUT_S = 120.0
# A child imports for a second of processor time, ten with a low weight on a busy machine. One that
# is killed before it is ready begins anew, and a busy machine would never have one.


class _MemoryBusy(PoolBusy):
    """No memory was available before the deadline. The child has ended the job and is healthy."""


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work for a child process."""

    handler: str
    data: bytes | memoryview
    args: Mapping[str, JsonValue]
    timeout_s: float
    deadline: Deadline
    attempt: int = 1
    """2 where the job is tried again, because its first child died."""


JobResult = tuple[dict[str, JsonValue], bytes]
"""Facts and bytes, as the handler returned them."""


class ChildProcess:
    """A warm child process. It runs one job at a time, and is killed when a job goes wrong."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        shared_input: SharedInput,
        stderr_fd: int,
        config: ChildConfig,
        *,
        is_express: bool,
    ) -> None:
        self._process = process
        self._reader, self._writer = streams
        self._input = shared_input
        self._stderr_fd = stderr_fd
        self._config = config
        self._mapped_bytes = 0
        """Address space after its warm-up; 0 where it is unknown."""
        self._grown_bytes = 0
        self._has_extra_memory = False
        self._watch: OverrunWatch | None = None
        self._is_closed = False
        self.jobs = 0
        """How many jobs it has started."""
        self.is_express = is_express
        """Whether it runs only jobs that need little memory and time, with precedence."""

    @classmethod
    async def start(
        cls, config: ChildConfig, *, is_express: bool = False, is_urgent: bool = False
    ) -> "ChildProcess":
        """Start a child and wait until it has loaded its handlers and is confined.

        With `is_urgent` it does that with the server's own priority, and gets a lower one after it.
        Raises ChildDied, with what it wrote to stderr, where it cannot start.
        """
        child = cls(*await _spawn(config, is_express, is_urgent), config, is_express=is_express)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                message, _ = await child._receive()
            child._mapped_bytes = int(message["mapped_bytes"])
            child._limit_memory(BASE_MEMORY_BYTES)
        except BaseException as error:
            await child.aclose()
            if isinstance(error, Exception):
                raise ChildDied(f"did not start: {str(error) or type(error).__name__}") from error
            raise
        if message.get("missing"):
            _logger.warning("child.unconfined", extra={"missing": message["missing"]})
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        """False once it has been killed, closed or found dead."""
        return not self._is_closed and self._process.poll() is None

    @property
    def is_fragmented(self) -> bool:
        """Whether its heap has lost so much address space to holes that it should be replaced."""
        return self._grown_bytes > _MAX_FRAGMENTATION_BYTES

    async def run(self, job: Job) -> JobResult:
        """Run one job. The child survives a result and a refusal, and is killed otherwise.

        Raises JobRefused, NotForExpressChild (also where the job outgrew the express child),
        ChildTimeout, ChildDied, PoolBusy.
        """
        reserved_bytes = 0
        self._has_extra_memory = False
        self.jobs += 1
        try:
            async with _busy_after(job.deadline):
                await self._input.write(job.data)
            if self.is_express:
                exclude_current_core(self.pid)
                self._watch = OverrunWatch(self.pid, self.kill)
            self._send({"handler": job.handler, "size": len(job.data), "args": dict(job.args)})
            message, body, left_s = await self._receive_within(job.timeout_s, job.deadline)
            if "reserve" in message:
                reserved_bytes = await self._reserve(message, job)
                message, body, _ = await self._receive_within(left_s, job.deadline)
            self._note_growth(message)
            return _parse_result(message, body)
        except (JobRefused, _MemoryBusy, NotForExpressChild):
            raise
        except OSError as error:
            self.kill()
            reason = f"could not receive the job: {type(error).__name__}"
            raise ChildDied(reason, may_retry=True) from error
        except BaseException as error:
            self.kill()
            if self._watch is not None and self._watch.has_killed and isinstance(error, ChildDied):
                raise OutgrewExpressChild(has_killed=True) from error
            raise
        finally:
            self._stop_watch()
            self._config.memory.release(reserved_bytes)
            if not self._is_closed:
                await self._reset(len(job.data))

    def kill(self) -> None:
        """Kill it at once. `aclose` releases the rest."""
        if not self._is_closed:
            self._is_closed = True
            self._process.kill()
            self._writer.transport.abort()
            self._input.close()

    async def aclose(self) -> None:
        """Kill it and wait until the process has ended."""
        self.kill()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        pause_s = 0.001
        while self._process.poll() is None:
            await asyncio.sleep(pause_s)
            pause_s = min(0.05, pause_s * 2)
        if self._stderr_fd >= 0:
            os.close(self._stderr_fd)
            self._stderr_fd = -1

    async def _reset(self, input_bytes: int) -> None:
        """Make it ready for the next job, or kill it: that job must not see this one's input."""
        try:
            await self._input.clear(input_bytes)
            if self._has_extra_memory:
                self._limit_memory(BASE_MEMORY_BYTES)
            self._read_stderr()
        except BaseException:
            self.kill()
            raise

    async def _reserve(self, request: Mapping[str, Any], job: Job) -> int:
        """Acquire the memory that the job asks for, and answer; returns the bytes acquired.

        Beyond the base memory, the copy of the input in shared memory is counted, too.
        """
        memory_bytes = request["reserve"]
        if not isinstance(memory_bytes, int) or memory_bytes < 0:
            raise ChildDied("sent a reservation that is not a number of bytes")
        memory = self._config.memory
        extra_bytes = max(0, memory_bytes - BASE_MEMORY_BYTES)
        if self.is_express and (extra_bytes or request.get("is_long")):
            self._stop_watch()
            await self._deny_and_wait()
            raise NotForExpressChild
        if extra_bytes > memory.total:
            self._send({"granted": False})
            return 0
        acquired_bytes = extra_bytes + len(job.data) if extra_bytes else 0
        if acquired_bytes:
            try:
                async with _busy_after(job.deadline):
                    await memory.acquire(acquired_bytes)
            except PoolBusy as error:
                # The child is healthy: letting it end the job saves the start of a new one.
                await self._deny_and_wait()
                raise _MemoryBusy(str(error)) from error
        try:
            self._has_extra_memory = True
            self._limit_memory(BASE_MEMORY_BYTES + extra_bytes)
            self._send({"granted": True})
        except BaseException:
            memory.release(acquired_bytes)
            raise
        return acquired_bytes

    def _stop_watch(self) -> None:
        if self._watch is not None:
            self._watch.stop()

    async def _deny_and_wait(self) -> None:
        self._send({"granted": False})
        await self._receive_within(_REFUSAL_TIMEOUT_S, Deadline.after(_REFUSAL_TIMEOUT_S))

    def _limit_memory(self, memory_bytes: int) -> None:
        """Limit the child to what its job has reserved, in case the file lied about its needs."""
        if not self._mapped_bytes or not hasattr(resource, "prlimit"):
            return  # the limit that the child set for itself, the most of any job, remains
        fragmented = min(self._grown_bytes, _MAX_FRAGMENTATION_BYTES)
        soft = self._mapped_bytes + fragmented + memory_bytes + ADDRESS_SPACE_SLACK_BYTES
        hard = self._mapped_bytes + self._config.max_growth_bytes
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(self._process.pid, resource.RLIMIT_AS, (min(soft, hard), hard))

    def _note_growth(self, message: Mapping[str, Any]) -> None:
        mapped_bytes = message.get("mapped_bytes")
        if isinstance(mapped_bytes, int):
            self._grown_bytes = max(0, mapped_bytes - self._mapped_bytes)

    def _send(self, message: Mapping[str, Any]) -> None:
        self._writer.write(ipc.encode_message(message))

    async def _receive_within(
        self, timeout_s: float, deadline: Deadline
    ) -> tuple[dict[str, Any], bytes, float]:
        """The child's next message, its body, and what is left of `timeout_s`."""
        began_s = time.monotonic()
        left_s = deadline.left_s()
        try:
            async with asyncio.timeout(min(timeout_s, left_s)):
                message, body = await self._receive()
        except TimeoutError as error:
            if left_s < timeout_s:
                raise PoolBusy("the deadline passed during the work") from error
            raise ChildTimeout(f"the work took more than {timeout_s:.1f} s") from error
        return message, body, max(0.0, timeout_s - (time.monotonic() - began_s))

    async def _receive(self) -> tuple[dict[str, Any], bytes]:
        try:
            header = await self._reader.readexactly(ipc.HEADER.size)
            text_bytes, body_bytes = ipc.parse_header(header)
            text = await self._reader.readexactly(text_bytes)
            body = await self._reader.readexactly(body_bytes) if body_bytes else b""
            return ipc.decode_message(text), body
        except (asyncio.IncompleteReadError, OSError) as error:
            reason = f"ended; stderr: {self._stderr_excerpt() or 'empty'}"
            raise ChildDied(reason, may_retry=True) from error
        except ipc.InvalidMessage as error:
            raise ChildDied(f"sent an invalid message: {error}") from error

    def _stderr_excerpt(self) -> str:
        """The end of what it wrote to stderr in this job, short and in plain characters.

        Decoders print warnings that quote the file.
        """
        text = self._read_stderr()[-300:]
        return ascii(text.decode("ascii", "replace"))[1:-1]

    def _read_stderr(self) -> bytes:
        if self._stderr_fd < 0:
            return b""
        try:
            return os.read(self._stderr_fd, 65_536)
        except BlockingIOError:
            return b""


_Spawned = tuple[
    "subprocess.Popen[bytes]", tuple[asyncio.StreamReader, asyncio.StreamWriter], SharedInput, int
]


async def _spawn(config: ChildConfig, is_express: bool, is_urgent: bool) -> _Spawned:
    """Start the process; returns the server's ends of its channels: socket, input, stderr."""
    with contextlib.ExitStack() as on_error, contextlib.ExitStack() as child_ends:
        parent_socket, child_socket = socket.socketpair()
        on_error.callback(parent_socket.close)
        child_ends.callback(child_socket.close)
        child_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        shared_input = SharedInput(config.input_max_bytes, config.bandwidth)
        on_error.callback(shared_input.close)
        stderr_fd, child_stderr_fd = os.pipe()
        on_error.callback(os.close, stderr_fd)
        child_ends.callback(os.close, child_stderr_fd)
        for fd in (stderr_fd, child_stderr_fd):
            # A child that writes too much loses output; it never waits for a reader.
            os.set_blocking(fd, False)
        parent_socket.setblocking(False)
        streams = await asyncio.open_unix_connection(sock=parent_socket, limit=_READ_BUFFER_BYTES)
        # On this thread: the kernel kills a child when the thread that started it ends.
        process = spawn(
            config,
            child_socket.fileno(),
            shared_input.fd,
            child_stderr_fd,
            is_express=is_express,
            is_urgent=is_urgent,
        )
        on_error.pop_all()
    return process, streams, shared_input, stderr_fd


@contextlib.asynccontextmanager
async def _busy_after(deadline: Deadline) -> AsyncIterator[None]:
    """Raises PoolBusy where the deadline passes within the block."""
    try:
        async with deadline.timeout():
            yield
    except TimeoutError as error:
        raise PoolBusy("the deadline passed while the job waited") from error


def _parse_result(message: dict[str, Any], body: bytes) -> JobResult:
    done, refused = message.get("done"), message.get("refused")
    if message.get("interrupted"):
        raise OutgrewExpressChild(has_killed=False)
    if isinstance(done, dict):
        return done, body
    if isinstance(refused, list) and len(refused) == 2:
        raise JobRefused(*(str(part)[:500] for part in refused))
    raise ChildDied(f"the job failed: {str(message.get('failed', 'no result'))[:300]}")
