"""The progress of a TensorRT build, and how it is interrupted: an IProgressMonitor for versions that have one.

TensorRT reports nested phases with steps. A phase's steps share its parent's current step, so the sum never goes back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

__all__ = ["BuildPhases", "make_monitor"]


class BuildPhases:
    """Adds up nested phases to a fraction of the whole build, 0 to 1. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._phases: dict[str, _Phase] = {}
        self._fraction = 0.0

    @property
    def fraction(self) -> float:
        """The share of the build that is done, in [0, 1]."""
        with self._lock:
            return self._fraction

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """Start a phase with this many steps, within the current step of `parent` or (None) as the whole build."""
        with self._lock:
            above = self._phases.get(parent or "")
            share = above.share / above.steps if above else 1.0
            self._phases[name] = _Phase(above.done if above else 0.0, share, steps)

    def complete(self, name: str, step: int) -> None:
        """Note that a phase's step, counted from 0, is done. Never raises for an unknown phase."""
        with self._lock:
            phase = self._phases.get(name)
            if phase is not None:
                phase.done = phase.start + phase.share * (step + 1) / phase.steps
                self._fraction = max(self._fraction, phase.done)

    def finish(self, name: str) -> None:
        """End a phase, with all of its steps done."""
        with self._lock:
            self._phases.pop(name, None)


class _Phase:
    """Where a phase begins and how far it has come, as fractions of the whole build."""

    __slots__ = ("done", "share", "start", "steps")

    def __init__(self, start: float, share: float, steps: int) -> None:
        self.start = self.done = start
        self.share = share
        self.steps = max(1, steps)


def make_monitor(trt: ModuleType) -> Any:
    """Return a progress monitor of this TensorRT module.

    Its `interrupted` is set once KeyboardInterrupt was raised in it. TensorRT calls it on its own threads.
    """
    base = trt.IProgressMonitor

    class Monitor(base):  # type: ignore[misc, valid-type]
        """Called from TensorRT's threads."""

        def __init__(self) -> None:
            base.__init__(self)
            self.phases = BuildPhases()
            self.interrupted = False

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            with self._keep_interrupt():
                self.phases.start(name, parent, steps)

        def step_complete(self, name: str, step: int) -> bool:
            with self._keep_interrupt():
                self.phases.complete(name, step)
            return not self.interrupted

        def phase_finish(self, name: str) -> None:
            with self._keep_interrupt():
                self.phases.finish(name)

        @contextmanager
        def _keep_interrupt(self) -> Iterator[None]:
            """Python raises KeyboardInterrupt in whatever Python the main thread runs; C++ must not see it."""
            try:
                yield
            except KeyboardInterrupt:
                self.interrupted = True

    return Monitor()
