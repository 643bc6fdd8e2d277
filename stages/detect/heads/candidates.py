"""The last step of every host head: anchors above the threshold become the faces of their frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.detect.nms import suppress, vote
from stages.frames import LANDMARK_COUNT, Faces, FloatArray
from stages.imaging.letterbox import Letterbox

__all__ = ["Candidates"]

_BOX = 4


class Candidates(NamedTuple):
    """C anchors of a batch that may be faces.

    Attributes:
        frames: intp (C,), each one's row in the batch.
        scores: float32 (C,).
        geometry: float32 (C, 4) or (C, 14): box corners, then five landmarks x, y; pixels of the input.
    """

    frames: NDArray[np.intp]
    scores: FloatArray
    geometry: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """Join the candidates of a network's levels; the order is kept, so that earlier ones win ties."""
        return cls(
            np.concatenate([part.frames for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.geometry for part in parts]),
        )

    def faces(self, letterboxes: Sequence[Letterbox], nms_iou: float, strong_threshold: float = 0.0) -> list[Faces]:
        """Suppressed, placed by their votes (see `vote`), and in source pixels; one record a letterbox."""
        return [
            self._of_frame(self.frames == row, letterbox, nms_iou, strong_threshold)
            for row, letterbox in enumerate(letterboxes)
        ]

    def _of_frame(
        self, rows: NDArray[np.bool_], letterbox: Letterbox, nms_iou: float, strong_threshold: float
    ) -> Faces:
        scores, geometry = self.scores[rows], self.geometry[rows]
        has_landmarks = geometry.shape[1] > _BOX
        if not len(scores):
            return Faces.none(with_landmarks=has_landmarks)
        kept = suppress(geometry[:, :_BOX], scores, nms_iou)
        points = letterbox.to_source(vote(geometry, scores, kept, nms_iou, strong_threshold))
        return Faces(
            boxes_xyxy=points[:, :_BOX],
            scores=np.asarray(scores[kept], np.float32),
            landmarks=points[:, _BOX:].reshape(-1, LANDMARK_COUNT, 2) if has_landmarks else None,
        )
