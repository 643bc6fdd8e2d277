"""A worker of a node: owns one worker process, does the jobs it is ordered to, and keeps each until it is settled.

    begin(order) ──> running ──> finished ──settle──> published or discarded ──forget──> gone

The coordinator asks, and nothing is sent to it unasked. What it has not acknowledged is kept and told again, so that an
answer that was lost, or a coordinator that was killed, costs nothing. Jobs whose lease has ended are told by
`settle(publish=False)`: they are interrupted where they still run, and what they staged is removed. A worker that no
coordinator asks for `ORPHAN_SECONDS` ends. When its process dies, the jobs that it had are finished as deaths, and
another process is started.

It knows no Ray; any thread may call any method.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from stages.errors import OutputFailed, SourceError, SourceNotFound, SourceUnreadable
from stages.frames import Observation
from stages.identify.roster import Roster
from stages.sources import SourceEnded, SourceStarted, VideoInfo
from visage.cluster.errors import ClusterError, NodeRefused
from visage.cluster.orders import Finished, JobOrder, JobResults, Pulse
from visage.cluster.roots import RootMap
from visage.cluster.staging import MovableOutputs, Readdressed, Staging
from visage.cluster.stores import is_in_store, signed
from visage.fleet.messages import Add, Interrupt, Ready, Report, Stop, StopMode, Task
from visage.fleet.process import EXIT_SECONDS, WorkerProcess
from visage.fleet.recording import TrackReport
from visage.fleet.shared_roster import RosterSnapshot
from visage.fleet.wire import ItemBatch, Unpacker
from visage.head_start import HeadStart, Started
from visage.runtime.errors import RuntimeFailure, StageFailed
from visage.runtime.job import JobOutputs
from visage.runtime.source import SourceStatistics
from visage.runtime.statistics import PipelineStatistics

__all__ = ["ORPHAN_SECONDS", "NodeWorker"]

ORPHAN_SECONDS = 900.0
"""From the last that a coordinator asked: one that was killed has so long to come back before its workers end."""

RESTART_SECONDS = 2.0
"""Least time between two starts of the process: one that dies as it starts must not do so all the time."""

MAX_FAILED_STARTS = 3
MAX_LOGS = 1000

ELSEWHERE = (SourceNotFound, SourceUnreadable, OutputFailed, PermissionError)
"""What is mostly the node's fault: a folder that is not mounted, or that it may not read or write."""


