"""What the coordinator of a large cluster costs, and how soon it answers: everything of it is real but the workers.

    python -m benchmarks.cluster_simulation [--films 10000] [--nodes 100] [--slots 4] [--film-seconds 6] [--seed 1]
                                            [--cameras 500] [--camera-nodes 40]

Films: a `ClusterRun` with its ledger on disk, its sink thread and its status; its workers do nothing but wait as long
as a film would take, and answer as real ones do. A node is lost half way. Films last seconds rather than minutes, so
that claims come many times as often as in an archive. What Ray spends on its calls is not in it.

Cameras: a `CameraCoordinator` on a clock of its own, over an hour in which nodes are lost, come back and are slow.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.sources import SourceEnded
from visage.cluster.cameras import CameraCoordinator
from visage.cluster.cluster_run import ClusterRun
from visage.cluster.lease import JobState, Lease
from visage.cluster.ledger import LeaseLedger
from visage.cluster.nodes import Answer, NodeListener
from visage.cluster.orders import Finished, JobOrder, JobResults, Pulse
from visage.config.sources import SourceSpec
from visage.runtime.queue import QueueStatistics
from visage.runtime.source import SourceStatistics
from visage.runtime.state import PipelineState, SourceState
from visage.runtime.statistics import PipelineStatistics

PULSE_SECONDS = 1.0
PROGRESS_SECONDS = 0.2
"""Between two looks of the command's progress bar."""

NOTHING = QueueStatistics(0, 0, 0, 0, 0.0, 0.0)


