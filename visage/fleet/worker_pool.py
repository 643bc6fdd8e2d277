"""Which worker reads which sources, and each one's last statistics; one lock protects all of it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from visage.config.sources import SourceSpec
from visage.fleet.messages import Add, Command, Interrupt
from visage.fleet.process import WorkerProcess
from visage.runtime.statistics import PipelineStatistics

__all__ = ["Loss", "WorkerPool"]

MAX_BEGINNINGS = 2
"""Of one file: with whose second worker it fails."""


class WorkerPool:
    """A fleet's workers, and the sources that wait for one. Used by any thread."""

    def __init__(self, waiting: Iterable[SourceSpec]) -> None:
        self._lock = threading.Lock()
        self._members: dict[WorkerProcess, _Member] = {}
        self._waiting = deque(waiting)
        self._given: dict[str, int] = {}
        self._gives_out = True

    @property
    def processes(self) -> list[WorkerProcess]:
        """All workers, those that have ended included, in the order they were started."""
        with self._lock:
            return list(self._members)

    def add(self, process: WorkerProcess, capacity: int) -> None:
        """Add a worker that reads at most `capacity` sources at once."""
        with self._lock:
            self._members[process] = _Member(capacity)

    def replace(self, lost: WorkerProcess, start: Callable[[], WorkerProcess]) -> None:
        """Start a worker in place of a lost one that had been ready, if any source is left to read."""
        with self._lock:
            member = self._members[lost]
            if self._gives_out and member.is_ready and (member.reading or self._waiting):
                # With the lock held: the word to stop is for it, too.
                self._members[start()] = _Member(member.capacity)

    def give_out(self) -> list[str]:
        """Assign waiting sources to the workers with the most room; returns the ids of the assigned sources.

        Empty if there is no room, or after `stop`. Safe from any thread.
        """
        given = []
        with self._lock:
            while self._waiting and self._gives_out:
                process, member = max(self._members.items(), key=lambda item: item[1].room)
                if member.room <= 0:
                    break
                spec = self._waiting.popleft()
                member.reading[spec.source_id] = spec
                times = self._given[spec.source_id] = self._given.get(spec.source_id, 0) + 1
                given.append(spec.source_id)
                # With the lock held: no source may follow the word to stop.
                process.tell(Add(spec, again=times > 1))
        return given

    def mark_ready(self, process: WorkerProcess) -> None:
        """Note that a worker's networks are loaded. Raises KeyError for a process that was not added."""
        with self._lock:
            self._members[process].is_ready = True

    def retire(self, process: WorkerProcess) -> None:
        """Assign no more sources to a worker: a stage of its pipeline has failed, and it is about to exit."""
        with self._lock:
            self._members[process].is_ready = False

    def mark_read(self, process: WorkerProcess, source_ids: set[str]) -> None:
        """Note that a worker has sent everything of these sources, which makes room for others."""
        with self._lock:
            for source_id in source_ids:
                self._members[process].reading.pop(source_id, None)
                self._given.pop(source_id, None)

    def keep(self, process: WorkerProcess, statistics: PipelineStatistics) -> None:
        """Keep a worker's last statistics. Raises KeyError for a process that was not added."""
        with self._lock:
            self._members[process].statistics = statistics

    def lose(self, process: WorkerProcess) -> Loss:
        """Decide what becomes of the sources of a worker that has exited: a file is started again, at most 1 time."""
        with self._lock:
            member = self._members[process]
            member.is_gone = True
            orphans, member.reading = list(member.reading.values()), {}
            again = [spec for spec in orphans if self._may_begin_again(spec)]
            failed = [spec.source_id for spec in orphans if spec not in again]
            self._waiting.extendleft(reversed(again))
            left: list[str] = []
            if all(other.is_gone for other in self._members.values()):
                left = [spec.source_id for spec in self._waiting]
                self._waiting.clear()
        return Loss(tuple(spec.source_id for spec in again), tuple(failed), tuple(left))

    def _may_begin_again(self, spec: SourceSpec) -> bool:
        return self._gives_out and not spec.is_live and self._given[spec.source_id] < MAX_BEGINNINGS

    def interrupt(self, source_id: str) -> None:
        """Have the worker that reads a source stop reading it; without effect if none does."""
        with self._lock:
            for process, member in self._members.items():
                if source_id in member.reading:
                    process.tell(Interrupt(source_id))

    def stop(self, command: Command) -> list[str]:
        """Stop all workers and assign nothing more; returns the ids of the sources that were never started.

        Does not wait for the workers; their owner joins them.
        """
        with self._lock:
            self._gives_out = False
            never_begun = [spec.source_id for spec in self._waiting]
            self._waiting.clear()
            for process in self._members:
                process.tell(command)
        return never_begun

    def statistics(self) -> Sequence[PipelineStatistics]:
        """Return the last statistics of each worker that has sent any."""
        with self._lock:
            return [member.statistics for member in self._members.values() if member.statistics is not None]


class Loss(NamedTuple):
    """The sources affected by a worker's exit.

    Attributes:
        again: ids of the sources that wait to be started again.
        failed: ids of the sources that it was reading and that are not started again.
        left: ids of the sources that waited, if there is no other worker.
    """

    again: tuple[str, ...] = ()
    """Will be begun again."""

    failed: tuple[str, ...] = ()
    """Was begun for the second time, or can't be."""

    left: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class _Member:
    capacity: int
    reading: dict[str, SourceSpec] = field(default_factory=dict)
    is_ready: bool = False
    is_gone: bool = False
    statistics: PipelineStatistics | None = None

    @property
    def room(self) -> int:
        """Sources that it can begin now."""
        return self.capacity - len(self.reading) if self.is_ready and not self.is_gone else 0
