"""A camera as one source without end: lost and found again, it just goes on.

    CONNECTING ──> RUNNING ──lost──> RECONNECTING ──> RUNNING ...      any ──interrupt──> STOPPED

Wraps the decoders that one connection after another gets. Frame numbers and times go on over an outage, so everything
behind sees one source; times keep to the wall clock's pace, whatever the camera's own do (see `LiveClock`). Waiting
ends at once on `interrupt`; a connection that hangs ends by FFmpeg's own time-out. Under pressure frames are dropped
behind this, oldest first, by the source's inbox; frames above the rate that was asked for are dropped here. Both are
counted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from stages.contract import FrameSource
from stages.decode.live_clock import LiveClock
from stages.errors import SourceError
from stages.frames import Frame
from stages.sources import VideoInfo
from visage.config.service import CameraConfig
from visage.config.sources import SourceSpec, redact_text
from visage.observe.fields import about
from visage.runtime import QueueClosed
from visage.service.backoff import Backoff

__all__ = ["CameraSource", "CameraState", "CameraStatus", "camera_spec"]

STABLE_SECONDS = 10.0
"""A connection that held for so long counts as good: the next outage begins with the shortest wait."""

TOLERANCE_SECONDS = 60.0
"""How far a connection's times may be from arrival: its decoder keeps those of most cameras within two seconds, and
those of HLS, which come by whole segments, within this."""

logger = logging.getLogger(__name__)


class CameraSource:
    """Implements `stages.contract.FrameSource` with one connection after another.

    It owns its current connection, and closes it before it opens the next one and in `close`.
    """

    def __init__(
        self,
        source_id: str,
        connect: Callable[[], FrameSource],
        *,
        backoff: Backoff,
        fps_cap: float | None = None,
        on_change: Callable[[CameraStatus], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            connect: makes the source of one connection, not yet open. Raises SourceError, and is called again later.
            fps_cap: most frames a second that are given on.
            on_change: called with each change of state, on the decode thread; quick.
            now: seconds of a monotonic clock.
        """
        self._source_id = source_id
        self._connect = connect
        self._backoff = backoff
        self._interval_seconds = 0.0 if fps_cap is None else 1.0 / fps_cap
        self._on_change = on_change
        self._status = CameraStatus(CameraState.CONNECTING)
        self._is_interrupted = threading.Event()
        self._lock = threading.Lock()
        self._current: FrameSource | None = None
        self._connections = 0
        self._frames_before = 0
        self._dropped_before = 0
        self._now = now
        self._clock = LiveClock(tolerance_seconds=TOLERANCE_SECONDS)
        self._connected_at = 0.0
        self._due_at = 0.0
        self._capped = 0

    def __repr__(self) -> str:
        return f"<CameraSource {self._source_id} {self._status.state.name}, {self._status.reconnects} reconnects>"

    @property
    def status(self) -> CameraStatus:
        """The state of the connection. Safe from any thread."""
        return replace(self._status, frames_capped=self._capped)

    @property
    def frames_decoded(self) -> int:
        """Frames decoded in all connections so far. Safe from any thread."""
        with self._lock:
            return self._frames_before + (0 if self._current is None else self._current.frames_decoded)

    @property
    def frames_dropped(self) -> int:
        """Frames dropped in all connections so far. Safe from any thread."""
        with self._lock:
            return self._dropped_before + (0 if self._current is None else self._current.frames_dropped)

    def open(self) -> VideoInfo:
        """Connect, however long that takes. Raises QueueClosed where it is interrupted first."""
        info = self._connected()
        if info is None:
            raise QueueClosed(f"{self._source_id} was stopped before it could be reached")
        return info

    def frames(self) -> Iterator[Frame]:
        """Yield the frames of all connections until `interrupt`; the consumer owns each and releases it.

        A lost connection is not raised: it is reported in `status` and tried again after a wait.
        """
        while not self._is_interrupted.is_set():
            source = self._current
            if source is None:
                return
            reason, failure = "the stream ended", None
            try:
                yield from self._wanted(source)
            except SourceError as error:
                reason, failure = redact_text(str(error)), error
            if self._is_interrupted.is_set():
                break
            if self._now() - self._connected_at >= STABLE_SECONDS:
                self._backoff.reset()
            self._disconnect()
            if not self._wait(reason, failure) or self._connected() is None:
                break

    def interrupt(self) -> None:
        """From any thread: end soon, also while waiting for the camera."""
        self._is_interrupted.set()
        with self._lock:
            current = self._current
        if current is not None:
            current.interrupt()

    def close(self) -> None:
        """Close the connection. Safe to call more than once, by the thread that iterates."""
        self._disconnect()
        self._note(CameraState.STOPPED, "")

    def _connected(self) -> VideoInfo | None:
        """Open one connection after another until one holds; None where it is interrupted."""
        while not self._is_interrupted.is_set():
            try:
                source = self._connect()
            except SourceError as error:
                if not self._wait(redact_text(str(error)), error):
                    return None
                continue
            with self._lock:
                self._current = source
            if self._is_interrupted.is_set():  # it may have been set before the source could be told
                source.interrupt()
            try:
                info = source.open()
            except SourceError as error:
                self._disconnect()
                if not self._wait(redact_text(str(error)), error):
                    return None
                continue
            self._connections += 1
            self._connected_at = self._now()
            self._note(CameraState.RUNNING, "")
            return info
        return None

    def _wait(self, reason: str, error: SourceError | None) -> bool:
        """Before the next attempt; says whether there is to be one."""
        self._note(CameraState.RECONNECTING if self._connections else CameraState.CONNECTING, reason, error)
        return not self._is_interrupted.wait(self._backoff.next_seconds())

    def _wanted(self, source: FrameSource) -> Iterator[Frame]:
        """The frames of one connection, numbered and timed as the camera's, at most at the rate asked for."""
        self._clock.begin_line()
        for frame in source.frames():
            seconds = self._clock.time(frame.pts_seconds, self._now())
            if not self._is_due(seconds):
                self._capped += 1
                frame.release()
                continue
            yield replace(
                frame, index=self._frames_before + frame.index, pts_seconds=seconds, connection=self._connections
            )

    def _is_due(self, seconds: float) -> bool:
        # A tenth of a period early is on time: cameras tick unevenly.
        if seconds < self._due_at - 0.1 * self._interval_seconds:
            return False
        self._due_at = max(self._due_at, seconds - self._interval_seconds) + self._interval_seconds
        return True

    def _disconnect(self) -> None:
        with self._lock:
            current, self._current = self._current, None
            if current is not None:
                self._frames_before += current.frames_decoded
                self._dropped_before += current.frames_dropped
        if current is not None:
            current.close()

    def _note(self, state: CameraState, reason: str, error: SourceError | None = None) -> None:
        status = CameraStatus(state, reason, max(0, self._connections - 1), self._capped)
        has_changed = (status.state, status.reason) != (self._status.state, self._status.reason)
        self._status = status
        if not has_changed:
            return
        fields = about(f"camera.{state.value}", self._source_id, error=error)
        if error is not None or state is CameraState.RECONNECTING:
            logger.warning("%s: %s; trying again", self._source_id, reason, extra=fields)
        elif state is not CameraState.STOPPED:
            logger.info("%s: %s %s", self._source_id, state.value, reason, extra=fields)
        if self._on_change is not None:
            self._on_change(status)


