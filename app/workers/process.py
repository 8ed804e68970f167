"""One child process as the server sees it: how it is spoken to, limited and killed."""

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
from app.workers.cpu import keep_off_our_core
from app.workers.errors import ChildDied, ChildTimeout, JobRefused, NotExpress, PoolBusy
from app.workers.handler import JsonValue
from app.workers.spawn import (
    FREE_BYTES,
    SLACK_BYTES,
    ChildConfig,
    anonymous_file,
    most_bytes,
    spawn,
)

logger = logging.getLogger(__name__)

_GROWTH_BYTES = 64 * 1024 * 1024
# A heap keeps the address space of what it has freed between two things it still needs. The limit
# counts that, so it is allowed for; a child with more of it makes way for a fresh one.

_SLICE_BYTES = 1024 * 1024
# One write of 1 MB into memory takes some 0.3 ms, giving it back 0.2: as long as the event loop may
# be held.

_FAREWELL_S = 1.0
# To say "refused" after it was told that there is no room, a child needs a millisecond.

_READ_AHEAD_BYTES = 1024 * 1024

_ANSWER_BYTES = 512 * 1024
# A picture of 1200 px has up to 300 KB. The kernel gives twice what is asked, within its own limit.

_START_TIMEOUT_S = 30.0


class _Starved(PoolBusy):
    """No memory was free in time, and the child has let go of the job: it can be used again."""


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work for a child."""

    handler: str
    data: bytes | memoryview
    args: Mapping[str, JsonValue]
    timeout_s: float
    deadline: Deadline


Result = tuple[dict[str, JsonValue], bytes]


class ChildProcess:
    """A warm child. It does one job at a time; `work` kills it where a job goes wrong."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        inbox: int,
        words: int,
        plan: ChildConfig,
        *,
        express: bool,
    ) -> None:
        self._process = process
        self._reader, self._writer = streams
        self._inbox = inbox
        self._words = words
        self._plan = plan
        self._mapped_bytes = 0
        self._grown_bytes = 0
        self._closed = False
        self._is_widened = False
        self.jobs = 0
        self.is_express = express
        """Whether it does only what needs little memory, and goes before its siblings."""

    @classmethod
    async def start(cls, plan: ChildConfig, *, express: bool = False) -> "ChildProcess":
        """A child that has imported its handlers and shut its doors.

        Raises ChildDied with its last words where it cannot start.
        """
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as theirs:
            channel, their_channel = socket.socketpair()
            undo.callback(channel.close)
            theirs.callback(their_channel.close)
            # The child's whole answer in one piece: half of it would wake the server for nothing.
            their_channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ANSWER_BYTES)
            inbox = anonymous_file()
            undo.callback(os.close, inbox)
            words, their_words = os.pipe()
            undo.callback(os.close, words)
            theirs.callback(os.close, their_words)
            for end in (words, their_words):
                # A child that chatters loses its words; it never waits for a reader.
                os.set_blocking(end, False)
            os.ftruncate(inbox, plan.input_max_bytes)
            channel.setblocking(False)
            streams = await asyncio.open_unix_connection(sock=channel, limit=_READ_AHEAD_BYTES)
            # Not from a thread: the kernel kills a child when the thread that started it ends.
            process = spawn(plan, their_channel.fileno(), inbox, their_words, express=express)
            undo.pop_all()
        child = cls(process, streams, inbox, words, plan, express=express)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                message, _ = await child._hear()
            child._mapped_bytes = int(message["mapped_bytes"])
            child._limit_memory(FREE_BYTES)
        except BaseException as error:
            await child.aclose()
            if isinstance(error, Exception):
                raise ChildDied(f"did not start: {str(error) or type(error).__name__}") from error
            raise
        if message.get("missing"):
            logger.warning("child.unconfined", extra={"missing": message["missing"]})
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        """False once it has been killed, closed or found dead."""
        return not self._closed and self._process.poll() is None

    async def work(self, job: Job) -> Result:
        """Do one job. Afterwards the child lives if this returned or raised JobRefused.

        Raises JobRefused, ChildTimeout, ChildDied, PoolBusy.
        """
        taken = 0
        self._is_widened = False
        self.jobs += 1
        try:
            async with _busy_after(job.deadline):
                await self._fill(job.data)
            if self.is_express:
                keep_off_our_core(self.pid)
            self._say({"job": job.handler, "size": len(job.data), "args": dict(job.args)})
            message, body, left_s = await self._hear_within(job.timeout_s, job.deadline)
            if "room" in message:
                taken = await self._make_room(message, job)
                message, body, _ = await self._hear_within(left_s, job.deadline)
            self._note_growth(message)
            return _judge(message, body)
        except (JobRefused, _Starved, NotExpress):
            raise
        except OSError as error:
            self.kill()
            raise ChildDied(f"could not be given the job: {type(error).__name__}") from error
        except BaseException:
            self.kill()
            raise
        finally:
            self._plan.memory.release(taken)
            if not self._closed:
                await self._empty_or_die(len(job.data))

    @property
    def has_swollen(self) -> bool:
        """Whether so much address space is lost to holes in its heap that a fresh one is better."""
        return self._grown_bytes > _GROWTH_BYTES

    def kill(self) -> None:
        """End it at once, whatever it is doing. `aclose` collects what is left of it."""
        if not self._closed:
            self._closed = True
            self._process.kill()
            self._writer.transport.abort()
            os.close(self._inbox)

    async def aclose(self) -> None:
        """Kill it and wait until the kernel has let go of it."""
        self.kill()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        pause_s = 0.001
        while self._process.poll() is None:
            await asyncio.sleep(pause_s)
            pause_s = min(0.05, pause_s * 2)
        if self._words >= 0:
            os.close(self._words)
            self._words = -1

    def last_words(self) -> str:
        """What it wrote to its standard error in this job, cut and made harmless."""
        # Decoders print warnings that quote the file: few, short, plain characters only.
        text = self._overhear()[-300:]
        return ascii(text.decode("ascii", "replace"))[1:-1]

    def _overhear(self) -> bytes:
        if self._words < 0:
            return b""
        try:
            return os.read(self._words, 65_536)
        except BlockingIOError:
            return b""

    async def _fill(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        for at in range(0, len(view), _SLICE_BYTES):
            if at:
                await self._plan.pace.turn(_SLICE_BYTES, at)
            os.pwrite(self._inbox, view[at : at + _SLICE_BYTES], at)

    async def _empty_or_die(self, size: int) -> None:
        try:
            await self._empty(size)
        except BaseException:
            self.kill()  # the next job must not see these bytes
            raise

    async def _empty(self, size: int) -> None:
        # Truncating gives the memory back and takes the bytes out of the child's sight; the
        # mapping over there stays good, because the length comes back.
        for at in range(size - size % _SLICE_BYTES, 0, -_SLICE_BYTES):
            os.ftruncate(self._inbox, at)
            await self._plan.pace.turn(_SLICE_BYTES, at)
        os.ftruncate(self._inbox, 0)
        os.ftruncate(self._inbox, self._plan.input_max_bytes)
        if self._is_widened:
            self._limit_memory(FREE_BYTES)
        self._overhear()

    async def _make_room(self, asked: Mapping[str, Any], job: Job) -> int:
        """Take what the child asked for out of the shared budget, and tell it; returns bytes.

        The copy of the input that lies in the inbox is counted with it.
        """
        amount = asked["room"]
        if not isinstance(amount, int) or amount < 0:
            raise ChildDied("asked for room that is no number")
        memory = self._plan.memory
        extra = max(0, amount - FREE_BYTES)
        if self.is_express and (extra or asked.get("long")):
            self._say({"go": False})
            await self._hear_within(_FAREWELL_S, Deadline.after(_FAREWELL_S))
            raise NotExpress
        if extra > memory.total:
            self._say({"go": False})
            return 0
        taken = extra + len(job.data) if extra else 0
        if taken:
            try:
                async with _busy_after(job.deadline):
                    await memory.acquire(taken)
            except PoolBusy as error:
                # The child is well: let it end the job, which spares everybody a new child.
                self._say({"go": False})
                await self._hear_within(_FAREWELL_S, Deadline.after(_FAREWELL_S))
                raise _Starved(str(error)) from error
        try:
            self._is_widened = True
            self._limit_memory(FREE_BYTES + extra)
            self._say({"go": True})
        except BaseException:
            memory.release(taken)
            raise
        return taken

    def _limit_memory(self, amount_bytes: int) -> None:
        """Hold the child to what it asked for: an estimate that a file lied about ends there."""
        if not self._mapped_bytes or not hasattr(resource, "prlimit"):
            return  # then the child's own limit, all that any job may have, is the only one
        grown = min(self._grown_bytes, _GROWTH_BYTES)
        soft = self._mapped_bytes + grown + amount_bytes + SLACK_BYTES
        hard = self._mapped_bytes + most_bytes(self._plan)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(self._process.pid, resource.RLIMIT_AS, (min(soft, hard), hard))

    def _note_growth(self, message: Mapping[str, Any]) -> None:
        mapped = message.get("mapped_bytes")
        if isinstance(mapped, int):
            self._grown_bytes = max(0, mapped - self._mapped_bytes)

    def _say(self, message: Mapping[str, Any]) -> None:
        self._writer.write(ipc.pack(message))

    async def _hear_within(
        self, timeout_s: float, deadline: Deadline
    ) -> tuple[dict[str, Any], bytes, float]:
        """The child's next message, its body, and what is left of `timeout_s`."""
        began = time.monotonic()
        left_s = deadline.left_s()
        try:
            async with asyncio.timeout(min(timeout_s, left_s)):
                message, body = await self._hear()
        except TimeoutError as error:
            if left_s < timeout_s:
                raise PoolBusy("the deadline passed in the middle of the work") from error
            raise ChildTimeout(f"more than {timeout_s:.1f} s") from error
        return message, body, max(0.0, timeout_s - (time.monotonic() - began))

    async def _hear(self) -> tuple[dict[str, Any], bytes]:
        try:
            head = await self._reader.readexactly(ipc.HEAD.size)
            text_bytes, body_bytes = ipc.lengths(head)
            text = await self._reader.readexactly(text_bytes)
            body = await self._reader.readexactly(body_bytes) if body_bytes else b""
            return ipc.unpack(text), body
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ChildDied(f"ended: {self.last_words() or 'without a word'}") from error
        except ipc.WireError as error:
            raise ChildDied(f"talks nonsense: {error}") from error


@contextlib.asynccontextmanager
async def _busy_after(deadline: Deadline) -> AsyncIterator[None]:
    try:
        async with deadline.timeout():
            yield
    except TimeoutError as error:
        raise PoolBusy("the deadline passed while waiting") from error


def _judge(message: dict[str, Any], body: bytes) -> Result:
    done, refused = message.get("done"), message.get("refused")
    if isinstance(done, dict):
        return done, body
    if isinstance(refused, list) and len(refused) == 3:
        raise JobRefused(*(str(part)[:500] for part in refused))
    raise ChildDied(f"failed: {str(message.get('failed', 'no answer'))[:300]}")
