"""Faces that a detector sees badly at first, found, aligned and recognised by the real networks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import visage
from stages.frames import FloatArray
from tests.clips import write_clip
from tests.media import Media
from visage.assembly.turning import TurnFinder
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models import ModelStore
from visage.people import FaceReader, choose_face

SIZE = (1280, 720)
MIDDLE = (SIZE[0] / 2, SIZE[1] / 2)


@pytest.fixture(scope="module")
def settings(models: ModelStore) -> Settings:
    return Settings(model_dir=models.model_dir, device="cpu", precision="fp32", track=False, score_threshold=0.4)


def shown(photograph: NDArray[np.uint8], box_xyxy: FloatArray, *, height: float, degrees: float) -> NDArray[np.uint8]:
    """The face, so many pixels high and turned counter-clockwise, in the middle of a grey picture of 1280x720."""
    left, top, right, bottom = box_xyxy.tolist()
    scale = height / (bottom - top)
    middle = (left + right) / 2, (top + bottom) / 2
    image = cv2.GaussianBlur(photograph, (0, 0), 0.4 / scale) if scale < 1 else photograph
    matrix = cv2.getRotationMatrix2D(middle, degrees, scale)
    matrix[:, 2] += (MIDDLE[0] - middle[0], MIDDLE[1] - middle[1])
    return np.asarray(cv2.warpAffine(image, matrix, SIZE, borderValue=(110, 110, 110)), np.uint8)


@pytest.mark.parametrize(
    ("height", "degrees"),
    [(40, 0), (36, 0), (40, 30), (100, 30), (160, 45), (160, -45), (160, 90), (160, 180), (160, 270), (160, 150)],
)
def test_a_small_or_turned_face_is_the_same_person(
    height: int, degrees: int, settings: Settings, media: Media, tmp_path: Path
) -> None:
    """By the detector's own landmarks the cosines are 0.5 at 40 pixels, 0.2 to 0.5 from 30 degrees, none from 90 on."""
    with FaceReader(settings) as reader:
        upright = choose_face(reader.read(media.path("obama.jpg")), largest=True)
    photograph = cv2.imread(str(media.path("obama.jpg")))
    assert photograph is not None
    picture = shown(np.asarray(photograph, np.uint8), upright.box_xyxy, height=height, degrees=degrees)
    cv2.imwrite(str(tmp_path / "shown.png"), picture)
    (frame,) = visage.analyze(tmp_path / "shown.png", settings)
    (face,) = frame.faces
    assert face.embedding is not None
    assert face.embedding @ upright.embedding > 0.75


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_film_is_turned_so_that_its_faces_are_upright(
    degrees: int, settings: Settings, media: Media, tmp_path: Path
) -> None:
    photograph = cv2.imread(str(media.path("person_a_1.jpg")))
    assert photograph is not None
    height = 480 * photograph.shape[0] // photograph.shape[1] // 2 * 2
    upright = np.asarray(cv2.resize(photograph, (480, height), interpolation=cv2.INTER_AREA), np.uint8)
    path = tmp_path / "film.mp4"
    write_clip(path, images=[np.ascontiguousarray(np.rot90(upright, degrees // 90))] * 60)  # counter-clockwise
    finder = TurnFinder(settings)
    assert finder.degrees(SourceSpec(uri=str(path), source_id="film")) == degrees
    finder.close()
    frame = next(iter(visage.analyze(path, settings.model_copy(update={"rotate": "auto"}))))
    assert (frame.width, frame.height) == (480, height)
    assert all(face.landmarks is not None and face.embedding is not None for face in frame.faces)


def test_a_film_without_faces_is_taken_as_it_is(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    rng = np.random.default_rng(1)
    write_clip(path, images=list(rng.integers(0, 255, (30, 96, 128, 3), np.uint8)))
    finder = TurnFinder(settings)
    assert finder.degrees(SourceSpec(uri=str(path), source_id="noise")) == 0
    finder.close()
