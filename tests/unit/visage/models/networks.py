"""Small networks built the way published ones are, and catalogue entries for them."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from visage.models.registry import EmbedderNetworkInput, EmbedderSpec, ModelFile

__all__ = ["SIDE", "embedder_spec_for", "model_file_for", "quantised_embedder", "run"]

SIDE = 4


def quantised_embedder(seed: int = 0, *, opset: int = 21) -> onnx.ModelProto:
    """What exporters leave behind, in one network.

    A float32 (1, 3, 4, 4) input, a block-quantised convolution, a Reshape to [1, -1, 2], a Dropout, initialisers that
    are inputs too, a tensor that nobody reads.
    """
    rng = np.random.default_rng(seed)
    initializers = {
        "weight_quantised": rng.integers(-128, 128, (2, 27), np.int8),
        "weight_scale": rng.uniform(0.001, 0.01, (2, 3)).astype(np.float32),
        "weight_zero": rng.integers(-8, 8, (2, 3), np.int8),
        "weight_shape": np.array([2, 3, 3, 3], np.int64),
        "rows": np.array([1, -1, 2], np.int64),
        "offset": np.array([127.5], np.float32),
        "unread": np.zeros(3, np.float32),
        "ratio": np.array(0.4, np.float32),
    }
    nodes = [
        helper.make_node("Sub", ["data", "offset"], ["centred"]),
        helper.make_node(
            "DequantizeLinear", ["weight_quantised", "weight_scale", "weight_zero"], ["flat"], axis=1, block_size=10
        ),
        helper.make_node("Reshape", ["flat", "weight_shape"], ["weight"]),
        helper.make_node("Conv", ["centred", "weight"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("Transpose", ["features"], ["channels_last"], perm=[0, 2, 3, 1]),
        helper.make_node("Dropout", ["channels_last", "ratio"], ["kept"]),
        helper.make_node("Reshape", ["kept", "rows"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "quantised",
        [
            helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, SIDE, SIDE]),
            helper.make_tensor_value_info("offset", TensorProto.FLOAT, [1]),
            helper.make_tensor_value_info("unread", TensorProto.FLOAT, [3]),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, SIDE * SIDE, 2])],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def run(model: onnx.ModelProto, **inputs: NDArray[Any]) -> NDArray[Any]:
    """The one output, by ONNX's own reference implementation."""
    (output,) = cast("list[NDArray[Any]]", ReferenceEvaluator(model).run(None, inputs))
    return output


def model_file_for(content: bytes, *origins: str, name: str = "tiny.onnx") -> ModelFile:
    return ModelFile(name=name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content), origins=origins)


def embedder_spec_for(*files: ModelFile, name: str = "tiny") -> EmbedderSpec:
    return EmbedderSpec(
        name=name,
        title="Tiny",
        task="embed",
        licence="MIT",
        files=files,
        input=EmbedderNetworkInput(colour="rgb", size=SIDE),
        template="arcface-112",
        embedding_dim=2,
        similarity="cosine",
        similarity_threshold=0.5,
        similarity_source="made up",
    )
