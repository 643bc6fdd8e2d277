"""A job of the cluster as its ledger knows it, and the lease under which one worker does it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["JobState", "Lease", "LeasedJob", "NewJob"]


class JobState(Enum):
    """The states of a job. Only `WAITING` can be claimed, and only `LEASED` has a token."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    QUARANTINED = "quarantined"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended: only a person's word makes it wait again."""
        return self not in (JobState.WAITING, JobState.LEASED)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be added to the ledger.

    Attributes:
        job_id: unique in the ledger; the source's name.
        priority: higher is claimed first.
        content: anything that tells whether the job of this name is still the same (its address and settings).
    """

    job_id: str
    priority: int = 0
    content: str = ""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do a job, until it ends or is given back.

    Attributes:
        token: higher than every token granted before, whatever happened to the coordinator meanwhile.
        attempt: 1 for the first.
        is_suspect: a worker died with it: whoever does it does nothing else meanwhile.
    """

    job_id: str
    token: int
    worker: str
    node: str
    attempt: int
    is_suspect: bool


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """A row of the ledger.

    Attributes:
        token: of the current lease; None without one.
        worker, node: who holds it, or held it last.
        attempts: leases granted, less those that were given back.
        deaths: workers that died while they held it and their node lived.
        losses: leases that ended because the node was lost or nothing was heard in time.
        reason: why it waits, failed or was quarantined; names the node.
        completions: never more than 1.
        frames, faces: what its completion reported.
    """

    job_id: str
    state: JobState
    priority: int
    content: str
    token: int | None
    worker: str | None
    node: str | None
    attempts: int
    deaths: int
    losses: int
    not_before: float
    reason: str | None
    completions: int
    frames: int
    faces: int
