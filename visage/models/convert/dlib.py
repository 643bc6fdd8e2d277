"""dlib's face recognition network, `dlib_face_recognition_resnet_model_v1.dat`, as ONNX.

The architecture is that of dlib's example `dnn_face_recognition_ex.cpp`: a 29-layer residual network (King, 2017, after
He et al., 2016). The file holds only its parameters, in the order of the layers; each layer's begin with its tag.
Integers are a byte that says how many bytes follow, and those, little-endian; tensors are four such sizes and floats.

Affine layers are folded into the convolutions before them. Where the two branches of a block differ in size, dlib adds
zeros below, to the right and as further channels; so does the converted network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["convert"]

SIDE = 150
DIMENSION = 128

# Filters, and whether the block halves the picture, from the input on.
BLOCKS = [(32, False)] * 3
BLOCKS += [(64, True), *[(64, False)] * 3]
BLOCKS += [(128, True), *[(128, False)] * 2]
BLOCKS += [(256, True), *[(256, False)] * 2]
BLOCKS += [(256, True)]

TAG = re.compile(rb"\x01.(con_\d|affine_|fc_\d)", re.DOTALL)
LONGEST_INTEGER = 8

Weights = NDArray[np.float32]


def convert(content: bytes) -> onnx.ModelProto:
    """The network as ONNX: float32 (1, 3, 150, 150) RGB 0-255, already without dlib's mean and divisor, to (1, 128).

    Raises ValueError: this is not that network.
    """
    return _Converter(_parameters(content)).network()


class _Layer(NamedTuple):
    """tag: "con", "affine" or "fc"; values: its parameters, flat."""

    tag: str
    values: Weights


def _parameters(content: bytes) -> Iterator[_Layer]:
    position = 0
    while (found := TAG.search(content, position)) is not None:
        tag = found[1].decode().partition("_")[0]
        position = found.end()
        if tag == "fc":  # its numbers of outputs and inputs stand in front
            for _ in range(2):
                _, position = _integer(content, position)
        sides = []
        for _ in range(5):  # the tensor's version, and its four sizes
            side, position = _integer(content, position)
            sides.append(side)
        count = int(np.prod(sides[1:]))
        yield _Layer(tag, np.frombuffer(content, "<f4", count, position))
        position += count * 4


def _integer(content: bytes, position: int) -> tuple[int, int]:
    """The integer that begins here, and where the next thing does."""
    length = content[position] & 0x7F  # the highest bit is the sign
    if not 1 <= length <= LONGEST_INTEGER:
        raise ValueError(f"no integer at byte {position}")
    end = position + 1 + length
    value = int.from_bytes(content[position + 1 : end], "little")
    return (-value if content[position] & 0x80 else value), end


class _Converter:
    """Takes the layers in turn and writes nodes."""

    def __init__(self, layers: Iterator[_Layer]) -> None:
        self._layers = layers
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[TensorProto] = []

    def network(self) -> onnx.ModelProto:
        value, channels, side = self._convolution("picture", 3, SIDE, filters=32, kernel=7, stride=2)
        value = self._node("Relu", value)
        value, side = self._node("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2]), (side - 3) // 2 + 1
        for filters, halves in BLOCKS:
            value, channels, side = self._block(value, channels, side, filters, halves=halves)
        value = self._node("Flatten", self._node("GlobalAveragePool", value))
        weights = self._next("fc", channels * DIMENSION).reshape(channels, DIMENSION)
        self._node("MatMul", value, self._constant(weights), output="embedding")
        if next(self._layers, None) is not None:
            raise ValueError("it has more layers than the face recognition network")
        graph = helper.make_graph(
            self._nodes,
            "dlib_face_recognition_resnet_model_v1",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, DIMENSION])],
            self._weights,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def _block(self, value: str, channels: int, side: int, filters: int, *, halves: bool) -> tuple[str, int, int]:
        """relu(shortcut + conv(relu(conv(value)))); the shortcut of a halving block is a mean of 2 x 2."""
        inner, _, inner_side = self._convolution(
            value, channels, side, filters=filters, kernel=3, stride=2 if halves else 1
        )
        inner, _, inner_side = self._convolution(
            self._node("Relu", inner), filters, inner_side, filters=filters, kernel=3, stride=1
        )
        if halves:
            value, side = self._node("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2]), side // 2
        larger = max(side, inner_side)
        added = self._node(
            "Add",
            self._grown(inner, 0, larger - inner_side),
            self._grown(value, filters - channels, larger - side),
        )
        return self._node("Relu", added), filters, larger

    def _convolution(
        self, value: str, channels: int, side: int, *, filters: int, kernel: int, stride: int
    ) -> tuple[str, int, int]:
        """A convolution and the affine layer after it. dlib pads only where the stride is 1."""
        count = filters * channels * kernel * kernel
        values = self._next("con", count + filters)
        gamma, beta = self._next("affine", 2 * filters).reshape(2, filters)
        weights = values[:count].reshape(filters, channels, kernel, kernel) * gamma.reshape(-1, 1, 1, 1)
        bias = values[count:] * gamma + beta
        pad = kernel // 2 if stride == 1 else 0
        output = self._node(
            "Conv", value, self._constant(weights), self._constant(bias), strides=[stride] * 2, pads=[pad] * 4
        )
        return output, filters, (side + 2 * pad - kernel) // stride + 1

    def _grown(self, value: str, channels: int, sides: int) -> str:
        """With zeros after the last channel, row and column."""
        if not channels and not sides:
            return value
        pads = np.array([0, 0, 0, 0, 0, channels, sides, sides], np.int64)
        return self._node("Pad", value, self._constant(pads))

    def _next(self, tag: str, count: int) -> Weights:
        layer = next(self._layers, None)
        if layer is None or layer.tag != tag or len(layer.values) != count:
            found = "its end" if layer is None else f"{layer.tag} with {len(layer.values)}"
            raise ValueError(f"expected a layer {tag} with {count} parameters, found {found}")
        return layer.values

    def _constant(self, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        name = f"weights_{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name
