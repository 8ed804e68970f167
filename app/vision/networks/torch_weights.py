"""Reads the weights of a PyTorch file without PyTorch.

The layout of torch.save before PyTorch 1.6: three pickles with a magic number, the version of the
layout and the sizes of types; a pickle of the state dictionary, in which each tensor names its
storage; a pickle of the storages' keys; then, in the order of the keys, the number of elements of
each storage as an int64 and the elements themselves.

A pickle is a program. The names that this one may look up are four, none of which does anything
but hold values, and every tensor must lie within its storage.
"""

import collections
import io
import math
import pickle
import pickletools
import struct
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from app.vision.networks.errors import WeightsError

MAGIC_NUMBER, LAYOUT_VERSION = 0x1950A86A20F9469CFC6C, 1001
"""torch/serialization.py."""
MAX_STORAGES = 4096
MAX_DIMENSIONS = 8
MAX_MEMO = 1_000_000
"""Values that a pickle may keep for later; a state dictionary keeps some thousands."""
_MEMO_OPCODES = ("PUT", "BINPUT", "LONG_BINPUT")

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Storage:
    key: str
    dtype: np.dtype[Any]
    elements: int


@dataclass(frozen=True, slots=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In elements."""


def read_torch_weights(data: bytes) -> Arrays:
    """The arrays of a state dictionary by name. Raises WeightsError for any other file."""
    try:
        return _read(data)
    except WeightsError:
        raise
    except Exception as error:
        # Pickle raises almost any exception for damaged data.
        raise WeightsError(f"not a PyTorch file: {type(error).__name__}") from error


def _read(data: bytes) -> Arrays:
    stream = io.BytesIO(data)
    if _load(stream) != MAGIC_NUMBER or _load(stream) != LAYOUT_VERSION:
        raise WeightsError("not a PyTorch file of the old layout")
    if not _load(stream)["little_endian"]:
        raise WeightsError("a PyTorch file of a big-endian machine")
    tensors, keys = _load(stream), _load(stream)
    if not isinstance(tensors, dict) or not isinstance(keys, list) or len(keys) > MAX_STORAGES:
        raise WeightsError("a PyTorch file without a state dictionary")
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    elements = {key: _read_storage(stream, storages[key]) for key in keys}
    return {str(name): _view(tensor, elements) for name, tensor in tensors.items()}


def _load(stream: io.BytesIO) -> Any:  # noqa: ANN401 - whatever the pickle holds
    """The value of the next pickle.

    Its program is read before it is run: one byte may ask for a memo of billions of places.
    """
    start = stream.tell()
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name in _MEMO_OPCODES and int(argument or 0) > MAX_MEMO:
            raise WeightsError("a pickle with too large a memo")
    stream.seek(start)
    return _Unpickler(stream).load()


def _read_storage(stream: io.BytesIO, storage: _Storage) -> NDArray[Any]:
    (elements,) = struct.unpack("<q", stream.read(8))
    if elements != storage.elements:
        raise WeightsError("a storage of another size than its tensors say")
    size_bytes = elements * storage.dtype.itemsize
    raw = stream.read(size_bytes) if elements >= 0 else b""
    if len(raw) != size_bytes:
        raise WeightsError("the file ends within a storage")
    return np.frombuffer(raw, dtype=storage.dtype)


def _view(tensor: _Tensor, elements: dict[str, NDArray[Any]]) -> NDArray[Any]:
    storage = elements[tensor.storage.key]
    is_sound = (
        len(tensor.shape) == len(tensor.strides) <= MAX_DIMENSIONS
        and min(tensor.offset, *tensor.shape, *tensor.strides, 0) == 0
    )
    last = tensor.offset + sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    # With a stride of 0 a tensor may have more elements than its storage, and fill the memory.
    is_larger = math.prod(tensor.shape) > len(storage)
    if not is_sound or 0 in tensor.shape or last >= len(storage) or is_larger:
        raise WeightsError("a tensor that lies outside of its storage")
    strides = tuple(stride * storage.itemsize for stride in tensor.strides)
    view = np.lib.stride_tricks.as_strided(
        storage[tensor.offset :], tensor.shape, strides, writeable=False
    )
    return np.ascontiguousarray(view).reshape(tensor.shape)


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise WeightsError("a tensor without a storage")
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


_FLOAT_STORAGE, _LONG_STORAGE = np.dtype("<f4"), np.dtype("<i8")
_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): _FLOAT_STORAGE,
    ("torch", "LongStorage"): _LONG_STORAGE,
}


class _Unpickler(pickle.Unpickler):
    """Looks up no name but those of `_ALLOWED`."""

    def find_class(self, module: str, name: str, /) -> Any:  # noqa: ANN401 - as in the base class
        """The stand-in of a name. Raises WeightsError for any other name."""
        found = _ALLOWED.get((module, name))
        return found if found is not None else _refuse(module, name)

    def persistent_load(self, pid: Any, /) -> _Storage:  # noqa: ANN401 - as in the base class
        """The storage that a tensor names."""
        kind, dtype, key, _device, elements, view = pid
        if kind != "storage" or view is not None or not isinstance(dtype, np.dtype):
            raise WeightsError("an unknown kind of storage")
        return _Storage(str(key), dtype, int(elements))


def _refuse(module: str, name: str) -> NoReturn:
    raise WeightsError(f"a PyTorch file that asks for {module}.{name}"[:120])
