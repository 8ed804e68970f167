"""Content-Encoding: which names are a coding, and bodies that are unpacked within every limit."""

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import pytest

from app.errors import CaptionError
from app.fetching.content_coding import Coding, parse_content_encoding, unpack
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from testing.images import jpeg, photograph_like
from testing.servers.origin import Origin
from tests.fetching.fetches import fail, fetch, make_fetcher
from tests.fetching.scripted_origin import KEEP_OPEN, ScriptedOrigin, respond, send, send_forever

IMAGE = jpeg((64, 48))
LARGE_IMAGE = photograph_like()
MAX_BYTES = 1 << 20


def deflate_raw(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


COMPRESS = {"gzip": gzip.compress, "zlib": zlib.compress, "raw deflate": deflate_raw}
CODINGS: dict[str, Coding] = {"gzip": "gzip", "zlib": "deflate", "raw deflate": "deflate"}


@pytest.mark.parametrize(
    "value",
    [
        *("", "identity", " Identity ", "none", "None", "null", "binary", "8bit", "7bit", "base64"),
        *("utf-8", "UTF-8", "utf8", "iso-8859-1", "charset=utf-8", "aws-chunked", "chunked"),
        *("image/jpeg", "image/png", "application/octet-stream", "jpeg", "text/html; charset=utf8"),
        *("identity, identity", "aws-chunked, utf-8", ",", ", ,", '""', "*", "inflate", "x" * 9000),
    ],
)
def test_a_name_that_is_no_coding_is_ignored(value: str) -> None:
    assert parse_content_encoding(value) is None


@pytest.mark.parametrize(
    ("value", "coding"),
    [
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate", "deflate"),
        ("aws-chunked,gzip", "gzip"),
        ("gzip, identity", "gzip"),
        ("gzip;q=1.0", "gzip"),
        ('"gzip"', "gzip"),
        ("utf-8, Deflate", "deflate"),
    ],
)
def test_gzip_and_deflate_are_unpacked(value: str, coding: str) -> None:
    assert parse_content_encoding(value) == coding


@pytest.mark.parametrize(
    "value",
    [
        *("br", "BR", "zstd", "compress", "x-compress", "dcb", "dcz", "exi", "pack200-gzip"),
        *("aes128gcm", "bzip2", "lzma", "xz", "lz4", "sdch", "aws-chunked,br", "identity, zstd"),
        *("gzip, gzip", "gzip,deflate", "deflate, br", "gzip;q=1, gzip"),
    ],
)
def test_another_coding_and_a_second_one_are_refused_by_name(value: str) -> None:
    with pytest.raises(ImageUnsupported) as caught:
        parse_content_encoding(value)
    named = value.lower().replace("aws-chunked,", "").replace("identity, ", "").split(",")[0]
    assert f"Content-Encoding: {named.partition(';')[0]}" in caught.value.detail


async def in_chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def unpacked(data: bytes, coding: Coding, size: int = 1000, limit: int = MAX_BYTES) -> bytes:
    return b"".join([piece async for piece in unpack(in_chunks(data, size), coding, limit)])


@pytest.mark.parametrize("form", COMPRESS)
@pytest.mark.parametrize("size", [1, 2, 3, 100, 1 << 20])
async def test_each_form_is_unpacked_in_chunks_of_every_size(form: str, size: int) -> None:
    for data in (IMAGE, b"", b"\0" * 200_000):
        assert await unpacked(COMPRESS[form](data), CODINGS[form], size) == data


async def test_gzip_with_every_optional_header_field_is_unpacked() -> None:
    """And bytes after its end are ignored, as browsers do."""
    plain = gzip.compress(IMAGE)
    head = plain[:3] + b"\x1c" + plain[4:10] + b"\x05\x00extra" + b"photo.jpg\0" + b"comment\0"
    assert await unpacked(head + plain[10:] + b"rubbish" * 100, "gzip") == IMAGE


@pytest.mark.parametrize("form", COMPRESS)
async def test_data_that_breaks_off_is_corrupt(form: str) -> None:
    data = COMPRESS[form](IMAGE)
    for end in (1, len(data) // 2, len(data) - 1):
        with pytest.raises(ImageCorrupt):
            await unpacked(data[:end], CODINGS[form])


async def test_a_wrong_checksum_is_corrupt() -> None:
    data = gzip.compress(IMAGE)
    with pytest.raises(ImageCorrupt):
        await unpacked(data[:-8] + bytes(4) + data[-4:], "gzip")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_does_not_have_its_coding_is_unsupported(coding: Coding) -> None:
    with pytest.raises(ImageUnsupported) as caught:
        await unpacked(IMAGE, coding)
    assert coding in caught.value.detail
    assert "Content-Encoding" in caught.value.detail


async def test_a_bomb_is_unpacked_in_small_pieces() -> None:
    """A chunk of 64 KB that unpacks to 64 MB never takes more than a piece of memory."""
    bomb = gzip.compress(bytes(64 << 20), 9)
    tracemalloc.start()
    try:
        sizes = [len(piece) async for piece in unpack(in_chunks(bomb, 1 << 20), "gzip", MAX_BYTES)]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 64 << 20
    assert max(sizes) == 64 * 1024
    assert peak_bytes < 2 << 20


async def test_chunks_that_unpack_to_nothing_are_passed_on_to_be_counted() -> None:
    empty_block = b"\x00\x00\x00\xff\xff"
    pieces = [p async for p in unpack(in_chunks(empty_block * 100 + b"\x03\0", 5), "deflate", 999)]
    assert pieces == [b""] * 101


async def test_compressed_bytes_are_counted_too() -> None:
    """Data of empty blocks is endless and unpacks to nothing."""
    with pytest.raises(ImageTooLarge):
        await unpacked(b"\x00\x00\x00\xff\xff" * 1000, "deflate", limit=4999)


# From a real origin:


@pytest.mark.parametrize(
    "value",
    ["aws-chunked", "binary", "image/jpeg", "utf-8", "UTF-8", "none", "identity", "base64", ""],
)
async def test_an_image_with_a_content_encoding_that_is_none_is_fetched(
    origin: Origin, value: str
) -> None:
    url = origin.serve("/photo.jpg", IMAGE, headers=[("Content-Encoding", value)])
    assert (await fetch(url)).data == IMAGE
    assert origin.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("form", COMPRESS)
@pytest.mark.parametrize("image", [IMAGE, LARGE_IMAGE], ids=["small", "large"])
async def test_a_compressed_image_is_fetched(origin: Origin, form: str, image: bytes) -> None:
    headers = [("Content-Encoding", CODINGS[form])]
    url = origin.serve("/photo.jpg", COMPRESS[form](image), headers=headers)
    assert (await fetch(url)).data == image


async def test_a_compressed_image_may_arrive_in_small_http_chunks() -> None:
    body = gzip.compress(IMAGE)
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, body[n : n + 1]) for n in range(len(body)))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with ScriptedOrigin(send(head + chunks + b"0\r\n\r\n")) as origin:
        assert (await fetch(origin.url())).data == IMAGE


