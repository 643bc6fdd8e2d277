"""A sink that publishes what happens to the tracks of one source: started, identified, ended.

It writes nothing itself; `publish` is quick and never raises. Frames without track numbers give no events. An
abandoned source gets no track_ended events: it will be analysed again, and the repeats have the same ids.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from stages.frames import Observation
from stages.sink.base import Sink
from stages.sources import SourceEnded
from stages.tracks.log import TrackLog
from stages.tracks.summary import TrackSummary
from visage.service.events import EventFactory, ServiceEvent

__all__ = ["TrackEventSink"]


class TrackEventSink(Sink):
    """Publishes the events of one source and remembers which tracks it has reported, and under which name."""

    def __init__(
        self,
        factory: EventFactory,
        publish: Callable[[ServiceEvent], None],
        *,
        on_latency: Callable[[float], None] | None = None,
        on_identified: Callable[[ServiceEvent, Observation, int], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            on_latency: told for each frame how many seconds passed from its capture to here.
            on_identified: called with each event of an identified track, the frame and the face's row in it.
            now: seconds since the epoch.
        """
        self._factory = factory
        self._publish = publish
        self._on_latency = on_latency
        self._on_identified = on_identified
        self._now = now
        self._log: TrackLog | None = None
        self._ended: list[TrackSummary] = []
        self._lock = threading.Lock()
        self._lost_connection = -1
        self._names: dict[int, tuple[tuple[str | None, str] | None, int]] = {}

    def attach(self, tracks: TrackLog) -> None:
        """Keep the log, which knows the tracks in view when the camera is lost. The caller owns it."""
        self._log = tracks

    def end_tracks(self, tracks: Sequence[TrackSummary]) -> None:
        """Keep ended tracks until the next frame, which has the time, or the end of the source."""
        self._ended.extend(tracks)

    def write(self, observation: Observation) -> None:
        """Publish what is new in this frame, ended tracks first. Does not keep the frame."""
        with self._lock:
            self._report_ends(observation.frame.captured_at or self._now())
            if observation.frame.connection > self._lost_connection:
                self._follow(observation)
        if self._on_latency is not None and observation.frame.captured_at > 0:
            self._on_latency(max(0.0, self._now() - observation.frame.captured_at))

    def close(self, ended: SourceEnded) -> None:
        """Publish the ends of the tracks that were still in view, at the present time."""
        with self._lock:
            self._report_ends(self._now())

    def lose(self, connection: int) -> None:
        """From any thread: the camera is lost, so the tracks in view end now, not when it comes back.

        Frames of this connection that are still on their way are not followed any more.
        """
        with self._lock:
            self._lost_connection = max(self._lost_connection, connection)
            self._ended.extend([] if self._log is None else self._log.in_view())
            self._report_ends(self._now())

    def _report_ends(self, at: float) -> None:
        """Report those that have begun here, and did not end with a lost connection."""
        for track in self._ended:
            if self._names.pop(track.track_id, None) is not None:
                self._publish(self._factory.track_ended(track, at))
        self._ended.clear()

    def _follow(self, observation: Observation) -> None:
        faces = observation.faces
        for row, track_id in enumerate([] if faces.track_ids is None else faces.track_ids.tolist()):
            if track_id > 0:
                self._tell(observation, row, track_id)

    def _tell(self, observation: Observation, row: int, track_id: int) -> None:
        identities = observation.faces.identities
        identity = None if identities is None else identities[row]
        if track_id not in self._names:
            self._names[track_id] = (None, 0)
            self._publish(self._factory.track_started(observation, row, track_id))
        known, turn = self._names[track_id]
        if identity is None or known == (identity.person_id, identity.name):
            return
        self._names[track_id] = ((identity.person_id, identity.name), turn + 1)
        event = self._factory.track_identified(observation, row, track_id, identity, turn)
        self._publish(event)
        if self._on_identified is not None:
            self._on_identified(event, observation, row)
