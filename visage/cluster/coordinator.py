"""Who does what: the workers that have joined, what each may take on, and of whom nothing was heard.

Above the ledger, which knows leases alone. Invariant: a worker with a suspect does nothing else. No threads and no
Ray: whoever owns it calls `tick` now and then, and tells it what it heard. Used by one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from visage.cluster.lease import Lease, LeasedJob
from visage.cluster.ledger import LeaseLedger, steady_clock

__all__ = ["Coordinator", "NodeStatus", "WorkerStatus"]

MAX_DEAF_SECONDS = 2.0
"""Between two ticks; what is beyond was the coordinator's own pause, and is held against no one."""

MAX_SILENT_SECONDS = 5.0
"""A worker of which nothing was heard for longer gets nothing new."""


class Coordinator:
    """Grants the ledger's leases to the workers of the cluster. The ledger stays its maker's."""

    def __init__(self, ledger: LeaseLedger, *, clock: Callable[[], float] | None = None) -> None:
        """`clock` is the ledger's."""
        self._ledger = ledger
        self._clock = clock or steady_clock()
        self._members: dict[str, _Member] = {}
        self._ticked_at = self._clock()

    def __repr__(self) -> str:
        return f"<Coordinator {len(self._members)} workers, {self._ledger!r}>"

    @property
    def workers(self) -> Collection[str]:
        """Names of the workers that have joined and are not lost. For the owner's thread."""
        return self._members.keys()

    def join(self, worker: str, node: str, *, capacity: int, holds: Iterable[int] = ()) -> set[int]:
        """Take in a worker.

        Args:
            capacity: jobs that it does at once.
            holds: tokens of what it does already, of an earlier coordinator.

        Returns:
            Those of the tokens that are late: nothing will come of them.
        """
        self._members[worker] = _Member(node, capacity)
        return self.pulse(worker, holds)

    def pulse(self, worker: str, holds: Iterable[int]) -> set[int]:
        """Note that a worker lives and has these leases; returns those that are late.

        Raises KeyError for a worker that has not joined.
        """
        member = self._members[worker]
        held = set(holds)
        good = self._ledger.heartbeat(held)
        member.heard_at = self._clock()
        # What it was ordered to do and has not mentioned yet is on its way there.
        known = {token: alone for token, alone in member.holds.items() if self._ledger.is_current(token)}
        member.holds = {**dict.fromkeys(good, False), **known}
        return held - good

    def claim(self, worker: str) -> Lease | None:
        """Give a worker its next job; None where there is none, no room, or no sign of life. Raises KeyError."""
        member = self._members[worker]
        if self._clock() - member.heard_at > MAX_SILENT_SECONDS:
            return None
        if len(member.holds) >= member.capacity or any(member.holds.values()):
            return None
        lease = self._ledger.claim(worker, member.node, is_busy=bool(member.holds))
        if lease is not None:
            member.holds[lease.token] = lease.is_suspect
        return lease

    def ended(self, worker: str, token: int) -> None:
        """A worker has no more to do with a lease, however that ended."""
        if worker in self._members:
            self._members[worker].holds.pop(token, None)

    def lose(self, worker: str, reason: str, *, is_death: bool) -> list[LeasedJob]:
        """A worker is no more; see `LeaseLedger.lose`. Returns what it had, as it is now."""
        self._members.pop(worker, None)
        return self._ledger.lose_worker(worker, reason, is_death=is_death)

    def tick(self) -> list[LeasedJob]:
        """End the leases that are overdue, and return their jobs. To be called after what has come was read."""
        now = self._clock()
        deaf = now - self._ticked_at - MAX_DEAF_SECONDS
        self._ticked_at = now
        if deaf > 0:
            self._ledger.extend_all(deaf)
        expired = self._ledger.expire()
        for member in self._members.values() if expired else ():
            member.holds = {token: alone for token, alone in member.holds.items() if self._ledger.is_current(token)}
        return expired

    def refused_everywhere(self) -> dict[str, Mapping[str, str]]:
        """Waiting jobs that every node with a worker has refused: each with the nodes' reasons."""
        nodes = {member.node for member in self._members.values()}
        if not nodes:
            return {}
        return {job_id: reasons for job_id, reasons in self._ledger.refused().items() if nodes <= reasons.keys()}

    def drain(self, node: str) -> None:
        """Let a node finish what it has, and give it nothing more."""
        self._ledger.hold_node(node)

    def take_away(self, node: str) -> list[str]:
        """Give a node nothing more, and what it has to others at once. Returns its workers, which are to be ended."""
        self._ledger.hold_node(node)
        for token in self._ledger.tokens_of(node):
            self._ledger.release(token)
        workers = [worker for worker, member in self._members.items() if member.node == node]
        for worker in workers:
            del self._members[worker]
        return workers

    def give_back(self, node: str) -> None:
        """Let a node that was drained or taken away work again, whatever it refused before."""
        self._ledger.free_node(node)
        self._ledger.forgive(node)

    def nodes(self) -> dict[str, NodeStatus]:
        """Every node with a worker, and every one that is held."""
        now, held = self._clock(), self._ledger.held_nodes
        found: dict[str, NodeStatus] = {node: NodeStatus(is_held=True) for node in held}
        for worker, member in self._members.items():
            status = found.setdefault(member.node, NodeStatus(is_held=member.node in held))
            status.workers[worker] = WorkerStatus(len(member.holds), member.capacity, now - member.heard_at)
        return found


@dataclass(slots=True)
class _Member:
    """`holds`: its tokens, and whether each is of a suspect."""

    node: str
    capacity: int
    holds: dict[int, bool] = field(default_factory=dict)
    heard_at: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """A worker: jobs that it does, most that it does at once, and seconds since it was last heard of."""

    jobs: int
    capacity: int
    silent_seconds: float


@dataclass(slots=True)
class NodeStatus:
    """A node: whether it gets nothing more, and its workers by name."""

    is_held: bool
    workers: dict[str, WorkerStatus] = field(default_factory=dict)
