"""A frozen TensorFlow graph as ONNX: the operators of convolutional face embedders, and no others.

FaceNet (David Sandberg's InceptionResnetV1) is published so. Channels move to the front, where ONNX has them; a bias
becomes its convolution's; the graph ends before its L2 normalisation, which is the embed stage's. Field numbers are
those of tensorflow/core/framework: graph.proto, node_def.proto, attr_value.proto, tensor.proto, tensor_shape.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from visage.models.convert.protobuf import fields

__all__ = ["convert"]

FLOAT, INT32 = 1, 3
DTYPES = {FLOAT: np.dtype("<f4"), INT32: np.dtype("<i4")}
VALUES_FIELD = {FLOAT: 5, INT32: 7}

Array = NDArray[np.generic]


def convert(content: bytes) -> onnx.ModelProto:
    """The graph as ONNX: float32 (1, 3, H, W) to (1, D), not normalised. Raises ValueError: not such a graph."""
    return _Converter(_graph(memoryview(content))).network()


@dataclass
class _Node:
    """A NodeDef: `attributes` by name, still encoded; `inputs` without output numbers and control edges."""

    name: str = ""
    operator: str = ""
    inputs: list[str] = field(default_factory=list)
    attributes: dict[str, memoryview] = field(default_factory=dict)


def _graph(content: memoryview) -> list[_Node]:
    nodes = []
    for number, value in fields(content):
        if number != 1 or isinstance(value, int):
            continue
        node = _Node()
        for node_field, content_of_field in fields(value):
            if isinstance(content_of_field, int):
                continue
            if node_field == 1:
                node.name = bytes(content_of_field).decode()
            elif node_field == 2:  # noqa: PLR2004 - op
                node.operator = bytes(content_of_field).decode()
            elif node_field == 3:  # noqa: PLR2004 - input: "name" or "name:0"; "^name" only says what runs first
                name = bytes(content_of_field).decode().partition(":")[0]
                if not name.startswith("^"):
                    node.inputs.append(name)
            elif node_field == 5:  # noqa: PLR2004 - attr
                entry = dict(fields(content_of_field))
                key, attribute = entry[1], entry.get(2, memoryview(b""))
                if not isinstance(key, int) and not isinstance(attribute, int):
                    node.attributes[bytes(key).decode()] = attribute
        nodes.append(node)
    return nodes


class _Converter:
    """Takes the nodes in the order of their dependencies and writes ONNX's."""

    def __init__(self, nodes: list[_Node]) -> None:
        self._source: Mapping[str, _Node] = {node.name: node for node in nodes}
        self._constants = {node.name: _tensor(node) for node in nodes if node.operator == "Const"}
        self._biases = {node.inputs[0]: node for node in nodes if node.operator == "BiasAdd"}
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, TensorProto] = {}
        self._written: set[str] = set()

    def network(self) -> onnx.ModelProto:
        placeholders = [node for node in self._source.values() if node.operator == "Placeholder"]
        ends = [node for node in self._source.values() if node.operator == "FusedBatchNorm"]
        if len(placeholders) != 1 or not ends:
            raise ValueError("a graph with one input and a batch normalisation at its end was expected")
        height, width, depth = _shape(placeholders[0])[1:]
        self._input = placeholders[0].name
        for name in TopologicalSorter({node.name: node.inputs for node in self._source.values()}).static_order():
            self._convert(self._source[name])
        size = len(self._constants[ends[-1].inputs[1]])
        graph = helper.make_graph(
            self._nodes,
            "frozen_graph",
            [helper.make_tensor_value_info(self._input, TensorProto.FLOAT, [1, depth, height, width])],
            [helper.make_tensor_value_info(ends[-1].name, TensorProto.FLOAT, [1, size])],
            list(self._weights.values()),
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def _convert(self, node: _Node) -> None:
        """Write the node, unless it is a constant, belongs to another, or comes after the last normalisation."""
        inputs = [name for name in node.inputs if name not in self._constants]
        operator = node.operator
        if operator == "Conv2D":
            self._convolution(node, inputs)
        elif operator == "BiasAdd":
            if self._source[node.inputs[0]].operator != "Conv2D":
                raise ValueError(f"{node.name} adds a bias to something else than a convolution")
        elif operator in ("MaxPool", "AvgPool"):
            kernel = _integers(node.attributes["ksize"])[1:3]
            name = {"MaxPool": "MaxPool", "AvgPool": "AveragePool"}[operator]
            self._write(name, inputs, node.name, kernel_shape=kernel, **_window(node, kernel))
        elif operator in ("ConcatV2", "Relu"):
            attributes = {"axis": 1} if operator == "ConcatV2" else {}
            self._write(operator.removesuffix("V2"), inputs, node.name, **attributes)
        elif operator in ("Add", "Mul") and not self._is_after_end(node):
            names = [
                self._constant(name, self._constants[name]) if name in self._constants else name for name in node.inputs
            ]
            self._write(operator, names, node.name)
        elif operator == "Reshape" and self._source[inputs[0]].operator == "AvgPool":
            self._write("Flatten", inputs, node.name)
        elif operator == "Reshape" and self._source[inputs[0]].operator == "MatMul":
            self._write("Identity", inputs, node.name)  # TensorFlow normalises pictures only: (N, 1, 1, D)
        elif operator == "MatMul":
            weights = self._constants[node.inputs[1]]
            self._write("MatMul", [*inputs, self._constant(node.inputs[1], weights)], node.name)
        elif operator == "FusedBatchNorm":
            self._normalisation(node)
        elif operator not in ("Const", "Placeholder") and not self._is_after_end(node):
            raise ValueError(f"the operator {operator} ({node.name}) is not known here")

    def _convolution(self, node: _Node, inputs: list[str]) -> None:
        """With the bias that is added to it next, if there is one."""
        bias = self._biases.get(node.name)
        weights = self._constants[node.inputs[1]].transpose(3, 2, 0, 1)
        names = [*inputs, self._constant(f"{node.name}/weights", weights)]
        if bias is not None:
            names.append(self._constant(bias.inputs[1], self._constants[bias.inputs[1]]))
        kernel = [int(side) for side in weights.shape[2:]]
        self._write("Conv", names, bias.name if bias else node.name, **_window(node, kernel))

    def _normalisation(self, node: _Node) -> None:
        """As a product and a sum: y = (x - mean) gamma / sqrt(variance + epsilon) + beta."""
        gamma, beta, mean, variance = (self._constants[name].astype(np.float64) for name in node.inputs[1:])
        epsilon = float(np.frombuffer(bytes(_only(node.attributes["epsilon"])), "<f4")[0])
        scale = gamma / np.sqrt(variance + epsilon)
        shift = beta - mean * scale
        scaled = f"{node.name}/scaled"
        self._write("Mul", [node.inputs[0], self._constant(f"{node.name}/scale", scale)], scaled)
        self._write("Add", [scaled, self._constant(f"{node.name}/shift", shift)], node.name)

    def _is_after_end(self, node: _Node) -> bool:
        """Whether nothing that was written feeds it: it belongs to the normalisation that the embed stage does."""
        return node.operator in ("Reshape", "Square", "Sum", "Maximum", "Rsqrt") or not any(
            name in self._written or name == self._input for name in node.inputs
        )

    def _constant(self, name: str, values: Array) -> str:
        self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)
        return name

    def _write(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._written.add(output)
        self._nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))


