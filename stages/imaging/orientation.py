"""How a coded frame has to be turned and stretched to be seen as it was meant."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["Orientation"]

MOST_ASPECT = 4.0
"""Pixels wider or narrower than this are a mistake in the file: anamorphic film has 2, half-width stereo too."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """A frame's rotation and pixel shape.

    Attributes:
        rotation_degrees: clockwise turn that makes the coded frame upright: 0, 90, 180 or 270.
        pixel_aspect: width of a coded pixel over its height.
    """

    rotation_degrees: int = 0
    pixel_aspect: float = 1.0

    @classmethod
    def of(cls, frame: av.VideoFrame, pixel_aspect: float) -> Orientation:
        """By the frame's display matrix, to the nearest quarter turn; nonsense aspects count as square."""
        quarter_turns = round(-frame.rotation / 90) % 4
        is_plausible = 1 / MOST_ASPECT <= pixel_aspect <= MOST_ASPECT
        return cls(90 * quarter_turns, pixel_aspect if is_plausible else 1.0)

    @property
    def swaps_sides(self) -> bool:
        """Whether the upright frame is as wide as the coded one is high."""
        return self.rotation_degrees in (90, 270)

    @property
    def upright_pixel_aspect(self) -> float:
        """Width of a pixel of the upright frame over its height."""
        return 1 / self.pixel_aspect if self.swaps_sides else self.pixel_aspect

    def upright_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of the upright frame for a coded frame of this size, and the other way round."""
        return (height, width) if self.swaps_sides else (width, height)

    def to_coded(self, width: int, height: int) -> NDArray[np.float64]:
        """float64 (2, 3): maps upright (x, y, 1) to (x, y) of a coded frame of width x height, as pixel indices."""
        rows = {
            0: [[1, 0, 0], [0, 1, 0]],
            90: [[0, 1, 0], [-1, 0, height - 1]],
            180: [[-1, 0, width - 1], [0, -1, height - 1]],
            270: [[0, -1, width - 1], [1, 0, 0]],
        }
        return np.array(rows[self.rotation_degrees], np.float64)
