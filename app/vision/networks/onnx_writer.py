"""Writes an ONNX model: the few protobuf messages that a feed-forward network needs.

Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx). The package `onnx` would do
the same with 23 MB on the disk. Equal networks give equal bytes, so that a model has one hash.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
IntArray: TypeAlias = NDArray[np.int64]
Attribute: TypeAlias = int | float | str | Sequence[int]

IR_VERSION, OPSET_VERSION = 8, 13
"""Of ONNX 1.10, from 2021: every operator used here is older."""
_FLOAT, _INT64 = 1, 7
_VARINT, _LENGTH, _FIXED32 = 0, 2, 5
_ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_STRING, _ATTRIBUTE_INTS = 1, 2, 3, 7


class OnnxGraph:
    """A network under construction. Operators are added in the order in which they run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[bytes] = []
        self._initializers: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._names = 0

    def add_input(self, name: str, shape: Sequence[int | str]) -> str:
        """An input of floats; a dimension with a name may have any size. Returns its name."""
        self._inputs.append(_value_info(name, shape))
        return name

    def add_output(self, name: str, shape: Sequence[int | str]) -> None:
        """Makes a value an output of floats."""
        self._outputs.append(_value_info(name, shape))

    def add_constant(self, values: FloatArray | IntArray) -> str:
        """A constant. Returns its name."""
        name = self._next_name("w")
        is_float = values.dtype == np.float32
        raw = values.astype(values.dtype.newbyteorder("<"), order="C").tobytes()
        message = [_field(1, _VARINT, size) for size in values.shape]
        message.append(_field(2, _VARINT, _FLOAT if is_float else _INT64))
        message += [_field(8, _LENGTH, name.encode()), _field(9, _LENGTH, raw)]
        self._initializers.append(b"".join(message))
        return name

    def add(self, operator: str, inputs: Sequence[str], **attributes: Attribute) -> str:
        """An operator with one output. Returns the name of that output."""
        output = self._next_name("v")
        message = [_field(1, _LENGTH, name.encode()) for name in inputs]
        message += [_field(2, _LENGTH, output.encode()), _field(4, _LENGTH, operator.encode())]
        message += [
            _field(5, _LENGTH, _attribute(name, value))
            for name, value in sorted(attributes.items())
        ]
        self._nodes.append(b"".join(message))
        return output

    def to_bytes(self) -> bytes:
        """The whole model."""
        graph = b"".join(
            [
                *(_field(1, _LENGTH, node) for node in self._nodes),
                _field(2, _LENGTH, self._name.encode()),
                *(_field(5, _LENGTH, initializer) for initializer in self._initializers),
                *(_field(11, _LENGTH, value) for value in self._inputs),
                *(_field(12, _LENGTH, value) for value in self._outputs),
            ]
        )
        opset = _field(1, _LENGTH, b"") + _field(2, _VARINT, OPSET_VERSION)
        return (
            _field(1, _VARINT, IR_VERSION)
            + _field(2, _LENGTH, b"altwright")
            + _field(7, _LENGTH, graph)
            + _field(8, _LENGTH, opset)
        )

    def _next_name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"


def _attribute(name: str, value: Attribute) -> bytes:
    if isinstance(value, float):
        kind, fields = _ATTRIBUTE_FLOAT, _field(2, _FIXED32, np.float32(value).tobytes())
    elif isinstance(value, int):
        kind, fields = _ATTRIBUTE_INT, _field(3, _VARINT, value)
    elif isinstance(value, str):
        kind, fields = _ATTRIBUTE_STRING, _field(4, _LENGTH, value.encode())
    else:
        kind, fields = _ATTRIBUTE_INTS, b"".join(_field(8, _VARINT, int(item)) for item in value)
    return _field(1, _LENGTH, name.encode()) + fields + _field(20, _VARINT, kind)


def _value_info(name: str, shape: Sequence[int | str]) -> bytes:
    dimensions = b"".join(
        _field(
            1,
            _LENGTH,
            _field(2, _LENGTH, size.encode())
            if isinstance(size, str)
            else _field(1, _VARINT, size),
        )
        for size in shape
    )
    tensor_type = _field(1, _VARINT, _FLOAT) + _field(2, _LENGTH, dimensions)
    return _field(1, _LENGTH, name.encode()) + _field(2, _LENGTH, _field(1, _LENGTH, tensor_type))


def _field(number: int, wire_type: int, value: int | bytes) -> bytes:
    """One field of a protobuf message: its key, and its value or length and value."""
    key = _varint(number << 3 | wire_type)
    if isinstance(value, int):
        return key + _varint(value)
    return key + (_varint(len(value)) if wire_type == _LENGTH else b"") + value


def _varint(value: int) -> bytes:
    if value < 0:  # an int64 in two's complement
        value += 1 << 64
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
