"""A file in a form is received like a download: in a place, with leased memory, in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from app.api.admission import Admission
from app.api.errors import InvalidRequest, RequestTimeout, RequestTooLarge
from app.api.request_body import BodyReader, ReceivedBody
from app.api.request_schemas import CaptionBody
from app.errors import CaptionError, Overloaded
from app.fetching.settings import FetchSettings
from app.fetching.upload import UploadReceiver
from app.imaging.errors import ImageTooLarge, ImageUnsupported
from app.runtime.bandwidth import BandwidthLimiter
from app.runtime.deadline import Deadline
from app.runtime.drain import Drain
from app.runtime.semaphore import WeightedSemaphore
from testing.images import jpeg

pytestmark = pytest.mark.usefixtures("virtual_time")

MIB = 1 << 20
IMAGE = jpeg((64, 48))
HEAD = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
END = b"\r\n--b--\r\n"
STALL = b"stall"
"""Instead of a chunk: nothing more arrives."""
GONE = b"gone"
"""Instead of a chunk: the client disconnects."""


@dataclass
class Server:
    """The parts that receive a form, without a network."""

    concurrency: int = 8
    max_bytes: int = 16 * MIB
    memory: int = 16 * MIB
    timeout_s: float = 30.0
    fetch_timeout_s: float = 10.0
    read_bytes: int = 0
    """What has been read of all bodies."""
    admission: Admission = field(init=False)
    semaphore: WeightedSemaphore = field(init=False)
    reader: BodyReader = field(init=False)

    def __post_init__(self) -> None:
        drain = Drain()
        settings = FetchSettings(max_bytes=self.max_bytes, timeout_s=self.fetch_timeout_s)
        self.admission = Admission(self.concurrency, 64, drain)
        self.semaphore = WeightedSemaphore(self.memory)
        uploads = UploadReceiver(settings, self.semaphore, BandwidthLimiter(1 << 30))
        self.reader = BodyReader(self.timeout_s, drain, uploads)

    @asynccontextmanager
    async def receive(
        self, *chunks: bytes, length: int | None = None, caller: str = "anna"
    ) -> AsyncIterator[ReceivedBody[CaptionBody]]:
        """A form that arrives in these chunks; `length` is its Content-Length."""
        left = list(chunks)

        async def receive() -> Message:
            await asyncio.sleep(0)
            if not left or left[0] == STALL:
                await asyncio.sleep(3600)
            chunk = left.pop(0)
            if chunk == GONE:
                return {"type": "http.disconnect"}
            self.read_bytes += len(chunk)
            return {"type": "http.request", "body": chunk, "more_body": bool(left)}

        headers = [(b"content-type", b"multipart/form-data; boundary=b")]
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
        async with (
            self.admission.places(caller) as places,
            self.reader.read(request, CaptionBody, places) as received,
        ):
            yield received

    async def failure(self, *chunks: bytes, length: int | None = None) -> CaptionError:
        """The error of a form. It leaves no place and no leased bytes."""
        with pytest.raises(CaptionError) as caught:
            async with self.receive(*chunks, length=length):
                pass
        self.assert_idle()
        return caught.value

    def assert_idle(self) -> None:
        assert self.semaphore.used == 0
        assert (self.admission.in_work, self.admission.large_files.used) == (0, 0)


def pieces(size: int, *, start: bytes = IMAGE) -> list[bytes]:
    """A form with a file of this size, in chunks as uvicorn passes them on."""
    form = HEAD + start + bytes(size - len(start)) + END
    return [form[at : at + 65_536] for at in range(0, len(form), 65_536)]


async def until(condition: object) -> None:
    """Let other tasks run until this is true."""
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_a_file_that_arrives_at_once_takes_no_place_and_no_memory_of_the_lease() -> None:
    server = Server()
    async with server.receive(HEAD + IMAGE + END) as received:
        assert (server.admission.in_work, server.semaphore.used) == (0, 0)
        assert received.upload is not None
        async with received.upload as source:
            assert (bytes(source.data), source.format) == (IMAGE, "jpeg")


@pytest.mark.parametrize("is_announced", [True, False])
async def test_a_large_file_holds_a_place_and_its_bytes_until_it_is_closed(
    is_announced: bool,
) -> None:
    server, chunks = Server(), pieces(3 * MIB)
    length = sum(map(len, chunks)) if is_announced else None
    async with server.receive(*chunks, length=length) as received:
        assert received.upload is not None
        assert (server.admission.in_work, server.admission.large_files.used) == (1, 1)
        assert server.semaphore.used == 2 * MIB
        async with received.upload as source:
            assert len(source.data) == 3 * MIB
            assert bytes(source.data[: len(IMAGE)]) == IMAGE
        assert server.semaphore.used == 0
        assert (server.admission.in_work, server.admission.large_files.used) == (1, 0)
    server.assert_idle()


async def test_files_wait_for_a_place_nearly_unread() -> None:
    """Sixty-four of 8 MiB: what is not read waits in their clients' sockets."""
    server, chunks = Server(concurrency=4), pieces(8 * MIB)

    async def send() -> None:
        async with server.receive(*chunks, length=sum(map(len, chunks))):
            await asyncio.sleep(3600)

    sending = [asyncio.create_task(send()) for _ in range(64)]
    await until(lambda: server.semaphore.used > 0 and server.admission.waiting == 63)
    assert server.admission.in_work == 1, "the others keep no place from a small image"
    assert server.read_bytes < 8 * MIB + 64 * 3 * 65_536
    for task in sending:
        task.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
    server.assert_idle()


