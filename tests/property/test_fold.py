"""Unpacking block-quantised weights, against ONNX's own reference implementation."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from visage.models.fold import dequantize


@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    data=st.data(),
    dtype=st.sampled_from([np.int8, np.uint8]),
    seed=st.integers(0, 2**16),
)
def test_dequantize_is_onnx_dequantize_linear(
    shape: list[int], data: st.DataObject, dtype: type[np.int8 | np.uint8], seed: int
) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1), label="axis")
    block_size = data.draw(st.sampled_from([size for size in range(1, 7) if shape[axis] % size == 0]), label="block")
    rng = np.random.default_rng(seed)
    information = np.iinfo(dtype)
    blocks = list(shape)
    blocks[axis] //= block_size
    values = rng.integers(information.min, information.max, shape, dtype, endpoint=True)
    zero = rng.integers(information.min, information.max, blocks, dtype, endpoint=True)
    scale = rng.uniform(1e-3, 1, blocks).astype(np.float32)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"], axis=axis, block_size=block_size)],
        "dequantize",
        [
            helper.make_tensor_value_info("x", kind, shape),
            helper.make_tensor_value_info("s", TensorProto.FLOAT, blocks),
            helper.make_tensor_value_info("z", kind, blocks),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (expected,) = cast("list[Any]", ReferenceEvaluator(model).run(None, {"x": values, "s": scale, "z": zero}))

    found = dequantize(values, scale, zero, axis=axis, block_size=block_size)

    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32
