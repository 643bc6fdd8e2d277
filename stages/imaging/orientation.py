"""How a coded frame has to be turned and stretched to be seen as it was meant."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.buffer import Buffer
from numpy.typing import NDArray

__all__ = ["Orientation", "is_flipped"]

MAX_ASPECT = 4.0
"""Pixels wider or narrower than this are a mistake in the file: anamorphic film has 2, half-width stereo too."""

AV_FRAME_DATA_EXIF = 31
"""FFmpeg's number of what photographs say of themselves. Where it is among a frame's side data, PyAV gives none."""

HALF_TURN = 2
"""Quarter turns."""

FULL_TURN_DEGREES = 360


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
    def of(cls, frame: av.VideoFrame, pixel_aspect: float, *, is_flipped: bool = False) -> Orientation:
        """Read the frame's display matrix, in degrees, rounded to a quarter turn; implausible aspects count as square.

        What only seems to be a half turn (see `is_flipped`) is none, and what seems to be none but exchanges top and
        bottom is one: left and right stay exchanged in both.
        """
        # Of a matrix of zeros FFmpeg gives no number, and PyAV the least integer.
        turn_degrees = frame.rotation if abs(frame.rotation) <= FULL_TURN_DEGREES else 0
        quarter_turns = round(-turn_degrees / 90) % 4
        if is_flipped and quarter_turns % HALF_TURN == 0:
            quarter_turns = HALF_TURN - quarter_turns
        is_plausible = 1 / MAX_ASPECT <= pixel_aspect <= MAX_ASPECT
        return cls(90 * quarter_turns, pixel_aspect if is_plausible else 1.0)

    @property
    def swaps_sides(self) -> bool:
        """Whether the upright frame is as wide as the coded one is high: turned by 90 or 270 degrees."""
        return self.rotation_degrees in (90, 270)

    @property
    def upright_pixel_aspect(self) -> float:
        """Width of a pixel of the upright frame over its height."""
        return 1 / self.pixel_aspect if self.swaps_sides else self.pixel_aspect

    def upright_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the upright (width, height), in pixels, of a coded frame of this size, and the other way round."""
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


def is_flipped(frame: av.VideoFrame) -> bool:
    """Whether the picture is mirrored, which PyAV's angle does not say.

    An exchange of left and right, as of selfie cameras, it gives as a half turn; one of top and bottom as no turn.

    False where FFmpeg's side data can't be had. Once asked for it, a frame lives until Python collects cycles: ask
    seldom.
    """
    try:
        side_data = frame.side_data
    except ValueError:
        try:
            side_data = _without_exif(frame).side_data
        except (ValueError, av.error.FFmpegError):  # of yet another kind, or the picture is on a card
            return False
    matrix = side_data.get("DISPLAYMATRIX")
    if not isinstance(matrix, Buffer):
        return False
    # x' = a x + c y and y' = b x + d y, in rows of three.
    a, b, _, c, d = struct.unpack_from("=5i", bytes(matrix))
    return bool(a * d < b * c)


def _without_exif(frame: av.VideoFrame) -> av.VideoFrame:
    """The same picture; PyAV has no other way to what lies beside its EXIF."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1))
    graph.link_nodes(
        source, graph.add("sidedata", f"mode=delete:type={AV_FRAME_DATA_EXIF}"), graph.add("buffersink")
    ).configure()
    graph.push(frame)
    return graph.vpull()
