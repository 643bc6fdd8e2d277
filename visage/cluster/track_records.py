"""Puts the tracks that a worker found into the coordinator's gallery."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from visage.fleet.recording import Recorded, SeenAgain, TrackReport
from visage.runtime.job import TrackRecorder

__all__ = ["SettlingRecorder", "record_tracks"]

logger = logging.getLogger(__name__)

TRACKS_AT_ONCE = 1000
"""Handed to the gallery before it is waited for: its queue takes a few thousand."""

RECORD_SECONDS = 60.0


class SettlingRecorder(TrackRecorder, Protocol):
    """A recorder that can be waited for, as `visage.people.SightingRecorder` can."""

    def settle(self, source_id: str, timeout_seconds: float) -> Exception | None:
        """Block until all that was handed in for a source is stored; return why some of it could not be, or None."""


def record_tracks(recorder: SettlingRecorder, job_id: str, uri: str, reports: Sequence[TrackReport]) -> None:
    """Store what a completed job has seen; what an attempt that was cut short had stored of it is removed first.

    What the gallery can't store is logged, and its session tells of it at the run's end.

    Args:
        uri: of the source, as the gallery knows it.
        reports: of the worker, in its order.
    """
    for report in reports:
        if isinstance(report, SeenAgain):
            replace(report, uri=uri, before=time.time()).replay(recorder)
    tracks = [report for report in reports if isinstance(report, Recorded)]
    for start in range(0, len(tracks), TRACKS_AT_ONCE):
        for track in tracks[start : start + TRACKS_AT_ONCE]:
            replace(track, seen={**track.seen, "uri": uri}).replay(recorder)
        problem = recorder.settle(job_id, RECORD_SECONDS)
        if problem is not None:
            logger.warning("%s: %s", job_id, problem)
