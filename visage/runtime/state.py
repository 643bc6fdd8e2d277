"""The states of a source and of a pipeline, and which may follow which."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

__all__ = ["IllegalTransition", "PipelineState", "SourceState", "State"]


class SourceState(Enum):
    """The states of a source; `State.advance` raises IllegalTransition for a step that `LEGAL` does not list."""

    PENDING = "pending"  # waits for a free decoder
    OPENING = "opening"
    RUNNING = "running"
    FINISHING = "finishing"  # decoded to its end; the last frames are on their way to the sinks
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # it was asked to stop; what came before is complete

    @property
    def is_final(self) -> bool:
        """Whether the source has ended: no state follows."""
        return not LEGAL[self]


class PipelineState(Enum):
    """The states of a pipeline; `State.advance` raises IllegalTransition for a step that `LEGAL` does not list."""

    NEW = "new"
    RUNNING = "running"
    DRAINING = "draining"  # reads no more, finishes what is in flight
    ABORTING = "aborting"  # drops what is in flight
    STOPPED = "stopped"  # all is written or given up

    @classmethod
    def active(cls) -> tuple[PipelineState, ...]:
        """Return the states in which frames are in flight."""
        return cls.RUNNING, cls.DRAINING, cls.ABORTING


StateT = TypeVar("StateT", bound=Enum)

LEGAL: Mapping[Enum, frozenset[Enum]] = {
    SourceState.PENDING: frozenset({SourceState.OPENING, SourceState.INTERRUPTED, SourceState.FAILED}),
    # Straight to the end: given up at a stop, because its thread hangs in a library that waits for a server.
    SourceState.OPENING: frozenset(
        {SourceState.RUNNING, SourceState.FINISHING, SourceState.INTERRUPTED, SourceState.FAILED}
    ),
    SourceState.RUNNING: frozenset({SourceState.FINISHING, SourceState.INTERRUPTED, SourceState.FAILED}),
    SourceState.FINISHING: frozenset({SourceState.DONE, SourceState.FAILED, SourceState.INTERRUPTED}),
    SourceState.DONE: frozenset(),
    SourceState.FAILED: frozenset(),
    SourceState.INTERRUPTED: frozenset(),
    PipelineState.NEW: frozenset({PipelineState.RUNNING, PipelineState.STOPPED}),
    PipelineState.RUNNING: frozenset({PipelineState.DRAINING, PipelineState.ABORTING, PipelineState.STOPPED}),
    PipelineState.DRAINING: frozenset({PipelineState.ABORTING, PipelineState.STOPPED}),
    PipelineState.ABORTING: frozenset({PipelineState.STOPPED}),
    PipelineState.STOPPED: frozenset(),
}


class IllegalTransition(RuntimeError):
    """Raised for a step that the table `LEGAL` does not allow: a bug."""


class State(Generic[StateT]):
    """The current state. A step that the table `LEGAL` does not allow raises IllegalTransition."""

    def __init__(self, initial: StateT) -> None:
        self._current = initial
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return self._current.name

    @property
    def current(self) -> StateT:
        """The state at this moment; any thread may ask."""
        return self._current

    def advance(self, following: StateT) -> None:
        """Step to the following state. Raises IllegalTransition."""
        with self._lock:
            if following not in LEGAL[self._current]:
                raise IllegalTransition(f"{following.name} can't follow {self._current.name}")
            self._current = following

    def advance_from(self, following: StateT, *allowed: StateT) -> bool:
        """Step if the state is one of `allowed`; return whether it was. Raises IllegalTransition."""
        with self._lock:
            if self._current not in allowed:
                return False
            if following not in LEGAL[self._current]:
                raise IllegalTransition(f"{following.name} can't follow {self._current.name}")
            self._current = following
            return True
