"""What imaging should compute, written straight from its definitions in float64. Slow and obvious."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Planar", "area_resize", "crop", "to_bgr"]

Floats = NDArray[np.float64]

WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}

Planar = tuple[Floats, Floats, Floats]


def to_bgr(yuv: Floats, *, matrix: str, is_full_range: bool, bits: int) -> Floats:
    """(..., 3) code values Y, Cb, Cr to B, G, R in 0-255, clipped."""
    kr, kb = WEIGHTS[matrix]
    unit, top = 2.0 ** (bits - 8), 2.0**bits - 1
    if is_full_range:
        luma, blue, red = yuv[..., 0] / top, (yuv[..., 1] - 128 * unit) / top, (yuv[..., 2] - 128 * unit) / top
    else:
        luma = (yuv[..., 0] - 16 * unit) / (219 * unit)
        blue, red = ((yuv[..., i] - 128 * unit) / (224 * unit) for i in (1, 2))
    r = luma + 2 * (1 - kr) * red
    b = luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.stack([b, g, r], axis=-1) * 255, 0, 255)


def sample(plane: Floats, x: Floats, y: Floats, outside: float) -> Floats:
    """Bilinear samples at pixel indices (x, y); beyond the border lies `outside`."""
    height, width = plane.shape
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = x - left, y - top

    def at(column: NDArray[np.int_], row: NDArray[np.int_]) -> Floats:
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        values = plane[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
        return np.where(inside, values, outside)

    upper = at(left, top) * (1 - fx) + at(left + 1, top) * fx
    lower = at(left, top + 1) * (1 - fx) + at(left + 1, top + 1) * fx
    result: Floats = upper * (1 - fy) + lower * fy
    return result


def crop(
    planes: Planar,
    transform: Floats,
    size: int,
    *,
    rotation_degrees: int,
    black: Sequence[float],
) -> Floats:
    """(size, size, 3) code values: means of n x n samples of coded 4:2:0 planes seen through an upright transform."""
    height, width = planes[0].shape
    n = int(np.clip(round(float(np.sqrt(abs(np.linalg.det(transform[:, :2]))))), 1, 8))
    ticks = (np.arange(size * n) + 0.5) / n - 0.5
    column, row = np.meshgrid(ticks, ticks)
    u = transform[0, 0] * column + transform[0, 1] * row + transform[0, 2]
    v = transform[1, 0] * column + transform[1, 1] * row + transform[1, 2]
    x, y = {
        0: (u, v),
        90: (v, height - 1 - u),
        180: (width - 1 - u, height - 1 - v),
        270: (width - 1 - v, u),
    }[rotation_degrees]
    channels = []
    for index, plane in enumerate(planes):
        px, py = (x, y) if index == 0 else ((x + 0.5) / 2 - 0.5, (y + 0.5) / 2 - 0.5)
        samples = sample(plane, px, py, black[index])
        channels.append(samples.reshape(size, n, size, n).mean(axis=(1, 3)))
    return np.stack(channels, axis=-1)


def area_resize(image: Floats, width: int, height: int) -> Floats:
    """(h, w, 3) to (height, width, 3): the mean of what each new pixel covers."""
    rows, columns = _weights(image.shape[0], height), _weights(image.shape[1], width)
    result: Floats = np.einsum("ah,bw,hwc->abc", rows, columns, image, optimize=True)
    return result


def _weights(source: int, target: int) -> Floats:
    """(target, source): how much of each source pixel a target pixel covers; rows sum to 1."""
    edges = np.arange(target + 1) * source / target
    left, right = edges[:-1, None], edges[1:, None]
    pixels = np.arange(source)[None]
    overlap = np.clip(np.minimum(right, pixels + 1) - np.maximum(left, pixels), 0, None)
    weights: Floats = overlap / overlap.sum(axis=1, keepdims=True)
    return weights
