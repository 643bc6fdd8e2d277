"""A prepared network in half precision, for runtimes that take their arithmetic from the model's types.

Inputs and outputs keep their types. Batch normalisation becomes a scale and a shift computed in float64, because a
variance below 6e-8 is zero in float16 (IEEE 754: the least subnormal is 2**-24).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper, shape_inference

from visage.models.errors import ModelDamaged

__all__ = ["to_half"]

# (operator, input): these are float32 by ONNX's definition, whatever the data's type.
ALWAYS_FLOAT = {("Resize", 1), ("Resize", 2)}

BATCH_NORMALIZATION_EPSILON = 1e-5  # ONNX's default


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network computing in float16.

    Args:
        model: prepared (see `visage.models.prepare`); not changed.

    Raises:
        ModelDamaged: a batch normalisation has parameters that are not constant.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    _spell_out_normalisation(half)
    graph = half.graph
    del graph.value_info[:]
    _halve_constants(graph)
    _cast_inputs(graph)
    _cast_outputs(graph)
    onnx.checker.check_model(half, full_check=True)
    return half


def _spell_out_normalisation(model: onnx.ModelProto) -> None:
    """Put Mul and Add in the place of every BatchNormalization."""
    graph = model.graph
    ranks = _ranks(model)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "BatchNormalization":
            nodes.append(node)
            continue
        if not all(name in constants for name in node.input[1:]):
            raise ModelDamaged(f"the parameters of {node.name or node.output[0]!r} are computed, not stored")
        gamma, beta, mean, variance = (
            numpy_helper.to_array(constants[name]).astype(np.float64) for name in node.input[1:]
        )
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), BATCH_NORMALIZATION_EPSILON)
        scale = gamma / np.sqrt(variance + epsilon)
        per_channel = (1, -1, *[1] * (ranks[node.input[0]] - 2))
        scaled, output = f"{node.output[0]}_scaled", node.output[0]
        for name, values in ((f"{output}_scale", scale), (f"{output}_shift", beta - mean * scale)):
            graph.initializer.append(numpy_helper.from_array(values.astype(np.float32).reshape(per_channel), name))
        nodes.append(helper.make_node("Mul", [node.input[0], f"{output}_scale"], [scaled]))
        nodes.append(helper.make_node("Add", [scaled, f"{output}_shift"], [output]))
    del graph.node[:]
    graph.node.extend(nodes)


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    inferred = shape_inference.infer_shapes(model, data_prop=True).graph
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    return {value.name: len(value.type.tensor_type.shape.dim) for value in values}


def _halve_constants(graph: onnx.GraphProto) -> None:
    """Give every operator half-precision constants; those it must have in float32 stay."""
    floats = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
    halved: dict[str, TensorProto] = {}
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name in floats and (node.op_type, position) not in ALWAYS_FLOAT:
                halved.setdefault(name, _half(floats[name], f"{name}_half"))
                node.input[position] = f"{name}_half"
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT:
                attribute.t.CopyFrom(_half(attribute.t, attribute.t.name))
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *halved.values()])


def _half(tensor: TensorProto, name: str) -> TensorProto:
    largest = float(np.finfo(np.float16).max)
    values = np.clip(numpy_helper.to_array(tensor), -largest, largest)
    return numpy_helper.from_array(values.astype(np.float16), name)


def _cast_inputs(graph: onnx.GraphProto) -> None:
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            _rename_uses(graph, value.name, f"{value.name}_half")
            cast = helper.make_node("Cast", [value.name], [f"{value.name}_half"], to=TensorProto.FLOAT16)
            graph.node.insert(0, cast)


def _cast_outputs(graph: onnx.GraphProto) -> None:
    for value in graph.output:
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        _rename_uses(graph, value.name, f"{value.name}_half")
        for node in graph.node:
            for position, name in enumerate(node.output):
                if name == value.name:
                    node.output[position] = f"{value.name}_half"
        graph.node.append(helper.make_node("Cast", [f"{value.name}_half"], [value.name], to=TensorProto.FLOAT))


def _rename_uses(graph: onnx.GraphProto, name: str, new_name: str) -> None:
    for node in graph.node:
        for position, used in enumerate(node.input):
            if used == name:
                node.input[position] = new_name
