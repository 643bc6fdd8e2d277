"""Engines built for real, without a card: TensorRT for RTX has the API of TensorRT 10 and 11, and builds anywhere."""

from __future__ import annotations

import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stages.backends.tensorrt_api import TensorRTApi
from stages.backends.tensorrt_builder import BuildProgress, EngineBuilder, ShapeRange
from stages.errors import ModelMismatch
from stages.imaging.letterbox import DetectorInput
from visage.models import ModelStore
from visage.models.engines import detector_shapes, embedder_shapes
from visage.models.precision import to_half


@pytest.fixture(scope="module")
def api() -> TensorRTApi:
    return TensorRTApi.load()


def convolution(*, channels: int = 4) -> onnx.ModelProto:
    """uint8 (N, H, W, 3) -> float32 (N, channels, H, W), as a prepared network begins."""
    weights = np.random.default_rng(0).normal(size=(channels, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["picture"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weights"], ["features"], pads=[1, 1, 1, 1]),
    ]
    picture = helper.make_tensor_value_info("picture", TensorProto.UINT8, ["N", "H", "W", 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", channels, "H", "W"])
    graph = helper.make_graph(nodes, "g", [picture], [features], [numpy_helper.from_array(weights, "weights")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


SHAPES = [ShapeRange((1, 32, 32, 3), (4, 32, 64, 3), (8, 64, 64, 3))]


def test_every_model_of_the_catalogue_builds_in_half_precision(api: TensorRTApi, models: ModelStore) -> None:
    for name, shapes in (
        ("yunet", detector_shapes(DetectorInput(coarse=True), 32)),
        ("sface", embedder_shapes(112, 32)),
    ):
        network = to_half(onnx.load(models.prepared(name))).SerializeToString()
        weights = len(network)
        built = EngineBuilder(api).build(network, list(shapes))
        assert len(built.plan) > weights / 2, name


def test_half_precision_halves_an_engine(api: TensorRTApi) -> None:
    model = convolution(channels=2048)
    full = EngineBuilder(api).build(model.SerializeToString(), SHAPES).plan
    half = EngineBuilder(api).build(to_half(model).SerializeToString(), SHAPES).plan
    saved = 2048 * 27 * 2
    assert len(full) - len(half) > saved / 2


def test_several_profiles_build(api: TensorRTApi) -> None:
    single = ShapeRange((1, 32, 32, 3), (1, 32, 64, 3), (1, 64, 64, 3))
    assert EngineBuilder(api).build(convolution().SerializeToString(), [single, *SHAPES]).plan


def test_progress_ends_at_one_and_never_goes_back(api: TensorRTApi, models: ModelStore) -> None:
    seen: list[BuildProgress] = []
    network = to_half(onnx.load(models.prepared("yunet"))).SerializeToString()
    EngineBuilder(api).build(network, list(detector_shapes(DetectorInput(coarse=True), 32)), on_progress=seen.append)
    fractions = [progress.fraction or 0.0 for progress in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert not [thread for thread in threading.enumerate() if thread.name == "engine-build-progress"]


def test_what_is_no_model_is_refused_with_the_parser_s_reason(api: TensorRTApi) -> None:
    with pytest.raises(ModelMismatch, match=r"can't read the model: .+") as caught:
        EngineBuilder(api).build(b"no model", SHAPES)
    assert "\n" not in str(caught.value)
    assert "gave no reason" not in str(caught.value)


@pytest.mark.parametrize(
    "shapes",
    [
        ShapeRange((1, 3, 32, 32), (1, 3, 32, 32), (1, 3, 32, 32)),
        ShapeRange((1, 32), (1, 32), (1, 32)),
        ShapeRange((1, 32, 32, 3), (1, 32, 32, 4), (1, 32, 32, 4)),
    ],
)
def test_shapes_that_the_model_can_t_have_are_refused(api: TensorRTApi, shapes: ShapeRange) -> None:
    with pytest.raises(ModelMismatch, match="which don't cover"):
        EngineBuilder(api).build(convolution().SerializeToString(), [shapes])


def test_a_failure_names_its_own_reason_and_not_an_earlier_one(api: TensorRTApi) -> None:
    with pytest.raises(ModelMismatch):
        EngineBuilder(api).build(b"no model", SHAPES)
    EngineBuilder(api).build(convolution().SerializeToString(), SHAPES)
    assert api.take_errors() == "TensorRT gave no reason"


def test_a_range_covers_its_corners_and_nothing_beyond() -> None:
    (covered,) = SHAPES
    assert covered.covers((1, 32, 32, 3))
    assert covered.covers((8, 64, 64, 3))
    assert not covered.covers((9, 64, 64, 3))
    assert not covered.covers((1, 32, 32, 1))
    assert not covered.covers((1, 32, 32))
