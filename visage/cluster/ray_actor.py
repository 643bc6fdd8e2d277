"""What Ray runs on a node for each worker: a `NodeWorker`, with the process that it is in. Imports no Ray."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.identify.roster import Roster
from visage.cluster.node_worker import NodeWorker
from visage.cluster.orders import JobOrder, JobResults, Pulse
from visage.cluster.roots import RootMap
from visage.fleet.forwarder import pass_logs_on
from visage.fleet.messages import Task

__all__ = ["NodeActor", "WorkerFacts"]


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """A worker for its coordinator: the name of its node, how many jobs it does at once, and its process."""

    node: str
    capacity: int
    process_id: int


class NodeActor:
    """Every method is one of `NodeWorker`'s; calls may come at once."""

    def __init__(self, node: str, name: str, task: Task, theirs: Mapping[str, Path], ours: Mapping[str, Path]) -> None:
        self._facts = WorkerFacts(node, task.concurrent, os.getpid())
        self._worker = NodeWorker(name, task, RootMap(node, theirs, ours), on_orphaned=lambda: os._exit(0))
        pass_logs_on(self._worker.log, task.log_level)

    def facts(self) -> WorkerFacts:
        """Return who this is: never None, and the same for as long as the actor lives."""
        return self._facts

    def pulse(self, wait_seconds: float) -> Pulse:
        """See `NodeWorker.pulse`."""
        return self._worker.pulse(wait_seconds)

    def begin(self, order: JobOrder) -> None:
        """See `NodeWorker.begin`."""
        self._worker.begin(order)

    def results(self, token: int) -> JobResults:
        """See `NodeWorker.results`."""
        return self._worker.results(token)

    def settle(self, token: int, publish: bool) -> None:
        """See `NodeWorker.settle`."""
        self._worker.settle(token, publish)

    def interrupt(self, token: int) -> None:
        """See `NodeWorker.interrupt`."""
        self._worker.interrupt(token)

    def forget(self, token: int) -> None:
        """See `NodeWorker.forget`."""
        self._worker.forget(token)

    def share(self, roster: Roster) -> None:
        """See `NodeWorker.share`."""
        self._worker.share(roster)

    def close(self) -> None:
        """See `NodeWorker.close`."""
        self._worker.close()
