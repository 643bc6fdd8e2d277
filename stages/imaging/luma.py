"""Luma patches and thumbnails from the decoder's planes, with OpenCV. Only what is shown is read."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from cv2.typing import MatLike

from stages.frames import Picture
from stages.imaging.picture import HostPicture
from stages.imaging.planes import TURNS, Plane, luma_plane
from stages.imaging.window import PATCH_SIDE, THUMBNAIL_SIZE, Gray, Window

__all__ = ["HostLuma"]


class HostLuma:
    """Implements `stages.imaging.window.Luma` for pictures in host memory."""

    def patches(self, picture: Picture, windows: Sequence[Window]) -> list[Gray]:
        """See `Luma.patches`."""
        host = HostPicture.of(picture)
        plane = _luma(host)
        to_plane = host.orientation.to_coded(host.frame.width, host.frame.height)
        to_plane *= np.array([[plane.scale_x], [plane.scale_y]])
        to_plane[:, 2] += (plane.shift_x, plane.shift_y)
        rows = to_plane.tolist()
        return [_bytes(_cut(plane, rows, window), host) for window in windows]

    def thumbnail(self, picture: Picture) -> Gray:
        """See `Luma.thumbnail`."""
        host = HostPicture.of(picture)
        samples = _luma(host).samples
        # Every fourth sample of a large picture says as much about a shot as all of them, for a tenth of the time.
        stride = max(1, min(samples.shape) // (4 * THUMBNAIL_SIZE[1]))
        size = host.orientation.upright_size(*THUMBNAIL_SIZE)
        thumbnail = cv2.resize(np.ascontiguousarray(samples[::stride, ::stride]), size, interpolation=cv2.INTER_AREA)
        if host.orientation.rotation_degrees:
            thumbnail = cv2.rotate(thumbnail, TURNS[host.orientation.rotation_degrees])
        return _bytes(thumbnail, host)


def _cut(plane: Plane, to_plane: Sequence[Sequence[float]], window: Window) -> MatLike:
    """Shrink by a whole factor what the window covers, then sample that bilinearly.

    In plain numbers: arrays of six cost more than the sampling.
    """
    step_x, step_y = window.step_x, window.step_y
    x, y = window.left + step_x / 2 - 0.5, window.top + step_y / 2 - 0.5
    # (column, row) of the patch to pixel indices of the plane.
    (a, b, c), (d, e, f) = ((row[0] * step_x, row[1] * step_y, row[0] * x + row[1] * y + row[2]) for row in to_plane)
    factor = max(1, int(min(abs(a) + abs(b), abs(d) + abs(e))))
    height, width = plane.samples.shape[:2]
    left, right = _span(c, a, b, 2 * factor, width)
    top, bottom = _span(f, d, e, 2 * factor, height)
    columns, rows = (right - left) // factor, (bottom - top) // factor
    if columns < 1 or rows < 1:  # wholly outside
        return np.zeros((PATCH_SIDE, PATCH_SIDE), np.uint8)
    region: MatLike = plane.samples[top : top + rows * factor, left : left + columns * factor]
    if factor > 1:
        region = cv2.resize(region, (columns, rows), interpolation=cv2.INTER_AREA)
    # The middle of a shrunken sample's pixels: index i there is (i + 0.5) * factor - 0.5 here.
    to_region = [
        [a / factor, b / factor, (c + 0.5 - left) / factor - 0.5],
        [d / factor, e / factor, (f + 0.5 - top) / factor - 0.5],
    ]
    return cv2.warpAffine(
        region,
        np.array(to_region),
        (PATCH_SIDE, PATCH_SIDE),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=plane.black[0],
    )


def _span(start: float, along: float, across: float, margin: int, limit: int) -> tuple[int, int]:
    """First and last index that a patch needs in one direction, within the plane."""
    ends = (along * PATCH_SIDE, across * PATCH_SIDE)
    first = math.floor(start + sum(min(0.0, end) for end in ends)) - margin
    last = math.ceil(start + sum(max(0.0, end) for end in ends)) + margin
    return min(max(first, 0), limit), min(max(last, 0), limit)


def _luma(picture: HostPicture) -> Plane:
    """The luma plane; of pictures without one, their gray."""
    yuv = picture.yuv
    if yuv is not None:
        return luma_plane(picture.frame, yuv, picture.encoding)
    (plane,) = picture.planes()
    return Plane(np.asarray(cv2.cvtColor(plane.samples, cv2.COLOR_BGR2GRAY), np.uint8), black=(0,))


def _bytes(samples: MatLike, picture: HostPicture) -> Gray:
    yuv = picture.yuv
    if samples.dtype == np.uint8 or yuv is None:
        return np.asarray(samples, np.uint8)
    return np.asarray(np.asarray(samples, np.uint16) >> (yuv.bits - 8 + yuv.shift), np.uint8)
