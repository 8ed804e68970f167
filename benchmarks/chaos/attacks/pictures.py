"""Images that cost more than their size says. Each is fetched from the attacker's own origin."""

import functools
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from PIL import Image

from benchmarks.chaos.attack import Attack, Prepared, caption, sends
from benchmarks.memory import draw_page
from testing import bombs
from testing.images import data_url
from testing.iso_media_bombs import noise_avif
from testing.servers.file_origin import file_origin

_Files = Mapping[str, bytes]
_PAGES = 200
"""More than are read in a measurement: of a page that was read before the text is known."""


def _attack(
    name: str,
    what: str,
    make_files: Callable[[], _Files],
    *,
    in_flight: int = 8,
    per_second: float = 20.0,
    uses_embedded: bool = False,
    good_per_second: float | None = None,
) -> Attack:
    async def prepare(stack: AsyncExitStack) -> Prepared:
        files = make_files()
        origin = await stack.enter_async_context(file_origin(files))
        messages = [caption(f"{origin}/{file}") for file in files]
        return Prepared(sends(messages, in_flight=in_flight, per_second=per_second))

    return Attack(name, what, prepare, uses_embedded=uses_embedded, good_per_second=good_per_second)


def _inline(name: str, what: str, make_messages: Callable[[], list[bytes]]) -> Attack:
    async def prepare(_stack: AsyncExitStack) -> Prepared:
        return Prepared(sends(make_messages(), in_flight=8, per_second=8.0))

    return Attack(name, what, prepare)


@functools.cache
def _bombs() -> _Files:
    """The files of testing.bombs and testing.structure_bombs, made once for all attacks."""
    return dict(bombs.all_bombs(large=True))


def _named(*names: str) -> Callable[[], _Files]:
    """The bombs of these names; a name that ends in `-` stands for all that begin with it."""

    def choose() -> _Files:
        return {
            name: data
            for name, data in _bombs().items()
            if any(name == each or (each[-1] == "-" and name.startswith(each)) for each in names)
        }

    return choose


def _large() -> _Files:
    return {
        "progressive.jpg": bombs.gradient((9_000, 9_000), "JPEG", progressive=True),
        "rgb.png": bombs.solid_png((12_200, 12_200), 8, 2),
        "rgba16.png": bombs.solid_png((12_000, 12_000), 16, 6),
        "smooth.webp": bombs.gradient((5_500, 5_500), "WEBP", quality=50, method=0),
    }


def _avif_noise() -> _Files:
    return {
        "noise.avif": noise_avif((1_200, 1_000), quality=60),
        "smooth.avif": bombs.gradient((4_000, 4_000), "AVIF", quality=30, speed=10),
    }


def _heic_noise() -> _Files:
    import pillow_heif  # a plugin that need not be there

    pillow_heif.register_heif_opener()
    return {"noise.heic": bombs.saved(_noise(1_000), "HEIF", quality=60)}


def _frames() -> _Files:
    counts = {"GIF": 10_000, "PNG": 2_000, "WEBP": 2_000}
    made = {kind: bombs.animation(kind, count) for kind, count in counts.items()}
    return {**made, **_named("frames.avif")()}


def _noise(side_px: int) -> Image.Image:
    pixels = random.Random(5).randbytes(side_px * side_px * 3)
    return Image.frombytes("RGB", (side_px, side_px), pixels)


def _data_urls() -> list[bytes]:
    noise = bombs.saved(_noise(1_400), "PNG", compress_level=1)
    return [caption(data_url(noise, "image/png")), caption(data_url(bytes(6_000_000)))]


def _costly_json() -> list[bytes]:
    texts = (
        b'{"zz": [' + b"[]," * 2_600_000 + b"1]}",
        b"[" * 4_000_000,
        b'{"image_url": "' + b"\\u0000" * 1_300_000 + b'"}',
        b'{"image_url": ' + b"9" * 4_000_000 + b"}",
        b"{" + b",".join(b'"k%d":1' % n for n in range(400_000)) + b"}",
    )
    empty = caption("")
    head = empty[: empty.index(b"Content-Length")]
    return [head + b"Content-Length: %d\r\n\r\n" % len(text) + text for text in texts]


