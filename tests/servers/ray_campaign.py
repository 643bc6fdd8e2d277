"""Films over a Ray cluster whose parts are killed and frozen meanwhile: what was done to what, and what came out.

The coordinator is the real command, started again where it was killed. Every event waits until films were completed
since the last, so that it meets work in progress; which node it meets, and when, comes from the seed.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.namespaces import Namespaces
from tests.servers.ray_cluster import RayCluster

__all__ = ["EVENTS", "Campaign", "Row"]

POLL_SECONDS = 0.2
EVENT_SECONDS = 180.0
"""Longest wait for the progress that an event waits for."""

FREEZE_SECONDS = 30.0
"""Longer than a lease: what wakes then is late."""

WORKER = "visage.assembly.worker_main"
ACTOR = "ray::NodeActor"
RAYLET = "raylet/raylet"

CUT_SECONDS = (5.0, 60.0)

EVENTS = ("worker", "actor", "raylet", "coordinator", "freeze", "cut")


@dataclass(frozen=True, slots=True)
class Row:
    """One event: what it was, to whom, after how many seconds, and how many films were complete then."""

    event: str
    node: str
    seconds: float
    complete: int


@dataclass(slots=True)
class Campaign:
    """One run of the command.

    Attributes:
        command: what follows `visage run`, without the films.
        out: its `--dst`.
        rows: what was done so far.
        restarts: of the coordinator.
        namespaces: of the nodes, where cables are to be cut.
    """

    cluster: RayCluster
    nodes: Sequence[str]
    films: Sequence[Path]
    out: Path
    state: Path
    command: Sequence[str] = ()
    seed: int = 1
    namespaces: Namespaces | None = None
    rows: list[Row] = field(default_factory=list)
    restarts: int = 0
    _coordinator: subprocess.Popen[bytes] | None = None
    _began: float = 0.0

    def run(self, events: Sequence[str], *, films_between: int = 1, timeout_seconds: float = 600.0) -> int:
        """Make the events happen in this order; returns the exit code of the last coordinator."""
        chance = random.Random(self.seed)
        acts: Mapping[str, Callable[[str], None]] = {
            "worker": lambda node: self._kill(node, WORKER),
            "actor": lambda node: self._kill(node, ACTOR),
            "raylet": self._kill_raylet,
            "freeze": self._freeze,
            "cut": lambda node: self._cut(node, chance.uniform(*CUT_SECONDS)),
            "coordinator": lambda _: self._kill_coordinator(),
        }
        self._began = time.monotonic()
        self._start()
        try:
            complete = 0
            for event in events:
                if not self._wait_for(complete + chance.randint(1, max(1, films_between)), WORKER):
                    break  # all is done
                node = "-" if event == "coordinator" else chance.choice(self.nodes)
                complete = self.complete
                self.rows.append(Row(event, node, time.monotonic() - self._began, complete))
                acts[event](node)
            return self._finish(timeout_seconds)
        finally:
            self._end()

    @property
    def complete(self) -> int:
        """Films whose results are there."""
        return sum(1 for _ in self.out.glob("*/metadata.json"))

    def _start(self) -> None:
        command = [sys.executable, "-c", "from visage.cli.main import main; main()", "run", *map(str, self.films)]
        command += ["--dst", str(self.out), "--cluster", self.cluster.address, "--log-level", "info", *self.command]
        with (self.state.parent / "coordinator.log").open("ab") as said:
            self._coordinator = subprocess.Popen(
                command,
                env={**self.cluster.environment, "VISAGE_CLUSTER_DIR": str(self.state)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )

    def _wait_for(self, complete: int, words: str) -> bool:
        """Wait until so many films are complete and some node is at work; whether that came before the end."""
        until = time.monotonic() + EVENT_SECONDS
        while time.monotonic() < until:
            assert self._coordinator is not None
            if self._coordinator.poll() is not None:
                return False
            if self.complete >= complete and any(self.cluster.processes(node, words) for node in self.nodes):
                return True
            time.sleep(POLL_SECONDS)
        raise TimeoutError(f"not {complete} films complete after {EVENT_SECONDS:g} s: {self.rows}")

    def _kill(self, node: str, words: str) -> None:
        """On this node, or where it has none at the moment, on the first that has."""
        for candidate in (node, *self.nodes):
            if self.cluster.kill(candidate, words):
                return

    def _kill_raylet(self, node: str) -> None:
        self.cluster.kill(node, RAYLET)
        self.cluster.stop(node)
        self.cluster.start(node)

    def _freeze(self, node: str) -> None:
        frozen = self.cluster.freeze(node)
        time.sleep(FREEZE_SECONDS)  # the event itself
        self.cluster.thaw(frozen)

    def _cut(self, node: str, seconds: float) -> None:
        assert self.namespaces is not None
        self.namespaces.cut(node)
        time.sleep(seconds)  # the event itself
        self.namespaces.mend(node)

    def _kill_coordinator(self) -> None:
        assert self._coordinator is not None
        self._coordinator.kill()
        self._coordinator.wait()
        self.restarts += 1
        self._start()

    def _finish(self, timeout_seconds: float) -> int:
        assert self._coordinator is not None
        return self._coordinator.wait(timeout_seconds)

    def _end(self) -> None:
        if self._coordinator is not None and self._coordinator.poll() is None:
            os.kill(self._coordinator.pid, signal.SIGKILL)
            self._coordinator.wait()
