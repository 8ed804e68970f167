"""Files in the layout of torch.save before PyTorch 1.6, written opcode by opcode."""

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

PROTOCOL_2, STOP, MARK = b"\x80\x02", b".", b"("


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def numbers(values: tuple[int, ...]) -> bytes:
    return MARK + b"".join(map(number, values)) + b"t"


def tensor(
    key: str,
    elements: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *,
    offset: int = 0,
    dtype: str = "torch\nFloatStorage",
) -> bytes:
    """The opcodes of one tensor."""
    storage = (
        MARK + text("storage") + b"c" + dtype.encode() + b"\n" + text(key) + text("cpu")
        + number(elements) + b"NtQ"
    )  # fmt: skip
    arguments = storage + number(offset) + numbers(shape) + numbers(strides) + b"\x89}"
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + MARK + arguments + b"tR"


def torch_file(
    tensors: Mapping[str, bytes], storages: Mapping[str, NDArray[np.float32]], version: int = 1001
) -> bytes:
    """A whole file with these tensors and storages."""
    magic = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
    sizes = b"}" + text("little_endian") + b"\x88s"
    state = b"}" + MARK + b"".join(text(name) + code for name, code in tensors.items()) + b"u"
    keys = b"]" + MARK + b"".join(map(text, storages)) + b"e"
    pickles = (magic, number(version), sizes, state, keys)
    data = b"".join(PROTOCOL_2 + code + STOP for code in pickles)
    for values in storages.values():
        data += struct.pack("<q", values.size) + values.tobytes()
    return data
