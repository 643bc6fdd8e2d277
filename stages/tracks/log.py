"""Observes the tracks of one source: which are in view, and a summary of each that has ended.

Consumes observations in frame order, behind the last stage, and needs no pixels. It runs once for each source: all
sinks of the source get its summaries (`stages.sink.source_sinks`). Memory: one record a track in view, of the size of
one embedding; nothing is kept of a track that has ended.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray, Frame, Identity, Observation
from stages.tracks.summary import TrackSummary

__all__ = ["TrackLog", "TrackStatistics"]

SUSPICIOUS_COSINE = 0.1
"""An embedding this far from its track's mean is another person's, or a very bad one; see `suspected_switches`."""

UNLIKE_COSINE = 0.3
"""Below, an embedding does not count in its track's mean: the first faces of whoever takes somebody's place."""


class TrackLog:
    """The tracks of one source. Fed by one thread; `in_view` and `statistics` may be called from any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tracks: dict[int, _Track] = {}
        self._begun = 0
        self._ended = 0
        self._seconds = 0.0
        self._suspected = 0

    def __repr__(self) -> str:
        return f"<TrackLog {len(self._tracks)} in view, {self._ended} ended>"

    def add(self, observation: Observation) -> list[TrackSummary]:
        """Take the source's next observation; returns the tracks that ended before it, sorted by id.

        Safe from any thread.
        """
        faces = _faces(observation)
        with self._lock:
            ended = self._end([track_id for track_id in observation.ended_tracks if track_id in self._tracks])
            for face in faces:
                self._take(observation.frame, face)
        return ended

    def close(self) -> list[TrackSummary]:
        """Note that the source has ended; returns the tracks that were still in view, sorted by id. Idempotent."""
        with self._lock:
            return self._end(list(self._tracks))

    def in_view(self) -> list[TrackSummary]:
        """Return what is known so far of the tracks that have not ended, sorted by id. Safe from any thread."""
        with self._lock:
            return [self._tracks[track_id].summary(track_id) for track_id in sorted(self._tracks)]

    def statistics(self) -> TrackStatistics:
        """Return counts and total seconds of the tracks so far. Safe from any thread."""
        return TrackStatistics(self._begun, self._ended, self._seconds, self._suspected)

    def _take(self, frame: Frame, face: _Face) -> None:
        track = self._tracks.get(face.track_id)
        if track is None:
            track = self._tracks[face.track_id] = _Track(first=frame, last=frame)
            self._begun += 1
        self._suspected += track.contradicts(face)
        track.take(frame, face)

    def _end(self, track_ids: list[int]) -> list[TrackSummary]:
        summaries = [self._tracks.pop(track_id).summary(track_id) for track_id in sorted(track_ids)]
        self._ended += len(summaries)
        self._seconds += sum(summary.end_seconds - summary.start_seconds for summary in summaries)
        return summaries


@dataclass(frozen=True, slots=True)
class TrackStatistics:
    """What a source's tracks were like so far.

    Attributes:
        tracks: begun, those in view included.
        seconds: sum of the lifetimes of those that have ended.
        ended: how many have.
        suspected_switches: faces whose embedding disagrees with that of their track's earlier ones: an upper bound of
            how often a track went over to another person, as far as faces were embedded.
    """

    tracks: int = 0
    ended: int = 0
    seconds: float = 0.0
    suspected_switches: int = 0

    def plus(self, other: TrackStatistics) -> TrackStatistics:
        """Return the sums of both; lifetimes are in seconds."""
        return TrackStatistics(
            self.tracks + other.tracks,
            self.ended + other.ended,
            self.seconds + other.seconds,
            self.suspected_switches + other.suspected_switches,
        )

    @property
    def mean_seconds(self) -> float:
        """Mean lifetime in seconds of the tracks that have ended; 0.0 if none has."""
        return self.seconds / self.ended if self.ended else 0.0


