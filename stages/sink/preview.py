"""Small pictures of what is being seen, for somebody who may be watching.

Costs a question a frame while nobody watches. Otherwise a frame that the gate wants is made small where its pixels are
(on the card, or on the sink's thread), and what encodes and sends it works on that, on other threads: viewers never
hold back the pipeline.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stages.frames import Faces, Observation, Picture
from stages.sink.base import Sink

__all__ = ["Preview", "PreviewGate", "PreviewSink"]


class PreviewSink(Sink):
    """Offers one source's frames; leaves nothing behind."""

    def __init__(self, gate: PreviewGate, *, to_bgr: Callable[[Picture, int], NDArray[np.uint8]], width: int) -> None:
        """
        Args:
            to_bgr: gives the upright picture as uint8 (H, W, 3), with square pixels and at most so many columns.
            width: of the previews, pixels; smaller pictures keep their size.
        """
        self._gate = gate
        self._to_bgr = to_bgr
        self._width = width

    def write(self, observation: Observation) -> None:
        """Offer the frame if it is wanted."""
        if not self._gate.wants(observation.source_id):
            return
        frame = observation.frame
        image = self._to_bgr(frame.picture, self._width)
        rows, columns = image.shape[:2]
        self._gate.offer(
            Preview(
                source_id=frame.source_id,
                image=image,
                faces=_scaled(observation.faces, columns / frame.picture.width, rows / frame.picture.height),
                frame_index=frame.index,
                pts_seconds=frame.pts_seconds,
                captured_at=frame.captured_at,
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """A frame made small.

    Attributes:
        image: uint8 (H, W, 3), BGR, upright, square pixels.
        faces: with boxes and landmarks in pixels of `image`.
        captured_at: seconds since the epoch; 0 where the source does not say.
    """

    source_id: str
    image: NDArray[np.uint8]
    faces: Faces
    frame_index: int
    pts_seconds: float
    captured_at: float


class PreviewGate(Protocol):
    """Takes previews. Neither method blocks."""

    def wants(self, source_id: str) -> bool:
        """Whether somebody watches this source and a new picture is due."""

    def offer(self, preview: Preview) -> None:
        """Take it, or drop it."""


def _scaled(faces: Faces, scale_x: float, scale_y: float) -> Faces:
    scale = np.array([scale_x, scale_y], np.float32)
    return replace(
        faces,
        boxes_xyxy=faces.boxes_xyxy * np.tile(scale, 2),
        landmarks=None if faces.landmarks is None else faces.landmarks * scale,
    )
