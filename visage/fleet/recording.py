"""A worker's tracks on their way to the gallery, which its owner alone writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from stages.tracks.summary import TrackSummary
from visage.runtime.job import TrackRecorder

__all__ = ["Recorded", "RemoteRecorder", "SeenAgain", "TrackReport"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call of `TrackRecorder.record`; `seen` has its other arguments."""

    track: TrackSummary
    seen: Mapping[str, Any]

    def replay(self, recorder: TrackRecorder) -> None:
        """Make the call where the gallery is."""
        recorder.record(self.track, **self.seen)


@dataclass(frozen=True, slots=True)
class SeenAgain:
    """A call of `TrackRecorder.seen_again`."""

    source: str
    uri: str
    first_seconds: float
    last_seconds: float
    before: float

    def replay(self, recorder: TrackRecorder) -> None:
        """Make the call where the gallery is."""
        recorder.seen_again(
            self.source,
            uri=self.uri,
            first_seconds=self.first_seconds,
            last_seconds=self.last_seconds,
            before=self.before,
        )


TrackReport: TypeAlias = Recorded | SeenAgain


class RemoteRecorder:
    """Sends what it is given. Implements `visage.runtime.job.TrackRecorder`; waits where the way is full."""

    def __init__(self, send: Callable[[TrackReport], None]) -> None:
        self._send = send

    def record(self, track: TrackSummary, **seen: Any) -> bool:
        """Send a track; whether it can be stored shows where the gallery is."""
        self._send(Recorded(track, seen))
        return True

    def seen_again(self, source: str, *, uri: str, first_seconds: float, last_seconds: float, before: float) -> None:
        """Send that a stretch of a file was analysed."""
        self._send(SeenAgain(source, uri, first_seconds, last_seconds, before))
