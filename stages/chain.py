"""Two stages as one, on one thread: what the first returns goes straight into the second.

For a pair whose second stage is too light to deserve a thread and a queue of its own, such as identification behind
embedding. The chain owns both: whatever goes wrong, each is closed once. Each is counted under its own name; the chain
itself costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Generic, TypeVar

from stages.contract import Stage
from stages.meter import metered

__all__ = ["Chain"]

In = TypeVar("In")
Middle = TypeVar("Middle")
Out = TypeVar("Out")


class Chain(Generic[In, Middle, Out]):
    """Implements `stages.contract.Stage` with a Stage[In, Middle] and a Stage[Middle, Out]. Chains may be chained.

    Owns both stages: `open` and `close` open and close them.
    """

    def __init__(self, first: Stage[In, Middle], second: Stage[Middle, Out]) -> None:
        self._first = metered(first)
        self._second = metered(second)
        self.name = f"{first.name}+{second.name}"
        self.counters = (*self._first.counters, *self._second.counters)

    def open(self) -> None:
        """Open both stages, in order. If one raises, the owner closes the chain, as with every stage."""
        self._first.open()
        self._second.open()

    def process(self, batch: Sequence[In]) -> Sequence[Out]:
        """Return one result for each item, in the batch's order. Raises what either stage raises."""
        return self._second.process(self._first.process(batch))

    def end_source(self, source_id: str) -> None:
        """Let both stages forget the source, in order."""
        self._first.end_source(source_id)
        self._second.end_source(source_id)

    def close(self) -> None:
        """Close both, in order; the second also if the first fails."""
        with ExitStack() as closing:
            closing.callback(self._second.close)
            closing.callback(self._first.close)
