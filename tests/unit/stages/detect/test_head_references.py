"""Every family's head against its formulas, read one anchor at a time in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.buffers import HostStream
from stages.detect.heads.families import families, head_family
from stages.errors import ModelMismatch
from stages.imaging.letterbox import Letterbox

SHAPE = (96, 128)
IDENTITY = Letterbox(1.0, 1.0, 0, 0, 128, 96)
STREAM = HostStream()
THRESHOLD, IOU = 0.6, 0.4

Outputs = dict[str, NDArray[np.generic]]
Row = list[float]


def scores(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    return rng.beta(0.5, 1.2, shape).astype(np.float32)


def yolo_outputs(rng: np.random.Generator, count: int, channels: int) -> Outputs:
    anchors = sum((SHAPE[0] // s) * (SHAPE[1] // s) for s in (8, 16, 32))
    output = rng.uniform(5, 90, (count, channels, anchors)).astype(np.float32)
    output[:, 2:4] /= 3  # room for several faces
    output[:, 4] = scores(rng, count, anchors)
    return {"output0": output}


def yolo_rows(outputs: Outputs, frame: int) -> Iterator[Row]:
    for column in outputs["output0"][frame].astype(np.float64).T:
        x, y, w, h, score = (float(value) for value in column[:5])
        points = [float(value) for k, value in enumerate(column[5:]) if k % 3 != 2]
        yield [x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, *points]


def scrfd_outputs(rng: np.random.Generator, count: int, depths: tuple[int, ...]) -> Outputs:
    """Numbered as insightface's exporter does it: all scores, then all boxes, then all landmarks."""
    outputs: Outputs = {}
    for depth in depths:
        for stride in (8, 16, 32):
            shape = (count, (SHAPE[0] // stride) * (SHAPE[1] // stride) * 2, depth)
            outputs[str(400 + len(outputs))] = (
                scores(rng, *shape) if depth == 1 else rng.uniform(0, 3, shape).astype(np.float32)
            )
    return outputs


def scrfd_rows(outputs: Outputs, frame: int) -> Iterator[Row]:
    names = list(outputs)
    for level, stride in enumerate((8, 16, 32)):
        arrays = [outputs[name][frame].astype(np.float64) for name in names[level::3]]
        for anchor in range(len(arrays[0])):
            r, c = divmod(anchor // 2, SHAPE[1] // stride)
            x, y = c * stride, r * stride
            left, up, right, down = arrays[1][anchor] * stride
            points = [float(v * stride + (x, y)[k % 2]) for array in arrays[2:] for k, v in enumerate(array[anchor])]
            yield [x - left, y - up, x + right, y + down, float(arrays[0][anchor, 0]), *points]


def retinaface_outputs(rng: np.random.Generator, count: int) -> Outputs:
    anchors = 2 * sum((SHAPE[0] // s) * (SHAPE[1] // s) for s in (8, 16, 32))
    face = scores(rng, count, anchors, 1)
    return {
        "bbox": rng.normal(0, 1, (count, anchors, 4)).astype(np.float32),
        "confidence": np.concatenate([1 - face, face], axis=2),
        "landmark": rng.normal(0, 2, (count, anchors, 10)).astype(np.float32),
    }


def retinaface_rows(outputs: Outputs, frame: int) -> Iterator[Row]:
    boxes, classes, landmarks = (outputs[name][frame].astype(np.float64) for name in outputs)
    anchor = 0
    for stride, sides in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))):
        for r in range(SHAPE[0] // stride):
            for c in range(SHAPE[1] // stride):
                for side in sides:
                    px, py = (c + 0.5) * stride, (r + 0.5) * stride
                    bx, by, bw, bh = boxes[anchor]
                    x, y = px + 0.1 * bx * side, py + 0.1 * by * side
                    w, h = side * np.exp(0.2 * bw), side * np.exp(0.2 * bh)
                    points = [float((px, py)[k % 2] + 0.1 * v * side) for k, v in enumerate(landmarks[anchor])]
                    score = float(classes[anchor, 1])
                    yield [x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, *points]
                    anchor += 1


def centerface_outputs(rng: np.random.Generator, count: int) -> Outputs:
    cells = (SHAPE[0] // 4, SHAPE[1] // 4)
    return {
        "537": scores(rng, count, 1, *cells),
        "538": rng.uniform(1, 2.5, (count, 2, *cells)).astype(np.float32),
        "539": rng.uniform(0, 1, (count, 2, *cells)).astype(np.float32),
        "540": rng.uniform(0, 1, (count, 10, *cells)).astype(np.float32),
    }


def centerface_rows(outputs: Outputs, frame: int) -> Iterator[Row]:
    heat, size, offset, marks = (outputs[name][frame].astype(np.float64) for name in outputs)
    for r in range(SHAPE[0] // 4):
        for c in range(SHAPE[1] // 4):
            h, w = (float(v) for v in np.exp(size[:, r, c]) * 4)
            x = (c + offset[1, r, c] + 0.5) * 4 - w / 2
            y = (r + offset[0, r, c] + 0.5) * 4 - h / 2
            points = [v for k in range(5) for v in (x + marks[2 * k + 1, r, c] * w, y + marks[2 * k, r, c] * h)]
            yield [x, y, x + w, y + h, float(heat[0, r, c]), *points]


CASES: dict[str, tuple[str, Callable[[np.random.Generator, int], Outputs], Callable[[Outputs, int], Iterator[Row]]]] = {
    "yolo": ("yolo", lambda rng, n: yolo_outputs(rng, n, 5), yolo_rows),
    "yolo with landmarks": ("yolo", lambda rng, n: yolo_outputs(rng, n, 20), yolo_rows),
    "scrfd": ("scrfd", lambda rng, n: scrfd_outputs(rng, n, (1, 4, 10)), scrfd_rows),
    "scrfd without landmarks": ("scrfd", lambda rng, n: scrfd_outputs(rng, n, (1, 4)), scrfd_rows),
    "retinaface": ("retinaface", retinaface_outputs, retinaface_rows),
    "centerface": ("centerface", centerface_outputs, centerface_rows),
}


def reference(rows: Iterator[Row]) -> list[Row]:
    """Threshold, best first, greedy suppression; each where those that it suppresses, and itself, see it."""
    kept: list[Row] = []
    heard: list[list[Row]] = []
    for row in sorted((row for row in rows if row[4] >= THRESHOLD), key=lambda row: -row[4]):
        owner = next((place for place, better in enumerate(kept) if overlap(row, better) > IOU), None)
        if owner is None:
            kept.append(row)
            heard.append([row])
        elif overlap(row, kept[owner]) >= 0.5:
            heard[owner].append(row)
    means = [np.average(voters, axis=0, weights=[row[4] ** 4 for row in voters]) for voters in heard]
    return [[*mean[:4], best[4], *mean[5:]] for best, mean in zip(kept, means, strict=True)]


def overlap(a: Row, b: Row) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0.0) * max(height, 0.0)
    return common / (sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - common)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES)
def test_faces_are_those_of_the_formulas(case: str, seed: int) -> None:
    family, make, rows = CASES[case]
    outputs = make(np.random.default_rng(seed), 3)
    head = head_family(family).head(score_threshold=THRESHOLD, nms_iou=IOU)

    found = head.decode(outputs, [IDENTITY] * 3, SHAPE, stream=STREAM)

    for frame, faces in enumerate(found):
        expected = np.array(reference(rows(outputs, frame)))
        assert len(expected) > 2
        np.testing.assert_allclose(faces.boxes_xyxy, expected[:, :4], atol=1e-3)
        np.testing.assert_allclose(faces.scores, expected[:, 4], atol=1e-6)
        assert (faces.landmarks is not None) == (expected.shape[1] > 5)
        if faces.landmarks is not None:
            np.testing.assert_allclose(faces.landmarks.reshape(-1, 10), expected[:, 5:], atol=2e-3)


@pytest.mark.parametrize("case", CASES)
def test_coordinates_go_back_through_the_letterbox_and_batches_do_not_matter(case: str) -> None:
    family, make, _ = CASES[case]
    outputs = make(np.random.default_rng(9), 2)
    head = head_family(family).head(score_threshold=THRESHOLD, nms_iou=IOU)
    _, plain = head.decode(outputs, [IDENTITY] * 2, SHAPE, stream=STREAM)

    second = {name: output[1:] for name, output in outputs.items()}
    (mapped,) = head.decode(second, [Letterbox(0.25, 0.5, 10, 20, 100, 50)], SHAPE, stream=STREAM)

    np.testing.assert_allclose(mapped.boxes_xyxy[:, 0], (plain.boxes_xyxy[:, 0] - 10) / 0.25, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(mapped.boxes_xyxy[:, 3], (plain.boxes_xyxy[:, 3] - 20) / 0.5, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_a_family_recognises_its_own_outputs_and_no_others(case: str) -> None:
    outputs = CASES[case][1](np.random.default_rng(0), 1)
    shapes = {name: tuple(output.shape) for name, output in outputs.items()}

    assert [name for name, family in families().items() if family.recognises(shapes, SHAPE)] == [CASES[case][0]]


@pytest.mark.parametrize("case", CASES)
def test_no_face_is_an_empty_record(case: str) -> None:
    family, make, _ = CASES[case]
    outputs: Outputs = {name: np.zeros_like(a) for name, a in make(np.random.default_rng(0), 2).items()}

    found = (
        head_family(family)
        .head(score_threshold=THRESHOLD, nms_iou=IOU)
        .decode(outputs, [IDENTITY] * 2, SHAPE, stream=STREAM)
    )

    assert [len(faces) for faces in found] == [0, 0]


@pytest.mark.parametrize("family", ["yolo", "scrfd", "retinaface", "centerface"])
def test_another_networks_outputs_are_refused(family: str) -> None:
    head = head_family(family).head(score_threshold=THRESHOLD, nms_iou=IOU)
    with pytest.raises(ModelMismatch, match=r"not an? .*found|outputs are"):
        head.decode({"fc1": np.zeros((1, 128), np.float32)}, [IDENTITY], SHAPE, stream=STREAM)


def test_an_unknown_head_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ModelMismatch, match="'nosuch'; there is: centerface, retinaface, scrfd, yolo, yunet"):
        head_family("nosuch")
