"""A network small enough to know its answers: the mean of each picture's blue, green and red, times ten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["write_channel_means"]


def write_channel_means(path: Path, *, side: int | None, element_type: int = TensorProto.UINT8) -> Path:
    """Takes (N, side, side, 3), any height and width if `side` is None; gives "means" (N, 3)."""
    sides = ["H", "W"] if side is None else [side, side]
    nodes = [
        helper.make_node("Cast", ["picture"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["mean", "ten"], ["means"]),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("picture", element_type, ["N", *sides, 3])],
        [helper.make_tensor_value_info("means", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.array([10], np.float32), "ten")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
