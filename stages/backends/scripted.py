"""A test double: plays given outputs, waits at gates and fails on cue.

It computes nothing, so it never stands in for a real backend in a claim about results or speed. Tests of queues,
ownership and failure use it to make an interleaving happen instead of hoping for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from stages.backends.base import HostTensor
from stages.buffers import Stream
from stages.errors import BackendError

__all__ = ["ScriptedBackend"]


class ScriptedBackend:
    """A `Backend` of host arrays that follows a script. Calls are numbered from 0."""

    name = "scripted"

    def __init__(
        self,
        outputs: Callable[[HostTensor], Mapping[str, HostTensor]],
        *,
        max_batch: int = 8,
        gates: Mapping[int, threading.Event] | None = None,
        faults: Mapping[int, Exception] | None = None,
        gate_timeout_seconds: float = 10.0,
    ) -> None:
        """
        Args:
            outputs: what to return for a batch, uint8 (N, H, W, 3).
            max_batch: stated, and enforced.
            gates: the call of this number waits for the event before anything else.
            faults: the call of this number raises this error after its gate.
            gate_timeout_seconds: a gate that stays shut this long is a BackendError, so that a broken test ends.
        """
        self._outputs = outputs
        self._max_batch = max_batch
        self._gates = dict(gates or {})
        self._faults = dict(faults or {})
        self._gate_timeout_seconds = gate_timeout_seconds
        self._changed = threading.Condition()
        self._sizes: list[int] = []
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<ScriptedBackend {'closed' if self._is_closed else 'open'}, {len(self._sizes)} calls>"

    @property
    def max_batch(self) -> int:
        """The largest N of a batch that `infer` accepts; a larger one raises ValueError."""
        return self._max_batch

    @property
    def batch_sizes(self) -> list[int]:
        """The size of each call's batch so far, in order. Safe from any thread."""
        with self._changed:
            return list(self._sizes)

    @property
    def is_closed(self) -> bool:
        """Whether the owner has closed it, as it should."""
        return self._is_closed

    def wait_for_calls(self, count: int, *, timeout_seconds: float = 10.0) -> None:
        """From another thread: return once `count` calls have begun. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._sizes) >= count, timeout_seconds):
                raise TimeoutError(f"{len(self._sizes)} of {count} calls began in {timeout_seconds:g} s")

    def infer(self, batch: HostTensor, *, stream: Stream) -> Mapping[str, HostTensor]:
        """Play the next call of the script: return float32 outputs, N first, or raise what it says."""
        if self._is_closed:
            raise BackendError("the scripted backend is closed")
        if not 1 <= len(batch) <= self._max_batch:
            raise ValueError(f"expected 1..{self._max_batch} pictures, got {len(batch)}")
        stream.synchronize()
        with self._changed:
            call = len(self._sizes)
            self._sizes.append(len(batch))
            self._changed.notify_all()
        gate = self._gates.get(call)
        if gate is not None and not gate.wait(self._gate_timeout_seconds):
            raise BackendError(f"the gate of call {call} stayed shut for {self._gate_timeout_seconds:g} s")
        if call in self._faults:
            raise self._faults[call]
        return self._outputs(batch)

    def close(self) -> None:
        """Note that the owner closed it; see `Backend.close`."""
        self._is_closed = True
