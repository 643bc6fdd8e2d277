"""A face in a film of high dynamic range is alike to itself in the film's ordinary twin."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import visage
from tests.clips import write_clip
from tests.films import write_film
from tests.media import Media
from visage.models import ModelStore

LEAST = 0.95
"""Cosine; without a map of tones it was 0.88 for PQ and 0.93 for HLG."""


@pytest.fixture(scope="module")
def portraits(media: Media) -> list[NDArray[np.uint8]]:
    """Two people, 512 x 512, BGR."""
    images = []
    for name in ("obama.jpg", "biden.jpg"):
        image = cv2.imread(str(media.path(name)))
        assert image is not None
        side = min(image.shape[:2])
        images.append(cv2.resize(image[:side, :side], (512, 512), interpolation=cv2.INTER_AREA).astype(np.uint8))
    return images


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67", "bt2020-10"])
def test_faces_are_alike_to_their_ordinary_twins(
    transfer: str, portraits: list[NDArray[np.uint8]], models: ModelStore, tmp_path: Path
) -> None:
    film = write_film(tmp_path / "film.mkv", portraits, transfer)
    twin = write_clip(tmp_path / "twin.mkv", images=portraits, options={"crf": "6"}, colorspace=1)
    seen, expected = (list(visage.analyze(path, model_dir=models.model_dir, device="cpu")) for path in (film, twin))
    for frame, ordinary in zip(seen, expected, strict=True):
        (face,), (itself,) = frame.faces, ordinary.faces
        assert face.embedding is not None
        assert itself.embedding is not None
        assert face.embedding @ itself.embedding >= LEAST
