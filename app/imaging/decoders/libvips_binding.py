"""Binding to libvips: the few calls that decoding needs, through the cffi module of pyvips-binary.

Only the operations that libvips.py names are run, all loaders except those for PNG and WebP are
blocked, and no file name ever reaches libvips. pyvips, the usual binding, is not used: it has had
no wheels since 2021, and copies each file once more.
"""

import os
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

# libvips reads these once, when it starts. A child uses one core; warnings about damaged files are
# not logged; no image is written to a temporary file on disk, however large it is.
os.environ |= {"VIPS_CONCURRENCY": "1", "VIPS_WARNING": "0", "VIPS_DISC_THRESHOLD": "100g"}
try:
    import _libvips
except (ImportError, OSError):  # there is no wheel for this system
    _libvips = None

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Buffer: TypeAlias = "bytes | memoryview | NDArray[Any]"

Object: TypeAlias = Any
"""A reference to a GObject of libvips; it is released with the Python object."""

_LOADERS = ("VipsForeignLoadPng", "VipsForeignLoadWebp")
_UCHAR, _USHORT = 0, 2
"""Members of VipsBandFormat: unsigned samples of 8 and of 16 bits."""


class LibvipsError(Exception):
    """libvips could not run an operation: the file is damaged or unusual."""


class VipsImage:
    """An image of libvips. Its pixels are computed when they are read."""

    def __init__(self, image: Object, keeps: object = None) -> None:
        self._image = image
        self._keeps = keeps  # keeps memory alive that libvips points to
        self.width = _get_number(image, "width")
        self.height = _get_number(image, "height")
        self.bands = _get_number(image, "bands")

    @classmethod
    def from_samples(cls, data: "Buffer", size_px: tuple[int, int], bands: int) -> "VipsImage":
        """An image of packed 8-bit samples, which are not copied."""
        start = _libvips.ffi.from_buffer(data)
        image = _libvips.lib.vips_image_new_from_memory(start, len(start), *size_px, bands, _UCHAR)
        return cls(_owned(image), keeps=start)

    @classmethod
    def load(
        cls, loader: Literal["pngload", "webpload"], data: "Buffer", options: str
    ) -> "VipsImage":
        """Open a file in memory and read its header. The file is not copied.

        Decoding fails at any damage. Raises LibvipsError.
        """
        if _libvips is None:
            raise LibvipsError("not installed")
        start = _libvips.ffi.from_buffer(data)
        source = _owned(_libvips.lib.vips_source_new_from_memory(start, len(start)))
        options = f"access=sequential,fail_on=error{options}"
        return cls(_run(f"{loader}_source", options, source=source), keeps=(start, source))

    def has_16_bit_samples(self) -> bool:
        """Whether each sample has 16 bits."""
        return _get_number(self._image, "format", kind="VipsBandFormat") == _USHORT

    def has_alpha(self) -> bool:
        """Whether the last band is an alpha channel."""
        return bool(_libvips.lib.vips_image_hasalpha(self._image))

    def is_interlaced(self) -> bool:
        """Whether the file is interlaced, so that the decoder must hold the whole image."""
        return bool(_libvips.lib.vips_image_get_typeof(self._image, b"interlaced"))

    def apply(self, operation: str, options: str) -> "VipsImage":
        """The image that an operation makes of this one. Raises LibvipsError."""
        parameter = "input" if operation == "extract_area" else "in"
        return VipsImage(_run(operation, options, **{parameter: self._image}), keeps=self)

    def samples(self) -> bytearray:
        """Compute all pixels; returns packed samples. Raises LibvipsError."""
        size = _libvips.ffi.new("size_t *")
        start = _libvips.lib.vips_image_write_to_memory(self._image, size)
        if start == _libvips.ffi.NULL:
            raise _last_error()
        kept = _libvips.ffi.gc(start, _libvips.lib.g_free, size[0])
        # A buffer that frees the memory it shows. Pillow's types have no name for that.
        return cast("bytearray", _libvips.ffi.buffer(kept, size[0]))


def is_installed() -> bool:
    """Whether libvips is installed."""
    return _libvips is not None


def _initialise() -> None:
    lib = _libvips.lib
    if lib.vips_init(b"altwright") != 0:
        raise _last_error()
    lib.vips_cache_set_max(0)
    lib.vips_operation_block_set(b"VipsForeignLoad", 1)
    for loader in _LOADERS:
        lib.vips_operation_block_set(loader.encode(), 0)


def _run(operation: str, options: str, **objects: Object) -> Object:
    """The output image of an operation. `options`: "name=value,name=value"."""
    ffi, lib = _libvips.ffi, _libvips.lib
    new = lib.vips_operation_new(operation.encode())
    if new == ffi.NULL:
        raise _last_error()
    new = ffi.gc(new, lib.g_object_unref)
    for name, argument in objects.items():
        value = _new_value("VipsSource" if name == "source" else "VipsImage")
        lib.g_value_set_object(value, argument)
        lib.g_object_set_property(ffi.cast("GObject *", new), name.encode(), value)
    vips_object = ffi.cast("VipsObject *", new)
    if lib.vips_object_set_from_string(vips_object, options.encode()) != 0:
        raise _last_error()
    built = lib.vips_cache_operation_build(new)
    if built == ffi.NULL:
        lib.vips_object_unref_outputs(vips_object)
        raise _last_error()
    built = ffi.gc(built, lib.g_object_unref)  # a new reference, even where it is the same object
    value = _new_value("VipsImage")
    lib.g_object_get_property(ffi.cast("GObject *", built), b"out", value)
    out = ffi.cast("VipsImage *", lib.g_value_get_object(value))
    lib.g_object_ref(out)
    lib.vips_object_unref_outputs(ffi.cast("VipsObject *", built))
    return _owned(out)


def _get_number(image: Object, name: str, kind: str = "gint") -> int:
    ffi, lib = _libvips.ffi, _libvips.lib
    value = _new_value(kind)
    lib.g_object_get_property(ffi.cast("GObject *", image), name.encode(), value)
    return int(lib.g_value_get_int(value) if kind == "gint" else lib.g_value_get_enum(value))


def _new_value(kind: str) -> Object:
    value = _libvips.ffi.gc(_libvips.ffi.new("GValue *"), _libvips.lib.g_value_unset)
    _libvips.lib.g_value_init(value, _libvips.lib.g_type_from_name(kind.encode()))
    return value


def _owned(pointer: Object) -> Object:
    """Releases the reference with the Python object. Raises LibvipsError for a null pointer."""
    if pointer == _libvips.ffi.NULL:
        raise _last_error()
    return _libvips.ffi.gc(pointer, _libvips.lib.g_object_unref)


def _last_error() -> LibvipsError:
    message = _libvips.ffi.string(_libvips.lib.vips_error_buffer()).decode("utf-8", "replace")
    _libvips.lib.vips_error_clear()
    return LibvipsError(" ".join(message.split())[:200] or "no reason given")


if _libvips is not None:
    _initialise()
