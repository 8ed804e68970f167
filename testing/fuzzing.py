"""Fuzz targets for the parsers of untrusted input; Hypothesis generates the input.

The targets are the URL parser together with the address policy, and the image normaliser.
"""

import asyncio
import io
import ipaddress
import random
from collections.abc import Callable, Sequence

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from app.errors import CaptionError
from app.fetching.address_policy import AddressPolicy, check_address, check_host_name
from app.fetching.errors import ImageUrlForbidden
from app.fetching.urls import parse_image_url
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
    """Check that `url` is forbidden or parses to a URL that every parser reads alike.

    Raises AssertionError, or any error that the parser should not have raised.
    """
    try:
        found = parse_image_url(url)
    except ImageUrlForbidden:
        return
    assert found.scheme in ("http", "https")
    assert 0 < found.port < 1 << 16
    assert found.target.startswith("/")
    for text in (found.host, found.target):
        assert text.isascii()
        assert text.isprintable()
        assert not set(text) & set(" \\\r\n\t")
    again = parse_image_url(f"{found.scheme}://{found.host_header}{found.target}")
    assert again == found, "parsing the serialised URL gives the same URL"
    try:
        address = ipaddress.ip_address(found.host)
    except ValueError:
        check_host_name(found.host, _POLICY)
        assert not found.host.rpartition(".")[2].isdigit(), "a number is not a host name"
        return
    if not check_address(address, found.port, _POLICY):
        assert address.is_global, f"{address} would be connected to"
        assert not address.is_multicast


def seed_images() -> dict[str, bytes]:
    """A small valid image of each format."""
    rng = random.Random(5)
    image = Image.new("RGB", (40, 30))
    image.putdata([(rng.randrange(256), rng.randrange(256), 90) for _ in range(40 * 30)])
    found = {}
    for kind in ("jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"):
        out = io.BytesIO()
        image.save(out, kind)
        found[kind] = out.getvalue()
    out = io.BytesIO()
    image.save(out, "jpeg", progressive=True)
    found["progressive"] = out.getvalue()
    return found


Mutation = tuple[str, float, bytes]
"""What to do, where (as a fraction of the length), and the bytes to use."""
MUTATIONS: st.SearchStrategy[list[Mutation]] = st.lists(
    st.tuples(
        st.sampled_from(("set", "insert", "delete", "repeat", "truncate")),
        st.floats(0, 1, exclude_max=True, allow_subnormal=False),
        st.one_of(
            st.binary(min_size=1, max_size=8),
            st.sampled_from((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0")),
        ),
    ),
    min_size=1,
    max_size=6,
)


def mutate(data: bytes, mutations: Sequence[Mutation]) -> bytes:
    """Apply the mutations in order."""
    for kind, fraction, value in mutations:
        at = int(fraction * len(data))
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


class NormaliserTarget:
    """The real normaliser with one child process, on an event loop of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._pool = WorkerPool(
            size=1, handlers={"normalise": "app.imaging.normalise_handler:normalise_job"}
        )
        self._loop.run_until_complete(self._pool.start())
        self._normaliser = Normaliser(ImageSettings(decode_timeout_s=5), self._pool)

    @property
    def lost_children(self) -> int:
        """How many child processes died or hung."""
        return self._pool.children_lost

    def check(self, data: bytes) -> None:
        """Check that `data` gives a small JPEG or one of three errors before the deadline."""
        try:
            source = SourceImage(data, sniff(data[:4096]))
        except (ImageUnsupported, ImageCorrupt):
            return
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
            with Image.open(io.BytesIO(image.jpeg)) as decoded:
                assert (decoded.format, decoded.mode) == ("JPEG", "RGB")
                assert decoded.size == (image.width_px, image.height_px)
                assert not decoded.getexif()

    def close(self) -> None:
        """End the child process and close the loop."""
        self._loop.run_until_complete(self._pool.aclose())
        self._loop.close()


def fuzz_urls(examples: int) -> None:
    """Check this many generated URLs."""
    _with_settings(examples)(given(URLS)(check_url))()


def fuzz_images(target: NormaliserTarget, examples: int) -> None:
    """Check this many mutated images."""
    seeds = seed_images()

    def check(name: str, mutations: list[Mutation]) -> None:
        target.check(mutate(seeds[name], mutations))

    _with_settings(examples)(given(st.sampled_from(sorted(seeds)), MUTATIONS)(check))()


def _with_settings(examples: int) -> Callable[[Callable[[], None]], Callable[[], None]]:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
