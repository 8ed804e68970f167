"""EfficientNet-Lite2 in plain numpy, straight from the weights: no folding, no ONNX.

Its padding is TensorFlow's rule in its own words: as many outputs as fit with a step of `stride`,
and what is missing on both sides, the odd pixel last.
"""

import numpy as np
from numpy.typing import NDArray

from app.vision.networks.torch_weights import Arrays

Values = NDArray[np.float32]
EPSILON = 1e-3
BLOCK_STRIDES = [1, 2, 1, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1]


def classify(weights: Arrays, pixels: Values) -> Values:
    """Probabilities of the classes for one image, 3 x 260 x 260."""
    value = convolve(pixels, weights["_conv_stem.weight"], 2)
    value = clip(normalise(value, weights, "_bn0"))
    for number, stride in enumerate(BLOCK_STRIDES):
        value = run_block(value, weights, f"_blocks.{number}", stride)
    value = convolve(value, weights["_conv_head.weight"], 1)
    value = clip(normalise(value, weights, "_bn1"))
    logits = weights["_fc.weight"] @ value.mean(axis=(1, 2)) + weights["_fc.bias"]
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def run_block(source: Values, weights: Arrays, name: str, stride: int) -> Values:
    value = source
    if f"{name}._expand_conv.weight" in weights:
        value = convolve(value, weights[f"{name}._expand_conv.weight"], 1)
        value = clip(normalise(value, weights, f"{name}._bn0"))
    value = convolve(value, weights[f"{name}._depthwise_conv.weight"], stride)
    value = clip(normalise(value, weights, f"{name}._bn1"))
    value = convolve(value, weights[f"{name}._project_conv.weight"], 1)
    value = normalise(value, weights, f"{name}._bn2")
    return value + source if value.shape == source.shape else value


def convolve(value: Values, kernel: Values, stride: int) -> Values:
    """With a kernel for each channel if the kernel has one input channel."""
    size, width = kernel.shape[2], value.shape[2]
    outputs = (width + stride - 1) // stride
    missing = max(0, (outputs - 1) * stride + size - width)
    first = missing // 2
    padded = np.pad(value, ((0, 0), (first, missing - first), (first, missing - first)))
    total = np.zeros((kernel.shape[0], outputs, outputs), np.float32)
    for row in range(size):
        for column in range(size):
            part = padded[
                :,
                row : row + stride * outputs : stride,
                column : column + stride * outputs : stride,
            ][:, :outputs, :outputs]
            weight = kernel[:, :, row, column]
            if kernel.shape[1] == 1:
                total += weight.reshape(-1, 1, 1) * part
            else:
                total += np.tensordot(weight, part, axes=1)
    return total


def normalise(value: Values, weights: Arrays, name: str) -> Values:
    gamma, beta, mean, variance = (
        weights[f"{name}.{part}"].reshape(-1, 1, 1)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (value - mean) / np.sqrt(variance + np.float32(EPSILON)) * gamma + beta


def clip(value: Values) -> Values:
    return value.clip(0, 6)
