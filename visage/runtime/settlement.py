"""How each source and a run ended: decided here alone, for one pipeline as for a fleet of them.

    sink thread ──source_ended──> Settlement ──settle──> SourceBook (the outcome is on record) ──> on_settled

A source has one outcome, given by whoever sees its end first: FAILED where a sink, the source or a stage failed,
INTERRUPTED where it was asked to stop, otherwise DONE. A run has stopped when every source has its outcome, nothing
more is to be written and the callbacks have been called; `failure` is what stopped it, if something did.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from stages.frames import Observation
from stages.sources import SourceEnded
from stages.tracks.log import TrackLog
from visage.runtime.errors import StageFailed
from visage.runtime.source import Outcome
from visage.runtime.state import PipelineState, SourceState, State

__all__ = ["JOIN_SECONDS", "Settlement", "SourceBook"]

JOIN_SECONDS = 30.0
"""Longest wait for a thread that was told to stop."""

SETTLE_SECONDS = 1.0
"""Longest wait, when nothing more is to be written, for all decode threads to end before they are given up: after a
failure they may be stuck in the driver that failed."""


class SourceBook(Protocol):
    """The sources of a run, for its settlement. Safe from any thread."""

    def count(self, observation: Observation, tracks: TrackLog) -> None:
        """Count a frame that has been written."""

    def interrupt(self, source_id: str) -> None:
        """Stop reading a source; frames that were read are still delivered."""

    def frames_decoded(self, source_id: str) -> int:
        """Return the number of frames of a source that have left the decoder."""

    def unsettled_ids(self) -> Sequence[str]:
        """Return the sources without an outcome."""

    def end(self, source_id: str, timeout_seconds: float) -> Exception | None:
        """Wait at most `timeout_seconds` for the thread that reads a source.

        Returns an error if it has not ended, else None.
        """

    def settle(self, ended: SourceEnded, state: SourceState, error: BaseException | None) -> Outcome | None:
        """Record how a source ended, and return that; None where it has an outcome."""


class Settlement:
    """The state of a run and the outcomes of its sources. Implements `visage.runtime.sinks.SinkListener`.

    Attributes:
        state: of the run.
        failure: what stopped it; None if nothing did.
    """

    def __init__(
        self,
        sources: SourceBook,
        *,
        on_settled: Callable[[], None],
        on_failed: Callable[[], None],
        on_ended: Callable[[Outcome], None] | None = None,
    ) -> None:
        """
        Args:
            on_settled: called after each source that came to its end: another may begin, or the run be over.
            on_failed: called when a failure has been recorded, to stop the rest.
            on_ended: told of each outcome.
        """
        self.state = State(PipelineState.NEW)
        self.failure: Exception | None = None
        self.has_stopped = threading.Event()
        self._sources = sources
        self._on_settled = on_settled
        self._on_failed = on_failed
        self._on_ended = on_ended
        self._on_stopped: list[Callable[[], object]] = []
        self._sink_errors: dict[str, BaseException] = {}
        self._give_up_at: float | None = None
        self._lock = threading.Lock()

    def on_stopped(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the run has stopped; to be registered before the start."""
        self._on_stopped.append(callback)

    def fail(self, failure: Exception) -> None:
        """Record what stops the run; the first failure counts. Safe from any thread."""
        with self._lock:
            self.failure = self.failure or failure
            self._give_up_at = self._give_up_at or time.monotonic() + SETTLE_SECONDS
        self._on_failed()

    def withdraw(self, source_id: str) -> None:
        """Settle a source that will never start, as interrupted."""
        self._conclude(SourceEnded(source_id, 0, interrupted=True), None)

    def frame_done(self, observation: Observation, tracks: TrackLog) -> None:
        """See `SinkListener`."""
        self._sources.count(observation, tracks)

    def source_failed(self, source_id: str, error: BaseException) -> None:
        """Keep the error for the source's outcome, and stop reading the source."""
        self._sink_errors[source_id] = error
        self._sources.interrupt(source_id)

    def source_ended(self, ended: SourceEnded) -> None:
        """Give the source its outcome; waits for its reader, at most JOIN_SECONDS."""
        error = self._sink_errors.pop(ended.source_id, None) or ended.error
        seconds = JOIN_SECONDS if self._give_up_at is None else self._give_up_at - time.monotonic()
        self._conclude(ended, self._sources.end(ended.source_id, seconds) if error is None else error)
        self._on_settled()

    def end_early(self, source_id: str) -> SourceEnded:
        """Return the end marker of a source that did not reach its own.

        It has the run's failure, or is interrupted if there is none.
        """
        decoded = self._sources.frames_decoded(source_id)
        return SourceEnded(source_id, decoded, error=self.failure, interrupted=self.failure is None)

    def stopped(self, failure: StageFailed | None = None) -> None:
        """Settle the sources without an outcome: nothing more will be written.

        Waits for their readers, at most SETTLE_SECONDS.
        """
        try:
            if failure is not None:
                self.fail(failure)
            self._give_up_at = self._give_up_at or time.monotonic() + SETTLE_SECONDS
            for source_id in self._sources.unsettled_ids():
                self._sources.end(source_id, self._give_up_at - time.monotonic())
                ended = self.end_early(source_id)
                self._conclude(ended, ended.error)
        finally:
            self.state.advance_from(PipelineState.STOPPED, *PipelineState.active())
            self.has_stopped.set()
            for callback in self._on_stopped:
                callback()

    def _conclude(self, ended: SourceEnded, error: BaseException | None) -> None:
        """Settle a source, unless another thread has: then its outcome is on record when this returns."""
        state = SourceState.FAILED if error else SourceState.INTERRUPTED if ended.interrupted else SourceState.DONE
        with self._lock:
            outcome = self._sources.settle(ended, state, error)
        if outcome is not None and self._on_ended is not None:
            self._on_ended(outcome)
