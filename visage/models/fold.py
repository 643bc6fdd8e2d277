"""Turns what is constant in a network into plain float32 weights.

Block-quantised files store small integers and one scale a block; runtimes differ in whether they accept them, so they
are unpacked once. Afterwards every DequantizeLinear of a constant, the Reshape that may follow it, every Constant and
every Dropout is gone. Semantics: ONNX operators DequantizeLinear-21 and Reshape-13.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

__all__ = ["dequantize", "fold_constants"]

Array = NDArray[Any]


def fold_constants(graph: onnx.GraphProto) -> None:
    """Fold in place; initialisers and inputs that nothing reads afterwards are removed."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    aliases: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = aliases.get(name, name)
        if node.op_type == "Dropout":  # the identity, outside of training
            aliases[node.output[0]] = node.input[0]
        elif (value := _constant_value(node, constants)) is not None:
            constants[node.output[0]] = numpy_helper.from_array(value, node.output[0])
        else:
            kept.append(node)
    outputs = {output.name for output in graph.output}
    if outputs & aliases.keys():
        raise ValueError("a Dropout feeds an output of the network")
    _replace_nodes(graph, kept, constants)


def dequantize(values: Array, scale: Array, zero_point: Array | None, *, axis: int = 1, block_size: int = 0) -> Array:
    """`(values - zero_point) * scale`, as ONNX's DequantizeLinear does it.

    Args:
        values: integers of any shape.
        scale: a scalar (one for all), 1-D (one for each index of `axis`), or, with `block_size`, of the rank of
            `values`, where each scale holds for `block_size` neighbours along `axis`; the last block may be short.
        zero_point: integers of the shape of `scale`; None is 0.

    Returns the shape of `values` and the dtype of `scale`.
    """
    zeros = np.zeros(scale.shape, np.int32) if zero_point is None else zero_point.astype(np.int32)
    if block_size:
        length = values.shape[axis]
        scale = np.repeat(scale, block_size, axis=axis).take(range(length), axis=axis)
        zeros = np.repeat(zeros, block_size, axis=axis).take(range(length), axis=axis)
    elif scale.ndim == 1 and scale.size > 1:
        along_axis = [1] * values.ndim
        along_axis[axis] = -1
        scale, zeros = scale.reshape(along_axis), zeros.reshape(along_axis)
    return np.asarray((values.astype(np.int32) - zeros) * scale, scale.dtype)


def _constant_value(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> Array | None:
    """What the node computes, if that is known and one of the operators folded here."""
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Constant" and "value" in attributes:
        return numpy_helper.to_array(attributes["value"])
    if node.op_type not in ("DequantizeLinear", "Reshape") or not all(name in constants for name in node.input if name):
        return None
    inputs = [numpy_helper.to_array(constants[name]) if name else None for name in node.input]
    data, second = inputs[0], inputs[1]
    assert data is not None  # the checker has seen that both are there
    assert second is not None
    if node.op_type == "Reshape":
        allow_zero = attributes.get("allowzero", 0)
        return data.reshape([data.shape[i] if side == 0 and not allow_zero else side for i, side in enumerate(second)])
    return dequantize(
        data,
        second,
        inputs[2] if len(inputs) > 2 else None,  # noqa: PLR2004 - the zero point is the optional third
        axis=attributes.get("axis", 1),
        block_size=attributes.get("block_size", 0),
    )


def _replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], constants: dict[str, onnx.TensorProto]) -> None:
    read = {name for node in nodes for name in node.input} | {output.name for output in graph.output}
    inputs = [value for value in graph.input if value.name in read and value.name not in constants]
    for field, items in (
        (graph.node, nodes),
        (graph.initializer, [tensor for name, tensor in constants.items() if name in read]),
        (graph.input, inputs),
    ):
        copies = list(items)  # deleting a protobuf field may invalidate its members; `extend` copies
        del field[:]
        field.extend(copies)
