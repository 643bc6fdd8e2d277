"""Films over the machines of a Ray cluster: leases, the coordinator that grants them, and the workers that hold them.

    coordinator (this process)                                a node of the cluster
    ┌───────────────────────────┐   begin(order, token)   ┌───────────────────────────────┐
    │ LeaseLedger ── Coordinator│ ──────────────────────> │ NodeWorker ── worker process  │
    │      │            │       │ <────────────────────── │   decode ... staged outputs   │
    │   gallery     ClusterRun  │   pulse: held, finished │                               │
    └───────────────────────────┘ ── settle(token) ─────> └── outputs get their names ────┘

Ray starts the workers, places them and tells of lost nodes; that each film is completed once is the ledger's doing.
Ray is in the extra `cluster`; it is imported by `ray_session`, `ray_nodes` and `board` alone, when a cluster is used.
"""

from __future__ import annotations

__all__: list[str] = []