def _noisy_png() -> _Files:
    """A PNG of 34 megapixels of noise."""
    pixels = random.Random(4).randbytes(1 << 20) * 33
    image = Image.frombytes("L", (6_000, len(pixels) // 6_000), pixels)
    return {"noise.png": bombs.saved(image, "PNG", compress_level=1)}


ATTACKS = (
    _attack("tiff-tags", "TIFF with up to 65,000 tags", _named("tags-")),
    _attack("tiff-strips", "TIFF of 100,000 strips or tiles, 40,000 directories, 65,000 EXIF tags",
            _named("strips.small.tif", "tiles.tif", "tiles-packed.tif", "directories.tif",
                   "exif-directory.tif", "gps-directory.tif", "sub-directory.tif")),
    _attack("jpeg-fill-bytes", "JPEG with 0.9 MB of fill bytes or junk",
            _named("fill.jpg", "junk.jpg")),
    _attack("jpeg-stuffed-bytes", "JPEG with 450,000 stuffed bytes or restart markers",
            _named("stuffed.jpg", "restarts.jpg", "restarts-before-frame.jpg")),
    _attack("jpeg-segments", "JPEG with thousands of comments, tables, EXIF tags",
            _named("comments.jpg", "exif-tags.jpg", "exif-pieces.jpg", "photoshop.jpg",
                   "quantisation.jpg", "huffman.jpg")),
    _attack("jpeg-scans", "90, 400 and 1,000 progressive scans",
            _named("scans-small.jpg", "scans-large.jpg", "scans-allowed.jpg")),
    _attack("gif-blocks", "GIF with 400,000 blocks of one byte",
            _named("comment-blocks.gif", "application.gif", "pixels-in-bytes.gif")),
    _attack("gif-extensions", "GIF with 180,000 extensions",
            _named("extensions.gif", "extensions-empty.gif")),
    _attack("gif-junk", "GIF with 0.9 MB of junk before its image", _named("junk.gif")),
    _attack("png-chunks", "PNG with 70,000 chunks of text, 60,000 empty ones of pixels",
            _named("texts.small.png", "texts-behind.png", "exif-tags.png", "idats.png",
                   "idats-damaged.png")),
    _attack("png-compressed-text", "PNG with 800 MB of compressed text",
            _named("texts.png", "zTXt.png", "iCCP.png", "profile-chunks.png")),
    _attack("bmp-runs", "BMP of run-length encoded pixels, lines, steps",
            _named("runs.bmp", "short-runs.bmp", "lines.bmp", "few-bytes.bmp", "deltas.bmp",
                   "colours.bmp")),
    _attack("profile-tables", "colour profiles of 0.4 to 0.9 MB", _named("profile-")),
    _attack("webp-chunks", "WebP with 100,000 chunks, or 65,000 EXIF tags",
            _named("chunks.webp", "chunks-behind.webp", "exif-tags.webp")),
    _attack("avif-noise", "AVIF of noise, and of 16 megapixels", _avif_noise),
    _attack("avif-grid", "AVIF grid of 400 tiles", _named("grid.avif")),
    _attack("avif-items", "AVIF with 60,000 items, properties, extents, boxes",
            _named("items.avif", "references.avif", "properties.avif", "extents.avif",
                   "boxes.avif", "boxes-deep.avif", "exif-tags.avif")),
    _attack("heic-noise", "HEIC of noise", _heic_noise),
    _attack("many-frames", "2,000 to 10,000 frames of GIF, APNG and WebP, 600 of AVIF", _frames),
    _attack("large-images", "81 megapixels of progressive JPEG, 149 of PNG, 30 of WebP", _large,
            in_flight=4),
    _attack("png-noise", "PNG of 34 megapixels of noise, 34 MB", _noisy_png, in_flight=4),
    _attack("all-bombs", "every file of testing/bombs.py in turn", _bombs, per_second=40.0),
    _inline("data-urls", "data: URLs of 6 MB", _data_urls),
    _inline("costly-json", "bodies of up to 8 MB of lists, numbers, escapes, fields", _costly_json),
    _attack("pages-of-text", "pages full of text for the text reader",
            lambda: {f"{number}.png": draw_page(number) for number in range(_PAGES)},
            uses_embedded=True, good_per_second=2.0),
)  # fmt: skip
