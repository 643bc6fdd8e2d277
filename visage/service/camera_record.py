"""The record of one camera: what is wanted of it, what it does, and its counters."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime

from stages.addresses import redact_credentials
from visage.config.service import CameraConfig
from visage.config.timetable import Timetable
from visage.runtime import SourceStatistics
from visage.service.backoff import Backoff
from visage.service.cameras import CameraSource, CameraState, CameraStatus

__all__ = ["CameraRecord", "CameraReport"]

FPS_SAMPLES = 6

STABLE_SECONDS = 10.0
"""A session in the pipeline with pictures for this long counts as good: the waits before the next one start short."""

ANSWER_SECONDS = 3.0
"""Longest wait for an interrupted session to end: a server may hold FFmpeg for half a minute, or forever."""


@dataclass(frozen=True, slots=True)
class CameraReport:
    """A camera at one moment; `state` is one of `visage.observe.service_metrics.CAMERA_STATES`."""

    source_id: str
    state: str
    reason: str
    address: str
    fps: float
    frames: int
    dropped: int
    faces: int
    reconnects: int
    frames_capped: int


@dataclass(slots=True)
class _Counts:
    """What went through."""

    frames: int = 0
    dropped: int = 0
    faces: int = 0
    reconnects: int = 0
    capped: int = 0

    def add(self, statistics: SourceStatistics, status: CameraStatus) -> None:
        self.frames += statistics.frames_done
        self.dropped += statistics.frames_dropped
        self.faces += statistics.faces
        self.reconnects += status.reconnects
        self.capped += status.frames_capped


@dataclass(slots=True)
class CameraRecord:
    """A camera. The desk's lock guards it.

    Attributes:
        source: its session, which is its time in the pipeline; None while it has none.
        interrupted_at: since when that session is ending (monotonic); None before.
        next_config: to be opened with, once that has ended.
        running_since: when its picture first came in this session (monotonic); None before.
        failure: why its last session ended, if by an error; it is not begun again before `retry_at` (monotonic).
        before: what went through in earlier sessions.
        samples: when, and how many frames were done in this session; for the rate.
    """

    config: CameraConfig
    timetable: Timetable
    backoff: Backoff
    is_paused: bool = False
    is_removed: bool = False
    source: CameraSource | None = None
    interrupted_at: float | None = None
    next_config: CameraConfig | None = None
    running_since: float | None = None
    failure: str = ""
    retry_at: float = 0.0
    before: _Counts = field(default_factory=_Counts)
    samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=FPS_SAMPLES))

    def is_wanted(self, now: datetime) -> bool:
        """Return whether the camera is to run at `now`, a local time: not paused, not removed and within its hours."""
        return not self.is_paused and not self.is_removed and self.timetable.is_on(now)

    @property
    def hangs(self) -> bool:
        """Whether it was interrupted more than ANSWER_SECONDS ago and still has not ended."""
        return self.interrupted_at is not None and time.monotonic() - self.interrupted_at > ANSWER_SECONDS

    def fail(self, reason: str) -> None:
        """Record why its session failed; it is started again after the next wait of its backoff, in seconds."""
        self.failure = reason
        self.retry_at = time.monotonic() + self.backoff.next_seconds()

    def forgive(self) -> None:
        """Reset the backoff, so that the camera is started again without a wait."""
        self.backoff.reset()
        self.retry_at = 0.0

    def end(self, statistics: SourceStatistics | None) -> None:
        """Note that its session in the pipeline is over and add the session's counters to the camera's.

        Args:
            statistics: of the session; None if the pipeline has none, which leaves the counters as they are.
        """
        if statistics is not None and self.source is not None:
            self.before.add(statistics, self.source.status)
        if self.running_since is not None and time.monotonic() - self.running_since >= STABLE_SECONDS:
            self.backoff.reset()
        self.source, self.running_since, self.interrupted_at = None, None, None
        self.samples.clear()

    def state(self, now: datetime) -> tuple[str, str]:
        """Return the camera's state and the reason for it, which may be empty.

        The state is one of `visage.observe.service_metrics.CAMERA_STATES`. `now` is a local time, as schedules are.
        """
        if self.is_paused:
            return "paused", "paused by request"
        if not self.timetable.is_on(now):
            return "scheduled_off", "outside its hours: " + ", ".join(self.config.schedule)
        if self.source is not None:
            status = self.source.status
            is_stopped = status.state is CameraState.STOPPED
            return ("waiting", "") if is_stopped else (status.state.value, status.reason)
        return ("failed", self.failure) if self.failure else ("waiting", "")

    def reading(self, name: str, statistics: SourceStatistics | None, now: datetime) -> CameraReport:
        """Return the state and all counters, those of the running session included.

        Args:
            statistics: of the running session; None between sessions.
            now: local time.
        """
        state, reason = self.state(now)
        counts = replace(self.before)
        if statistics is not None and self.source is not None:
            counts.add(statistics, self.source.status)
        return CameraReport(
            source_id=name,
            state=state,
            reason=reason,
            address=redact_credentials(self.config.address),
            fps=_rate(self.samples),
            frames=counts.frames,
            dropped=counts.dropped,
            faces=counts.faces,
            reconnects=counts.reconnects,
            frames_capped=counts.capped,
        )


def _rate(samples: deque[tuple[float, int]]) -> float:
    if len(samples) < 2:  # noqa: PLR2004  # a rate needs two
        return 0.0
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    return (last - first) / max(last_at - first_at, 1e-6)