class TimedLedger(LeaseLedger):
    """Remembers how long each claim took that was granted."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.claim_seconds: list[float] = []

    def claim(self, worker: str, node: str, *, is_busy: bool = False) -> Lease | None:
        began = time.perf_counter()
        lease = super().claim(worker, node, is_busy=is_busy)
        if lease is not None:
            self.claim_seconds.append(time.perf_counter() - began)
        return lease


@dataclass
class Waiter:
    """A worker that only waits. `holds`: its jobs, and the last word of those that have finished."""

    name: str
    node: str
    slots: int
    holds: dict[int, Finished | None] = field(default_factory=dict)
    sources: dict[int, str] = field(default_factory=dict)
    is_lost: bool = False

    def pulse(self) -> Pulse:
        running = [self.sources[token] for token, finished in self.holds.items() if finished is None]
        finished = tuple(one for one in self.holds.values() if one is not None)
        counts = tuple(_running(source) for source in running)
        return Pulse(True, frozenset(self.holds), finished, PipelineStatistics(PipelineState.RUNNING, counts, (), {}))


class WaitingNodes:
    """Implements `visage.cluster.nodes.Nodes` with workers that wait."""

    def __init__(self, nodes: int, slots: int, film_seconds: float, seed: int) -> None:
        self._chance = random.Random(seed)
        self._film_seconds = film_seconds
        self.workers = {f"w{number}": Waiter(f"w{number}", f"n{number:03d}", slots) for number in range(nodes)}
        self._events: list[tuple[float, int, Callable[[NodeListener], None]]] = []
        self._order = itertools.count()
        self.begun = 0

    def open(self) -> None:
        for worker in self.workers.values():
            self._at(self._chance.uniform(0, PULSE_SECONDS), self._joining(worker))

    def wait(self, listener: NodeListener, timeout_seconds: float) -> None:
        until = time.monotonic() + timeout_seconds
        due = self._events[0][0] if self._events else until
        time.sleep(max(0.0, min(due, until) - time.monotonic()))
        while self._events and self._events[0][0] <= time.monotonic():
            heapq.heappop(self._events)[2](listener)

    def call(self, worker: str, method: str, *arguments: Any, then: Callable[[Answer], None] | None = None) -> None:
        waiter = self.workers[worker]
        if waiter.is_lost:
            return
        value: object = None
        if method == "begin":
            self._begin(waiter, arguments[0])
        elif method == "results":
            source = _running(waiter.sources[arguments[0]], state=SourceState.DONE)
            value = JobResults(None, source)
        elif method == "forget" or (method == "settle" and not arguments[1]):
            waiter.holds.pop(arguments[0], None)
        if then is not None:
            self._at(0.0, lambda _: then(Answer(value)))

    def share(self, worker: str, people: object) -> None:
        """There are none."""

    def describe(self) -> list[dict[str, Any]]:
        return [
            {"node": one.node, "host": one.node, "cpus": 4, "gpus": 0, "state": "admitted", "problem": None}
            for one in self.workers.values()
            if not one.is_lost
        ]

    def show(self, status: dict[str, Any]) -> None:
        """Nobody looks."""

    def remove(self, node: str) -> None:
        """Nobody asks for it."""

    def restore(self, node: str) -> None:
        """Nobody asks for it."""

    def close(self, *, keep_workers: bool = False) -> None:
        self._events.clear()

    def lose(self, name: str) -> None:
        """It says nothing any more."""
        self.workers[name].is_lost = True

    def _joining(self, worker: Waiter) -> Callable[[NodeListener], None]:
        def join(listener: NodeListener) -> None:
            listener.joined(worker.name, worker.node, worker.slots)
            beat(listener)

        def beat(listener: NodeListener) -> None:
            if not worker.is_lost:
                listener.pulsed(worker.name, worker.pulse())
                self._at(PULSE_SECONDS, beat)

        return join

    def _begin(self, worker: Waiter, order: JobOrder) -> None:
        token, source = order.token, order.spec.source_id
        worker.holds[token], worker.sources[token] = None, source
        self.begun += 1

        def finish(listener: NodeListener) -> None:
            if token in worker.holds and not worker.is_lost:
                worker.holds[token] = Finished(token, SourceEnded(source, 1000))
                listener.pulsed(worker.name, worker.pulse())

        self._at(self._film_seconds * self._chance.uniform(0.5, 1.5), finish)

    def _at(self, seconds: float, act: Callable[[NodeListener], None]) -> None:
        heapq.heappush(self._events, (time.monotonic() + seconds, next(self._order), act))


def _running(source_id: str, state: SourceState = SourceState.RUNNING) -> SourceStatistics:
    return SourceStatistics(source_id, state, 500, 500, 0, 100, 1000, 20.0, 3.0, NOTHING)


def simulate_films(films: int, nodes: int, slots: int, film_seconds: float, seed: int) -> None:
    """Print what the coordinator spent, and how long claims took."""
    specs = [SourceSpec(uri=f"/films/{number}.mp4", source_id=f"film-{number:05d}") for number in range(films)]
    with tempfile.TemporaryDirectory() as folder:
        ledger = TimedLedger(Path(folder) / "ledger.sqlite")
        waiting = WaitingNodes(nodes, slots, film_seconds, seed)
        run = ClusterRun(
            specs,
            run_id="simulation",
            ledger=ledger,
            nodes=waiting,
            outputs=(),
            open_sinks=lambda _: (),
            contents={spec.source_id: spec.uri for spec in specs},
        )
        began, cpu = time.monotonic(), time.process_time()
        lost = next(iter(waiting.workers))
        with run:
            run.start()
            is_lost = False
            while not run.wait(PROGRESS_SECONDS):
                done = sum(source.state.is_final for source in run.statistics().sources)
                if not is_lost and done > films / 2:
                    is_lost = True
                    waiting.lose(lost)
        seconds, spent = time.monotonic() - began, time.process_time() - cpu
        counts = ledger.counts()
        completions = {job.completions for job in ledger.jobs()}
        ledger.close()
    quantiles = statistics.quantiles(ledger.claim_seconds, n=100)
    print(f"{films:,} films on {nodes} nodes with {slots} at once each, one node lost, seed {seed}:")
    print(f"  {seconds:.0f} s, {films / seconds:.0f} films/s, {nodes / PULSE_SECONDS:.0f} pulses/s and more")
    print(f"  coordinator: {spent / seconds:.2f} of a core, {1000 * spent / films:.2f} ms a film")
    print(f"  claims: median {1000 * quantiles[49]:.2f} ms, p95 {1000 * quantiles[94]:.2f} ms")
    print(f"  {counts[JobState.DONE]:,} done, {waiting.begun:,} begun, completions of a film: {completions}")


def simulate_cameras(cameras: int, nodes: int, seed: int) -> None:
    """Print how soon cameras of lost nodes are placed, and what that costs."""
    chance = random.Random(seed)
    now = [1000.0]
    demands = {f"camera-{number:03d}": chance.choice([8.0, 12.5, 15.0, 25.0, 30.0, 60.0]) for number in range(cameras)}
    capacities = {f"n{number:02d}": chance.uniform(200.0, 600.0) for number in range(nodes)}
    with tempfile.TemporaryDirectory() as folder:
        coordinator = CameraCoordinator(Path(folder) / "cameras.sqlite", clock=lambda: now[0])
        coordinator.want(demands)
        away: dict[str, float] = {}
        placed_after: list[float] = []
        orphans: dict[str, tuple[float, set[str]]] = {}
        moves, cpu, slowest = 0, time.process_time(), 0.0
        for second in range(3600):
            now[0] += 1.0
            if second % 120 == 60:
                node = chance.choice(sorted(capacities.keys() - away.keys()))
                away[node] = now[0] + chance.uniform(20.0, 200.0)
                orphans[node] = (now[0], {one.camera for one in coordinator.assignments(node)})
            away = {node: until for node, until in away.items() if until > now[0]}
            for node in capacities.keys() - away.keys():
                coordinator.beat(node, capacities[node] * chance.uniform(0.9, 1.1))
            began = time.perf_counter()
            moves += len(coordinator.tick())
            slowest = max(slowest, time.perf_counter() - began)
            for node, (since, left) in list(orphans.items()):
                if not left & {one.camera for one in coordinator.assignments(node)}:
                    placed_after.append(now[0] - since)
                    del orphans[node]
        spent = time.process_time() - cpu
        ratios = sorted(load.ratio for load in coordinator.loads().values())
        coordinator.close()
    print(f"{cameras} cameras on {nodes} nodes for an hour, {len(placed_after)} nodes lost, seed {seed}:")
    print(f"  all cameras of a lost node placed after {max(placed_after):.0f} s at most")
    print(f"  {moves} placements, {spent / 3600:.4f} of a core, the slowest tick {1000 * slowest:.1f} ms")
    print(f"  loads at the end: {ratios[0]:.2f} to {ratios[-1]:.2f} of what a node manages")


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--film-seconds", type=float, default=6.0)
    parser.add_argument("--cameras", type=int, default=500)
    parser.add_argument("--camera-nodes", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    simulate_cameras(given.cameras, given.camera_nodes, given.seed)
    simulate_films(given.films, given.nodes, given.slots, given.film_seconds, given.seed)


if __name__ == "__main__":
    main()
