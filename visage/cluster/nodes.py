"""What a run sees of the machines that do its work. `visage.cluster.ray_nodes` has Ray's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from visage.cluster.board import BoardCommand
from visage.cluster.orders import Pulse

__all__ = ["Answer", "NodeListener", "Nodes"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a call to a worker: its value, or why there is none.

    Attributes:
        is_lost: the worker did not answer, and may have done what it was asked to; `error` is then of no interest.
    """

    value: Any = None
    error: Exception | None = None
    is_lost: bool = False


class NodeListener(Protocol):
    """Told of everything by `Nodes.wait`, on the one thread that calls it."""

    def joined(self, worker: str, node: str, capacity: int) -> None:
        """A worker is there: a new one, or one that an earlier coordinator had started."""

    def pulsed(self, worker: str, pulse: Pulse) -> None:
        """A worker said how it is."""

    def lost(self, worker: str, reason: str, *, is_death: bool) -> None:
        """A worker is no more. `is_death`: its node lives. It may have been joined or not."""

    def refused(self, node: str, reason: str) -> None:
        """A node can't work; one line that names it and the remedy."""

    def asked(self, command: BoardCommand) -> None:
        """Somebody wants something of the run."""


class Nodes(Protocol):
    """Workers on machines. Used by one thread."""

    def open(self) -> None:
        """Find the machines, and the workers of an earlier coordinator. Raises ClusterError."""

    def wait(self, listener: NodeListener, timeout_seconds: float) -> None:
        """Start workers where some are wanted, and tell the listener what has come, after at most so many seconds."""

    def call(self, worker: str, method: str, *arguments: object, then: Callable[[Answer], None] | None = None) -> None:
        """Call a method of `NodeWorker`. `then` is called by `wait`; without it, what comes of the call is dropped."""

    def share(self, worker: str, people: object) -> None:
        """Call `NodeWorker.share` with something large that many workers get."""

    def describe(self) -> list[dict[str, Any]]:
        """Each machine for people: `node`, `host`, `cpus`, `gpus`, `state`, `problem`."""

    def show(self, status: dict[str, Any]) -> None:
        """Show people what the run does; commands that they left reach the listener."""

    def remove(self, node: str) -> None:
        """End a machine's workers at once, and start none there until `restore`."""

    def restore(self, node: str) -> None:
        """Let a machine that was removed have workers again."""

    def close(self, *, keep_workers: bool = False) -> None:
        """End all workers of this run, unless the next coordinator is to find them, and leave. Idempotent."""
