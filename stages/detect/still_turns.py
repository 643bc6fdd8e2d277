"""Detects in the four turns of a photograph, because photographs lie on their side and don't always say so.

Where a still shows no face for certain as it is, the detector sees it turned by quarters and by half as well; the turn
with the surest face wins, and its faces are mapped back. Their landmarks are then in the face's own order, so that what
follows turns each face upright. Three more detections for such stills, none for the others.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from stages.detect.crops import CropDetector, crop_transform, map_faces
from stages.frames import Faces, Picture

__all__ = ["SURE_SCORE", "TURNED_MARGIN", "TURNED_SCORE", "StillTurns", "surest"]

TensorT = TypeVar("TensorT")

SURE_SCORE = 0.92
"""Of an upright face: in twelve photographs YuNet gave 0.93 to 0.95, after a quarter or half turn 0.62 to 0.90."""

TURNED_SCORE = 0.8
TURNED_MARGIN = 0.03
"""By which a turned picture's score has to exceed that of the picture as it is."""

TURNS_DEGREES = (90.0, 180.0, 270.0)


class StillTurns(Generic[TensorT]):
    """Finds the faces of stills that lie on their side or upside down. For one thread."""

    def __init__(self, detector: CropDetector[TensorT]) -> None:
        """`detector`: of crops as large as its usual input."""
        self._detector = detector

    def surest(self, picture: Picture, faces: Faces) -> Faces:
        """Return the faces of the picture as it is, or those of the turn whose highest score is higher.

        Boxes and landmarks are in pixels of the picture as it is. Raises BackendError.
        """
        best = surest(faces)
        if best >= SURE_SCORE:
            return faces
        size = self._detector.size
        middle = picture.width / 2, picture.height / 2
        scale = max(picture.width * picture.pixel_aspect, picture.height) / size
        transforms = [
            crop_transform(middle, scale, turn, size, pixel_aspect=picture.pixel_aspect) for turn in TURNS_DEGREES
        ]
        least = max(best + TURNED_MARGIN, TURNED_SCORE)
        found = self._detector.detect([(picture, transform) for transform in transforms])
        turned, transform = max(zip(found, transforms, strict=True), key=lambda turn: surest(turn[0]))
        return map_faces(turned, transform) if surest(turned) >= least else faces


def surest(faces: Faces) -> float:
    """Return the highest score, in [0, 1]; 0.0 without faces."""
    return float(faces.scores.max(initial=0.0))
