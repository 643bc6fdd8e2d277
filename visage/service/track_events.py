"""A sink that tells what happens to the tracks of one source: begun, identified, ended.

Writes nothing itself; `publish` is quick and never raises. Frames without track numbers give no events. An abandoned
source tells of no ends: it will be worked on again, and the repeats have the same ids.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from stages.frames import Observation
from stages.sink.base import ObservingSink
from stages.sources import SourceEnded
from stages.tracks.log import TrackLog
from visage.service.events import EventFactory, ServiceEvent

__all__ = ["TrackEventSink"]


class TrackEventSink(ObservingSink):
    """Publishes the events of one source's tracks."""

    def __init__(
        self,
        factory: EventFactory,
        publish: Callable[[ServiceEvent], None],
        *,
        on_latency: Callable[[float], None] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            on_latency: told for each frame how many seconds passed from its capture to here.
            now: seconds since the epoch.
        """
        self._factory = factory
        self._publish = publish
        self._on_latency = on_latency
        self._now = now
        self._log = TrackLog()
        self._lock = threading.Lock()
        self._lost_connection = -1
        self._names: dict[int, tuple[tuple[str | None, str] | None, int]] = {}

    def write(self, observation: Observation) -> None:
        """Report what is new in this frame: ends first, as they came before it."""
        with self._lock:
            if observation.frame.connection > self._lost_connection:
                self._follow(observation)
        if self._on_latency is not None and observation.frame.captured_at > 0:
            self._on_latency(max(0.0, self._now() - observation.frame.captured_at))

    def lose(self, connection: int) -> None:
        """From any thread: the camera is lost, so the tracks in view end now, not when it comes back.

        Frames of this connection that are still on their way are not followed any more.
        """
        with self._lock:
            self._lost_connection = max(self._lost_connection, connection)
            self._end_all()

    def close(self, ended: SourceEnded) -> None:
        """The tracks still in view end with the source."""
        with self._lock:
            self._end_all()

    def _follow(self, observation: Observation) -> None:
        for summary in self._log.add(observation):
            self._names.pop(summary.track_id, None)
            self._publish(self._factory.track_ended(summary, self._wall_clock(observation)))
        faces = observation.faces
        for row, track_id in enumerate([] if faces.track_ids is None else faces.track_ids.tolist()):
            if track_id > 0:
                self._tell(observation, row, track_id)

    def _end_all(self) -> None:
        for summary in self._log.close():
            self._publish(self._factory.track_ended(summary, self._now()))
        self._names.clear()

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
        self._publish(self._factory.track_identified(observation, row, track_id, identity, turn))

    def _wall_clock(self, observation: Observation) -> float:
        return observation.frame.captured_at or self._now()
