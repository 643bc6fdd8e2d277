"""Whether frames get through the pipeline, for readiness probes and the watchdog."""

from __future__ import annotations

import time
from collections.abc import Callable

from visage.runtime import Pipeline, PipelineState

__all__ = ["Health"]

STUCK_SECONDS = 60.0


class Health:
    """Watches a pipeline's progress. `problem` is to be called now and then, from any thread."""

    def __init__(self, pipeline: Pipeline, *, now: Callable[[], float] = time.monotonic) -> None:
        self._pipeline = pipeline
        self._now = now
        self._progress = (0, now())

    def problem(self) -> str:
        """Return why frames do not get through; empty if they do.

        Frames that wait for more than STUCK_SECONDS without any coming through are a problem.
        """
        if self._pipeline.failure is not None:
            return str(self._pipeline.failure)
        if self._pipeline.state is not PipelineState.RUNNING:
            return f"the pipeline is {self._pipeline.state.value}"
        statistics = self._pipeline.statistics()
        done = statistics.forgotten.frames_done + sum(source.frames_done for source in statistics.sources)
        waiting = sum(source.inbox.depth for source in statistics.sources)
        if done != self._progress[0] or not waiting:
            self._progress = (done, self._now())
        stuck_seconds = self._now() - self._progress[1]
        return f"no frame has come through for {stuck_seconds:.0f} s" if stuck_seconds > STUCK_SECONDS else ""
