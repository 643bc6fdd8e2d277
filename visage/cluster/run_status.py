"""What a run over a cluster does at the moment, for people: `visage cluster status` shows it. Fit for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from visage.cluster.coordinator import NodeStatus
from visage.cluster.lease import Lease
from visage.cluster.ledger import LeaseLedger
from visage.fleet.remote import RemoteSources

__all__ = ["describe_machines", "describe_work"]


def describe_work(ledger: LeaseLedger, leases: Iterable[Lease], sources: RemoteSources) -> dict[str, Any]:
    """Return the number of jobs in each state, those at work, and the first of those that have a reason to wait.

    Rates are in frames per second. Raises sqlite3.Error.
    """
    running = []
    for lease in leases:
        source = sources[lease.job_id].statistics()
        running.append(
            {
                "source": lease.job_id,
                "node": lease.node,
                "attempt": lease.attempt,
                "frames": source.frames_decoded,
                "of": source.frame_count,
                "fps": round(source.fps, 1),
            }
        )
    waiting = [
        {"source": job.job_id, "state": job.state.value, "node": job.node, "reason": job.reason}
        for job in ledger.troubled()
    ]
    counts = {state.value: count for state, count in ledger.counts().items()}
    return {"paused": ledger.is_paused, "jobs": counts, "running": running, "waiting": waiting}


def describe_machines(machines: Iterable[Mapping[str, Any]], nodes: Mapping[str, NodeStatus]) -> list[dict[str, Any]]:
    """Return each machine with what its workers do, and the seconds since the most silent of them was heard.

    Args:
        machines: as `Nodes.describe` gives them.
        nodes: as `Coordinator.nodes` gives them; a machine without workers may be missing.
    """
    described = []
    for machine in machines:
        status = nodes.get(machine["node"])
        workers = [] if status is None else list(status.workers.values())
        described.append(
            {
                **machine,
                "held": status is not None and status.is_held,
                "workers": len(workers),
                "jobs": sum(worker.jobs for worker in workers),
                "capacity": sum(worker.capacity for worker in workers),
                "silent_seconds": round(max((one.silent_seconds for one in workers), default=0.0), 1),
            }
        )
    return described