def _window(node: _Node, kernel: list[int]) -> dict[str, list[int]]:
    """Strides and pads of a sliding window."""
    strides = _integers(node.attributes["strides"])[1:3]
    padding = bytes(_only(node.attributes["padding"])).decode()
    if padding == "VALID":
        return {"strides": strides}
    if strides != [1, 1] or not all(side % 2 for side in kernel):
        raise ValueError(f"{node.name}: SAME padding with stride {strides} is not known here")
    return {"strides": strides, "pads": [side // 2 for side in kernel] * 2}


def _only(attribute: memoryview) -> memoryview:
    """The one value of an attribute."""
    ((_, value),) = fields(attribute)
    if isinstance(value, int):
        raise ValueError("an attribute has another type than expected")
    return value


def _integers(attribute: memoryview) -> list[int]:
    """An attribute's list of integers, packed."""
    (packed,) = (value for number, value in fields(_only(attribute)) if number == 3)  # noqa: PLR2004 - ListValue.i
    if isinstance(packed, int):
        return [packed]
    return list(bytes(packed))  # kernels and strides: a byte each


def _shape(placeholder: _Node) -> list[int]:
    sides: list[int] = []
    for _, dimension in fields(_only(placeholder.attributes["shape"])):
        if not isinstance(dimension, int):
            sides += [size for _, size in fields(dimension) if isinstance(size, int)]
    if len(sides) != 4:  # noqa: PLR2004 - N, H, W, C
        raise ValueError(f"the input has the shape {sides}, not (N, H, W, C)")
    return sides


def _tensor(node: _Node) -> Array:
    """A constant's value."""
    sides: list[int] = []
    raw = typed = memoryview(b"")
    tensor = list(fields(_only(node.attributes["value"])))
    dtype = next((value for number, value in tensor if number == 1 and isinstance(value, int)), FLOAT)
    if dtype not in DTYPES:
        raise ValueError(f"{node.name} has the data type {dtype}")
    for number, value in tensor:
        if isinstance(value, int):
            if number == VALUES_FIELD[dtype]:
                return np.array(value, DTYPES[dtype])
        elif number == 2:  # noqa: PLR2004 - tensor_shape
            for _, dimension in fields(value):
                if not isinstance(dimension, int):
                    sides += [size for _, size in fields(dimension) if isinstance(size, int)] or [0]
        elif number == 4:  # noqa: PLR2004 - tensor_content
            raw = value
        elif number == VALUES_FIELD[dtype]:
            typed = value
    content = bytes(raw) or bytes(typed)
    if dtype == INT32 and not bytes(raw):
        return np.array(list(content), np.int32).reshape(sides)  # shapes: small numbers, a byte each
    values = np.frombuffer(content, DTYPES[dtype])
    return np.full(sides, values[0], values.dtype) if values.size == 1 else values.reshape(sides)
