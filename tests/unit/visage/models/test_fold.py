from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.unit.visage.models.networks import quantised_embedder, run
from visage.models.fold import dequantize, fold_constants


@pytest.mark.parametrize(("length", "block_size"), [(6, 3), (7, 3), (5, 8), (4, 1)])
def test_each_block_gets_its_own_scale_also_a_short_last_one(length: int, block_size: int) -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(-128, 128, (2, length), np.int8)
    blocks = -(-length // block_size)
    scale = rng.uniform(0.1, 1, (2, blocks)).astype(np.float32)
    zero = rng.integers(-5, 5, (2, blocks), np.int8)

    result = dequantize(values, scale, zero, axis=1, block_size=block_size)

    expected = [
        [
            (int(values[row, column]) - int(zero[row, column // block_size])) * scale[row, column // block_size]
            for column in range(length)
        ]
        for row in range(2)
    ]
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    assert result.dtype == np.float32


def test_one_scale_an_index_of_the_axis() -> None:
    values = np.array([[[1, 2]], [[3, 4]], [[5, 6]]], np.uint8)

    result = dequantize(values, np.array([1, 10, 100], np.float32), np.array([1, 1, 1], np.uint8), axis=0)

    np.testing.assert_array_equal(result, [[[0, 1]], [[20, 30]], [[400, 500]]])


def test_one_scale_for_all_without_a_zero_point() -> None:
    result = dequantize(np.array([-128, 127], np.int8), np.array(0.5, np.float32), None)

    np.testing.assert_array_equal(result, [-64, 63.5])


def test_a_difference_wider_than_eight_bits_does_not_wrap() -> None:
    result = dequantize(np.array([-128], np.int8), np.array([1], np.float32), np.array([127], np.int8), axis=0)

    assert result.tolist() == [-255]


def test_folding_changes_no_result_and_leaves_only_plain_operators() -> None:
    model = quantised_embedder()
    picture = np.random.default_rng(2).uniform(0, 255, (1, 3, 4, 4)).astype(np.float32)
    expected = run(model, data=picture)

    fold_constants(model.graph)

    onnx.checker.check_model(model, full_check=True)
    found = run(model, data=picture)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert [node.op_type for node in model.graph.node] == ["Sub", "Conv", "Transpose", "Reshape"]
    assert [value.name for value in model.graph.input] == ["data"]
    assert {tensor.name for tensor in model.graph.initializer} == {"offset", "weight", "rows"}


def test_a_constant_node_becomes_an_initialiser() -> None:
    value = numpy_helper.from_array(np.array([2], np.float32))
    graph = helper.make_graph(
        [helper.make_node("Constant", [], ["two"], value=value), helper.make_node("Mul", ["x", "two"], ["y"])],
        "constant",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )

    fold_constants(graph)

    assert [node.op_type for node in graph.node] == ["Mul"]
    assert [tensor.name for tensor in graph.initializer] == ["two"]