class NodeWorker:
    """Serves a coordinator, and after it the next."""

    def __init__(
        self,
        name: str,
        task: Task,
        roots: RootMap,
        *,
        launch: Callable[[], Started] | None = None,
        on_orphaned: Callable[[], None] = lambda: None,
        orphan_seconds: float = ORPHAN_SECONDS,
    ) -> None:
        """
        Args:
            name: for people; names the node.
            task: for the process.
            roots: from the coordinator's paths to those here.
            launch: starts the process.
            on_orphaned: called once, on a thread of its own, when no coordinator has asked for too long.
        """
        self.name = name
        self._task = task
        self._roots = roots
        self._launch = launch or HeadStart().launch
        self._on_orphaned = on_orphaned
        self._orphan_seconds = orphan_seconds
        self._changed = threading.Condition()
        self._attempts: dict[int, _Attempt] = {}
        self._statistics: PipelineStatistics | None = None
        self._failure: Exception | None = None
        self._failed_starts = 0
        self._snapshot: RosterSnapshot | None = None
        self._logs: list[logging.LogRecord] = []
        self._is_ready = False
        self._has_news = False
        self._is_closed = threading.Event()
        self._asked_at = time.monotonic()
        self._unpacker = Unpacker()
        with self._changed:
            self._process = self._start()
        self._watch = threading.Thread(target=self._watch_owner, name="owner-watch", daemon=True)
        self._watch.start()

    def __repr__(self) -> str:
        return f"<NodeWorker {self.name}, {'ready' if self._is_ready else 'not ready'}, {len(self._attempts)} jobs>"

    def pulse(self, wait_seconds: float) -> Pulse:
        """Return how everything is; blocks until a job finishes, at most so many seconds."""
        with self._changed:
            self._asked_at = time.monotonic()
            self._changed.wait_for(lambda: self._has_news or self._is_closed.is_set(), wait_seconds)
            self._asked_at = time.monotonic()
            self._has_news = False
            logs, self._logs = self._logs, []
            return Pulse(
                is_ready=self._is_ready,
                holds=frozenset(self._attempts),
                finished=tuple(attempt.finished for attempt in self._attempts.values() if attempt.finished is not None),
                statistics=self._statistics,
                failure=self._failure,
                logs=tuple(logs),
            )

    def begin(self, order: JobOrder) -> None:
        """Begin a job; how it ends shows in a pulse, also where this node can't do it. Again does nothing."""
        with self._changed:
            if order.token in self._attempts:
                return
            attempt = self._attempts[order.token] = _Attempt(order)
            source_id = order.spec.source_id
            others = [other for other in self._attempts.values() if other is not attempt and not other.is_over]
            # Its own earlier attempt may still wind down, and has the name in the process.
            if not self._is_ready or any(other.source_id == source_id for other in others):
                self._finish(attempt, is_returned=True)
                return
            try:
                add = self._prepare(attempt)
            except (ClusterError, SourceError) as refusal:
                self._finish(attempt, refusal=_told(self.name, refusal))
                return
            process = self._process
        process.tell(add)

    def results(self, token: int) -> JobResults:
        """What came of a finished job besides its outputs. Raises KeyError for a token that it does not hold."""
        with self._changed:
            attempt = self._attempts[token]
            return JobResults(attempt.info, attempt.statistics, tuple(attempt.tracks))

    def settle(self, token: int, publish: bool) -> None:
        """Give a finished job's outputs their names, or drop the job, where it still runs as well.

        Any number of times; a dropped job is forgotten. Raises OutputFailed where the outputs can't get their names.
        """
        with self._changed:
            attempt = self._attempts.get(token)
            if attempt is None:
                return
            if not publish:
                attempt.is_dropped = True
            is_over = attempt.is_over
            process = self._process
        if publish:
            attempt.staging.publish()
        elif is_over:
            self._drop(attempt)
        else:
            process.tell(Interrupt(attempt.source_id))

    def interrupt(self, token: int) -> None:
        """Read no more for a job: it finishes as interrupted, with what came before."""
        with self._changed:
            attempt = self._attempts.get(token)
            process = self._process
        if attempt is not None:
            process.tell(Interrupt(attempt.source_id))

    def forget(self, token: int) -> None:
        """The coordinator has all of a settled job on record."""
        with self._changed:
            self._attempts.pop(token, None)

    def share(self, roster: Roster) -> None:
        """Compare faces with these people from now on. From any thread; jobs at work take them up too."""
        with self._changed:
            before, self._snapshot = self._snapshot, RosterSnapshot(roster)
            process, snapshot = self._process, self._snapshot
            process.share(snapshot)
        if before is not None:
            before.close()

    def log(self, record: logging.LogRecord) -> None:
        """Keep a record for the next pulse; the oldest go where they are too many. From any thread."""
        with self._changed:
            self._logs = [*self._logs[1 - MAX_LOGS :], record]

    def close(self) -> None:
        """End the process, and drop what is not settled. Safe to call twice."""
        self._is_closed.set()
        with self._changed:
            attempts, self._attempts = list(self._attempts.values()), {}
            process = self._process
            self._changed.notify_all()
        process.let_go()
        process.tell(Stop(StopMode.ABORT))
        process.join(EXIT_SECONDS)
        for attempt in attempts:
            attempt.staging.discard()
        with self._changed:
            if self._snapshot is not None:
                self._snapshot.close()
                self._snapshot = None

    def _prepare(self, attempt: _Attempt) -> Add:
        """The order in this machine's terms. Raises ClusterError, SourceError."""
        order = attempt.order
        spec = order.spec
        uri = self._roots.local_uri(order.address)
        if is_in_store(uri):
            uri = signed(uri)
        attempt.staging = Staging(spec.source_id, order.attempt, local=self._roots.local)
        outputs: list[JobOutputs] = []
        for each in order.outputs:
            if isinstance(each, MovableOutputs):
                moved = each.moved(spec.source_id, attempt.staging, uri)
                outputs.append(moved if uri == spec.uri else Readdressed(moved, spec.display_uri))
            else:
                outputs.append(each)
        attempt.staging.remove_earlier()
        return Add(spec.model_copy(update={"uri": uri}), outputs=outputs)

    def _start(self) -> WorkerProcess:
        process = WorkerProcess(self.name, self._task, launch=self._launch, on_report=self._hear, on_gone=self._lose)
        self._started_at = time.monotonic()
        process.start()
        if self._snapshot is not None:
            process.share(self._snapshot)
        return process

    def _hear(self, process: WorkerProcess, report: Report) -> None:
        with self._changed:
            if process is not self._process:
                return
            if isinstance(report, ItemBatch):
                for item in self._unpacker.unpack(report):
                    self._take(item)
            elif isinstance(report, PipelineStatistics):
                self._statistics = report
                counts = {source.source_id: source for source in report.sources}
                for attempt in self._attempts.values():
                    if not attempt.is_over:
                        attempt.statistics = counts.get(attempt.source_id, attempt.statistics)
            elif isinstance(report, Ready):
                self._is_ready = True
                self._failed_starts = 0
                self._tell()

    def _take(self, item: SourceStarted | SourceEnded | Observation | TrackReport) -> None:
        if isinstance(item, Observation):
            return  # frames are not wanted
        source_id = item.source_id if isinstance(item, (SourceStarted, SourceEnded)) else _source_of(item)
        attempt = next((one for one in self._attempts.values() if one.source_id == source_id and not one.is_over), None)
        if attempt is None:
            return
        if isinstance(item, SourceStarted):
            attempt.info = item.info
        elif not isinstance(item, SourceEnded):
            attempt.tracks.append(item)
        elif isinstance(item.error, StageFailed):
            self._finish(attempt, item, death=f"{self.name}: {item.error}")
        elif isinstance(item.error, ELSEWHERE):
            self._finish(attempt, item, refusal=f"{self.name}: {item.error}")
        else:
            self._finish(attempt, item)

    def _finish(
        self,
        attempt: _Attempt,
        ended: SourceEnded | None = None,
        *,
        death: str | None = None,
        refusal: str | None = None,
        is_returned: bool = False,
    ) -> None:
        """With the lock held."""
        ended = ended or SourceEnded(attempt.source_id, 0, interrupted=True)
        error = ended.error if isinstance(ended.error, Exception) else None
        attempt.finished = Finished(attempt.order.token, ended, error, death, refusal, is_returned)
        self._tell()
        if attempt.is_dropped:
            self._drop(attempt)

    def _drop(self, attempt: _Attempt) -> None:
        with self._changed:
            self._attempts.pop(attempt.order.token, None)
        attempt.staging.discard()

    def _tell(self) -> None:
        self._has_news = True
        self._changed.notify_all()

    def _lose(self, process: WorkerProcess, error: Exception | None) -> None:
        """The process has gone: on its listening thread."""
        with self._changed:
            if process is not self._process or self._is_closed.is_set():
                return
            was_ready, self._is_ready = self._is_ready, False
            why = str(error or "its process ended")
            for attempt in list(self._attempts.values()):
                if not attempt.is_over:
                    self._finish(attempt, death=f"{self.name}: {why}")
            if not was_ready:
                self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS or not (error is None or isinstance(error, RuntimeFailure)):
                self._failure = error or RuntimeFailure(f"{self.name}: {why}")
                self._tell()
                return
        self._is_closed.wait(max(0.0, self._started_at + RESTART_SECONDS - time.monotonic()))
        with self._changed:
            if not self._is_closed.is_set():
                self._unpacker = Unpacker()
                self._process = self._start()

    def _watch_owner(self) -> None:
        while not self._is_closed.wait(min(5.0, self._orphan_seconds)):
            with self._changed:
                silent = time.monotonic() - self._asked_at
            if silent >= self._orphan_seconds:
                self.close()
                self._on_orphaned()
                return


@dataclass(slots=True, eq=False)
class _Attempt:
    """A job under one token. `is_dropped`: its lease has ended, and nothing is to come of it."""

    order: JobOrder
    staging: Staging = field(init=False)
    info: VideoInfo | None = None
    statistics: SourceStatistics | None = None
    tracks: list[TrackReport] = field(default_factory=list)
    finished: Finished | None = None
    is_dropped: bool = False

    def __post_init__(self) -> None:
        self.staging = Staging(self.source_id, self.order.attempt)

    @property
    def source_id(self) -> str:
        return self.order.spec.source_id

    @property
    def is_over(self) -> bool:
        return self.finished is not None


def _source_of(report: TrackReport) -> str:
    return report.track.source_id if hasattr(report, "track") else report.source


def _told(name: str, refusal: Exception) -> str:
    return str(refusal) if isinstance(refusal, NodeRefused) else f"{name}: {refusal}"
