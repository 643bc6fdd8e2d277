"""The messages between a worker process and its owner, in both directions, except observations (see `wire`)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from stages.backends.tensorrt_builder import BuildProgress
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.fleet.shared_roster import RosterMessage
from visage.fleet.wire import ItemBatch
from visage.runtime.job import JobOutputs
from visage.runtime.statistics import PipelineStatistics

__all__ = [
    "Add",
    "Built",
    "Command",
    "Failed",
    "Interrupt",
    "Ready",
    "Report",
    "Stop",
    "StopMode",
    "Stopped",
    "Task",
]


@dataclass(frozen=True, slots=True)
class Task:
    """First message to a worker.

    Attributes:
        settings: as for any run; `device` names the worker's own card, `workers` says how many share it, `threads` is
            its part of the processors.
        concurrent: sources that it will decode at once.
        log_level: least level of the log records that it passes on.
        outputs: what each source is written to, by the worker.
        sends_frames: what is found in each frame goes to the owner as well.
        naming: threshold and margin for people's names; the people follow. None where no one is to be named.
    """

    settings: Settings
    concurrent: int
    log_level: int
    outputs: Sequence[JobOutputs] = ()
    sends_frames: bool = False
    naming: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Add:
    """Start this source now.

    Attributes:
        again: a worker that was lost had started it.
        outputs: what it is written to, instead of the task's.
    """

    spec: SourceSpec
    again: bool = False
    outputs: Sequence[JobOutputs] | None = None


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop reading this source; frames that were read are still delivered."""

    source_id: str


class StopMode(Enum):
    """How a worker is to stop."""

    FINISH = "when its sources have ended"
    DRAIN = "read no more, finish what is in flight"
    ABORT = "drop what is in flight"


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop; no more sources will be added."""

    mode: StopMode


Command: TypeAlias = Add | Interrupt | Stop | RosterMessage


@dataclass(frozen=True, slots=True)
class Ready:
    """Sent when the worker's networks are loaded."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Sent when the worker could not start or had to stop; its sources have ended."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Stopped:
    """The last message of a worker that stopped in order."""


@dataclass(frozen=True, slots=True)
class Built:
    """Progress in building a network's engine."""

    name: str
    progress: BuildProgress


Report: TypeAlias = ItemBatch | PipelineStatistics | Ready | Built | logging.LogRecord | Failed | Stopped
"""Everything that a worker sends."""
