"""All sources of a pipeline: which wait for a decoder, which run, how each ended. Safe from any thread.

    add ──> waiting ──take_startable──> running ──settle──> ended ──forget──> counted in the totals of `snapshot`

Only keeps the books: starting is the pipeline's, how a source ended is decided by `visage.runtime.settlement`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from stages.frames import Observation
from stages.sources import SourceEnded
from stages.tracks.log import TrackLog
from visage.runtime.errors import QueueClosed
from visage.runtime.source import Outcome, RunningSource
from visage.runtime.state import SourceState
from visage.runtime.statistics import SourceTotals

__all__ = ["SourceTable"]


class SourceTable:
    """Sources by name, in the order in which they were added. Implements `visage.runtime.settlement.SourceBook`.

    Safe from any thread.
    """

    def __init__(self, *, concurrent: int) -> None:
        """`concurrent`: most sources that run at once; the others wait for their turn."""
        self._concurrent = concurrent
        self._lock = threading.Lock()
        self._sources: dict[str, RunningSource] = {}
        self._waiting: deque[RunningSource] = deque()
        self._outcomes: dict[str, Outcome] = {}
        self._forgotten = SourceTotals()
        self._is_open = True

    def __repr__(self) -> str:
        return f"<SourceTable {self.summary}>"

    def __getitem__(self, source_id: str) -> RunningSource:
        """Raises KeyError."""
        with self._lock:
            return self._sources[source_id]

    @property
    def summary(self) -> str:
        """How many sources there are and how many have ended, for a `repr`."""
        return f"{len(self._sources)} sources, {len(self._outcomes)} ended"

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """A copy of the outcomes of the sources that have ended, by id."""
        with self._lock:
            return dict(self._outcomes)

    @property
    def is_done(self) -> bool:
        """Whether no more sources will be added and all have ended."""
        with self._lock:
            return not self._is_open and len(self._outcomes) == len(self._sources)

    def add(self, source_id: str, make: Callable[[], RunningSource]) -> None:
        """Let a source wait for its turn; `make` is called once it is known that it may come.

        Raises ValueError for a source_id that is taken, QueueClosed after `close`.
        """
        with self._lock:
            if not self._is_open:
                raise QueueClosed("the pipeline accepts no more sources")
            if source_id in self._sources:
                raise ValueError(f"there is a source {source_id!r} already")
            source = self._sources[source_id] = make()
            self._waiting.append(source)

    def close(self) -> None:
        """Accept no more sources. Idempotent; safe from any thread."""
        with self._lock:
            self._is_open = False

    def all(self) -> list[RunningSource]:
        """Every source that is not forgotten."""
        with self._lock:
            return list(self._sources.values())

    def unsettled(self) -> list[RunningSource]:
        """Return the sources without an outcome."""
        with self._lock:
            return [source for name, source in self._sources.items() if name not in self._outcomes]

    def unsettled_ids(self) -> list[str]:
        """Return the ids of the sources without an outcome."""
        return [source.source_id for source in self.unsettled()]

    def count(self, observation: Observation, tracks: TrackLog) -> None:
        """Count a frame that has been written. Raises KeyError for a source that was not added."""
        self._sources[observation.source_id].count(observation, tracks)

    def interrupt(self, source_id: str) -> None:
        """Read no more of a source. Raises KeyError."""
        self[source_id].interrupt()

    def frames_decoded(self, source_id: str) -> int:
        """Return how many frames of a source have left the decoder. Raises KeyError."""
        return self[source_id].statistics().frames_decoded

    def end(self, source_id: str, timeout_seconds: float) -> Exception | None:
        """Wait at most `timeout_seconds` for a decode thread, then give it up.

        Returns an error if it was given up by this call, else None. Raises KeyError for a source that was not added.
        """
        if self[source_id].end(timeout_seconds):
            return None
        return RuntimeError(f"the decode thread of {source_id} did not stop")

    def settle(self, ended: SourceEnded, state: SourceState, error: BaseException | None) -> Outcome | None:
        """Record how a source ended, and return that; None where it has an outcome."""
        outcome = self[ended.source_id].settle(state, error)
        if outcome is not None:
            with self._lock:
                self._outcomes[outcome.source_id] = outcome
        return outcome

    def take_startable(self) -> list[RunningSource]:
        """Remove as many waiting sources as decoders are free, and return them for the caller to start."""
        with self._lock:
            active = len(self._sources) - len(self._waiting) - len(self._outcomes)
            count = max(0, min(self._concurrent - active, len(self._waiting)))
            return [self._waiting.popleft() for _ in range(count)]

    def take_waiting(self) -> list[RunningSource]:
        """Remove all waiting sources and return them; they will not be started."""
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
        return waiting

    def withdraw(self, source: RunningSource) -> bool:
        """Remove a source from those that wait; returns whether it was waiting."""
        with self._lock:
            is_waiting = source in self._waiting
            if is_waiting:
                self._waiting.remove(source)
        return is_waiting

    def forget(self, source_id: str) -> Outcome:
        """Drop a source that has ended; its counts go to the totals of `snapshot`. Raises KeyError for any other."""
        with self._lock:
            outcome = self._outcomes.pop(source_id)
            self._forgotten = self._forgotten.plus(self._sources.pop(source_id).statistics())
        return outcome

    def snapshot(self) -> tuple[list[RunningSource], SourceTotals]:
        """Return every source, and the counters of the forgotten ones, at the same moment."""
        with self._lock:
            return list(self._sources.values()), self._forgotten
