"""EfficientNet-Lite2 as an ONNX model, from the weights of a PyTorch file.

The network (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite): a
stem, 21 inverted residual blocks without squeeze-and-excitation, a head; ReLU6 after each
convolution but a block's last; TensorFlow's SAME padding. Batch normalisation is folded into the
convolutions. Input: 260 x 260 pixels of RGB, (value - 127) / 128. Output: probabilities of the
1,000 classes of ImageNet in the order of `imagenet_classes.txt`, and the features from which they
are computed.
"""

import numpy as np

from app.vision.networks.errors import WeightsError
from app.vision.networks.onnx_writer import FloatArray, OnnxGraph
from app.vision.networks.torch_weights import Arrays

INPUT_PX = 260
INPUT_MEAN, INPUT_SCALE = 127.0, 128.0
CLASSES, FEATURES = 1000, 1280
STAGES = ((1, 1), (3, 2), (3, 2), (4, 2), (4, 1), (5, 2), (1, 1))
"""Blocks of each stage, and the stride of its first one. The first and the last stage keep the
length they have in EfficientNet-B0; the others have 1.2 times as many blocks."""
NORMALISATION_EPSILON = 1e-3


def build_classifier(weights: Arrays) -> bytes:
    """The model as bytes, `pixels` to probabilities and features.

    Raises WeightsError for other weights.
    """
    try:
        return _Builder(weights).build()
    except (KeyError, ValueError) as error:
        raise WeightsError(f"not the weights of EfficientNet-Lite2: {error}"[:120]) from error


class _Builder:
    def __init__(self, weights: Arrays) -> None:
        self._weights = weights
        self._graph = OnnxGraph("efficientnet-lite2")
        self._size_px = INPUT_PX

    def build(self) -> bytes:
        value = self._graph.add_input("pixels", ("images", 3, INPUT_PX, INPUT_PX))
        value = self._convolve(value, "_conv_stem", "_bn0", stride=2)
        block = 0
        for blocks, stride in STAGES:
            for index in range(blocks):
                value = self._add_block(value, f"_blocks.{block}", 1 if index else stride)
                block += 1
        value = self._convolve(value, "_conv_head", "_bn1")
        value = self._graph.add("GlobalAveragePool", [value])
        features = self._graph.add("Flatten", [value])
        matrix = self._graph.add_constant(self._array("_fc.weight", 2))
        bias = self._graph.add_constant(self._array("_fc.bias", 1))
        value = self._graph.add("Gemm", [features, matrix, bias], transB=1)
        value = self._graph.add("Softmax", [value], axis=1)
        self._graph.add_output(value, ("images", CLASSES))
        self._graph.add_output(features, ("images", FEATURES))
        return self._graph.to_bytes()

    def _add_block(self, value: str, name: str, stride: int) -> str:
        source = value
        if f"{name}._expand_conv.weight" in self._weights:
            value = self._convolve(value, f"{name}._expand_conv", f"{name}._bn0")
        value = self._convolve(value, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride)
        value = self._convolve(value, f"{name}._project_conv", f"{name}._bn2", is_clipped=False)
        project = self._array(f"{name}._project_conv.weight", 4)
        expand = self._weights.get(f"{name}._expand_conv.weight")
        if stride == 1 and expand is not None and expand.shape[1] == project.shape[0]:
            value = self._graph.add("Add", [value, source])
        return value

    def _convolve(
        self,
        value: str,
        convolution: str,
        normalisation: str,
        *,
        stride: int = 1,
        is_clipped: bool = True,
    ) -> str:
        """A convolution with the batch normalisation after it, and ReLU6 if `is_clipped`."""
        kernel = self._array(f"{convolution}.weight", 4)
        folded, bias = fold_normalisation(
            kernel,
            *(
                self._array(f"{normalisation}.{part}", 1)
                for part in ("weight", "bias", "running_mean", "running_var")
            ),
        )
        is_depthwise = kernel.shape[1] == 1
        before, after = same_padding(self._size_px, kernel.shape[2], stride)
        self._size_px = -(-self._size_px // stride)
        value = self._graph.add(
            "Conv",
            [value, self._graph.add_constant(folded), self._graph.add_constant(bias)],
            group=kernel.shape[0] if is_depthwise else 1,
            kernel_shape=kernel.shape[2:],
            pads=(before, before, after, after),
            strides=(stride, stride),
        )
        if not is_clipped:
            return value
        low = self._graph.add_constant(np.array(0, np.float32))
        high = self._graph.add_constant(np.array(6, np.float32))
        return self._graph.add("Clip", [value, low, high])

    def _array(self, name: str, dimensions: int) -> FloatArray:
        array = self._weights[name]
        if array.dtype != np.float32 or array.ndim != dimensions:
            raise ValueError(f"{name} is not an array of floats of {dimensions} dimensions")
        return array


def fold_normalisation(
    kernel: FloatArray, gamma: FloatArray, beta: FloatArray, mean: FloatArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Kernel and bias of the convolution that does the batch normalisation after it as well.

    In double precision, where each operation is rounded once: the same bytes on every machine.
    """
    scale = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + NORMALISATION_EPSILON)
    bias = beta.astype(np.float64) - mean.astype(np.float64) * scale
    return (kernel * scale[:, None, None, None]).astype(np.float32), bias.astype(np.float32)


def same_padding(size_px: int, kernel_px: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding before and after: an odd pixel is added at the end."""
    outputs = -(-size_px // stride)
    total = max((outputs - 1) * stride + kernel_px - size_px, 0)
    return total // 2, total - total // 2
