"""How a frame fits into a detector's input, and the way back.

The picture is scaled by one factor (two where pixels are not square), placed in the middle, and the rest is filled with
a constant. The input's shape depends on the frame alone, never on its neighbours in a batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stages.frames import FloatArray

__all__ = ["DetectorInput", "Letterbox", "shrunk"]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """One frame's place in a detector's input: x_input = x_source * scale_x + offset_x; y likewise.

    Attributes:
        content_width, content_height: input pixels that the picture covers, from (offset_x, offset_y).
    """

    scale_x: float
    scale_y: float
    offset_x: int
    offset_y: int
    content_width: int
    content_height: int

    def to_source(self, points: FloatArray) -> FloatArray:
        """Map float32 (..., 2k) interleaved x, y coordinates of the input to pixels of the source frame."""
        pairs = points.shape[-1] // 2
        offset = np.tile(np.array([self.offset_x, self.offset_y], np.float32), pairs)
        scale = np.tile(np.array([self.scale_x, self.scale_y], np.float32), pairs)
        result: FloatArray = (points - offset) / scale
        return result


def shrunk(width: int, height: int, pixel_aspect: float, max_width: int) -> Letterbox:
    """Fit an upright frame into square pixels, at most `max_width` across, without padding."""
    shown_width = width * pixel_aspect
    columns = max(1, min(max_width, round(shown_width)))
    rows = max(1, round(columns * height / shown_width))
    return Letterbox(columns / width, rows / height, 0, 0, columns, rows)


@dataclass(frozen=True, slots=True)
class DetectorInput:
    """The input that a detector takes, in pixels. A longest side that is not a multiple raises ValueError.

    Attributes:
        longest: pixels of the input's longer side.
        multiple: both sides are multiples of this (the network's largest stride).
        square: always longest x longest (networks with a fixed input), else just as high as the frame needs.
        coarse: as high as a 16:9 frame needs if that is enough, else square: two shapes for all frames, for networks
            that are built for their shapes.
        pad_value: 0-255, for the pixels around the picture.
    """

    longest: int = 640
    multiple: int = 32
    square: bool = False
    coarse: bool = False
    pad_value: int = 0

    def __post_init__(self) -> None:
        if self.longest % self.multiple:
            raise ValueError(f"longest side {self.longest} is not a multiple of {self.multiple}")

    def fit(self, width: int, height: int, pixel_aspect: float = 1.0) -> Letterbox:
        """Place an upright frame of this size, in pixels, in the input."""
        display_width = width * pixel_aspect
        scale = self.longest / max(display_width, height)
        content_width = max(1, round(display_width * scale))
        content_height = max(1, round(height * scale))
        input_height, input_width = self.shape(width, height, pixel_aspect)
        return Letterbox(
            scale_x=content_width / width,
            scale_y=content_height / height,
            offset_x=(input_width - content_width) // 2,
            offset_y=(input_height - content_height) // 2,
            content_width=content_width,
            content_height=content_height,
        )

    def shape(self, width: int, height: int, pixel_aspect: float = 1.0) -> tuple[int, int]:
        """Return the (height, width) of the input, in pixels, for an upright frame of this size."""
        if self.square:
            return self.longest, self.longest
        display_width = width * pixel_aspect
        scale = self.longest / max(display_width, height)
        exact = self._round_up(height * scale), self._round_up(display_width * scale)
        if not self.coarse:
            return exact
        wide_height = self._round_up(self.longest * 9 / 16)
        return (wide_height if exact[0] <= wide_height else self.longest), self.longest

    def _round_up(self, side: float) -> int:
        return max(self.multiple, math.ceil(round(side) / self.multiple) * self.multiple)
