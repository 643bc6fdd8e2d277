"""Where to cut a face out: the similarity transform that lays its landmarks on a template.

Least squares after Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE
PAMI 13(4), 1991. In the plane and without reflections it has a closed form, used here for all faces of a batch at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray

__all__ = ["ARCFACE_112", "box_transforms", "landmark_transforms", "mirrored"]

ARCFACE_112: FloatArray = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""ArcFace's template in a 112 x 112 crop; source: insightface, `face_align.py`."""


def landmark_transforms(
    landmarks: FloatArray, template: FloatArray, *, pixel_aspect: float | NDArray[np.float64] = 1.0
) -> FloatArray:
    """Maps from crop pixels to source pixels.

    Args:
        landmarks: float32 (N, 5, 2), pixels of the source frame.
        template: float32 (5, 2), pixels of the crop.
        pixel_aspect: width of a source pixel over its height, of all faces or float64 (N,). The face is straightened in
            display space, so that it is not squeezed in the crop.

    Returns:
        float32 (N, 2, 3): (column, row, 1) of the crop to (x, y) of the source. Coinciding landmarks give a transform
        to their one point; nothing is infinite.
    """
    to_display = _to_display(pixel_aspect)
    source = landmarks.astype(np.float64) * to_display
    crop = template.astype(np.float64)
    source_mean, crop_mean = source.mean(axis=1, keepdims=True), crop.mean(axis=0)
    q, p = source - source_mean, crop - crop_mean
    # Rotation and scale as a complex number: least squares of p = z q, then its inverse, 1 / z = conj(n) |q|^2 / |n|^2.
    real = (p[:, 0] * q[..., 0] + p[:, 1] * q[..., 1]).sum(axis=1)
    imaginary = (p[:, 1] * q[..., 0] - p[:, 0] * q[..., 1]).sum(axis=1)
    squared = real**2 + imaginary**2
    factor = np.divide((q**2).sum(axis=(1, 2)), squared, out=np.zeros_like(squared), where=squared > 0)
    a, b = real * factor, -imaginary * factor
    linear = np.stack([np.stack([a, -b], axis=1), np.stack([b, a], axis=1)], axis=1)
    return _assemble(linear, source_mean[:, 0] - linear @ crop_mean, to_display)


def box_transforms(
    boxes_xyxy: FloatArray, size: int, *, margin: float = 0.0, pixel_aspect: float | NDArray[np.float64] = 1.0
) -> FloatArray:
    """Maps from crop pixels to source pixels for faces without landmarks: the square around the box.

    Args:
        boxes_xyxy: float32 (N, 4), pixels of the source frame.
        size: crop side in pixels.
        margin: added on every side, as a part of the box's longer side.
        pixel_aspect: as in `landmark_transforms`.

    Returns:
        float32 (N, 2, 3), as `landmark_transforms`.
    """
    to_display = _to_display(pixel_aspect)
    corners = boxes_xyxy.astype(np.float64).reshape(-1, 2, 2) * to_display
    centre = corners.mean(axis=1)
    side = (corners[:, 1] - corners[:, 0]).max(axis=1) * (1 + 2 * margin)
    scale = side / size
    linear = scale[:, None, None] * np.eye(2)
    return _assemble(linear, centre - (scale * size / 2)[:, None], to_display)


def mirrored(transforms: FloatArray, size: int) -> FloatArray:
    """The same crops, of `size` pixels, with left and right exchanged: float32 (N, 2, 3) both."""
    flip = np.array([[-1, 0, size - 1], [0, 1, 0], [0, 0, 1]], np.float32)
    squares = np.concatenate(
        [transforms, np.broadcast_to(np.array([0, 0, 1], np.float32), (len(transforms), 1, 3))], axis=1
    )
    return np.asarray((squares @ flip)[:, :2], np.float32)


def _to_display(pixel_aspect: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """(1 or N, 1, 2): factors from source to display space."""
    aspects = np.atleast_1d(np.asarray(pixel_aspect, np.float64))
    return np.stack([aspects, np.ones_like(aspects)], axis=1)[:, None]


def _assemble(linear: NDArray[np.float64], shift: NDArray[np.float64], to_display: NDArray[np.float64]) -> FloatArray:
    """(N, 2, 2) and (N, 2) in display space, as (N, 2, 3) to source pixels."""
    transforms: FloatArray = np.concatenate([linear, shift[..., None]], axis=2).astype(np.float32)
    transforms /= to_display.transpose(0, 2, 1).astype(np.float32)
    return transforms
