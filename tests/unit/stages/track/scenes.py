"""Gray pictures with textured faces in them, and a luma that reads such pictures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import Faces, FloatArray, Frame, Picture
from stages.imaging.patches import PATCH_SIDE, THUMBNAIL_SIZE, Gray, PatchWindow

__all__ = ["FPS", "GrayLuma", "GrayPicture", "detected", "frame", "paint", "texture"]

FPS = 25


class GrayPicture:
    """A picture of one plane."""

    pixel_aspect = 1.0

    def __init__(self, samples: Gray) -> None:
        self.samples = samples
        self.height, self.width = samples.shape
        self.releases = 0

    def release(self) -> None:
        self.releases += 1


class GrayLuma:
    """Implements `stages.imaging.patches.PatchReader` for GrayPicture."""

    def patches(self, pictures: Sequence[Picture], windows: Sequence[Sequence[PatchWindow]]) -> list[list[Gray]]:
        return [
            [_cut(_samples(picture), window) for window in some]
            for picture, some in zip(pictures, windows, strict=True)
        ]

    def thumbnails(self, pictures: Sequence[Picture]) -> list[Gray]:
        return [
            np.asarray(cv2.resize(_samples(picture), THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA), np.uint8)
            for picture in pictures
        ]

    def close(self) -> None:
        pass


def texture(seed: int, height: int, width: int) -> Gray:
    """Blobs of all sizes, different for every seed."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width), 128, np.float32)
    for cells, strength in ((5, 45), (12, 30), (30, 15)):
        coarse = rng.normal(0, strength, (max(2, cells * height // width), cells)).astype(np.float32)
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(image.clip(0, 255), np.uint8)


def paint(
    faces: Sequence[tuple[int, float, float]],
    *,
    side: int = 80,
    size: tuple[int, int] = (640, 360),
    background: int = 99,
) -> Gray:
    """A picture with faces (seed, x and y of the middle), later ones before earlier ones. Subpixel exact."""
    width, height = size
    image = texture(background, height, width)
    for seed, x, y in faces:
        face = texture(seed, side, side)
        matrix = np.array([[1, 0, x - side / 2], [0, 1, y - side / 2]])
        rows, columns = np.ogrid[:height, :width]
        inside = (np.abs(columns + 0.5 - x) < side / 2) & (np.abs(rows + 0.5 - y) < side / 2)
        warped = cv2.warpAffine(face, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        image[inside] = warped[inside]
    return image


def detected(faces: Sequence[tuple[float, float]], *, side: float = 80) -> Faces:
    """What a detector would find at these middles, (x, y)."""
    boxes = [[x - side / 2, y - side / 2, x + side / 2, y + side / 2] for x, y in faces]
    return Faces(
        boxes_xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.linspace(0.9, 0.8, len(faces)).astype(np.float32),
        landmarks=np.array([_landmarks(x, y, side) for x, y in faces], np.float32).reshape(-1, 5, 2),
    )


def frame(index: int, image: Gray, *, detect: bool = True, source_id: str = "clip") -> Frame:
    return Frame(source_id, index, index / FPS, GrayPicture(image), detect=detect)


def _samples(picture: Picture) -> Gray:
    assert isinstance(picture, GrayPicture)
    return picture.samples


def _landmarks(x: float, y: float, side: float) -> FloatArray:
    offsets = np.array([(-0.2, -0.15), (0.2, -0.15), (0, 0.05), (-0.15, 0.25), (0.15, 0.25)])
    return np.asarray(offsets * side + (x, y), np.float32)


def _cut(samples: Gray, window: PatchWindow) -> NDArray[np.uint8]:
    step_x, step_y = window.step_x, window.step_y
    matrix = np.array(
        [[step_x, 0, window.left + step_x / 2 - 0.5], [0, step_y, window.top + step_y / 2 - 0.5]], np.float64
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(samples, matrix, (PATCH_SIDE, PATCH_SIDE), flags=flags), np.uint8)
