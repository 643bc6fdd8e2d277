"""Sends a worker's tracks to the gallery, which only the owner process writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from stages.tracks.summary import TrackSummary
from visage.runtime.job import TrackRecorder

__all__ = ["Recorded", "RemoteRecorder", "SeenAgain", "TrackReport"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call of `TrackRecorder.record`; `seen` has its keyword arguments."""

    track: TrackSummary
    seen: Mapping[str, Any]

    def replay(self, recorder: TrackRecorder) -> None:
        """Make the call in the owner process. Raises what the recorder raises."""
        recorder.record(self.track, **self.seen)


@dataclass(frozen=True, slots=True)
class SeenAgain:
    """A call of `TrackRecorder.seen_again`: positions in seconds of the source, `before` in seconds since the epoch."""

    source: str
    uri: str
    first_seconds: float
    last_seconds: float
    before: float

    def replay(self, recorder: TrackRecorder) -> None:
        """Make the call in the owner process. Raises what the recorder raises."""
        recorder.seen_again(
            self.source,
            uri=self.uri,
            first_seconds=self.first_seconds,
            last_seconds=self.last_seconds,
            before=self.before,
        )


TrackReport: TypeAlias = Recorded | SeenAgain


class RemoteRecorder:
    """Sends its calls to the owner process.

    Implements `visage.runtime.job.TrackRecorder`; blocks while the pipe is full.
    """

    def __init__(self, send: Callable[[TrackReport], None]) -> None:
        self._send = send

    def record(self, track: TrackSummary, **seen: Any) -> bool:
        """Send a track. Always True: whether it can be stored is known in the owner process only."""
        self._send(Recorded(track, seen))
        return True

    def seen_again(self, source: str, *, uri: str, first_seconds: float, last_seconds: float, before: float) -> None:
        """Send that a stretch of a file, in seconds of the source, was analysed."""
        self._send(SeenAgain(source, uri, first_seconds, last_seconds, before))
