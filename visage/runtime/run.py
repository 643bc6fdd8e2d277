"""A run for its caller, whatever does the work: one pipeline in this process, or several in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol

from typing_extensions import Self

from visage.runtime.source import Outcome
from visage.runtime.statistics import PipelineStatistics

__all__ = ["Run"]


class Run(Protocol):
    """Sources on their way to sinks; `Pipeline` and `Fleet` implement it. A context manager that closes."""

    @property
    def failure(self) -> Exception | None:
        """The error that stopped everything; None if there was none."""

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """The outcome of each source that has ended, by id; complete once the run has stopped."""

    def start(self) -> None:
        """Start the threads or processes. Raises IllegalTransition if called twice."""

    def drain(self) -> None:
        """Read no more, but finish and write what is in flight. Returns at once; any thread may call it, also twice."""

    def abort(self) -> None:
        """Drop what is in flight and abandon unfinished outputs. Returns at once; any thread may call it."""

    def on_stopped(self, callback: Callable[[], None]) -> None:
        """Register a callback for when everything is written or given up; to be called before `start`."""

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait at most this many seconds until everything is written; return whether it is. None: no limit."""

    def close(self) -> None:
        """Stop, by aborting if need be, and end every thread and process.

        Decode threads that hang are left behind. Raises RuntimeError if something else does not end.
        """

    def statistics(self) -> PipelineStatistics:
        """Return the counters of this moment; times are in seconds."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
