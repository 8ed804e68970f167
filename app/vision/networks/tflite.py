"""Reads a TensorFlow Lite model: the operators of its first subgraph, and its constants.

A model is a FlatBuffer (https://flatbuffers.dev/internals/): a table starts with the distance to
its vtable, which has the place of each field; strings and vectors start with their length. The
numbers of fields, operators and types are those of TensorFlow's schema.fbs, version 3. Every place
is checked against the size of the file.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.vision.networks.errors import WeightsError

SCHEMA_VERSION = 3
MAX_ITEMS = 100_000
"""Of a vector of operators, tensors or numbers; constants are longer."""
OPERATORS = {
    0: "ADD",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    17: "MAX_POOL_2D",
    19: "RELU",
    22: "RESHAPE",
    34: "PAD",
}
TYPES: dict[int, np.dtype[Any]] = {0: np.dtype("<f4"), 1: np.dtype("<f2"), 2: np.dtype("<i4")}

Constant = NDArray[np.float32] | NDArray[np.float16] | NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator; its inputs and outputs are numbers of tensors."""

    kind: str
    """One of OPERATORS."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    is_padded: bool
    """SAME padding, of a convolution or a pool."""
    stride: int
    """Of a convolution or a pool, the same in both directions; 1 for other operators."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model with one subgraph."""

    operators: tuple[Operator, ...]
    """In the order in which they run."""
    shapes: tuple[tuple[int, ...], ...]
    """Of every tensor."""
    constants: Mapping[int, Constant]
    """The values of the tensors that have values, by their numbers."""
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_model(data: bytes) -> Model:
    """The model of a file. Raises WeightsError for a damaged one, and for an unknown operator."""
    try:
        return _read(_Bytes(data))
    except (struct.error, ValueError, KeyError) as error:
        raise WeightsError(f"not a TensorFlow Lite model: {type(error).__name__}") from error


class _Bytes:
    """The file; a place outside of it is an error."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def number(self, layout: str, place: int) -> int:
        if place < 0:
            raise ValueError("a place before the file")
        value: int = struct.unpack_from(layout, self.data, place)[0]
        return value

    def follow(self, place: int) -> int:
        """The place that an offset at `place` points to."""
        return place + self.number("<I", place)

    def vector(self, place: int) -> tuple[int, int]:
        """Place of the first item, and how many there are."""
        start = self.follow(place)
        return start + 4, self.number("<I", start)


@dataclass(frozen=True, slots=True)
class _Table:
    file: _Bytes
    place: int

    def _field(self, number: int) -> int | None:
        vtable = self.place - self.file.number("<i", self.place)
        offset = 4 + 2 * number
        if offset >= self.file.number("<H", vtable):
            return None
        place = self.file.number("<H", vtable + offset)
        return self.place + place if place else None

    def number(self, number: int, layout: str) -> int:
        """A number; 0 where the field is missing."""
        place = self._field(number)
        return 0 if place is None else self.file.number(layout, place)

    def table(self, number: int) -> "_Table":
        place = self._field(number)
        if place is None:
            raise ValueError("a table is missing")
        return _Table(self.file, self.file.follow(place))

    def tables(self, number: int) -> tuple["_Table", ...]:
        start, count = self._vector(number)
        if count > MAX_ITEMS:
            raise ValueError("too many items")
        return tuple(
            _Table(self.file, self.file.follow(start + 4 * index)) for index in range(count)
        )

    def numbers(self, number: int) -> tuple[int, ...]:
        start, count = self._vector(number)
        if count > MAX_ITEMS:
            raise ValueError("too many items")
        return struct.unpack_from(f"<{count}i", self.file.data, start)

    def raw(self, number: int) -> bytes:
        start, count = self._vector(number)
        if start + count > len(self.file.data):
            raise ValueError("a constant that ends after the file")
        return self.file.data[start : start + count]

    def _vector(self, number: int) -> tuple[int, int]:
        place = self._field(number)
        return (0, 0) if place is None else self.file.vector(place)


def _read(file: _Bytes) -> Model:
    model = _Table(file, file.follow(0))
    if model.number(0, "<I") != SCHEMA_VERSION:
        raise ValueError("another version of the schema")
    kinds = [OPERATORS[code.number(0, "<b")] for code in model.tables(1)]
    subgraph = model.tables(2)[0]
    buffers = model.tables(4)
    tensors = subgraph.tables(0)
    shapes = tuple(tensor.numbers(0) for tensor in tensors)
    return Model(
        operators=tuple(_read_operator(table, kinds) for table in subgraph.tables(3)),
        shapes=shapes,
        constants=_read_constants(tensors, shapes, buffers),
        inputs=subgraph.numbers(1),
        outputs=subgraph.numbers(2),
    )


def _read_operator(table: _Table, kinds: list[str]) -> Operator:
    kind = kinds[table.number(0, "<I")] if table.number(0, "<I") < len(kinds) else "unknown"
    is_padded, stride = False, 1
    if kind in {"CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D"}:
        options = table.table(4)
        is_padded = options.number(0, "<b") == 0
        stride = options.number(1, "<i")
        if stride != options.number(2, "<i") or stride < 1:
            raise ValueError("strides that differ")
    return Operator(kind, table.numbers(1), table.numbers(2), is_padded, stride)


def _read_constants(
    tensors: tuple[_Table, ...], shapes: tuple[tuple[int, ...], ...], buffers: tuple[_Table, ...]
) -> dict[int, Constant]:
    constants: dict[int, Constant] = {}
    for number, (tensor, shape) in enumerate(zip(tensors, shapes, strict=True)):
        buffer = tensor.number(2, "<I")
        raw = buffers[buffer].raw(0) if buffer < len(buffers) else b""
        if not raw:
            continue
        values = np.frombuffer(raw, TYPES[tensor.number(1, "<b")])
        if min(shape, default=1) < 0 or math.prod(shape) != values.size:
            raise ValueError("a constant of another size than its shape")
        constants[number] = values.reshape(shape)
    return constants
