"""What one source has brought to the sinks so far; counted by the sink thread, read by any."""

from __future__ import annotations

from stages.frames import Observation
from stages.tracks.log import TrackLog, TrackStatistics

__all__ = ["SourceCounters"]


class SourceCounters:
    """Counts a source's observations. Written by one thread, read by any.

    Attributes:
        frames_done: written to all sinks.
        frames_looked_at: of those, seen by the detector; in the rest faces were followed.
        pts_seconds: time of the last frame.
    """

    __slots__ = ("_tracks", "faces", "frames_done", "frames_looked_at", "pts_seconds")

    def __init__(self) -> None:
        self.frames_done = 0
        self.frames_looked_at = 0
        self.faces = 0
        self.pts_seconds = 0.0
        self._tracks: TrackLog | None = None

    @property
    def tracks(self) -> TrackStatistics:
        """Tracks started and ended so far."""
        return TrackStatistics() if self._tracks is None else self._tracks.statistics()

    def count(self, observation: Observation, tracks: TrackLog) -> None:
        """Count a frame that has been written; `tracks` is the log of its source."""
        self.frames_done += 1
        self.frames_looked_at += observation.detected
        self.faces += len(observation.faces)
        self.pts_seconds = observation.frame.pts_seconds
        self._tracks = tracks
