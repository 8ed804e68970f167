"""The few calls into libvips that reading a picture takes, over the cffi module of its wheel.

Only what `vips.py` names can run: every loader is blocked but those for PNG and WebP, operations
are built one by one, and no file name is ever handed over. pyvips, the usual binding, is not used:
it comes without wheels since 2021, and copies each file once more.
"""

import os
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

# Read once, when libvips starts: one child, one core; a broken file is no news for the log; no
# picture goes through a file on disk, however large it is.
os.environ |= {"VIPS_CONCURRENCY": "1", "VIPS_WARNING": "0", "VIPS_DISC_THRESHOLD": "100g"}
try:
    import _libvips
except (ImportError, OSError):  # no wheel for this system
    _libvips = None

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Buffer: TypeAlias = "bytes | memoryview | NDArray[Any]"

Object: TypeAlias = Any
"""A reference to a GObject of libvips; letting go of it unrefs it."""

_LOADERS = ("VipsForeignLoadPng", "VipsForeignLoadWebp")
_UCHAR, _USHORT = 0, 2
"""Of VipsBandFormat: 8 and 16 bits without a sign."""


class VipsRefused(Exception):
    """libvips could not do what it was asked; the file is broken, or odd."""


class Picture:
    """An image of libvips: pixels that will be computed when they are asked for."""

    def __init__(self, image: Object, keeps: object = None) -> None:
        self._image = image
        self._keeps = keeps  # memory that libvips only points to
        self.width = _number(image, "width")
        self.height = _number(image, "height")
        self.bands = _number(image, "bands")

    @classmethod
    def from_samples(cls, data: "Buffer", size_px: tuple[int, int], bands: int) -> "Picture":
        """Packed 8-bit samples, not copied."""
        start = _libvips.ffi.from_buffer(data)
        image = _libvips.lib.vips_image_new_from_memory(start, len(start), *size_px, bands, _UCHAR)
        return cls(_owned(image), keeps=start)

    @classmethod
    def load(
        cls, loader: Literal["pngload", "webpload"], data: "Buffer", options: str
    ) -> "Picture":
        """Read the header of a file in memory, which is not copied. Any fault in it is an error."""
        if _libvips is None:
            raise VipsRefused("not installed")
        start = _libvips.ffi.from_buffer(data)
        source = _owned(_libvips.lib.vips_source_new_from_memory(start, len(start)))
        said = f"access=sequential,fail_on=error{options}"
        return cls(_run(f"{loader}_source", said, source=source), keeps=(start, source))

    @property
    def is_deep(self) -> bool:
        """Whether its samples have 16 bits."""
        return _number(self._image, "format", kind="VipsBandFormat") == _USHORT

    def has_alpha(self) -> bool:
        """Whether the last band says how much is seen of a pixel."""
        return bool(_libvips.lib.vips_image_hasalpha(self._image))

    def is_interlaced(self) -> bool:
        """Whether the file has it in passes, so that all of it must be held."""
        return bool(_libvips.lib.vips_image_get_typeof(self._image, b"interlaced"))

    def then(self, operation: str, options: str) -> "Picture":
        """What the operation makes of it. Raises VipsRefused."""
        place = "input" if operation == "extract_area" else "in"
        return Picture(_run(operation, options, **{place: self._image}), keeps=self)

    def samples(self) -> bytearray:
        """Compute all of it: packed samples. Raises VipsRefused."""
        size = _libvips.ffi.new("size_t *")
        start = _libvips.lib.vips_image_write_to_memory(self._image, size)
        if start == _libvips.ffi.NULL:
            raise _refusal()
        kept = _libvips.ffi.gc(start, _libvips.lib.g_free, size[0])
        # Not copied: a buffer that frees what it shows. Pillow's types know no word for that.
        return cast("bytearray", _libvips.ffi.buffer(kept, size[0]))


def is_ready() -> bool:
    """Whether libvips is installed."""
    return _libvips is not None


def _start() -> None:
    lib = _libvips.lib
    if lib.vips_init(b"altwright") != 0:
        raise _refusal()
    lib.vips_cache_set_max(0)
    lib.vips_operation_block_set(b"VipsForeignLoad", 1)
    for loader in _LOADERS:
        lib.vips_operation_block_set(loader.encode(), 0)


def _run(operation: str, options: str, **objects: Object) -> Object:
    """The image that an operation puts out. `options`: name=value, name=value."""
    ffi, lib = _libvips.ffi, _libvips.lib
    job = lib.vips_operation_new(operation.encode())
    if job == ffi.NULL:
        raise _refusal()
    job = ffi.gc(job, lib.g_object_unref)
    for name, thing in objects.items():
        value = _value("VipsSource" if name == "source" else "VipsImage")
        lib.g_value_set_object(value, thing)
        lib.g_object_set_property(ffi.cast("GObject *", job), name.encode(), value)
    plain = ffi.cast("VipsObject *", job)
    if lib.vips_object_set_from_string(plain, options.encode()) != 0:
        raise _refusal()
    built = lib.vips_cache_operation_build(job)
    if built == ffi.NULL:
        lib.vips_object_unref_outputs(plain)
        raise _refusal()
    built = ffi.gc(built, lib.g_object_unref)  # a reference of its own, also where it is the same
    value = _value("VipsImage")
    lib.g_object_get_property(ffi.cast("GObject *", built), b"out", value)
    out = ffi.cast("VipsImage *", lib.g_value_get_object(value))
    lib.g_object_ref(out)
    lib.vips_object_unref_outputs(ffi.cast("VipsObject *", built))
    return _owned(out)


def _number(image: Object, name: str, kind: str = "gint") -> int:
    ffi, lib = _libvips.ffi, _libvips.lib
    value = _value(kind)
    lib.g_object_get_property(ffi.cast("GObject *", image), name.encode(), value)
    return int(lib.g_value_get_int(value) if kind == "gint" else lib.g_value_get_enum(value))


def _value(kind: str) -> Object:
    value = _libvips.ffi.gc(_libvips.ffi.new("GValue *"), _libvips.lib.g_value_unset)
    _libvips.lib.g_value_init(value, _libvips.lib.g_type_from_name(kind.encode()))
    return value


def _owned(thing: Object) -> Object:
    if thing == _libvips.ffi.NULL:
        raise _refusal()
    return _libvips.ffi.gc(thing, _libvips.lib.g_object_unref)


def _refusal() -> VipsRefused:
    said = _libvips.ffi.string(_libvips.lib.vips_error_buffer()).decode("utf-8", "replace")
    _libvips.lib.vips_error_clear()
    return VipsRefused(" ".join(said.split())[:200] or "no reason given")


if _libvips is not None:
    _start()
