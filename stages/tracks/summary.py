"""A track as a whole: the summary of a face once it has left the picture."""

from __future__ import annotations

from dataclasses import dataclass

from stages.frames import FloatArray, Identity

__all__ = ["TrackSummary"]


@dataclass(frozen=True, slots=True, eq=False)
class TrackSummary:
    """One face through time, from its first frame to its last.

    Attributes:
        source_id: the source it was seen in.
        track_id: unique within the source, from 1.
        first_frame, last_frame: indices in the source, both inclusive.
        start_seconds, end_seconds: their times from the source's start.
        frames: frames in which the face has a box, propagated ones included.
        best_frame: index of the frame with the best shot.
        best_seconds: its time.
        best_box_xyxy: float32 (4,), pixels of the upright source frame.
        best_landmarks: float32 (5, 2), or None where the detector has none.
        best_quality: in [0, 1].
        embedding: float32 (D,), the mean of its embeddings weighted by quality, L2 norm 1; None if none was computed.
        embeddings: how many went into it.
        started_at: wall-clock time at which its first frame was decoded, seconds since the epoch. For a camera, when it
            was seen.
        identity: who it was decided to be; None without identification.
    """

    source_id: str
    track_id: int
    first_frame: int
    last_frame: int
    start_seconds: float
    end_seconds: float
    frames: int
    best_frame: int
    best_seconds: float
    best_box_xyxy: FloatArray
    best_landmarks: FloatArray | None
    best_quality: float
    embedding: FloatArray | None
    embeddings: int
    started_at: float = 0.0
    identity: Identity | None = None
