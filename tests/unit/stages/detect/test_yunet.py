from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.buffers import HostStream
from stages.detect.heads.yunet import YuNetHead
from stages.errors import ModelMismatch
from stages.imaging.letterbox import DetectorInput, Letterbox

SHAPE = (96, 128)
IDENTITY = Letterbox(1.0, 1.0, 0, 0, 128, 96)
STREAM = HostStream()

Outputs = dict[str, NDArray[np.generic]]


def random_outputs(count: int, *, seed: int = 0, spread: float = 0.6) -> Outputs:
    """Outputs in which a few anchors a frame pass a threshold of 0.6."""
    rng = np.random.default_rng(seed)
    outputs: Outputs = {}
    for stride in (8, 16, 32):
        anchors = (SHAPE[0] // stride) * (SHAPE[1] // stride)
        outputs[f"cls_{stride}"] = rng.beta(spread, 1.5, (count, anchors, 1)).astype(np.float32)
        outputs[f"obj_{stride}"] = rng.beta(spread, 1.5, (count, anchors, 1)).astype(np.float32)
        outputs[f"bbox_{stride}"] = rng.normal(0, 0.7, (count, anchors, 4)).astype(np.float32)
        outputs[f"kps_{stride}"] = rng.normal(0, 1.0, (count, anchors, 10)).astype(np.float32)
    return outputs


def reference(outputs: Outputs, frame: int, threshold: float, iou: float) -> list[list[float]]:
    """The head as its formulas read, one anchor at a time, in float64: rows of box, score, landmarks."""
    rows = []
    for stride in (8, 16, 32):
        columns = SHAPE[1] // stride
        for anchor in range(outputs[f"cls_{stride}"].shape[1]):
            cls, obj = (float(outputs[f"{kind}_{stride}"][frame, anchor, 0]) for kind in ("cls", "obj"))
            score = (cls * obj) ** 0.5
            if score < threshold:
                continue
            c, r = anchor % columns, anchor // columns
            dx, dy, w, h = outputs[f"bbox_{stride}"][frame, anchor].astype(np.float64)
            x, y = (c + dx) * stride, (r + dy) * stride
            w, h = np.exp(w) * stride, np.exp(h) * stride
            points = outputs[f"kps_{stride}"][frame, anchor].astype(np.float64).reshape(5, 2)
            landmarks = ((points + np.array([c, r])) * stride).ravel()
            rows.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, *landmarks])
    rows.sort(key=lambda row: -row[4])
    kept: list[list[float]] = []
    for row in rows:
        if all(overlap(row, better) <= iou for better in kept):
            kept.append(row)
    return kept


def overlap(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    area_a, area_b = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return common / (area_a + area_b - common)


@pytest.mark.parametrize("seed", range(5))
def test_faces_are_those_of_the_formulas(seed: int) -> None:
    outputs = random_outputs(3, seed=seed)
    found = YuNetHead(score_threshold=0.6, nms_iou=0.3).decode(outputs, [IDENTITY] * 3, SHAPE, stream=STREAM)
    for frame, faces in enumerate(found):
        expected = np.array(reference(outputs, frame, 0.6, 0.3)).reshape(-1, 15)
        assert len(expected) > 3
        np.testing.assert_allclose(faces.boxes_xyxy, expected[:, :4], atol=2e-4)
        np.testing.assert_allclose(faces.scores, expected[:, 4], atol=1e-6)
        assert faces.landmarks is not None
        np.testing.assert_allclose(faces.landmarks.reshape(-1, 10), expected[:, 5:], atol=2e-4)


@pytest.mark.smoke
def test_a_frames_faces_do_not_depend_on_its_batch() -> None:
    head = YuNetHead(score_threshold=0.6, nms_iou=0.3)
    outputs = random_outputs(4)
    together = head.decode(outputs, [IDENTITY] * 4, SHAPE, stream=STREAM)
    for frame, faces in enumerate(together):
        alone = {name: output[frame : frame + 1] for name, output in outputs.items()}
        (single,) = head.decode(alone, [IDENTITY], SHAPE, stream=STREAM)
        np.testing.assert_array_equal(single.boxes_xyxy, faces.boxes_xyxy)


@pytest.mark.smoke
def test_coordinates_go_back_through_the_letterbox() -> None:
    outputs = random_outputs(1)
    head = YuNetHead(score_threshold=0.6, nms_iou=0.3)
    (plain,) = head.decode(outputs, [IDENTITY], SHAPE, stream=STREAM)
    letterbox = DetectorInput(longest=128).fit(512, 256)
    assert (letterbox.scale_x, letterbox.offset_y) == (0.25, 0)
    shifted = Letterbox(0.25, 0.5, 10, 20, 100, 50)
    (mapped,) = head.decode(outputs, [shifted], SHAPE, stream=STREAM)
    np.testing.assert_allclose(mapped.boxes_xyxy[:, 0], (plain.boxes_xyxy[:, 0] - 10) / 0.25, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(mapped.boxes_xyxy[:, 3], (plain.boxes_xyxy[:, 3] - 20) / 0.5, rtol=1e-5, atol=1e-3)


def test_nothing_above_the_threshold_is_no_face() -> None:
    outputs = {name: np.zeros_like(output) for name, output in random_outputs(2).items()}
    found = YuNetHead(score_threshold=0.6, nms_iou=0.3).decode(outputs, [IDENTITY] * 2, SHAPE, stream=STREAM)
    assert [len(faces) for faces in found] == [0, 0]


def test_another_networks_outputs_are_refused() -> None:
    outputs = random_outputs(1)
    del outputs["kps_16"]
    with pytest.raises(ModelMismatch, match="kps_16 should have shape"):
        YuNetHead(score_threshold=0.6, nms_iou=0.3).decode(outputs, [IDENTITY], SHAPE, stream=STREAM)


@pytest.mark.parametrize("seed", range(3))
def test_weak_candidates_change_no_strong_face(seed: int) -> None:
    outputs = random_outputs(3, seed=seed)
    for name, output in outputs.items():
        if name.startswith("bbox"):
            np.asarray(output, np.float32)[..., 2:] += 1.0  # large boxes overlap: many candidates vote
    plain = YuNetHead(score_threshold=0.6, nms_iou=0.3).decode(outputs, [IDENTITY] * 3, SHAPE, stream=STREAM)
    head = YuNetHead(score_threshold=0.4, nms_iou=0.3, strong_threshold=0.6)
    mixed = head.decode(outputs, [IDENTITY] * 3, SHAPE, stream=STREAM)
    assert sum(map(len, mixed)) > sum(map(len, plain))
    for strong, faces in zip(plain, mixed, strict=True):
        assert (faces.scores[len(strong) :] < 0.6).all()
        first = faces.select(np.arange(len(strong)))
        np.testing.assert_array_equal(first.scores, strong.scores)
        np.testing.assert_array_equal(first.boxes_xyxy, strong.boxes_xyxy)
        assert first.landmarks is not None
        assert strong.landmarks is not None
        np.testing.assert_array_equal(first.landmarks, strong.landmarks)
