"""Decoded frames with known samples, made without a codec."""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["smooth_planes", "yuv_frame"]

COLORSPACES = {"bt601": 6, "bt709": 1, "bt2020": 9}  # AVColorSpace


def smooth_planes(rng: np.random.Generator, width: int, height: int, bits: int) -> list[NDArray[np.float64]]:
    """Y, Cb, Cr code values of a picture of a few waves: smooth, so that interpolation's own rounding stays small."""
    planes = []
    for w, h, low, high in ((width, height, 16, 235), *[((width + 1) // 2, (height + 1) // 2, 64, 192)] * 2):
        x, y = np.meshgrid(np.linspace(0, 1, w), np.linspace(0, 1, h))
        waves = sum(
            np.sin(2 * np.pi * (rng.uniform(-3, 3) * x + rng.uniform(-3, 3) * y + rng.uniform())) for _ in range(3)
        )
        planes.append(np.round((low + (waves / 6 + 0.5) * (high - low)) * 2 ** (bits - 8)))
    return planes


def yuv_frame(
    planes: list[NDArray[np.float64]], pix_fmt: str, *, matrix: str = "bt601", is_full_range: bool = False
) -> av.VideoFrame:
    """The planes as a frame of this 4:2:0 format."""
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pix_fmt)
    if pix_fmt in ("nv12", "p010le"):
        planes = [planes[0], np.stack(planes[1:], axis=-1).reshape(planes[1].shape[0], -1)]
    scale = 64 if pix_fmt == "p010le" else 1
    dtype = np.uint8 if pix_fmt in ("yuv420p", "yuvj420p", "nv12") else np.uint16
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size // np.dtype(dtype).itemsize), dtype)
        rows[:, : values.shape[1]] = values * scale
        plane.update(rows.tobytes())
    frame.colorspace = COLORSPACES[matrix]
    frame.color_range = 2 if is_full_range else 1
    return frame
