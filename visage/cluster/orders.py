"""What passes between the coordinator and the worker of a node."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from stages.sources import SourceEnded, VideoInfo
from visage.config.sources import SourceSpec
from visage.fleet.recording import TrackReport
from visage.runtime.job import JobOutputs
from visage.runtime.source import SourceStatistics
from visage.runtime.statistics import PipelineStatistics

__all__ = ["Finished", "JobOrder", "JobResults", "Pulse"]


@dataclass(frozen=True, slots=True)
class JobOrder:
    """Do this job under this token.

    Attributes:
        attempt: tells apart what several attempts stage beside one another; fit for a file name.
        spec: the source, named as the coordinator's user did.
        address: the same as an absolute path of the coordinator's, or an address.
        outputs: what this source is written to, with the coordinator's absolute paths.
    """

    token: int
    attempt: str
    spec: SourceSpec
    address: str
    outputs: Sequence[JobOutputs]


@dataclass(frozen=True, slots=True)
class Finished:
    """How a job came to its end on a worker; its outputs are staged and wait to be settled.

    Attributes:
        error: what is wrong, and the source's own fault; None where it was read to its end or interrupted.
        death: how the worker process ended that had the job, if it did.
        refusal: why this node can't do the job though others may.
        is_returned: it never began, through no fault of its own.
    """

    token: int
    ended: SourceEnded
    error: Exception | None = None
    death: str | None = None
    refusal: str | None = None
    is_returned: bool = False


@dataclass(frozen=True, slots=True)
class JobResults:
    """What the coordinator is to have of a job besides its outputs.

    Attributes:
        info: None where the source never opened.
        statistics: its last counts.
        tracks: for the gallery.
    """

    info: VideoInfo | None
    statistics: SourceStatistics | None = None
    tracks: Sequence[TrackReport] = ()


@dataclass(frozen=True, slots=True)
class Pulse:
    """A worker lives; what it has.

    Attributes:
        is_ready: its networks are loaded.
        holds: tokens of all jobs that it does, or has done and not been told to forget.
        finished: those that have come to their end.
        statistics: what its pipeline counts; None before there is one.
        failure: why it can do nothing at all; it is then of no more use.
        logs: what it logged since the last pulse.
    """

    is_ready: bool
    holds: frozenset[int]
    finished: tuple[Finished, ...] = ()
    statistics: PipelineStatistics | None = None
    failure: Exception | None = None
    logs: tuple[logging.LogRecord, ...] = field(default=(), repr=False)
