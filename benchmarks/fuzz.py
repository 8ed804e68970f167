"""Fuzzing what reads strangers' input: the URL parser with the address table, and the normaliser.

    .venv/bin/python -m benchmarks.fuzz --seconds 600

Hypothesis makes the input; the tests run the same checks for a moment.
"""

import argparse
import asyncio
import io
import ipaddress
import random
import time
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors import CaptionError
from app.fetching.address_policy import AddressPolicy, check_address, check_host_name
from app.fetching.errors import ImageUrlForbidden
from app.fetching.urls import parse
from app.imaging.errors import ImageCorrupt, ImageTooLarge, ImageUnsupported
from app.imaging.normaliser import ImageSettings, Normaliser
from app.imaging.sniff import sniff
from app.runtime.deadline import Deadline
from app.types import SourceImage
from app.workers.pool import WorkerPool

_POLICY = AddressPolicy(frozenset({80, 443}), ())
_HOSTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda ip: f"[{ip}]"),
    st.integers(0, 2**33).map(str),
    st.integers(0, 2**32).map(hex),
    st.ip_addresses(v=4).map(lambda ip: f"[::ffff:{ip}]"),
    st.ip_addresses(v=4).map(lambda ip: f"[64:ff9b::{ip}]"),
    st.ip_addresses(v=4).map(lambda ip: str(ip).replace(".", "。")),
    st.lists(st.integers(0, 300).map(oct), min_size=1, max_size=4).map(".".join),
    st.text(max_size=30),
    st.text("0123456789abcdefx.:[]%@\\/-_", max_size=30),
)
URLS = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(("http://", "https://", "HTTP://", "http:", "http:\\\\", "ftp://", "//")),
        st.sampled_from(("", "a@", "a:b@", "127.0.0.1@", "@", "%00")),
        _HOSTS,
        st.sampled_from(("", ":80", ":443", ":", ":0", ":65536", ":22", ":８０", ":80:80")),
        st.one_of(st.just(""), st.text(max_size=20).map(lambda text: "/" + text)),
    ),
)


def check_url(url: str) -> None:
    """Any text is forbidden or becomes a URL that no second reader could take for another one.

    Raises AssertionError, or whatever the parser should not have raised.
    """
    try:
        found = parse(url)
    except ImageUrlForbidden:
        return
    assert found.scheme in ("http", "https")
    assert 0 < found.port < 1 << 16
    assert found.target.startswith("/")
    for text in (found.host, found.target):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(" \\\r\n\t")
    again = parse(f"{found.scheme}://{found.host_header}{found.target}")
    assert again == found, "reading what was written changes nothing"
    try:
        address = ipaddress.ip_address(found.host)
    except ValueError:
        check_host_name(found.host, _POLICY)
        assert not found.host.rpartition(".")[2].isdigit(), "a number is no name"
        return
    if not check_address(address, found.port, _POLICY):
        assert address.is_global, f"{address} may be dialled"
        assert not address.is_multicast


def seeds() -> dict[str, bytes]:
    """A small sound picture of each format."""
    noise = random.Random(5)
    image = Image.new("RGB", (40, 30))
    image.putdata([(noise.randrange(256), noise.randrange(256), 90) for _ in range(40 * 30)])
    found = {}
    for kind in ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"):
        out = io.BytesIO()
        image.save(out, kind)
        found[kind] = out.getvalue()
    out = io.BytesIO()
    image.save(out, "jpeg", progressive=True)
    found["progressive"] = out.getvalue()
    return found


Edit = tuple[str, float, bytes]
EDITS: st.SearchStrategy[list[Edit]] = st.lists(
    st.tuples(
        st.sampled_from(("set", "insert", "delete", "repeat", "cut")),
        st.floats(0, 1, exclude_max=True),
        st.one_of(
            st.binary(min_size=1, max_size=8),
            st.sampled_from((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0")),
        ),
    ),
    min_size=1,
    max_size=6,
)


def edited(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The picture after each edit in turn; places are shares of its length."""
    for kind, share, value in edits:
        at = int(share * len(data))
        match kind:
            case "set":
                data = data[:at] + value + data[at + len(value) :]
            case "insert":
                data = data[:at] + value + data[at:]
            case "delete":
                data = data[:at] + data[at + len(value) :]
            case "repeat":
                data = data[:at] + data[at : at + 64] * 50 + data[at + 64 :]
            case _:
                data = data[: max(at, 16)]
    return data


class Normalising:
    """The real normaliser with its children, on an event loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._pool = WorkerPool(size=1, handlers={"normalise": "app.imaging.render:render"})
        self._loop.run_until_complete(self._pool.start())
        self._normaliser = Normaliser(ImageSettings(decode_timeout_s=5), self._pool)

    @property
    def lost(self) -> int:
        """Children that died or hung."""
        return self._pool.children_lost

    def check(self, data: bytes) -> None:
        """Whatever the bytes are: a small picture, or one of three refusals, in time."""
        try:
            source = SourceImage(data, sniff(data[:4096]))
        except (ImageUnsupported, ImageCorrupt):
            return
        began_s = time.monotonic()
        try:
            image = self._loop.run_until_complete(
                self._normaliser.normalise(source, Deadline.after(20))
            )
        except (ImageCorrupt, ImageTooLarge, ImageUnsupported):
            pass
        except CaptionError as error:
            raise AssertionError(f"{error.code}: {error.log_reason}") from error
        else:
            assert max(image.width_px, image.height_px) <= 1200
            with Image.open(io.BytesIO(image.jpeg)) as picture:
                assert (picture.format, picture.mode) == ("JPEG", "RGB")
                assert picture.size == (image.width_px, image.height_px)
                assert not picture.getexif()
        assert time.monotonic() - began_s < 6

    def close(self) -> None:
        """End the children."""
        self._loop.run_until_complete(self._pool.aclose())
        self._loop.close()


def run_urls(examples: int) -> None:
    """Check so many URLs."""
    _settled(examples)(given(URLS)(check_url))()


def run_pictures(normalising: Normalising, examples: int) -> None:
    """Check so many pictures."""
    pictures = seeds()

    def check(name: str, edits: list[Edit]) -> None:
        normalising.check(edited(pictures[name], edits))

    _settled(examples)(given(st.sampled_from(sorted(pictures)), EDITS)(check))()


def _settled(examples: int) -> Callable[[Callable[[], None]], Callable[[], None]]:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )


def main() -> None:
    """Fuzz both for as long as asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    arguments = parser.parse_args()
    until_s = time.monotonic() + arguments.seconds
    normalising = Normalising()
    urls = pictures = 0
    try:
        while time.monotonic() < until_s:
            run_urls(2_000)
            run_pictures(normalising, 500)
            urls, pictures = urls + 2_000, pictures + 500
            print(f"{urls} URLs, {pictures} pictures, {normalising.lost} children lost", flush=True)
    finally:
        normalising.close()


if __name__ == "__main__":
    main()
