from __future__ import annotations

import threading

import numpy as np
import pytest

from stages.backends.base import HostTensor
from stages.backends.scripted import ScriptedBackend
from stages.buffers import HostStream
from stages.errors import BackendError


def sums(batch: HostTensor) -> dict[str, HostTensor]:
    return {"sum": batch.reshape(len(batch), -1).sum(axis=1).astype(np.float32)}


def pictures(count: int) -> HostTensor:
    return np.ones((count, 2, 2, 3), np.uint8)


def test_outputs_are_a_function_of_the_batch() -> None:
    backend = ScriptedBackend(sums)

    assert backend.infer(pictures(2), stream=HostStream())["sum"].tolist() == [12, 12]
    backend.infer(pictures(1), stream=HostStream())
    assert backend.batch_sizes == [2, 1]
    assert repr(backend) == "<ScriptedBackend open, 2 calls>"


def test_a_gated_call_waits_and_is_seen_waiting() -> None:
    """The call begins, is seen by `wait_for_calls`, and ends only after the gate was opened."""
    gate, done = threading.Event(), threading.Event()
    backend = ScriptedBackend(sums, gates={0: gate})

    def call() -> None:
        backend.infer(pictures(1), stream=HostStream())
        done.set()

    thread = threading.Thread(target=call)
    thread.start()
    backend.wait_for_calls(1)
    assert not done.is_set()
    gate.set()
    thread.join()
    assert done.is_set()


def test_a_fault_hits_its_call_only() -> None:
    backend = ScriptedBackend(sums, faults={1: BackendError("the card is on fire")})

    backend.infer(pictures(1), stream=HostStream())
    with pytest.raises(BackendError, match="on fire"):
        backend.infer(pictures(1), stream=HostStream())
    backend.infer(pictures(1), stream=HostStream())


def test_a_gate_that_stays_shut_ends_the_test() -> None:
    backend = ScriptedBackend(sums, gates={0: threading.Event()}, gate_timeout_seconds=0)

    with pytest.raises(BackendError, match="gate of call 0 stayed shut"):
        backend.infer(pictures(1), stream=HostStream())


def test_waiting_for_a_call_that_never_comes_times_out() -> None:
    with pytest.raises(TimeoutError, match="0 of 1 calls"):
        ScriptedBackend(sums).wait_for_calls(1, timeout_seconds=0)


def test_it_keeps_to_the_contract() -> None:
    backend = ScriptedBackend(sums, max_batch=2)

    with pytest.raises(ValueError, match=r"expected 1\.\.2 pictures"):
        backend.infer(pictures(3), stream=HostStream())
    backend.close()
    assert backend.is_closed
    with pytest.raises(BackendError, match="closed"):
        backend.infer(pictures(1), stream=HostStream())
