"""A run over the machines of a cluster. Implements `visage.runtime.run.Run`, as a pipeline and a fleet do.

One job's way, all on the dispatching thread but for the last step:

    claim ──> begin ──> ... ──> finished ──results──> settle: outputs get their names ──> gallery ──> complete
                                   │                                                            └──> sink thread
                                   └──> late, refused, died: the worker drops it, the ledger decides what follows

The ledger is told last, so that whatever is cut short is done again: outputs replace themselves, and what was seen
in the same film before is removed first. Frames never come here.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from stages.addresses import is_address
from stages.identify.roster import KnownPeople, Roster
from stages.sources import SourceEnded, SourceStarted
from visage.cluster.board import BoardCommand, Wish
from visage.cluster.coordinator import Coordinator
from visage.cluster.errors import NodeRefused
from visage.cluster.lease import JobState, Lease, LeasedJob, NewJob
from visage.cluster.ledger import LeaseLedger
from visage.cluster.nodes import Answer, Nodes
from visage.cluster.orders import Finished, JobOrder, JobResults, Pulse
from visage.cluster.run_status import describe_machines, describe_work
from visage.cluster.staging import MovableOutputs, Staging
from visage.cluster.track_records import SettlingRecorder, record_tracks
from visage.config.sources import SourceSpec
from visage.fleet.merge import merged_queues, merged_stages
from visage.fleet.remote import RemoteSources
from visage.people.sink import gallery_uri
from visage.runtime.errors import QueueAborted, QueueClosed, RuntimeFailure
from visage.runtime.job import JobOutputs
from visage.runtime.queue import BoundedQueue
from visage.runtime.settlement import JOIN_SECONDS, Settlement
from visage.runtime.sinks import OpenSinks, SinkItem, SinkWorker
from visage.runtime.source import Outcome
from visage.runtime.state import PipelineState
from visage.runtime.statistics import PipelineStatistics

__all__ = ["ClusterRun", "JobQuarantined"]

logger = logging.getLogger(__name__)

WAIT_SECONDS = 0.25
TICK_SECONDS = 1.0
QUEUE_CAPACITY = 512

SWEEP_SECONDS, SWEEP_INTERVAL_SECONDS = 15.0, 0.25
"""How long a run waits at its end for what cut off processes have left to be removable."""

NO_WORKER_SECONDS = 60.0
"""After which a run ends that no machine can work for; its ledger stays, for when one can."""


class JobQuarantined(RuntimeFailure):
    """Raised where two workers died with a source, or it was lost too often; says how and on which node."""


class ClusterRun:
    """Owns the nodes of the run and both threads; ledger, people and recorder stay their makers'."""

    def __init__(
        self,
        sources: Sequence[SourceSpec],
        *,
        run_id: str,
        ledger: LeaseLedger,
        nodes: Nodes,
        outputs: Sequence[JobOutputs],
        open_sinks: OpenSinks,
        contents: Mapping[str, str],
        people: KnownPeople | None = None,
        recorder: SettlingRecorder | None = None,
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            run_id: fit for a file name; the same for whoever goes on with this ledger.
            outputs: what each source is written to, by its worker; with this machine's paths.
            open_sinks: makes the sinks that a source has here: they get its start and end.
            contents: of each source by its id, what tells whether it is still the one that the ledger knows.
            people: whom the workers compare faces with.
            recorder: takes the tracks of each source when that is complete.
            on_closed: called when both threads have ended, with the nodes closed.
        """
        self._run_id = run_id
        self._ledger = ledger
        self._coordinator = Coordinator(ledger)
        self._nodes = nodes
        self._outputs = tuple(outputs)
        self._people = people
        self._recorder = recorder
        self._on_closed = on_closed
        self._specs = {spec.source_id: spec for spec in sources}
        ledger.retain(self._specs)
        ledger.add(NewJob(name, content=contents[name]) for name in self._specs)
        self._sources = RemoteSources(sources, interrupt=lambda _: None)
        self._settlement = Settlement(self._sources, on_settled=self._finish_if_done, on_failed=self.abort)
        self._state = self._settlement.state
        self._received: BoundedQueue[SinkItem] = BoundedQueue(QUEUE_CAPACITY)
        self._settlement.on_stopped(self._received.abort)
        self._sink = SinkWorker(inlet=self._received, open_sinks=open_sinks, listener=self._settlement)
        self._workers: dict[str, _Worker] = {}
        self._leases: dict[int, Lease] = {}
        self._settling: set[int] = set()
        self._roster: Roster | None = None
        self._status: dict[str, Any] = {}
        self._is_closed = False
        self._must_close = threading.Event()
        self._dispatcher = threading.Thread(target=self._run, name="cluster")
        self._idle_since = time.monotonic()

    def __repr__(self) -> str:
        return f"<ClusterRun {self._state.current.name}, {len(self._workers)} workers, {self._ledger!r}>"

    @property
    def failure(self) -> Exception | None:
        return self._settlement.failure

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {source.spec.source_id: source.outcome for source in self._sources if source.outcome is not None}

    def start(self) -> None:
        self._nodes.open()
        self._state.advance(PipelineState.RUNNING)
        self._sink.start()
        for job in self._ledger.jobs():
            if job.state is JobState.DONE:  # by an earlier coordinator
                self._put([SourceEnded(job.job_id, job.frames)])
            elif job.state.is_final:
                self._ledger.retry(job.job_id)
        self._dispatcher.start()
        self._finish_if_done()  # there may be no source at all

    def drain(self) -> None:
        self._state.advance_from(PipelineState.DRAINING, PipelineState.RUNNING)

    def abort(self) -> None:
        if self._state.advance_from(PipelineState.ABORTING, PipelineState.RUNNING, PipelineState.DRAINING):
            self._received.abort()

    def on_stopped(self, callback: Any) -> None:
        self._settlement.on_stopped(callback)

    def wait(self, timeout_seconds: float | None = None) -> bool:
        return self._settlement.has_stopped.wait(timeout_seconds)

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._end()
        finally:
            self._on_closed()

    def _end(self) -> None:
        if self._state.advance_from(PipelineState.STOPPED, PipelineState.NEW):
            self._settlement.stopped()
            self._nodes.close()
            return
        self.abort()
        self._must_close.set()
        until = time.monotonic() + JOIN_SECONDS
        stuck = []
        if self._dispatcher.ident is not None:
            self._dispatcher.join(JOIN_SECONDS)
            stuck += [self._dispatcher] * self._dispatcher.is_alive()
        if not self._sink.join(max(0.0, until - time.monotonic())):
            stuck.append(self._sink)  # type: ignore[arg-type]  # for its repr
        if stuck:
            raise RuntimeError(f"these did not stop: {stuck}")

    def statistics(self) -> PipelineStatistics:
        told = [worker.statistics for worker in list(self._workers.values()) if worker.statistics is not None]
        return PipelineStatistics(
            state=self._state.current,
            sources=tuple(source.statistics() for source in self._sources),
            stages=merged_stages(told),
            queues={**merged_queues(told), "sink": self._received.statistics()},
        )

    def status(self) -> dict[str, Any]:
        """What the cluster does, as of the last second; fit for JSON."""
        return self._status

    def __enter__(self) -> ClusterRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- the dispatching thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            ticked_at, is_draining = 0.0, False
            while not self._must_close.is_set():
                self._nodes.wait(self, WAIT_SECONDS)
                if self._state.current is PipelineState.DRAINING and not is_draining:
                    is_draining = True
                    self._interrupt_all()
                if time.monotonic() - ticked_at >= TICK_SECONDS:
                    ticked_at = time.monotonic()
                    self._tick()
                self._give_out()
        except Exception as error:  # the thread's edge
            logger.debug("the coordinator failed", exc_info=error)
            self._settlement.fail(error)
        finally:
            self._nodes.close()
            self._sweep()

    def _sweep(self) -> None:
        """Remove what attempts left that were killed.

        The processes of a node that was lost end by themselves, some seconds later, and write until then.
        """
        until = time.monotonic() + SWEEP_SECONDS
        left = list(filter(None, (self._left_by_attempts(spec) for spec in self._specs.values())))
        while left and time.monotonic() < until:
            time.sleep(SWEEP_INTERVAL_SECONDS)  # processes of other machines: nothing else tells
            left = [staging for staging in left if not staging.remove_earlier()]

    def _left_by_attempts(self, spec: SourceSpec) -> Staging | None:
        """What attempts at this source have left and can't be removed yet, if there is any."""
        staging = Staging(spec.source_id, f"{self._run_id}-0")
        for each in self._outputs:
            if isinstance(each, MovableOutputs):
                each.moved(spec.source_id, staging, spec.uri)
        return None if staging.remove_earlier() else staging

    def _tick(self) -> None:
        for job in self._coordinator.tick():
            logger.warning("%s: %s; it is begun again", job.job_id, job.reason)
            self._follow(job)
        self._leases = {token: lease for token, lease in self._leases.items() if self._ledger.is_current(token)}
        self._give_up()
        self._share_people()
        self._status = {
            "run": self._run_id,
            "state": self._state.current.name.lower(),
            **describe_work(self._ledger, self._leases.values(), self._sources),
            "nodes": describe_machines(self._nodes.describe(), self._coordinator.nodes()),
        }
        self._nodes.show(self._status)

    def _give_up(self) -> None:
        """What no node can do, where there are no others to come."""
        machines = self._nodes.describe()
        at_work = {worker.node for worker in self._workers.values() if worker.is_ready}
        if any(one["state"] == "inspecting" or (one["state"] == "admitted" and one["node"] not in at_work)
               for one in machines):  # fmt: skip
            self._idle_since = time.monotonic()
            return
        for job_id, reasons in self._coordinator.refused_everywhere().items():
            error = NodeRefused("; ".join(dict.fromkeys(reasons.values())))
            self._ledger.give_up(job_id, str(error))
            self._end_without(job_id, error)
        if at_work:
            self._idle_since = time.monotonic()
        elif time.monotonic() - self._idle_since >= NO_WORKER_SECONDS and not self._sources.is_done:
            problems = [f"node {one['node']} {one['problem']}" for one in machines if one["problem"]]
            raise NodeRefused("; ".join(problems) or "the cluster has no node with a processor to give: start one")

    def _give_out(self) -> None:
        if self._state.current is not PipelineState.RUNNING:
            return
        for name, worker in list(self._workers.items()):
            while worker.is_ready and (lease := self._coordinator.claim(name)) is not None:
                self._begin(name, lease)

    def _begin(self, worker: str, lease: Lease) -> None:
        self._leases[lease.token] = lease
        self._sources[lease.job_id].begin()
        self._nodes.call(worker, "begin", self._order(lease))

    def _order(self, lease: Lease) -> JobOrder:
        """Without what concerns other sources alone, and without what depends on this process's folder."""
        spec = self._specs[lease.job_id]
        address = spec.uri if is_address(spec.uri) else os.path.abspath(spec.uri)
        outputs = tuple(
            each.moved(spec.source_id, _Absolute(), address) if isinstance(each, MovableOutputs) else each
            for each in self._outputs
        )
        return JobOrder(lease.token, f"{self._run_id}-{lease.token}", spec, address, outputs)

    def _interrupt_all(self) -> None:
        """Read no more; what waits has never begun."""
        for token, lease in self._leases.items():
            if self._ledger.is_current(token):
                self._nodes.call(lease.worker, "interrupt", token)
        for job in self._ledger.jobs([JobState.WAITING]):
            self._settlement.withdraw(job.job_id)
        self._finish_if_done()

    # -- what is heard of workers ------------------------------------------------------------------------------------

    def joined(self, worker: str, node: str, capacity: int) -> None:
        """See `NodeListener`."""
        self._workers[worker] = _Worker(node, capacity)
        self._coordinator.join(worker, node, capacity=capacity)
        if self._roster is not None:
            self._nodes.share(worker, self._roster)

    def pulsed(self, worker: str, pulse: Pulse) -> None:
        """See `NodeListener`."""
        known = self._workers.get(worker)
        if known is None:
            return
        known.is_ready, known.statistics = pulse.is_ready, pulse.statistics
        for record in pulse.logs:
            if (target := logging.getLogger(record.name)).isEnabledFor(record.levelno):
                target.handle(record)
        late = self._coordinator.pulse(worker, pulse.holds)
        for token in late - self._settling:
            self._nodes.call(worker, "settle", token, False)
        for token in pulse.holds - late - self._leases.keys():  # of an earlier coordinator
            if (lease := self._ledger.lease(token)) is not None:
                self._leases[token] = lease
                self._sources[lease.job_id].begin()
        for source in pulse.statistics.sources if pulse.statistics is not None else ():
            if source.source_id in self._specs:
                self._sources[source.source_id].keep(source)
        for finished in pulse.finished:
            if finished.token not in late and finished.token not in self._settling:
                self._settle(worker, known.node, finished)

    def lost(self, worker: str, reason: str, *, is_death: bool) -> None:
        """See `NodeListener`."""
        self._workers.pop(worker, None)
        jobs = self._coordinator.lose(worker, reason, is_death=is_death)
        then = f"; begun again: {', '.join(job.job_id for job in jobs)}" if jobs else ""
        logger.warning("%s%s", reason, then)
        for job in jobs:
            self._follow(job)

    def refused(self, node: str, reason: str) -> None:
        """See `NodeListener`."""
        logger.warning("%s", reason)

    def asked(self, command: BoardCommand) -> None:
        """See `NodeListener`."""
        logger.warning("asked to %s %s", command.wish.value, command.node or "")
        node = command.node or ""
        if command.wish is Wish.PAUSE:
            self._ledger.pause()
        elif command.wish is Wish.RESUME:
            self._ledger.resume()
        elif command.wish is Wish.DRAIN:
            self._coordinator.drain(node)
        elif command.wish is Wish.RETURN:
            self._coordinator.give_back(node)
            self._nodes.restore(node)
        else:
            for worker in self._coordinator.take_away(node):
                self._workers.pop(worker, None)
            self._nodes.remove(node)

    # -- how a job ends ----------------------------------------------------------------------------------------------

    def _settle(self, worker: str, node: str, finished: Finished) -> None:
        token = finished.token
        if finished.death is not None:
            job = self._ledger.lose(token, finished.death, is_death=True)
            self._drop(worker, token)
            if job is not None:
                logger.warning("%s; %s is begun again", finished.death, job.job_id)
                self._follow(job)
        elif finished.is_returned:
            self._ledger.release(token)
            self._drop(worker, token)
        elif finished.refusal is not None:
            logger.info("%s", finished.refusal)
            self._ledger.refuse(token, finished.refusal)
            self._drop(worker, token)
        else:
            self._settling.add(token)
            self._nodes.call(worker, "results", token, then=lambda answer: self._have_results(worker, finished, answer))

    def _have_results(self, worker: str, finished: Finished, answer: Answer) -> None:
        token = finished.token
        if answer.error is not None or answer.is_lost or not self._ledger.is_current(token):
            self._settling.discard(token)  # the next pulse tells again, where there is one
            return
        results: JobResults = answer.value
        self._nodes.call(
            worker, "settle", token, True, then=lambda done: self._published(worker, finished, results, done)
        )

    def _published(self, worker: str, finished: Finished, results: JobResults, answer: Answer) -> None:
        token = finished.token
        self._settling.discard(token)
        if answer.is_lost or not self._ledger.is_current(token):
            return
        if answer.error is not None:
            self._ledger.refuse(token, str(answer.error))
            self._drop(worker, token)
            return
        job_id = finished.ended.source_id
        error = finished.error
        if error is None:
            self._record(job_id, results)
        if results.statistics is not None:
            self._sources[job_id].keep(results.statistics)
        faces = 0 if results.statistics is None else results.statistics.faces
        if finished.ended.interrupted:
            self._ledger.release(token)
        elif error is not None:
            self._ledger.fail(token, str(error))
        else:
            self._ledger.complete(token, frames=finished.ended.frames_decoded, faces=faces)
        self._leases.pop(token, None)
        self._coordinator.ended(worker, token)
        self._nodes.call(worker, "forget", token)
        info = results.info
        started = [] if info is None else [SourceStarted(replace(info, uri=self._specs[job_id].display_uri))]
        self._put([*started, replace(finished.ended, error=error)])

    def _record(self, job_id: str, results: JobResults) -> None:
        if self._recorder is not None:
            info = results.info
            uri = "" if info is None else gallery_uri(replace(info, uri=self._specs[job_id].display_uri))
            record_tracks(self._recorder, job_id, uri, results.tracks)

    def _drop(self, worker: str, token: int) -> None:
        self._leases.pop(token, None)
        self._coordinator.ended(worker, token)
        self._nodes.call(worker, "settle", token, False)

    def _follow(self, job: LeasedJob) -> None:
        """What becomes of a job whose lease was lost."""
        if job.state is JobState.QUARANTINED:
            self._end_without(
                job.job_id,
                JobQuarantined(f"quarantined after {job.deaths + job.losses} lost attempts, the last: {job.reason}"),
            )
        elif self._state.current is PipelineState.DRAINING:
            self._settlement.withdraw(job.job_id)
            self._finish_if_done()

    def _end_without(self, job_id: str, error: Exception) -> None:
        if self._sources[job_id].outcome is None:
            self._put([SourceEnded(job_id, 0, error=error)])

    def _put(self, items: list[SinkItem]) -> None:
        with contextlib.suppress(QueueAborted, QueueClosed):  # it is stopping; the ledger knows
            self._received.put(items)

    def _finish_if_done(self) -> None:
        if self._sources.is_done:
            self._received.close()

    # -- people -------------------------------------------------------------------------------------------

    def _share_people(self) -> None:
        if self._people is None:
            return
        roster = self._people.roster()
        if roster is not self._roster:
            self._roster = roster
            for worker in self._workers:
                self._nodes.share(worker, roster)


@dataclass(slots=True)
class _Worker:
    node: str
    capacity: int
    is_ready: bool = False
    statistics: PipelineStatistics | None = None


class _Absolute:
    """Implements `stages.sink.destination.Places`."""

    def folder(self, path: Path) -> Path:
        return path.absolute()

    def file(self, path: Path) -> Path:
        return path.absolute()
