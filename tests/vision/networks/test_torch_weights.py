"""PyTorch files are read without PyTorch, and nothing in them runs."""

import random

import numpy as np
import pytest

from app.vision.networks.errors import WeightsError
from app.vision.networks.torch_weights import read_torch_weights
from tests.vision.networks.torch_files import (
    MARK,
    PROTOCOL_2,
    STOP,
    tensor,
    text,
    torch_file,
)

SIX = np.arange(6, dtype=np.float32)


def test_tensors_are_read_in_the_order_of_their_strides():
    """A kernel is often stored transposed."""
    weights = read_torch_weights(
        torch_file(
            {
                "rows": tensor("a", 6, (2, 3), (3, 1)),
                "columns": tensor("a", 6, (2, 3), (1, 2)),
                "part": tensor("b", 6, (2,), (1,), offset=4),
                "scalar": tensor("b", 6, (), (), offset=1),
            },
            {"a": SIX, "b": SIX * 10},
        )
    )
    assert weights["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert weights["columns"].tolist() == [[0, 2, 4], [1, 3, 5]]
    assert weights["part"].tolist() == [40, 50]
    assert weights["scalar"] == 10
    assert weights["columns"].flags.c_contiguous


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n" + MARK + text("true") + b"tR",
        b"cbuiltins\neval\n" + MARK + text("1") + b"tR",
        b"ctorch\nDoubleStorage\n",
        b"ccollections\nCounter\n",
    ],
)
def test_a_pickle_that_asks_for_any_other_name_is_refused(code: bytes):
    """It is refused before anything is called."""
    with pytest.raises(WeightsError, match="asks for"):
        read_torch_weights(torch_file({"a": code}, {}))
    with pytest.raises(WeightsError, match="asks for"):
        read_torch_weights(PROTOCOL_2 + code + STOP)


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((7,), (1,), 0),
        ((6,), (1,), 1),
        ((2, 3), (4, 1), 0),
        ((2,), (-1,), 5),
        ((-1,), (1,), 0),
        ((6,), (1,), -1),
        ((0,), (1,), 0),
        ((2, 3), (3,), 0),
        ((2_000_000_000, 3), (0, 1), 0),
        ((1,) * 9, (1,) * 9, 0),
    ],
)
def test_a_tensor_outside_of_its_storage_is_refused(shape, strides, offset):
    """Also one with a stride of 0, which could fill the memory from a few bytes."""
    data = torch_file({"a": tensor("a", 6, shape, strides, offset=offset)}, {"a": SIX})
    with pytest.raises(WeightsError):
        read_torch_weights(data)


@pytest.mark.parametrize("code", [b"Nr\xff\xff\xff\x7f", b"Np2000000000\n"])
def test_a_pickle_whose_memo_would_fill_the_memory_is_refused(code: bytes):
    """Its program is read before it is run."""
    with pytest.raises(WeightsError, match="memo"):
        read_torch_weights(PROTOCOL_2 + code + STOP)


def test_a_storage_of_another_size_is_refused():
    """The number of elements stands in the pickle and before the storage."""
    with pytest.raises(WeightsError, match="size"):
        read_torch_weights(torch_file({"a": tensor("a", 5, (5,), (1,))}, {"a": SIX}))


def test_another_layout_is_refused():
    """The layout since PyTorch 1.6 is a zip archive."""
    for data in (b"", b"PK\x03\x04", torch_file({}, {}, version=1002)):
        with pytest.raises(WeightsError):
            read_torch_weights(data)


def test_a_damaged_file_is_a_weights_error_wherever_it_is_damaged():
    """Never another exception, and never a crash."""
    intact = torch_file({"a": tensor("a", 6, (2, 3), (3, 1))}, {"a": SIX})
    randomness = random.Random(20)
    for cut in range(len(intact)):
        with pytest.raises(WeightsError):
            read_torch_weights(intact[:cut])
    for _ in range(3000):
        damaged = bytearray(intact)
        for _ in range(randomness.randint(1, 4)):
            damaged[randomness.randrange(len(damaged))] = randomness.randrange(256)
        try:
            read_torch_weights(bytes(damaged))
        except WeightsError:
            continue