async def test_many_small_chunks_that_unpack_to_nothing_are_refused() -> None:
    """Each takes time of the event loop, although no piece of an image comes of it."""
    chunk = b"5\r\n\x00\x00\x00\xff\xff\r\n"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with ScriptedOrigin(send(head, send_forever(chunk * 1_000))) as origin:
        error = await fail(origin.url(), make_fetcher(max_bytes=MAX_BYTES))
    assert error.code == "image_corrupt"
    assert "chunks" in error.detail


async def test_a_connection_is_reused_after_a_compressed_image() -> None:
    """Its end is read with the data."""
    handler = respond(gzip.compress(IMAGE), headers={"Content-Encoding": "gzip"})

    async def respond_and_stay(target: str, writer: asyncio.StreamWriter) -> object:
        await handler(target, writer)
        return KEEP_OPEN

    fetcher = make_fetcher()
    async with ScriptedOrigin(respond_and_stay) as origin:
        for _ in range(3):
            assert (await fetch(origin.url(), fetcher)).data == IMAGE
        assert origin.connections == 1
    await fetcher.aclose()


@pytest.mark.parametrize(
    ("body", "value", "code"),
    [
        (IMAGE, "br", "image_unsupported"),
        (IMAGE, "zstd", "image_unsupported"),
        (IMAGE, "gzip, gzip", "image_unsupported"),
        (gzip.compress(gzip.compress(IMAGE)), "gzip, gzip", "image_unsupported"),
        (gzip.compress(gzip.compress(IMAGE)), "gzip", "image_unsupported"),
        (gzip.compress(zlib.compress(IMAGE)), "gzip", "image_unsupported"),
        (gzip.compress(IMAGE), "utf-8", "image_unsupported"),
        (IMAGE, "gzip", "image_unsupported"),
        (gzip.compress(b"<html></html>"), "gzip", "image_unsupported"),
        (gzip.compress(b"<html><input type=password>"), "gzip", "image_denied"),
        (b"", "gzip", "image_unsupported"),
        (gzip.compress(IMAGE)[:-4], "gzip", "image_corrupt"),
        (gzip.compress(IMAGE + bytes(MAX_BYTES)), "gzip", "image_too_large"),
        (gzip.compress(IMAGE + bytes(64 << 20)), "gzip", "image_too_large"),
        (gzip.compress(gzip.compress(bytes(64 << 20))), "gzip", "image_unsupported"),
        (zlib.compress(IMAGE + bytes(64 << 20)), "deflate", "image_too_large"),
    ],
)
async def test_every_other_compressed_body_is_refused_for_good(
    origin: Origin, body: bytes, value: str, code: str
) -> None:
    url = origin.serve("/photo.jpg", body, headers=[("Content-Encoding", value)])
    error: CaptionError = await fail(url, make_fetcher(max_bytes=MAX_BYTES))
    assert error.code == code, (error.detail, error.log_reason)
    assert not error.retryable()


@pytest.mark.measures
async def test_a_bomb_costs_no_more_than_the_limit_unpacked(origin: Origin) -> None:
    """A gigabyte in a megabyte ends at the first megabyte."""
    compressor = zlib.compressobj(9, wbits=31)
    body = compressor.compress(IMAGE)
    body += b"".join(compressor.compress(bytes(1 << 20)) for _ in range(1000)) + compressor.flush()
    url = origin.serve("/bomb.jpg", body, headers=[("Content-Encoding", "gzip")])
    whole_began_s = time.process_time()
    zlib.decompress(body, wbits=31)
    whole_s = time.process_time() - whole_began_s
    began_s = time.process_time()
    await fail(url, make_fetcher(max_bytes=2 << 20))
    assert time.process_time() - began_s < whole_s / 2
