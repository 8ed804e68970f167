"""The classifier's graph computes what its weights mean."""

import numpy as np
import pytest

from app.vision.networks import packages
from app.vision.networks.efficientnet_lite import build_classifier, same_padding
from app.vision.networks.errors import WeightsError
from app.vision.networks.onnx_writer import OnnxGraph
from app.vision.networks.torch_weights import read_torch_weights
from tests.vision.networks import plain_network
from tests.vision.networks.marks import needs_weights


def run(model: bytes, **inputs: np.ndarray) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


@needs_weights
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel_px", [1, 3, 5])
@pytest.mark.parametrize("size_px", [7, 8, 33])
def test_the_padding_is_exactly_that_of_a_plain_convolution(size_px, kernel_px, stride):
    """Of one that pads as TensorFlow does, which is asymmetric at stride 2."""
    randomness = np.random.default_rng(1)
    pixels = randomness.normal(size=(3, size_px, size_px)).astype(np.float32)
    kernel = randomness.normal(size=(4, 3, kernel_px, kernel_px)).astype(np.float32)
    graph = OnnxGraph("convolution")
    graph.add_input("pixels", (1, 3, size_px, size_px))
    before, after = same_padding(size_px, kernel_px, stride)
    output = graph.add(
        "Conv",
        ["pixels", graph.add_constant(kernel)],
        pads=(before, before, after, after),
        strides=(stride, stride),
        kernel_shape=kernel.shape[2:],
    )
    outputs_px = -(-size_px // stride)
    graph.add_output(output, (1, 4, outputs_px, outputs_px))
    expected = plain_network.convolve(pixels, kernel, stride)
    np.testing.assert_allclose(
        run(graph.to_bytes(), pixels=pixels[None])[0], expected, rtol=1e-4, atol=1e-4
    )


@needs_weights
@pytest.mark.slow
def test_the_whole_network_computes_what_plain_numpy_computes():
    """Every layer, with the batch normalisation unfolded."""
    data = packages._read_file(
        packages.CLASSIFIER_PACKAGE, packages.CLASSIFIER_FILE, packages.CLASSIFIER_FILE_SHA256
    )
    pixels = np.random.default_rng(2).uniform(-1, 1, (3, 260, 260)).astype(np.float32)
    expected = plain_network.classify(read_torch_weights(data), pixels)
    found = run(packages.load_classifier(), pixels=pixels[None])[0]
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-5)
    assert found.argmax() == expected.argmax()


def test_the_weights_of_another_network_are_refused():
    """By the name of the first array that is missing."""
    with pytest.raises(WeightsError, match="_conv_stem"):
        build_classifier({})
