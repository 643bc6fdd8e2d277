"""Models in int8: made, judged, kept under a name, and run by every backend of the host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

import visage
from stages.backends.onnxruntime import OnnxRuntimeBackend
from stages.backends.openvino import OpenVINOBackend
from stages.buffers import HostStream
from tests.media import Media
from tests.models import Seed
from visage.assembly.calibration import collect
from visage.cli.models import app
from visage.config import Settings
from visage.evaluation import cost
from visage.models import ModelStore
from visage.models.errors import CalibrationFailed

runner = CliRunner()


@pytest.fixture
def model_dir(seed: Seed) -> Path:
    return seed("yunet", "sface").model_dir


def quantize(name: str, model_dir: Path, media: Media, *more: str) -> str:
    clip = media.path("single_face.mp4")
    arguments = ["quantize", name, "--calibrate", str(clip), "--most", "12", "--model-dir", str(model_dir), *more]
    result = runner.invoke(app, arguments)
    assert result.exit_code in (0, 1), result.output
    return result.output


def test_a_detector_in_int8_finds_the_face_and_is_a_model_like_any_other(model_dir: Path, media: Media) -> None:
    output = quantize("yunet", model_dir, media)

    assert "0.00% of 5 faces lost" in output
    assert "Kept as yunet-int8." in output
    network = onnx.load(ModelStore(model_dir).prepared("yunet-int8"))
    kinds = {node.op_type for node in network.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    stored = {tensor.name: tensor.data_type for tensor in network.graph.initializer}
    assert onnx.TensorProto.INT8 in stored.values()
    for backend in ("openvino", "onnxruntime"):
        frames = list(
            visage.analyze(
                media.path("obama.jpg"), detector="yunet-int8", embed=None, model_dir=model_dir, backend=backend
            )
        )
        assert [len(frame.faces) for frame in frames] == [1]


def test_an_embedder_in_int8_runs_alike_on_both_backends(model_dir: Path, media: Media) -> None:
    quantize("sface", model_dir, media, "--keep-anyway")
    path = ModelStore(model_dir).prepared("sface-int8")
    photographs = [media.path(name) for name in ("obama.jpg", "biden.jpg")]
    crops = np.array(collect(photographs, Settings(model_dir=model_dir, device="cpu"), most=2).crops)

    first, second = (
        np.array(next(iter(backend.infer(crops, stream=HostStream()).values())), np.float32)
        for backend in (
            OnnxRuntimeBackend(path, max_batch=2, threads=1),
            OpenVINOBackend(path, max_batch=2, threads=1, precision="fp32"),
        )
    )

    alike = (first * second).sum(axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    assert alike.min() > 0.99


def test_a_name_that_is_taken_is_refused_before_the_work_and_replaced_by_force(model_dir: Path, media: Media) -> None:
    quantize("yunet", model_dir, media)
    before = ModelStore(model_dir).spec("yunet-int8").notes
    nowhere = ["--calibrate", str(model_dir), "--model-dir", str(model_dir)]  # no video: the work would fail

    for options, reason in (
        ([], "there is a model 'yunet-int8' already"),
        (["--name", "sface"], "Visage has a model 'sface' of its own"),
        (["--name", "sface", "--force"], "Visage has a model 'sface' of its own"),
    ):
        refused = runner.invoke(app, ["quantize", "yunet", *nowhere, *options])
        assert refused.exit_code == 2
        assert reason in " ".join(refused.output.replace("│", " ").split())
    assert "Kept as small." in quantize("yunet", model_dir, media, "--name", "Small")
    assert "Kept as yunet-int8." in quantize("yunet", model_dir, media, "--force")

    catalog = (model_dir / "catalog.toml").read_text()
    assert (catalog.count("[yunet-int8]"), catalog.count("[small]")) == (1, 1)
    assert ModelStore(model_dir).spec("yunet-int8").notes != before
    assert ModelStore(model_dir).verify("yunet-int8").is_ok


def test_nothing_but_the_outcome_is_printed(model_dir: Path, media: Media, capfd: pytest.CaptureFixture[str]) -> None:
    """ONNX Runtime writes its warnings past Python, to the process's own output."""
    quantize("yunet", model_dir, media)

    assert capfd.readouterr() == ("", "")


def test_what_shows_no_face_or_too_little_is_one_line(model_dir: Path, media: Media) -> None:
    for model, clip, reason in (
        ("yunet", "no_face.mp4", "shows no faces to judge by"),
        ("sface", "no_face.mp4", "0 faces in"),
        ("yunet", "obama.jpg", "1 frames in"),
    ):
        arguments = ["quantize", model, "--calibrate", str(media.path(clip)), "--model-dir", str(model_dir)]
        result = runner.invoke(app, arguments)
        assert isinstance(result.exception, CalibrationFailed)
        assert reason in str(result.exception)


def test_half_precision_is_made_the_same_way(model_dir: Path, media: Media) -> None:
    assert "Kept as yunet-fp16." in quantize("yunet", model_dir, media, "--precision", "fp16")


def test_what_loses_too_much_is_not_kept(model_dir: Path, media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MAX_LOST", -1.0)

    assert "Not kept" in quantize("yunet", model_dir, media)
    assert not (model_dir / "catalog.toml").exists()


def test_a_lost_face_is_counted(models: ModelStore, media: Media, tmp_path: Path) -> None:
    """Against a network whose last layer's bias is so low that it finds nothing."""
    prepared = models.prepared("yunet")
    blind = onnx.load(prepared)
    for tensor in blind.graph.initializer:
        if tensor.dims == [1]:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.array([-100.0], np.float32), tensor.name))
    onnx.save(blind, str(tmp_path / "blind.onnx"))
    spec = models.spec("yunet")
    assert isinstance(spec, visage.models.DetectorSpec)
    import cv2  # noqa: PLC0415

    image = cv2.resize(cv2.imread(str(media.path("obama.jpg"))), (640, 384))  # type: ignore[arg-type]

    found = cost.detector_cost(prepared, tmp_path / "blind.onnx", [np.asarray(image, np.uint8)], spec)

    assert (found.lost, found.items, found.is_acceptable) == (1.0, 1, False)
