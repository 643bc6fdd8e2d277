"""The library's front door: videos in, frames with faces out, one at a time.

The pipeline runs ahead of the caller by what its queues hold and then waits. Leaving the loop early, by `break` or by
an exception, stops and joins every thread; so does the end of the program.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any

import anyio
import anyio.to_thread

from stages.frames import Observation
from stages.sink.base import Sink
from visage.assembly import build_run
from visage.config import Settings
from visage.config.settings import renamed
from visage.config.sources import SourceSpec, expand_sources
from visage.people import GallerySession
from visage.results import AnalyzedFrame
from visage.runtime import BoundedQueue, QueueAborted, QueueClosed
from visage.runtime.exit_watch import ExitWatch
from visage.runtime.run import Run

__all__ = ["analyze", "analyze_async"]

AHEAD = 32
"""Finished frames that wait for the caller; they hold no pixels."""

Sources = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def analyze(
    sources: Sources, settings: Settings | None = None, **overrides: Any
) -> Generator[AnalyzedFrame, None, None]:
    """Find and embed the faces of videos.

    Args:
        sources: a file, folder, pattern or address, or several. Frames of several come interleaved, each source's in
            order.
        settings: how; the defaults if None.
        **overrides: single settings by name, for example `frameskip=24`; they win over `settings`.

    Yields:
        Frames in order, with or without faces: those looked at and, if `track` and `propagate` are on, those between
            them, through which faces were followed (`AnalyzedFrame.detected`).

    Raises:
        SourceError: at the call: there is no such source. At the end, once all frames of all sources have been
            yielded: one can't be opened or broke off.
        StageFailed: the pipeline could not go on.
        pydantic.ValidationError: a setting is wrong.
    """
    return _iterate(*_plan(sources, settings, overrides))


def _iterate(settings: Settings, specs: Sequence[SourceSpec]) -> Generator[AnalyzedFrame, None, None]:
    results: BoundedQueue[AnalyzedFrame] = BoundedQueue(AHEAD)
    with contextlib.ExitStack() as stack:
        run = _start(settings, specs, results, stack)
        with ExitWatch(stack.close) as watch:
            while True:
                watch.note_reader()
                try:
                    batch = results.get_batch(AHEAD)
                except QueueClosed:
                    break
                yield from batch
        _raise_failure(run)


def analyze_async(
    sources: Sources, settings: Settings | None = None, **overrides: Any
) -> AsyncGenerator[AnalyzedFrame, None]:
    """`analyze` for an event loop (asyncio or trio): same arguments, results and errors.

    Close it when leaving early, as with every asynchronous generator: `async with contextlib.aclosing(...)`.
    """
    return _iterate_async(*_plan(sources, settings, overrides))


async def _iterate_async(settings: Settings, specs: Sequence[SourceSpec]) -> AsyncGenerator[AnalyzedFrame, None]:
    results: BoundedQueue[AnalyzedFrame] = BoundedQueue(AHEAD)
    waiting, closing = anyio.CapacityLimiter(1), anyio.CapacityLimiter(1)  # long calls take no shared slots of the loop
    stack = contextlib.ExitStack()
    try:
        run = await anyio.to_thread.run_sync(_start, settings, specs, results, stack, limiter=waiting)
        while True:
            try:
                # Abandoned on cancellation: closing the stack aborts the queue, which ends the thread's wait.
                batch = await anyio.to_thread.run_sync(
                    results.get_batch, AHEAD, abandon_on_cancel=True, limiter=waiting
                )
            except QueueClosed:
                break
            for frame in batch:
                yield frame
        _raise_failure(run)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(stack.close, limiter=closing)


def _plan(
    sources: Sources, settings: Settings | None, overrides: dict[str, Any]
) -> tuple[Settings, Sequence[SourceSpec]]:
    names = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    chosen = Settings(**{**(settings.model_dump() if settings else {}), **renamed(overrides)})
    return chosen, expand_sources([os.fspath(name) for name in names])


def _start(
    settings: Settings,
    specs: Sequence[SourceSpec],
    results: BoundedQueue[AnalyzedFrame],
    stack: contextlib.ExitStack,
) -> Run:
    """A run that fills `results`, started; the stack stops and joins it."""
    people = None if settings.gallery is None else stack.enter_context(GallerySession(settings))

    run = build_run(
        settings,
        specs,
        outputs=[] if people is None else people.outputs,
        open_sinks=lambda _: [_ResultSink(results)],
        wants_frames=True,
        people=None if people is None else people.gallery,
        recorder=None if people is None else people.recorder,
    )
    stack.callback(run.close)
    stack.callback(results.abort)  # runs first: the sink thread may be waiting for room
    run.on_stopped(results.close)
    run.start()
    return run


def _raise_failure(run: Run) -> None:
    if run.failure:
        raise run.failure
    for outcome in run.outcomes.values():
        if outcome.error:
            raise outcome.error


class _ResultSink(Sink):
    """Hands observations to the caller's thread."""

    def __init__(self, results: BoundedQueue[AnalyzedFrame]) -> None:
        self._results = results

    def write(self, observation: Observation) -> None:
        with contextlib.suppress(QueueAborted):  # the caller has left; the pipeline is about to be aborted
            self._results.put([AnalyzedFrame.of(observation)])
