"""All cameras: which there are, which are to run now, and what each does.

    out ──wanted, and its wait is over──> in the pipeline ──not wanted, or changed──> ending ──ended──> out
                                          in the pipeline ──its outputs failed──> out, with a wait

Its record's `source` and `interrupted_at` say where a camera is: none, one, or one that is ending. What is wanted of it
may change at any time and by itself: `is_paused`, `is_removed`, its hours, `next_config`. One that is removed is
forgotten once it is out, unless it was added again. `reconcile` compares the two and starts or interrupts what differs;
it is called after every change and every second. Decide under the lock, act outside.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from stages.contract import FrameSource
from visage.config.service import CameraConfig
from visage.config.sources import SourceSpec, redact_text
from visage.config.timetable import Timetable
from visage.config.yaml_file import ConfigError
from visage.observe.fields import about
from visage.runtime import Outcome, OverflowPolicy, Pipeline, QueueClosed, SourceStatistics
from visage.service.backoff import Backoff
from visage.service.camera_record import CameraRecord, CameraReport
from visage.service.cameras import CameraSource, CameraState, CameraStatus, camera_spec
from visage.service.errors import SourceTaken, SourceUnknown

__all__ = ["CameraManager"]

FIRST_RESTART_SECONDS = 1.0
MAX_RESTART_SECONDS = 60.0

Admit: TypeAlias = Callable[[SourceSpec], SourceSpec]

logger = logging.getLogger(__name__)


class CameraManager:
    """Owns the cameras. Safe from any thread."""

    def __init__(
        self,
        pipeline: Pipeline,
        open_camera: Callable[[SourceSpec], FrameSource],
        *,
        on_state: Callable[[str, str, str], None],
        on_config: Callable[[str, CameraConfig | None], None],
        on_lost: Callable[[str, int], None] = lambda name, connection: None,
    ) -> None:
        """
        Args:
            open_camera: a source for one connection, not yet open.
            on_state: told a camera's name, new state and reason; quick.
            on_config: called with every camera before it starts, and with None of one that is gone. One call at a time,
                outside the desk's lock.
            on_lost: called with a camera's name and the number of the connection, from 1, that it lost; quick.
        """
        self._pipeline = pipeline
        self._open_camera = open_camera
        self._admit: dict[str, Admit] = {}
        self._on_state = on_state
        self._on_config = on_config
        self._on_lost = on_lost
        self._lock = threading.RLock()
        self._acting = threading.Lock()
        self._announcing = threading.RLock()
        self._cameras: dict[str, CameraRecord] = {}
        self._told: dict[str, tuple[str, str]] = {}
        self._is_closed = False

    def __contains__(self, name: str) -> bool:
        with self._lock:
            return name in self._cameras and not self._cameras[name].is_removed

    def names(self) -> list[str]:
        """Return the names of all cameras, in the order they were added, without those that are being removed."""
        with self._lock:
            return [name for name, camera in self._cameras.items() if not camera.is_removed]

    def config(self, name: str) -> CameraConfig:
        """Return a camera's configuration, the next one if it is about to change. Raises SourceUnknown."""
        with self._lock:
            camera = self._get(name)
            return camera.next_config or camera.config

    def add(self, name: str, config: CameraConfig, *, admit: Admit | None = None) -> None:
        """Add a camera and start it if it is to run now. Raises SourceTaken.

        Args:
            admit: called before every connection; returns the address to open instead. Raises SourceError.
        """
        with self._lock:
            leaving = self._cameras.get(name)
            if leaving is None:
                self._cameras[name] = CameraRecord(config, Timetable.parse(config.schedule), _restart_backoff())
            elif leaving.is_removed:  # its last session has not ended yet: this follows it
                leaving.is_removed = leaving.is_paused = False
                leaving.timetable, leaving.next_config = Timetable.parse(config.schedule), config
            else:
                raise SourceTaken(f"there is a source {name!r} already")
            if admit is None:
                self._admit.pop(name, None)
            else:
                self._admit[name] = admit
        self._announce(name)
        self.reconcile()

    def change(self, name: str, config: CameraConfig) -> None:
        """Give a camera another configuration, which interrupts it and opens it anew. Raises SourceUnknown."""
        with self._lock:
            camera = self._get(name)
            camera.timetable = Timetable.parse(config.schedule)
            camera.next_config = config
            camera.forgive()
        self._announce(name)
        self.reconcile()

    def pause(self, name: str) -> None:
        """Stop reading a camera until `resume`; without effect on one that is paused. Raises SourceUnknown."""
        with self._lock:
            self._get(name).is_paused = True
        self.reconcile()

    def resume(self, name: str) -> None:
        """Let a paused camera run again, without waiting for its backoff. Raises SourceUnknown."""
        with self._lock:
            camera = self._get(name)
            camera.is_paused = False
            camera.forgive()
        self.reconcile()

    def remove(self, name: str) -> None:
        """Stop a camera and forget it once its session has ended. Raises SourceUnknown."""
        with self._lock:
            camera = self._get(name)
            camera.is_removed = True
            is_gone = camera.source is None
            if is_gone:
                self._forget(name)
        if is_gone:
            self._announce(name)
        self.reconcile()

    def close(self) -> None:
        """Start no more cameras. Those that run are the pipeline's owner to stop."""
        with self._lock:
            self._is_closed = True

    def reconcile(self) -> None:
        """Start and interrupt cameras as required, and publish changed states.

        Safe from any thread; one call acts at a time.
        """
        now = datetime.now()  # schedules are in local time
        # One at a time: what is being started must be there before another call stops it.
        with self._acting:
            self._reconcile(now)
        self._tell()

    def ended(self, outcome: Outcome) -> bool:
        """Take in that the pipeline has settled a source; returns False if it is none of these cameras.

        Called on the pipeline's threads.
        """
        name = outcome.source_id
        with self._lock:
            camera = self._cameras.get(name)
            if camera is None or camera.source is None:
                return False
            camera.end(self._statistics().get(name))
            if outcome.error is not None:
                camera.fail(redact_text(str(outcome.error)))
                logger.error("%s: %s", name, camera.failure, extra=about("camera.failed", name, error=outcome.error))
            self._pipeline.forget(name)
            is_gone = camera.is_removed
            if is_gone:
                self._forget(name)
        if is_gone:
            self._announce(name)
        return True

    def readings(self) -> list[CameraReport]:
        """Return the state and counters of every camera, in the order they were added. Safe from any thread."""
        statistics = self._statistics()
        now = datetime.now()  # schedules are in local time
        with self._lock:
            cameras = [(name, camera) for name, camera in self._cameras.items() if not camera.is_removed]
            return [camera.reading(name, statistics.get(name), now) for name, camera in cameras]

    def sample(self) -> None:
        """Record how many frames each camera has delivered, for the rates in `readings`; called about every second."""
        statistics = self._statistics()
        with self._lock:
            for name, camera in self._cameras.items():
                if camera.source is not None and name in statistics:
                    camera.samples.append((time.monotonic(), statistics[name].frames_done))

    def _reconcile(self, now: datetime) -> None:
        with self._lock:
            starting = [] if self._is_closed else [name for name in self._cameras if self._should_start(name, now)]
            stopping = [name for name in self._cameras if self._should_stop(name, now)]
            hanging = [name for name, camera in self._cameras.items() if camera.hangs]
            for name in stopping:
                self._cameras[name].interrupted_at = time.monotonic()
        for names, act in ((stopping, self._pipeline.interrupt), (hanging, self._pipeline.give_up)):
            for name in names:
                try:
                    act(name)
                except KeyError:
                    logger.debug("%s has ended by itself", name)
        for name in starting:
            self._start(name)

    def _get(self, name: str) -> CameraRecord:
        camera = self._cameras.get(name)
        if camera is None or camera.is_removed:
            raise SourceUnknown(f"there is no source {name!r}")
        return camera

    def _forget(self, name: str) -> None:
        del self._cameras[name]
        self._told.pop(name, None)
        self._admit.pop(name, None)

    def _announce(self, name: str) -> None:
        """Call `on_config` with what is so by now: it may write to disk, so the desk's own lock is free meanwhile."""
        with self._announcing:  # one at a time: the last call says how it is
            with self._lock:
                camera = self._cameras.get(name)
                config = None if camera is None else camera.next_config or camera.config
            self._on_config(name, config)

    def _should_start(self, name: str, now: datetime) -> bool:
        camera = self._cameras[name]
        return camera.source is None and camera.is_wanted(now) and time.monotonic() >= camera.retry_at

    def _should_stop(self, name: str, now: datetime) -> bool:
        camera = self._cameras[name]
        is_outdated = camera.next_config is not None
        return (
            camera.source is not None and camera.interrupted_at is None and (is_outdated or not camera.is_wanted(now))
        )

    def _start(self, name: str) -> None:
        with self._lock:
            camera = self._cameras.get(name)
            if camera is None or camera.source is not None or self._is_closed:
                return
            config, admit = camera.next_config or camera.config, self._admit.get(name)
            camera.config = config
            camera.next_config = None
            try:
                spec = camera_spec(name, config)
            except ConfigError as error:
                if camera.failure != str(error):
                    logger.error("%s: %s; trying again", name, error, extra=about("camera.failed", name, error=error))
                camera.fail(str(error))
                return
            source = camera.source = CameraSource(
                name,
                lambda: self._open_camera(spec if admit is None else admit(spec)),
                backoff=Backoff(config.retry_first_seconds, config.retry_most_seconds),
                fps_cap=config.fps_cap,
                on_change=lambda status: self._changed(name, status),
            )
        try:
            self._pipeline.add(name, source, OverflowPolicy.DROP_OLDEST)
        except QueueClosed:  # the pipeline is stopping
            with self._lock:
                camera.source = None

    def _changed(self, name: str, status: CameraStatus) -> None:
        with self._lock:
            camera = self._cameras.get(name)
            if camera is not None and status.state is CameraState.RUNNING:
                camera.failure = ""
                camera.running_since = camera.running_since or time.monotonic()
        if status.state is CameraState.RECONNECTING:
            self._on_lost(name, status.reconnects + 1)
        if status.state is not CameraState.STOPPED:
            self._tell()

    def _tell(self) -> None:
        """Publish the states that changed since the last call; reasons alone are not worth an event."""
        now = datetime.now()  # schedules are in local time
        with self._lock:
            changed = []
            for name, camera in self._cameras.items():
                state, reason = camera.state(now)
                if self._told.get(name, ("", ""))[0] != state:
                    changed.append((name, state, reason))
                self._told[name] = (state, reason)
        for name, state, reason in changed:
            self._on_state(name, state, reason)

    def _statistics(self) -> dict[str, SourceStatistics]:
        return {source.source_id: source for source in self._pipeline.statistics().sources}


def _restart_backoff() -> Backoff:
    return Backoff(FIRST_RESTART_SECONDS, MAX_RESTART_SECONDS)