@dataclass(slots=True)
class _Track:
    """A track in view. Frames are kept for their indices and times; their pixels are not touched."""

    first: Frame
    last: Frame
    frames: int = 0
    best: tuple[Frame, FloatArray, FloatArray | None] | None = None
    best_quality: float = -1.0
    is_embedded: bool = False
    embedding_sum: NDArray[np.float64] | None = None
    embeddings: int = 0
    identity: Identity | None = None

    def contradicts(self, face: _Face) -> bool:
        """Whether it has an embedding, and that is nothing like the earlier ones."""
        if self.embedding_sum is None or face.embedding is None:
            return False
        likeness = float(face.embedding @ self.embedding_sum)
        return likeness < SUSPICIOUS_COSINE * math.sqrt(float(self.embedding_sum @ self.embedding_sum))

    def is_unlike(self, embedding: NDArray[np.float64], quality: float) -> bool:
        """Whether it is of somebody else, or a very bad one, so that the mean is better off without it."""
        if self.embedding_sum is None:
            return False
        so_far = math.sqrt(float(self.embedding_sum @ self.embedding_sum))
        return quality <= so_far and float(embedding @ self.embedding_sum) < UNLIKE_COSINE * so_far

    def take(self, frame: Frame, face: _Face) -> None:
        self.last = frame
        self.frames += 1
        # An embedded face's quality says how recognisable it is, another one's how it is seen: not the same measure.
        is_embedded = face.embedding is not None
        is_better = face.quality > self.best_quality if is_embedded == self.is_embedded else is_embedded
        if self.best is None or (is_better and not face.is_propagated):
            self.is_embedded = is_embedded
            self.best = (frame, face.box_xyxy.copy(), None if face.landmarks is None else face.landmarks.copy())
            self.best_quality = face.quality
        if face.embedding is not None and not self.is_unlike(face.embedding, face.quality):
            # A face of no quality at all still says more than nothing.
            weighted = max(face.quality, 1e-3) * face.embedding
            self.embedding_sum = weighted if self.embedding_sum is None else self.embedding_sum + weighted
            self.embeddings += 1
        if face.identity is not None:
            self.identity = face.identity

    def summary(self, track_id: int) -> TrackSummary:
        assert self.best is not None  # the first face taken is one
        best, box, landmarks = self.best
        return TrackSummary(
            source_id=self.first.source_id,
            track_id=track_id,
            first_frame=self.first.index,
            last_frame=self.last.index,
            start_seconds=self.first.pts_seconds,
            end_seconds=self.last.pts_seconds,
            frames=self.frames,
            best_frame=best.index,
            best_seconds=best.pts_seconds,
            best_box_xyxy=box,
            best_landmarks=landmarks,
            best_quality=self.best_quality,
            embedding=None if self.embedding_sum is None else _unit(self.embedding_sum).astype(np.float32),
            embeddings=self.embeddings,
            started_at=self.first.captured_at,
            identity=self.identity,
        )


class _Face(NamedTuple):
    """One face of a track in one frame."""

    track_id: int
    box_xyxy: FloatArray
    landmarks: FloatArray | None
    quality: float
    is_propagated: bool
    embedding: NDArray[np.float64] | None
    identity: Identity | None


def _faces(observation: Observation) -> list[_Face]:
    """Those that have a track."""
    faces = observation.faces
    track_ids: list[int] = [] if faces.track_ids is None else faces.track_ids.tolist()
    # Whole arrays at once: every frame passes here, and numpy's calls cost more than its sums.
    qualities: list[float] = [0.0] * len(faces) if faces.quality is None else faces.quality.tolist()
    propagated: list[bool] = [False] * len(faces) if faces.propagated is None else faces.propagated.tolist()
    embeddings = None if faces.embeddings is None else faces.embeddings.astype(np.float64)
    is_embedded: list[bool] = [] if embeddings is None else (embeddings != 0).max(axis=1).tolist()
    return [
        _Face(
            track_id,
            faces.boxes_xyxy[row],
            None if faces.landmarks is None else faces.landmarks[row],
            qualities[row],
            propagated[row],
            None if embeddings is None or not is_embedded[row] else embeddings[row],
            None if faces.identities is None else faces.identities[row],
        )
        for row, track_id in enumerate(track_ids)
        if track_id > 0
    ]


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    unit: NDArray[np.float64] = vector / max(float(np.linalg.norm(vector)), np.finfo(np.float64).tiny)
    return unit
