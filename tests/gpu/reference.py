"""What the kernels should compute, in float64 numpy, written from the definitions and not from the kernels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.imaging.device.picture import SurfaceLayout
from stages.imaging.letterbox import DetectorInput

__all__ = ["Detection", "Planes", "crop_reference", "greedy", "letterbox_reference"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Planes:
    """A surface's code values: luma (h, w) and chroma (ceil(h / 2), ceil(w / 2), 2), without shift and pitch."""

    layout: SurfaceLayout
    luma: Array
    chroma: Array

    def upright_to_stored(self, x: Array, y: Array) -> tuple[Array, Array]:
        right, bottom = self.layout.width - 1, self.layout.height - 1
        return {
            0: (x, y),
            90: (y, bottom - x),
            180: (right - x, bottom - y),
            270: (right - y, x),
        }[self.layout.orientation.rotation_degrees]

    def bgr_at(self, x: Array, y: Array, *, is_black_outside: bool) -> Array:
        """Not clipped (..., 3) at upright pixel indices."""
        x, y = self.upright_to_stored(x, y)
        step = 2.0 ** (self.layout.samples.bits - 8)
        is_full = self.layout.encoding.is_full_range
        black, grey = (0.0 if is_full else 16 * step), 128 * step
        top = 2.0**self.layout.samples.bits - 1
        luma = bilinear(self.luma[..., None], x, y, black if is_black_outside else None)[..., 0]
        chroma = bilinear(self.chroma, (x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5, grey if is_black_outside else None)
        e_y = (luma - black) / (top if is_full else 219 * step)
        e_pb, e_pr = np.moveaxis((chroma - grey) / (top if is_full else 224 * step), -1, 0)
        kr, kb = weights_of(self.layout)
        red = e_y + 2 * (1 - kr) * e_pr
        blue = e_y + 2 * (1 - kb) * e_pb
        green = (e_y - kr * red - kb * blue) / (1 - kr - kb)
        return 255 * np.stack([blue, green, red], axis=-1)


def weights_of(layout: SurfaceLayout) -> tuple[float, float]:
    return {
        "ITU601": (0.299, 0.114),
        "ITU709": (0.2126, 0.0722),
        "BT2020": (0.2627, 0.0593),
        "SMPTE240M": (0.212, 0.087),
    }[layout.encoding.matrix.name]


def bilinear(plane: Array, x: Array, y: Array, outside: float | None) -> Array:
    """Samples of (h, w, c) at (x, y); beyond the border `outside`, or the border's own value if None."""
    height, width = plane.shape[:2]
    if outside is None:
        x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    result = np.zeros((*x.shape, plane.shape[2]))
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = left + dx, top + dy
            weight = (1 - abs(x - column)) * (1 - abs(y - row))
            is_inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            value = plane[row.clip(0, height - 1), column.clip(0, width - 1)]
            if outside is not None:
                value = np.where(is_inside[..., None], value, outside)
            result += weight[..., None] * value
    return result


def offsets(samples: int) -> list[float]:
    return [(i + 0.5) / samples - 0.5 for i in range(samples)]


def letterbox_reference(planes: Planes, detector_input: DetectorInput) -> Array:
    """(H, W, 3), BGR, 0-255, not rounded."""
    width, height = planes.layout.orientation.upright_size(planes.layout.width, planes.layout.height)
    aspect = planes.layout.orientation.upright_pixel_aspect
    place = detector_input.fit(width, height, aspect)
    rows, columns = detector_input.shape(width, height, aspect)
    image = np.full((rows, columns, 3), float(detector_input.pad_value))
    y, x = np.mgrid[: place.content_height, : place.content_width].astype(float)
    across = max(1, min(8, math.ceil(1 / place.scale_x - 1e-9)))
    down = max(1, min(8, math.ceil(1 / place.scale_y - 1e-9)))
    total = np.zeros((place.content_height, place.content_width, 3))
    for dy in offsets(down):
        for dx in offsets(across):
            source_x = (x + dx + 0.5) / place.scale_x - 0.5
            source_y = (y + dy + 0.5) / place.scale_y - 0.5
            total += planes.bgr_at(source_x, source_y, is_black_outside=False)
    top, left = place.offset_y, place.offset_x
    mean = (total / (across * down)).clip(0, 255)
    image[top : top + place.content_height, left : left + place.content_width] = mean
    return image


def crop_reference(planes: Planes, transform: NDArray[np.float32], size: int) -> Array:
    """(size, size, 3), BGR, 0-255, not rounded."""
    matrix = transform.astype(np.float64)
    covered = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    samples = max(1, min(8, round(covered)))
    row, column = np.mgrid[:size, :size].astype(float)
    total = np.zeros((size, size, 3))
    for dy in offsets(samples):
        for dx in offsets(samples):
            at = np.stack([column + dx, row + dy, np.ones_like(row)])
            x, y = np.tensordot(matrix, at, axes=1)
            total += planes.bgr_at(x, y, is_black_outside=True)
    return (total / samples**2).clip(0, 255)


class Detection(NamedTuple):
    """One face in input pixels."""

    score: float
    anchor: int
    box: tuple[float, float, float, float]
    landmarks: list[tuple[float, float]]


def greedy(candidates: list[Detection], iou_threshold: float) -> list[Detection]:
    """Those that stay, best first (of equal scores the lower anchor), each where it and those it suppresses see it."""
    kept: list[Detection] = []
    heard: list[list[Detection]] = []
    for candidate in sorted(candidates, key=lambda c: (-c.score, c.anchor)):
        overlaps = [_iou(candidate.box, better.box) for better in kept]
        owner = next((place for place, overlap in enumerate(overlaps) if overlap > iou_threshold), None)
        if owner is None:
            kept.append(candidate)
            heard.append([candidate])
        elif overlaps[owner] >= 0.5:
            heard[owner].append(candidate)
    return [_mean(face, voters) for face, voters in zip(kept, heard, strict=True)]


def _mean(face: Detection, voters: list[Detection]) -> Detection:
    weights = np.array([voter.score**4 for voter in voters])
    box = np.average([voter.box for voter in voters], axis=0, weights=weights)
    x1, y1, x2, y2 = box.tolist()
    points = np.average([np.reshape(v.landmarks, (-1, 2)) for v in voters], axis=0, weights=weights)
    return Detection(face.score, face.anchor, (x1, y1, x2, y2), [(x, y) for x, y in points.tolist()])


def _iou(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union
