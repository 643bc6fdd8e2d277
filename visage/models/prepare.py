"""ONNX surgery: from a published file to the network that the backends run.

The result computes what the published network computes, on batches of any size and, where the network allows, pictures
of any size. Its operators are plain float32 ones of opset 17, the newest that TensorRT 8.6 knows. The functions are
pure: the same input gives the same bytes, so results can be cached by digest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference, version_converter

from visage.models.errors import ModelDamaged
from visage.models.fold import fold_constants
from visage.models.prepared import InputLayout
from visage.models.registry import NetworkInput
from visage.models.widen import widen

__all__ = ["prepare"]

OPSET, IR_VERSION = 17, 8  # the pair of ONNX 1.12
BATCH, HEIGHT, WIDTH = "N", "H", "W"
CHANNELS = 3


def prepare(
    model: onnx.ModelProto,
    network_input: NetworkInput,
    *,
    has_dynamic_size: bool,
    input_layout: InputLayout = "uint8_nhwc",
) -> onnx.ModelProto:
    """Fold, free the batch, and put the input layers in front.

    Args:
        model: as published: one float32 or float16 input, (1, 3, H, W) or (1, H, W, 3); not changed.
        network_input: what that input wants.
        has_dynamic_size: free height and width too.
        input_layout: "uint8_nhwc" takes pictures, uint8 (N, H, W, 3), BGR: cast, transposition, channel order and
            normalisation become the first layers. "float_nchw" puts nothing in front: the caller's kernel writes
            float32 (N, 3, H, W) in the channel order and normalisation of `network_input`.

    Returns:
        The prepared network; its outputs keep their names.

    Raises:
        ModelDamaged: the model is not valid ONNX, or not of this kind.
    """
    prepared = onnx.ModelProto()
    prepared.CopyFrom(model)
    try:
        onnx.checker.check_model(prepared)
        widen(prepared.graph)
        fold_constants(prepared.graph)
        prepared = version_converter.convert_version(prepared, OPSET)
        prepared.ir_version = IR_VERSION
        _put_channels_first(prepared.graph)
        _free_batch(prepared.graph, has_dynamic_size=has_dynamic_size)
        if input_layout == "uint8_nhwc":
            _prepend_picture_layers(prepared.graph, network_input)
        _drop_unread(prepared.graph)
        prepared = _infer_output_shapes(prepared)
        onnx.checker.check_model(prepared, full_check=True)
    except (onnx.checker.ValidationError, shape_inference.InferenceError, ValueError, RuntimeError) as error:
        # ONNX's version converter raises RuntimeError.
        raise ModelDamaged(f"not a network that Visage can prepare: {error}") from error
    return prepared


def _put_channels_first(graph: onnx.GraphProto) -> None:
    """Give a network that takes (1, H, W, 3), as TensorFlow's do, an input (1, 3, H, W)."""
    dims = graph.input[0].type.tensor_type.shape.dim if len(graph.input) == 1 else []
    if len(dims) != 4 or dims[3].dim_value != CHANNELS or dims[1].dim_value == CHANNELS:  # noqa: PLR2004 - N, H, W, C
        return
    name = graph.input[0].name
    channels_first = f"{name}_channels_first"
    nodes = [helper.make_node("Transpose", [channels_first], [name], name="picture/to_nhwc", perm=[0, 2, 3, 1])]
    nodes.extend(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    sides = [dim.dim_param or dim.dim_value for dim in dims]
    value = helper.make_tensor_value_info(channels_first, TensorProto.FLOAT, [sides[0], sides[3], sides[1], sides[2]])
    graph.input[0].CopyFrom(value)


def _free_batch(graph: onnx.GraphProto, *, has_dynamic_size: bool) -> None:
    """Let the batch dimension, and height and width if asked, be anything."""
    if len(graph.input) != 1 or len(graph.input[0].type.tensor_type.shape.dim) != 4:  # noqa: PLR2004 - N, C, H, W
        raise ValueError(f"expected one input (N, 3, H, W), found {[value.name for value in graph.input]}")
    dims = graph.input[0].type.tensor_type.shape.dim
    is_free = not dims[0].dim_value  # then its reshapes are right for any batch
    dims[0].dim_param = BATCH
    if has_dynamic_size:
        dims[2].dim_param, dims[3].dim_param = HEIGHT, WIDTH
    if is_free:
        return
    constants = {tensor.name: tensor for tensor in graph.initializer}
    freed: dict[str, str] = {}
    for node in graph.node:
        if node.op_type != "Reshape" or node.input[0] in constants or node.input[1] not in constants:
            continue
        name = node.input[1]
        shape = numpy_helper.to_array(constants[name])
        if shape[0] != 1:
            _free_joined_batch(graph, node, shape)
            continue
        if name not in freed:  # a new tensor: a weight's reshape may read the old one
            freed[name] = f"{name}_any_batch"
            any_batch = np.concatenate([[0], shape[1:]]).astype(np.int64)  # 0: as in the input
            graph.initializer.append(numpy_helper.from_array(any_batch, freed[name]))
        node.input[1] = freed[name]


def _free_joined_batch(graph: onnx.GraphProto, reshape: onnx.NodeProto, shape: NDArray[Any]) -> None:
    """Part what a detector for one picture joins: (H, W, N, C) reshaped to (-1, C), as SCRFD's exporter writes it."""
    if len(shape) != 2 or shape[0] != -1:  # noqa: PLR2004 - (-1, C)
        return
    transpose = next((node for node in graph.node if node.output[:1] == reshape.input[:1]), None)
    if transpose is None or transpose.op_type != "Transpose" or list(transpose.attribute[0].ints) != [2, 3, 0, 1]:
        return
    transpose.attribute[0].ints[:] = [0, 2, 3, 1]
    name = f"{reshape.input[1]}_any_batch"
    if all(tensor.name != name for tensor in graph.initializer):
        parted = np.array([0, -1, shape[1]], np.int64)
        graph.initializer.append(numpy_helper.from_array(parted, name))
    reshape.input[1] = name


def _prepend_picture_layers(graph: onnx.GraphProto, network_input: NetworkInput) -> None:
    """Cast, Transpose, then channel order and normalisation where the network wants others than BGR 0-255.

    A Gather exchanges the channels. Permuting the first convolution's weights instead would save copying one crop, but
    is right only for networks with nothing per channel before that convolution.
    """
    value = graph.input[0]
    _, _, height, width = value.type.tensor_type.shape.dim
    sides = [side.dim_param or side.dim_value for side in (height, width)]
    layers: list[tuple[str, list[NDArray[Any]], dict[str, Any]]] = [
        ("Cast", [], {"to": TensorProto.FLOAT}),  # first: TensorRT takes uint8 as an input of Cast only
        ("Transpose", [], {"perm": [0, 3, 1, 2]}),
    ]
    if network_input.colour == "rgb":
        layers.append(("Gather", [np.array([2, 1, 0], np.int64)], {"axis": 1}))
    if any(network_input.mean):
        layers.append(("Sub", [_per_channel(network_input.mean)], {}))
    if any(scale != 1 for scale in network_input.scale):
        layers.append(("Mul", [_per_channel(network_input.scale)], {}))
    nodes: list[onnx.NodeProto] = []
    previous = picture = "picture_bgr_uint8"
    for position, (operator, operands, attributes) in enumerate(layers):
        is_last = position == len(layers) - 1
        output = value.name if is_last else f"picture_{operator.lower()}"
        names = [f"{output}_operand" for _ in operands]
        graph.initializer.extend(map(numpy_helper.from_array, operands, names))
        nodes.append(helper.make_node(operator, [previous, *names], [output], name=f"picture/{operator}", **attributes))
        previous = output
    nodes.extend(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)
    graph.input[0].CopyFrom(helper.make_tensor_value_info(picture, TensorProto.UINT8, [BATCH, *sides, 3]))


def _per_channel(values: tuple[float, float, float]) -> NDArray[np.float32]:
    return np.array(values, np.float32).reshape(1, 3, 1, 1)


def _drop_unread(graph: onnx.GraphProto) -> None:
    """The shapes that freed reshapes no longer read: ONNX Runtime warns of each."""
    read = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _infer_output_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """State the outputs' shapes anew: those of the published file are for one picture of one size."""
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    for output in inferred.graph.output:
        dims = output.type.tensor_type.shape.dim
        if not dims or dims[0].dim_value:
            raise ValueError(f"output {output.name!r} does not depend on the batch")
        dims[0].dim_param = BATCH
    del inferred.graph.value_info[:]
    return inferred
