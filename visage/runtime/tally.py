"""What one source has brought to the sinks so far; counted by the sink thread, read by any."""

from __future__ import annotations

from stages.frames import Observation

__all__ = ["Tally"]


class Tally:
    """Counts a source's observations.

    Attributes:
        frames_done: written to all sinks.
        frames_looked_at: of those, seen by the detector; in the rest faces were followed.
        tracks: begun so far.
        pts_seconds: time of the last frame.
    """

    __slots__ = ("faces", "frames_done", "frames_looked_at", "pts_seconds", "tracks")

    def __init__(self) -> None:
        self.frames_done = 0
        self.frames_looked_at = 0
        self.faces = 0
        self.tracks = 0
        self.pts_seconds = 0.0

    def count(self, observation: Observation) -> None:
        """One more."""
        self.frames_done += 1
        self.frames_looked_at += observation.looked_at
        self.faces += len(observation.faces)
        self.pts_seconds = observation.frame.pts_seconds
        track_ids = observation.faces.track_ids
        if track_ids is not None and len(track_ids):
            self.tracks = max(self.tracks, int(track_ids.max()))  # they are numbered from 1, without gaps
