"""TensorFlow Lite models are read within the bounds of their file."""

import random

import pytest

from app.vision.networks.errors import WeightsError
from app.vision.networks.packages import FACE_FILE, FACE_FILE_SHA256, FACE_PACKAGE, _read_file
from app.vision.networks.tflite import read_model
from tests.vision.networks.marks import needs_weights


@pytest.fixture(scope="module")
def face_file() -> bytes:
    return _read_file(FACE_PACKAGE, FACE_FILE, FACE_FILE_SHA256)


@needs_weights
def test_the_operators_and_constants_of_a_model_are_read(face_file: bytes):
    """The face detector: 16-bit weights, an image in, scores and boxes out."""
    model = read_model(face_file)
    assert [model.shapes[number] for number in model.inputs] == [(1, 256, 256, 3)]
    assert {model.shapes[number] for number in model.outputs} == {(1, 896, 1), (1, 896, 16)}
    first = next(operator for operator in model.operators if operator.kind == "CONV_2D")
    assert (first.stride, first.is_padded) == (2, True)
    assert {constant.dtype.str for constant in model.constants.values()} == {"<f2", "<i4"}


def test_any_other_file_is_refused():
    """Among them one whose first offset points before itself."""
    for data in (b"", b"TFL3", b"\0" * 64, b"\xff" * 64, b"\x04\0\0\0\xff\xff\xff\x7f" * 8):
        with pytest.raises(WeightsError):
            read_model(data)


@needs_weights
def test_a_damaged_model_is_a_weights_error_wherever_it_is_damaged(face_file: bytes):
    """Never another exception: most of the damage is in the tables at the end."""
    randomness = random.Random(20)
    for _ in range(300):
        damaged = bytearray(face_file)
        for _ in range(20):
            place = randomness.randrange(len(damaged) - 60_000, len(damaged))
            damaged[place] = randomness.randrange(256)
        try:
            read_model(bytes(damaged))
        except WeightsError:
            continue
    for cut in range(0, len(face_file), 5_000):
        with pytest.raises(WeightsError):
            read_model(face_file[:cut])