class CameraState(Enum):
    """What the connection of a camera is doing."""

    CONNECTING = "connecting"
    RUNNING = "running"
    RECONNECTING = "reconnecting"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """The connection of a camera at one moment.

    Attributes:
        reason: why it is not running, without credentials; empty if it is.
        reconnects: connections made after the first.
        frames_capped: frames dropped because they exceeded `fps_cap`.
    """

    state: CameraState
    reason: str = ""
    reconnects: int = 0
    frames_capped: int = 0


def camera_spec(name: str, config: CameraConfig) -> SourceSpec:
    """A camera as the platform opens it, credentials put in. Raises ConfigError where a secret is not there."""
    microseconds = str(int(config.timeout_seconds * 1e6))
    address = config.credentials.put_into(config.address)
    if address.startswith("/dev/"):
        return SourceSpec(
            uri=address,
            source_id=name,
            is_live=True,
            input_format="v4l2",
            input_options=dict(config.options),
            rotate=config.rotate,
        )
    if address.startswith(("rtsp://", "rtsps://")):
        options = {"rtsp_transport": config.transport, "timeout": microseconds, "fflags": "nobuffer"}
    else:
        options = {"timeout": microseconds, "rw_timeout": microseconds}
    return SourceSpec(
        uri=address,
        source_id=name,
        is_live=True,
        input_options={**options, **config.options},
        rotate=config.rotate,
    )
