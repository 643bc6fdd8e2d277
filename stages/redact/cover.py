"""Covers faces, or a whole picture, in a decoded frame: in the planes themselves, without a change of format.

Colours, bit depth and everything outside the regions stay as they were decoded. Whatever the method, no more than
`BLOCKS` x `BLOCKS` values are left of a region: mosaic and blur both begin with that average, so that neither can be
undone; a fill leaves nothing. An ellipse goes around the box and never covers less than it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from stages.imaging.orientation import Orientation
from stages.redact.style import MARGIN, Method, Shape

__all__ = ["COVERABLE_FORMATS", "Cover"]

BLOCKS = 6
"""Across a region. A face in so few shows the colours of skin and hair; see `stages.sink.blur`."""

ROUND = math.sqrt(2) / 2
"""Half axes of the ellipse through a box's corners, as parts of its sides."""

COVERABLE_FORMATS = frozenset(
    {"gray", "gray10le", "gray12le"}
    | {f"yuv{kind}p{bits}" for kind in ("420", "422", "444") for bits in ("", "10le", "12le")}
    | {"yuvj420p", "yuvj422p", "yuvj444p"}
)
"""Pixel formats of one plane a component; `Cover` takes no others."""

Samples = NDArray[Any]


class Cover:
    """How faces are covered; used by one thread."""

    def __init__(self, method: Method = Method.MOSAIC, shape: Shape = Shape.BOX, margin: float = MARGIN) -> None:
        """`margin`: added at each side of a box, as a part of its width or height."""
        self._method = method
        self._shape = shape
        self._margin = margin

    def cover(self, frame: av.VideoFrame, boxes_xyxy: FloatArray, orientation: Orientation) -> None:
        """Cover boxes in a frame whose pixels are the caller's alone.

        Args:
            frame: of one of `COVERABLE_FORMATS`; a decoder's must be made writable before.
            boxes_xyxy: float32 (N, 4), pixels of the upright frame; what reaches over the border is cut off.
            orientation: how the coded frame becomes upright.
        """
        coded = _coded(_grown(boxes_xyxy, self._margin), orientation, frame.width, frame.height)
        for box in coded.tolist():
            self._cover_box(frame, box, self._shape)

    def cover_all(self, frame: av.VideoFrame) -> None:
        """Cover the whole picture, whose pixels are the caller's alone. Raises ValueError for a format of no planes."""
        self._cover_box(frame, [0.0, 0.0, float(frame.width), float(frame.height)], Shape.BOX)

    def mask(self, boxes_xyxy: FloatArray, width: int, height: int) -> NDArray[np.bool_]:
        """Return which pixels of an upright picture are covered, bool (height, width)."""
        covered = np.zeros((height, width), np.uint8)
        for box in _grown(boxes_xyxy, self._margin).tolist():
            place = _place(box, 1.0, 1.0, width, height, self._shape)
            if place is not None:
                rows, columns = place
                inside = _ellipse(box, 1.0, 1.0, place) if self._shape is Shape.ELLIPSE else None
                covered[rows, columns] |= 1 if inside is None else inside
        return covered.astype(bool)

    def _cover_box(self, frame: av.VideoFrame, box: Sequence[float], shape: Shape) -> None:
        for number, plane in enumerate(_planes(frame)):
            height, width = plane.shape
            across, down = width / frame.width, height / frame.height
            place = _place(box, across, down, width, height, shape)
            if place is None:
                continue
            region = plane[place]
            covered = self._covered(region, frame, number)
            if shape is Shape.ELLIPSE:
                inside = _ellipse(box, across, down, place)
                np.copyto(region, covered, where=inside.astype(bool))
            else:
                region[:] = covered

    def _covered(self, region: Samples, frame: av.VideoFrame, plane: int) -> Samples | int:
        if self._method is Method.FILL:
            return _black(frame, plane)
        height, width = region.shape
        coarse = cv2.resize(region, (min(BLOCKS, width), min(BLOCKS, height)), interpolation=cv2.INTER_AREA)
        way = cv2.INTER_NEAREST if self._method is Method.MOSAIC else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(coarse, (width, height), interpolation=way), region.dtype)


def _planes(frame: av.VideoFrame) -> list[Samples]:
    """Views of the frame's own memory, (h, w) each. Raises ValueError for a format that is not coverable."""
    if frame.format.name not in COVERABLE_FORMATS:
        raise ValueError(f"a picture of format {frame.format.name} can't be covered")
    dtype = np.dtype(np.uint8 if frame.format.components[0].bits <= 8 else np.uint16)  # noqa: PLR2004 - bits of a byte
    views = []
    for plane in frame.planes:
        rows = np.frombuffer(plane, dtype).reshape(plane.height, plane.line_size // dtype.itemsize)  # type: ignore[call-overload]
        views.append(rows[:, : plane.width])
    return views


def _black(frame: av.VideoFrame, plane: int) -> int:
    bits: int = frame.format.components[0].bits
    if plane:
        return 1 << (bits - 1)
    is_full = frame.color_range == 2 or frame.format.name.startswith("yuvj")  # noqa: PLR2004 - AVCOL_RANGE_JPEG
    return 0 if is_full else 16 << (bits - 8)


def _grown(boxes_xyxy: FloatArray, margin: float) -> NDArray[np.float64]:
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
    more = margin * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - more, boxes[:, 2:] + more], axis=1)


def _coded(boxes: NDArray[np.float64], orientation: Orientation, width: int, height: int) -> NDArray[np.float64]:
    """Boxes of the upright frame in pixels of the coded one. Corners lie between pixels: half a pixel to and fro."""
    matrix = orientation.to_coded(width, height)
    corners = boxes.reshape(-1, 2, 2) - 0.5
    moved = corners @ matrix[:, :2].T + matrix[:, 2] + 0.5
    return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)


def _place(
    box: Sequence[float], across: float, down: float, width: int, height: int, shape: Shape
) -> tuple[slice, slice] | None:
    """Rows and columns of a plane; None outside."""
    left, top, right, bottom = box
    if shape is Shape.ELLIPSE:
        x, y, a, b = _axes(box)
        left, top, right, bottom = x - a, y - b, x + a, y + b
    x0, x1 = max(0, math.floor(left * across)), min(width, math.ceil(right * across))
    y0, y1 = max(0, math.floor(top * down)), min(height, math.ceil(bottom * down))
    return (slice(y0, y1), slice(x0, x1)) if x1 > x0 and y1 > y0 else None


def _axes(box: Sequence[float]) -> tuple[float, float, float, float]:
    """Middle and half axes of the ellipse around a box."""
    left, top, right, bottom = box
    return (left + right) / 2, (top + bottom) / 2, ROUND * (right - left), ROUND * (bottom - top)


def _ellipse(box: Sequence[float], across: float, down: float, place: tuple[slice, slice]) -> NDArray[np.uint8]:
    """uint8 (h, w), 1 inside, for the place in a plane. A pixel counts if any part of it may be inside."""
    x, y, a, b = _axes(box)
    rows = np.arange(place[0].start, place[0].stop) + 0.5
    columns = np.arange(place[1].start, place[1].stop) + 0.5
    away_x = np.maximum(np.abs(columns - x * across) - 0.5, 0) / max(a * across, 0.5)
    away_y = np.maximum(np.abs(rows - y * down) - 0.5, 0) / max(b * down, 0.5)
    return ((away_x[None, :] ** 2 + away_y[:, None] ** 2) <= 1).astype(np.uint8)
