"""BlazeFace as an ONNX model, from the weights of a TensorFlow Lite file.

The network (https://arxiv.org/abs/1907.05047) in MediaPipe's variant for the camera at the back:
256 x 256 pixels of RGB from -1 to 1, and 896 anchors, each with a score and sixteen numbers, of
which the first four are the centre and the size of a face. The conversion goes operator by
operator; what TensorFlow Lite keeps as height x width x channels is channels x height x width here.
"""

from collections.abc import Callable

import numpy as np

from app.vision.networks.efficientnet_lite import same_padding
from app.vision.networks.errors import WeightsError
from app.vision.networks.onnx_writer import FloatArray, OnnxGraph
from app.vision.networks.tflite import Model, Operator

INPUT_PX = 256
ANCHORS, NUMBERS = 896, 16
_TO_CHANNELS_FIRST, _TO_CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def build_face_detector(model: Model) -> bytes:
    """The model as bytes: `pixels` to scores and boxes. Raises WeightsError for another network."""
    try:
        return _Converter(model).convert()
    except (KeyError, ValueError, IndexError) as error:
        raise WeightsError(f"not the expected face detector: {error}"[:120]) from error


class _Converter:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._graph = OnnxGraph("blazeface-back")
        self._values: dict[int, str] = {}
        """The names of the tensors that were computed so far."""
        self._floats: dict[int, FloatArray] = {}
        """Constants that DEQUANTIZE turned to floats."""

    def convert(self) -> bytes:
        model = self._model
        converters: dict[str, Callable[[Operator], str]] = {
            "ADD": lambda operator: self._graph.add("Add", self._inputs(operator)),
            "CONCATENATION": lambda operator: self._graph.add(
                "Concat", self._inputs(operator), axis=1
            ),
            "CONV_2D": self._convolve,
            "DEPTHWISE_CONV_2D": self._convolve,
            "MAX_POOL_2D": self._pool,
            "PAD": self._pad,
            "RELU": lambda operator: self._graph.add("Relu", self._inputs(operator)),
            "RESHAPE": self._reshape,
        }
        if [model.shapes[number] for number in model.inputs] != [(1, INPUT_PX, INPUT_PX, 3)]:
            raise ValueError("another input")
        self._values[model.inputs[0]] = self._graph.add_input("pixels", (1, 3, INPUT_PX, INPUT_PX))
        for operator in model.operators:
            if operator.kind == "DEQUANTIZE":
                constant = model.constants[operator.inputs[0]]
                self._floats[operator.outputs[0]] = constant.astype(np.float32)
            else:
                self._values[operator.outputs[0]] = converters[operator.kind](operator)
        outputs = {model.shapes[number]: self._values[number] for number in model.outputs}
        for shape in ((1, ANCHORS, 1), (1, ANCHORS, NUMBERS)):
            self._graph.add_output(outputs[shape], shape)
        return self._graph.to_bytes()

    def _inputs(self, operator: Operator) -> list[str]:
        return [self._values[number] for number in operator.inputs]

    def _convolve(self, operator: Operator) -> str:
        kernel, bias = (self._floats[number] for number in operator.inputs[1:])
        is_depthwise = operator.kind == "DEPTHWISE_CONV_2D"
        # (1, height, width, channels) and (outputs, height, width, inputs).
        kernel = kernel.transpose((3, 0, 1, 2) if is_depthwise else _TO_CHANNELS_FIRST)
        before, after = self._padding(operator, kernel.shape[2])
        return self._graph.add(
            "Conv",
            [
                self._values[operator.inputs[0]],
                self._graph.add_constant(np.ascontiguousarray(kernel)),
                self._graph.add_constant(bias),
            ],
            group=kernel.shape[0] if is_depthwise else 1,
            kernel_shape=kernel.shape[2:],
            pads=(before, before, after, after),
            strides=(operator.stride, operator.stride),
        )

    def _pool(self, operator: Operator) -> str:
        if operator.stride != 2 or any(self._size(operator)[axis] % 2 for axis in (1, 2)):
            raise ValueError("a pool that is not of 2 x 2")
        return self._graph.add(
            "MaxPool", self._inputs(operator), kernel_shape=(2, 2), strides=(2, 2)
        )

    def _pad(self, operator: Operator) -> str:
        padding = self._model.constants[operator.inputs[1]][list(_TO_CHANNELS_FIRST)]
        pads = self._graph.add_constant(padding.T.reshape(-1).astype(np.int64))
        return self._graph.add("Pad", [self._values[operator.inputs[0]], pads])

    def _reshape(self, operator: Operator) -> str:
        value = self._graph.add(
            "Transpose", [self._values[operator.inputs[0]]], perm=_TO_CHANNELS_LAST
        )
        shape = np.array(self._model.shapes[operator.outputs[0]], np.int64)
        return self._graph.add("Reshape", [value, self._graph.add_constant(shape)])

    def _padding(self, operator: Operator, kernel_px: int) -> tuple[int, int]:
        if not operator.is_padded:
            return 0, 0
        return same_padding(self._size(operator)[1], kernel_px, operator.stride)

    def _size(self, operator: Operator) -> tuple[int, ...]:
        return self._model.shapes[operator.inputs[0]]
