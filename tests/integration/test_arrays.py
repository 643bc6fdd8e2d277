"""Pictures that a program has already are analysed like films, and faces' pixels come back where they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import visage
from tests.clips import write_clip
from tests.media import Media
from visage.models import ModelStore

Image = NDArray[np.uint8]


@pytest.fixture
def portrait(media: Media) -> Image:
    image = cv2.imread(str(media.path("obama.jpg")))
    assert image is not None
    side = min(image.shape[:2])
    return np.asarray(cv2.resize(image[:side, :side], (320, 320), interpolation=cv2.INTER_AREA), np.uint8)


@pytest.fixture
def settings(models: ModelStore) -> visage.Settings:
    return visage.Settings(model_dir=models.model_dir, device="cpu")


def test_arrays_give_what_a_film_of_them_gives(portrait: Image, settings: visage.Settings, tmp_path: Path) -> None:
    images = [np.roll(portrait, 3 * step, axis=1) for step in range(6)]
    path = write_clip(tmp_path / "film.mkv", images=images, codec="ffv1", pix_fmt="bgr0", fps=24)
    film = list(visage.analyze(path, settings))
    buffer = np.empty_like(portrait)

    def reused() -> Iterator[Image]:
        for image in images:
            buffer[:] = image
            yield buffer

    frames = list(visage.analyze_frames(reused(), settings, fps=24, source_id="game"))
    assert [(frame.source_id, frame.index) for frame in frames] == [("game", index) for index in range(6)]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([frame.pts_seconds for frame in film], abs=1e-3)
    for frame, same in zip(frames, film, strict=True):
        assert [face.track_id for face in frame.faces] == [1]
        assert frame.faces[0].box_xyxy == pytest.approx(same.faces[0].box_xyxy, abs=1)
        embedding, expected = frame.faces[0].embedding, same.faces[0].embedding
        assert embedding is not None
        assert expected is not None
        assert embedding @ expected > 0.99


def test_frames_may_have_times_of_their_own(portrait: Image, settings: visage.Settings) -> None:
    frames = visage.analyze_frames([(0.5, portrait), (2.25, portrait)], settings, embed=False)
    assert [frame.pts_seconds for frame in frames] == [0.5, 2.25]


def test_crops_are_the_frame_s_own_pixels_around_the_face(portrait: Image, settings: visage.Settings) -> None:
    (frame,) = visage.analyze_frames([portrait], settings, crops=True)
    (face,) = frame.faces
    left, top, right, bottom = face.box_xyxy
    assert face.crop is not None
    assert face.crop.shape[0] == pytest.approx(1.5 * (bottom - top), abs=2)
    assert face.crop.shape[1] == pytest.approx(1.5 * (right - left), abs=2)
    x, y = round(left - (right - left) / 4), round(top - (bottom - top) / 4)
    assert np.array_equal(face.crop, portrait[y:, x:][: face.crop.shape[0], : face.crop.shape[1]])
    (plain,) = visage.analyze_frames([portrait], settings)
    assert plain.faces[0].crop is None


@pytest.mark.parametrize(
    "frame", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32), np.zeros((0, 8, 3), np.uint8), "film.mp4"]
)
def test_what_is_no_picture_is_refused(frame: Image, settings: visage.Settings) -> None:
    with pytest.raises(visage.NotAVideo, match="frame 0"):
        list(visage.analyze_frames([frame], settings))


def test_no_frames_are_refused(settings: visage.Settings) -> None:
    with pytest.raises(visage.NotAVideo, match="no picture"):
        list(visage.analyze_frames([], settings))
    with pytest.raises(ValueError, match="fps must be above 0"):
        visage.analyze_frames([], settings, fps=0)


def test_what_came_before_the_caller_s_own_error_is_kept(portrait: Image, settings: visage.Settings) -> None:
    def broken() -> Iterator[Image]:
        yield portrait
        raise RuntimeError("the sensor is gone")

    frames = visage.analyze_frames(broken(), settings, embed=False)
    assert next(frames).faces
    with pytest.raises(visage.SourceBroken, match="the sensor is gone") as caught:
        next(frames)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_times_that_go_back_end_the_source(portrait: Image, settings: visage.Settings) -> None:
    with pytest.raises(visage.SourceBroken, match="not later"):
        list(visage.analyze_frames([(1.0, portrait), (0.5, portrait)], settings, embed=False))


def test_leaving_early_asks_for_no_more_frames(portrait: Image, settings: visage.Settings) -> None:
    def endless() -> Iterator[Image]:
        while True:
            yield portrait

    for frame in visage.analyze_frames(endless(), settings, embed=False):
        assert frame.faces
        break
