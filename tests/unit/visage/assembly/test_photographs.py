"""Which files are read as photographs, and that a run sees every picture of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import visage
from tests.clips import picture, write_clip
from visage.assembly.photographs import is_photograph
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models import ModelStore


def spec(uri: Path | str, **properties: str) -> SourceSpec:
    return SourceSpec.model_validate({"uri": str(uri), "source_id": "x", **properties})


def save(path: Path, numbers: range) -> Path:
    first, *others = (Image.fromarray(np.ascontiguousarray(picture(number)[..., ::-1])) for number in numbers)
    first.save(path, save_all=bool(others), append_images=others)
    return path


def test_photographs_are_told_by_their_content_and_films_of_jpegs_are_films(tmp_path: Path) -> None:
    photograph = save(tmp_path / "photo.jpg", range(1))
    assert is_photograph(spec(photograph))
    assert is_photograph(spec(photograph.rename(tmp_path / "no suffix")))
    film = write_clip(tmp_path / "film.mjpeg", frames=3, codec="mjpeg", pix_fmt="yuvj420p")
    assert not is_photograph(spec(film))
    assert not is_photograph(spec(film.rename(tmp_path / "film")))
    assert not is_photograph(spec(save(tmp_path / "moving.gif", range(3))))
    assert not is_photograph(spec(write_clip(tmp_path / "clip.mp4", frames=2)))
    assert not is_photograph(spec("http://camera/photo.jpg"))
    assert not is_photograph(spec("/dev/video0", input_format="v4l2"))
    assert not is_photograph(spec(tmp_path / "none.jpg"))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "avif"])
def test_a_run_sees_every_picture_of_a_moving_one(tmp_path: Path, suffix: str, models: ModelStore) -> None:
    path = save(tmp_path / f"moving.{suffix}", range(6))
    frames = list(visage.analyze(path, Settings(model_dir=models.model_dir), embed="none"))
    assert [frame.index for frame in frames] == list(range(6))
