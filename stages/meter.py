"""The cost of each stage's own work: batches, items and seconds, also of a stage inside another one.

    metered(Chain(a, b)).counters      a, b
    metered(TrackStage(a)).counters    a, track; the time that track spends in a counts for a alone

A stage that contains others wraps them in `metered`. Everything is counted on the stage's thread; a reader on another
thread may be one batch behind.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

from stages.contract import Hook, Stage

__all__ = ["ContainsStages", "Metered", "StageCounter", "StageMeter", "metered"]

In = TypeVar("In")
Out = TypeVar("Out")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)


class StageMeter(Generic[In, Out]):
    """Counts the batches, items and seconds of the stage that it wraps. Implements `stages.contract.Stage`."""

    def __init__(self, stage: Stage[In, Out]) -> None:
        self._stage = stage
        self._inner = stage.inner_counters if isinstance(stage, ContainsStages) else ()
        self._own = StageCounter(stage.name)
        self.name = stage.name
        self.counters = (*self._inner, self._own)

    def open(self) -> None:
        """Open the stage; what it raises is noted in its counter. See `Stage.open`."""
        with self._noting_failure():
            self._stage.open()

    def process(self, batch: Sequence[In]) -> Sequence[Out]:
        """Process a batch and count its items and seconds, without those of inner stages. See `Stage.process`."""
        before = self._seconds_inside()
        started = time.perf_counter()
        with self._noting_failure():
            results = self._stage.process(batch)
        seconds = time.perf_counter() - started - (self._seconds_inside() - before)
        self._own.add(len(batch), seconds)
        return results

    def end_source(self, source_id: str) -> None:
        """End a source; what the stage raises is noted in its counter. See `Stage.end_source`."""
        with self._noting_failure():
            self._stage.end_source(source_id)

    def close(self) -> None:
        """Close the stage; what it raises is noted in its counter. See `Stage.close`."""
        with self._noting_failure():
            self._stage.close()

    def _seconds_inside(self) -> float:
        return sum(counter.seconds_busy for counter in self._inner)

    @contextlib.contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._own.has_failed = True
            raise


@dataclass(slots=True)
class StageCounter:
    """The work of one stage so far; times are in seconds.

    Attributes:
        batches: calls of `process`.
        items: in them.
        seconds_busy: time in `process`, without that of the stages inside.
        has_failed: the stage has raised, or one inside it has.
        hooks: called after each batch.
    """

    name: str
    batches: int = 0
    items: int = 0
    seconds_busy: float = 0.0
    has_failed: bool = False
    hooks: Sequence[Hook] = ()

    def add(self, items: int, seconds: float) -> None:
        """Count a batch of this many items and seconds, and call the hooks."""
        self.batches += 1
        self.items += items
        self.seconds_busy += seconds
        for hook in self.hooks:
            hook.on_batch(self.name, items, seconds)


@runtime_checkable
class ContainsStages(Protocol):
    """A stage that runs other stages within its own work."""

    @property
    def inner_counters(self) -> tuple[StageCounter, ...]:
        """Counters of the inner stages, in the order in which a frame leaves them."""


class Metered(Stage[In_contra, Out_co], Protocol[In_contra, Out_co]):
    """A stage whose batches, items and seconds are counted."""

    @property
    def counters(self) -> tuple[StageCounter, ...]:
        """Counters of the inner stages and, last, of this one, in the order in which a frame leaves them."""


@runtime_checkable
class _HasCounters(Protocol):
    @property
    def counters(self) -> tuple[StageCounter, ...]: ...


def metered(stage: Stage[In, Out] | Metered[In, Out]) -> Metered[In, Out]:
    """Return the stage with its work counted; a stage that counts already is returned unchanged."""
    return stage if isinstance(stage, _HasCounters) else StageMeter(stage)
