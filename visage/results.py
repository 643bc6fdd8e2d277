"""What the library returns to its callers: plain records, with the pixels of faces only if they are asked for."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stages.frames import Faces, FloatArray, Identity, Observation

__all__ = ["AnalyzedFrame", "Face"]

CROP_MARGIN = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face in one frame.

    Attributes:
        box_xyxy: left, top, right, bottom in pixels of the upright source frame; may reach over its border.
        score: the detector's confidence, 0 to 1.
        landmarks: float32 (5, 2), pixels: eye, eye, nose, mouth corner, mouth corner, left to right in the picture.
            None where the detector has none.
        embedding: float32 (D,), L2 norm 1; the dot product of two is their cosine similarity. None without embedder,
            and for a face that was not embedded: followed between looks, or not among a track's best shots.
        track_id: the same for one face through time, from 1, unique within the source. None without tracking.
        quality: how good a picture of its face this is, 0 to 1. None without tracking.
        propagated: followed here by optical flow instead of detected.
        identity: who it was decided to be. None without a gallery, and where nobody was asked yet.
        crop: uint8 (h, w, 3), BGR: the box with a quarter of its size around it, as far as the frame reaches, in the
            frame's own pixels. None unless crops were asked for, and outside the frame.
    """

    box_xyxy: tuple[float, float, float, float]
    score: float
    landmarks: FloatArray | None = field(default=None, repr=False)
    embedding: FloatArray | None = field(default=None, repr=False)
    track_id: int | None = None
    quality: float | None = None
    propagated: bool = False
    identity: Identity | None = None
    crop: NDArray[np.uint8] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class AnalyzedFrame:
    """One frame and its faces, best score first.

    Attributes:
        source_id: which source, where several are analysed.
        index: 0-based number of the frame in its source.
        pts_seconds: its time from the source's start.
        width, height: pixels of the upright frame.
        detected: the detector has seen this frame; otherwise its faces were followed here from an earlier one.
    """

    source_id: str
    index: int
    pts_seconds: float
    width: int
    height: int
    faces: tuple[Face, ...]
    detected: bool = True

    @property
    def looked_at(self) -> bool:
        """The old name of `detected`, until version 0.3."""
        warnings.warn("AnalyzedFrame.looked_at is now called `detected`", DeprecationWarning, stacklevel=2)
        return self.detected

    @classmethod
    def of(cls, observation: Observation, image: NDArray[np.uint8] | None = None) -> AnalyzedFrame:
        """Return the record of an observation; only the boxes are copied.

        `image`: uint8 (H, W, 3), BGR, the upright frame, for crops; None for none.
        """
        frame, faces = observation.frame, observation.faces
        return cls(
            source_id=frame.source_id,
            index=frame.index,
            pts_seconds=frame.pts_seconds,
            width=frame.picture.width,
            height=frame.picture.height,
            faces=tuple(
                Face(
                    box_xyxy=(box[0], box[1], box[2], box[3]),
                    score=score,
                    landmarks=None if faces.landmarks is None else faces.landmarks[row],
                    embedding=_embedding(faces, row),
                    track_id=None if faces.track_ids is None else int(faces.track_ids[row]),
                    quality=None if faces.quality is None else float(faces.quality[row]),
                    propagated=faces.propagated is not None and bool(faces.propagated[row]),
                    identity=None if faces.identities is None else faces.identities[row],
                    crop=None if image is None else _crop(image, box),
                )
                for row, (box, score) in enumerate(zip(faces.boxes_xyxy.tolist(), faces.scores.tolist(), strict=True))
            ),
            detected=observation.detected,
        )


def _embedding(faces: Faces, row: int) -> FloatArray | None:
    """None for a row of zeros: that face was not embedded."""
    return None if faces.embeddings is None or not faces.embeddings[row].any() else faces.embeddings[row]


def _crop(image: NDArray[np.uint8], box_xyxy: Sequence[float]) -> NDArray[np.uint8] | None:
    left, top, right, bottom = box_xyxy
    across, down = CROP_MARGIN * (right - left), CROP_MARGIN * (bottom - top)
    height, width = image.shape[:2]
    rows = slice(max(0, round(top - down)), min(height, round(bottom + down)))
    columns = slice(max(0, round(left - across)), min(width, round(right + across)))
    crop = image[rows, columns].copy()
    return crop if crop.size else None
