"""Networks in half precision compute what they did, take and give what they did."""

from __future__ import annotations

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.media import Media
from visage.models import ModelDamaged, ModelStore
from visage.models.precision import to_half


def run(model: onnx.ModelProto, batch: NDArray[np.generic]) -> dict[str, NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True))


def normalisation(variance: float, *, rank: int = 4) -> onnx.ModelProto:
    parameters = {"gamma": [2.0, 1.0], "beta": [0.5, -1.0], "mean": [3.0, 0.0], "variance": [variance, 1.0]}
    shape = ("N", 2, 4, 4)[:rank]
    graph = helper.make_graph(
        [helper.make_node("BatchNormalization", ["x", *parameters], ["y"], epsilon=1e-12)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in parameters.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(("name", "shape"), [("yunet", (640, 640)), ("sface", (112, 112))])
def test_a_photograph_gives_the_same_in_half_precision(
    name: str, shape: tuple[int, int], models: ModelStore, media: Media
) -> None:
    """float16 keeps 11 bits, so after tens of layers cosines stay above 0.9999."""
    full = onnx.load(models.prepared(name))
    photograph = cv2.imread(str(media.path("obama.jpg")))
    assert photograph is not None
    picture = cv2.resize(photograph, shape[::-1])
    expected, found = (run(model, np.stack([picture, picture[:, ::-1]])) for model in (full, to_half(full)))
    assert expected.keys() == found.keys()
    for output, values in expected.items():
        a, b = values.ravel().astype(np.float64), found[output].ravel().astype(np.float64)
        assert found[output].dtype == np.float32
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.9999, output


def test_weights_take_half_the_space_and_the_original_is_left_alone(models: ModelStore) -> None:
    full = onnx.load(models.prepared("sface"))
    before = full.SerializeToString(deterministic=True)
    assert len(to_half(full).SerializeToString()) < 0.51 * len(before)
    assert full.SerializeToString(deterministic=True) == before


def test_nothing_but_what_onnx_demands_is_left_in_single_precision(models: ModelStore) -> None:
    half = to_half(onnx.load(models.prepared("yunet")))
    floats = {tensor.name for tensor in half.graph.initializer if tensor.data_type == TensorProto.FLOAT}
    readers = {node.op_type for node in half.graph.node for name in node.input if name in floats}
    assert readers == {"Resize"}


@pytest.mark.parametrize("rank", [2, 4])
def test_a_variance_that_half_precision_can_t_hold_survives(rank: int) -> None:
    model = normalisation(variance=1e-8, rank=rank)
    batch = np.linspace(2.999, 3.001, 2 * 2 * 4 ** (rank - 2), dtype=np.float32).reshape(2, 2, *[4] * (rank - 2))
    expected, found = run(model, batch)["y"], run(to_half(model), batch)["y"]
    assert np.isfinite(found).all()
    # x - mean is of the order of float16's step at 3 (2**-9), and divided by 1e-4.
    assert np.abs(found - expected).max() < 2 * 2**-9 / 1e-4


def test_values_beyond_half_precision_are_clipped_not_infinite() -> None:
    model = normalisation(variance=1.0)
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.array([1e6, 0], np.float32), "beta"))
    assert np.isfinite(run(to_half(model), np.zeros((1, 2, 4, 4), np.float32))["y"]).all()


def test_computed_normalisation_parameters_are_refused() -> None:
    model = normalisation(variance=1.0)
    model.graph.node.insert(0, helper.make_node("Identity", ["gamma"], ["gamma_copy"]))
    model.graph.node[1].input[1] = "gamma_copy"
    with pytest.raises(ModelDamaged, match="computed, not stored"):
        to_half(model)
