from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.unit.visage.models.networks import SIDE, quantised_embedder, run
from visage.models.errors import ModelDamaged
from visage.models.prepare import prepare
from visage.models.registry import NetworkInput


def published_result(model: onnx.ModelProto, planes: NDArray[np.float32]) -> NDArray[Any]:
    """One at a time, as the published network demands."""
    return np.concatenate([run(model, data=plane[None]) for plane in planes])


@pytest.mark.parametrize("opset", [21, 22])
def test_pictures_in_a_batch_get_what_the_published_network_gives_each(opset: int) -> None:
    model = quantised_embedder(opset=opset)
    pictures = np.random.default_rng(3).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    wanted = NetworkInput(colour="rgb", mean=(1, 2, 3), scale=(0.5, 0.25, 2))
    planes = pictures[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
    normalised = (planes - np.array([1, 2, 3]).reshape(3, 1, 1)) * np.array([0.5, 0.25, 2]).reshape(3, 1, 1)

    prepared = prepare(model, wanted, has_dynamic_size=False)

    found = run(prepared, picture_bgr_uint8=pictures)
    expected = published_result(model, normalised.astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_network_that_wants_bgr_bytes_gets_only_a_cast_and_a_transposition_in_front() -> None:
    prepared = prepare(quantised_embedder(), NetworkInput(colour="bgr"), has_dynamic_size=False)

    assert [node.op_type for node in prepared.graph.node][:3] == ["Cast", "Transpose", "Sub"]


def test_float_layout_puts_nothing_in_front() -> None:
    model = quantised_embedder()
    planes = np.random.default_rng(4).uniform(0, 255, (2, 3, SIDE, SIDE)).astype(np.float32)

    prepared = prepare(model, NetworkInput(colour="rgb"), has_dynamic_size=False, input_layout="float_nchw")

    found = run(prepared, data=planes)
    np.testing.assert_allclose(found, published_result(model, planes), rtol=1e-5)


def test_height_and_width_are_free_where_the_network_allows() -> None:
    prepared = prepare(quantised_embedder(), NetworkInput(colour="bgr"), has_dynamic_size=True)

    found = run(prepared, picture_bgr_uint8=np.zeros((2, 6, 8, 3), np.uint8))
    assert found.shape == (2, 48, 2)
    dims = prepared.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_param or dim.dim_value for dim in dims] == ["N", "H", "W", 3]


def test_reshapes_of_activations_are_freed_and_weights_keep_their_shape() -> None:
    model = quantised_embedder()
    prepared = prepare(model, NetworkInput(colour="bgr"), has_dynamic_size=False)

    shapes = {tensor.name: list(onnx.numpy_helper.to_array(tensor)) for tensor in prepared.graph.initializer}
    assert shapes["rows_any_batch"] == [0, -1, 2]
    weight = next(tensor for tensor in prepared.graph.initializer if tensor.name == "weight")
    assert list(weight.dims) == [2, 3, 3, 3]


def test_every_result_depends_on_the_batch_and_the_operators_are_of_opset_17() -> None:
    prepared = prepare(quantised_embedder(), NetworkInput(colour="rgb"), has_dynamic_size=False)

    assert [(entry.domain, entry.version) for entry in prepared.opset_import] == [("", 17)]
    assert [output.type.tensor_type.shape.dim[0].dim_param for output in prepared.graph.output] == ["N"]


def test_the_published_network_is_left_alone_and_the_same_input_gives_the_same_bytes() -> None:
    model = quantised_embedder()
    before = model.SerializeToString(deterministic=True)

    first, second = (prepare(model, NetworkInput(colour="rgb"), has_dynamic_size=False) for _ in range(2))

    assert model.SerializeToString(deterministic=True) == before
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_an_empty_model_is_refused_by_name() -> None:
    with pytest.raises(ModelDamaged, match="not a network"):
        prepare(onnx.ModelProto(), NetworkInput(colour="rgb"), has_dynamic_size=False)


def test_a_network_with_two_inputs_is_refused() -> None:
    model = quantised_embedder()
    del model.graph.initializer[5]  # "offset" is then an input that somebody must give

    with pytest.raises(ModelDamaged, match="expected one input"):
        prepare(model, NetworkInput(colour="rgb"), has_dynamic_size=False)


def test_a_network_that_takes_channels_last_is_given_them() -> None:
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["picture"], ["mean"], axes=[1, 2], keepdims=0)],
        "channels last",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("mean", TensorProto.FLOAT, [1, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    pictures = np.random.default_rng(5).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)

    prepared = prepare(model, NetworkInput(colour="rgb", scale=(0.5, 0.5, 0.5)), has_dynamic_size=False)

    expected = pictures[..., ::-1].astype(np.float32).mean(axis=(1, 2)) / 2
    np.testing.assert_allclose(run(prepared, picture_bgr_uint8=pictures), expected, rtol=1e-5)


def test_a_detector_that_joins_the_batch_with_the_anchors_parts_them() -> None:
    """As SCRFD is exported: (N, C, H, W) -> (H, W, N, C) -> (-1, 1)."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceSum", ["picture", "axes"], ["score"], keepdims=1),
            helper.make_node("Transpose", ["score"], ["last"], perm=[2, 3, 0, 1]),
            helper.make_node("Reshape", ["last", "rows"], ["scores"]),
        ],
        "joined",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [SIDE * SIDE, 1])],
        [
            onnx.numpy_helper.from_array(np.array([1], np.int64), "axes"),
            onnx.numpy_helper.from_array(np.array([-1, 1], np.int64), "rows"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    pictures = np.random.default_rng(6).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)

    prepared = prepare(model, NetworkInput(colour="bgr"), has_dynamic_size=False)

    expected = pictures.astype(np.float32).sum(axis=3).reshape(3, SIDE * SIDE, 1)
    np.testing.assert_allclose(run(prepared, picture_bgr_uint8=pictures), expected)


def test_a_network_in_half_precision_computes_in_single() -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Constant", [], ["gain"], value=numpy_helper.from_array(np.array(3, np.float16), "gain")),
            helper.make_node("Mul", ["picture", "gain"], ["scaled"]),
            helper.make_node("Cast", ["scaled"], ["single"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["single"], ["half"], to=TensorProto.FLOAT16),
            helper.make_node("Conv", ["half", "weight"], ["out"]),
        ],
        "half",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT16, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT16, [1, 2, SIDE, SIDE])],
        [numpy_helper.from_array(np.random.default_rng(7).normal(size=(2, 3, 1, 1)).astype(np.float16), "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    pictures = np.random.default_rng(8).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)

    prepared = prepare(model, NetworkInput(colour="bgr"), has_dynamic_size=False)

    weight = numpy_helper.to_array(model.graph.initializer[0]).astype(np.float64)
    expected = 3 * np.einsum("oc,nhwc->nohw", weight[:, :, 0, 0], pictures.astype(np.float64))
    found = run(prepared, picture_bgr_uint8=pictures)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)


def test_no_weight_is_left_that_nobody_reads() -> None:
    """ONNX Runtime would warn of each, on the terminal."""
    prepared = prepare(quantised_embedder(), NetworkInput(colour="bgr"), has_dynamic_size=False)

    read = {name for node in prepared.graph.node for name in node.input}
    assert {tensor.name for tensor in prepared.graph.initializer} <= read