async def test_a_full_server_refuses_a_file_before_it_reads_it() -> None:
    server, chunks = Server(concurrency=1), pieces(8 * MIB)
    server.admission.semaphore._queue = 0
    async with server.admission.places("bob") as places:
        await places.take(Deadline.after(60))
        with pytest.raises(Overloaded):
            async with server.receive(*chunks[:3], STALL, length=8 * MIB):
                pass


async def test_no_memory_in_time_is_overloaded_and_not_the_callers_fault() -> None:
    server, chunks = Server(), pieces(3 * MIB)
    async with server.semaphore.hold(16 * MIB):
        with pytest.raises(Overloaded) as caught:
            async with server.receive(*chunks, length=3 * MIB):
                pass
    assert caught.value.log_reason == "no room for the image's bytes"
    server.assert_idle()


@pytest.mark.parametrize("size", [1_000, 100_000, 3 * MIB])
async def test_a_form_that_stops_arriving_is_a_request_timeout(size: int) -> None:
    server, chunks = Server(), pieces(4 * MIB)
    sent = b"".join(chunks)[:size]
    assert isinstance(await server.failure(sent, STALL, length=4 * MIB), RequestTimeout)


async def test_a_slow_file_gives_its_memory_up_when_others_wait_for_it() -> None:
    """It would have half a minute more; the one that waits is received then."""
    server = Server()
    slow = asyncio.create_task(server.failure(*pieces(9 * MIB)[:40], STALL, length=9 * MIB))
    await until(lambda: server.semaphore.used)
    async with server.receive(*pieces(10 * MIB), length=10 * MIB + 500, caller="bob") as received:
        assert received.upload is not None
        with pytest.raises(AssertionError):  # of `failure`: bob's file is there
            await slow


async def test_a_slow_file_keeps_its_memory_while_nobody_waits() -> None:
    server, chunks = Server(), pieces(9 * MIB)
    began_s = asyncio.get_running_loop().time()
    assert isinstance(await server.failure(*chunks[:40], STALL, length=9 * MIB), RequestTimeout)
    assert asyncio.get_running_loop().time() - began_s > 29


@pytest.mark.parametrize("length", [25 * MIB, 17 * MIB, None])
async def test_a_file_over_the_limit_is_too_large(length: int | None) -> None:
    """By what is announced, or by what arrives; the rest is read for a moment."""
    error = await Server().failure(*pieces(17 * MIB), length=length)
    assert isinstance(error, ImageTooLarge)
    assert "16,777,216" in error.detail


async def test_a_file_that_is_no_image_is_refused_after_its_first_bytes() -> None:
    """And read on, so that the client gets the response."""
    server = Server()
    error = await server.failure(*pieces(8 * MIB, start=b"%PDF-1.7\n"), length=8 * MIB)
    assert isinstance(error, ImageUnsupported)
    assert server.semaphore.used == 0
    assert server.read_bytes > 8 * MIB


async def test_texts_over_the_limit_are_too_large_although_a_file_could_be() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="context"\r\n\r\n' + b"a" * 9 * MIB
    error = await Server().failure(*[part[at : at + 65_536] for at in range(0, len(part), 65_536)])
    assert isinstance(error, RequestTooLarge)


async def test_a_client_that_disconnects_leaves_nothing_behind() -> None:
    for chunks in (pieces(100_000), pieces(3 * MIB)):
        server = Server()
        with pytest.raises(ClientDisconnect):
            async with server.receive(*chunks[:-1], GONE):
                pass
        server.assert_idle()


async def test_an_error_in_a_late_field_frees_the_file() -> None:
    chunks = pieces(3 * MIB)
    late = b'\r\n--b\r\nContent-Disposition: form-data; name="stile"\r\n\r\nseo' + END
    chunks[-1] = chunks[-1].removesuffix(END) + late
    error = await Server().failure(*chunks)
    assert isinstance(error, InvalidRequest)
    [wrong] = error.extra["errors"]  # type: ignore[misc]
    assert wrong["field"] == "stile"
    assert "style" in wrong["message"], "the same hint as for JSON"
