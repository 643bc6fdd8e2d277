"""The library's entry points: videos in, frames with faces out, one at a time.

The pipeline runs ahead of the caller by what its queues hold and then waits. Leaving the loop early, by `break` or by
an exception, stops and joins every thread; so does the end of the program.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread

from stages.decode.array_source import ArrayFrames
from stages.frames import Observation
from stages.sink.base import Sink
from stages.sources import VideoInfo
from visage.assembly import build_run
from visage.config import Settings
from visage.config.settings import renamed
from visage.config.sources import SourceSpec, expand_sources
from visage.people import GallerySession
from visage.results import AnalyzedFrame
from visage.runtime import BoundedQueue, QueueAborted, QueueClosed
from visage.runtime.exit_watch import ExitWatch
from visage.runtime.job import JobPlace, Pictures
from visage.runtime.run import Run

__all__ = ["analyze", "analyze_async", "analyze_frames", "scan"]

AHEAD = 32
"""Finished frames that wait for the caller; they hold no pixels."""

Sources = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def analyze(
    sources: Sources, settings: Settings | None = None, *, crops: bool = False, **overrides: Any
) -> Generator[AnalyzedFrame, None, None]:
    """Find and embed the faces of videos.

    Args:
        sources: a file, folder, pattern or address, or several. Frames of several come interleaved, each source's in
            order.
        settings: how; the defaults if None.
        crops: give each face its pixels, `Face.crop`; every frame is brought to the host and converted for that.
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
    return _iterate(_plan(sources, settings, overrides, crops=crops))


def scan(
    sources: Sources, settings: Settings | None = None, *, crops: bool = False, **overrides: Any
) -> Generator[AnalyzedFrame, None, None]:
    """Look at the key frames of videos: who is in them at all, at a small part of the cost of `analyze`.

    Each face has a track of its own: a scan shows who is there at one moment, not from when to when. Frame
    numbers, times, boxes and embeddings are those of `analyze`.

    Args:
        sources: files, folders, patterns or addresses; no cameras.
        settings, crops, **overrides: as for `analyze`; `frameskip` has to be 1.

    Yields:
        The frames that were looked at, in order, with or without faces.

    Raises:
        As `analyze`. ValueError at the call: a source is live.
    """
    plan = _plan(sources, settings, {**overrides, "scan": True}, crops=crops)
    live = next((spec for spec in plan.specs if spec.is_live), None)
    if live is not None:
        raise ValueError(f"{live.display_uri}: a live source can't be scanned; use analyze")
    return _iterate(plan)


def analyze_frames(
    frames: ArrayFrames,
    settings: Settings | None = None,
    *,
    fps: float = 25.0,
    source_id: str = "frames",
    crops: bool = False,
    **overrides: Any,
) -> Generator[AnalyzedFrame, None, None]:
    """`analyze` for pictures that you have already.

    Args:
        frames: arrays, uint8 (H, W, 3), BGR, upright, in the order of time; or pairs of seconds and array. Iterated on
            another thread, ahead of the loop; each array is copied, and may be used again when the next is asked for.
        fps: frames a second, for those without a time of their own: tracking goes by time.
        source_id: what results and a gallery call them.

    Raises:
        SourceError: there is no frame, one is of another kind, or `frames` raised (the cause is chained). ValueError
            for an `fps` that is not above 0. The rest as `analyze`.
    """
    if not fps > 0:
        raise ValueError(f"fps must be above 0, not {fps}")
    spec = SourceSpec(uri=source_id, source_id=source_id, input_options={"framerate": str(fps)})
    return _iterate(_Plan(_chosen(settings, overrides), [spec], crops, frames))


def _iterate(plan: _Plan) -> Generator[AnalyzedFrame, None, None]:
    results: BoundedQueue[AnalyzedFrame] = BoundedQueue(AHEAD)
    with contextlib.ExitStack() as stack:
        run = _start(plan, results, stack)
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
    sources: Sources, settings: Settings | None = None, *, crops: bool = False, **overrides: Any
) -> AsyncGenerator[AnalyzedFrame, None]:
    """`analyze` for an event loop (asyncio or trio): same arguments, results and errors.

    Close it when leaving early, as with every asynchronous generator: `async with contextlib.aclosing(...)`.
    """
    return _iterate_async(_plan(sources, settings, overrides, crops=crops))


async def _iterate_async(plan: _Plan) -> AsyncGenerator[AnalyzedFrame, None]:
    results: BoundedQueue[AnalyzedFrame] = BoundedQueue(AHEAD)
    waiting, closing = anyio.CapacityLimiter(1), anyio.CapacityLimiter(1)  # long calls take no shared slots of the loop
    stack = contextlib.ExitStack()
    try:
        run = await anyio.to_thread.run_sync(_start, plan, results, stack, limiter=waiting)
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to analyse and how. `frames`: pictures instead of what the one source names."""

    settings: Settings
    specs: Sequence[SourceSpec]
    crops: bool = False
    frames: ArrayFrames | None = None


def _plan(sources: Sources, settings: Settings | None, overrides: dict[str, Any], *, crops: bool) -> _Plan:
    names = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    return _Plan(_chosen(settings, overrides), expand_sources([os.fspath(name) for name in names]), crops)


def _chosen(settings: Settings | None, overrides: dict[str, Any]) -> Settings:
    chosen = Settings(**{**(settings.model_dump() if settings else {}), **renamed(overrides)})
    if chosen.refine is not None:
        raise ValueError("refine is for `visage run`: here analyze from start_seconds to end_seconds what a scan found")
    return chosen


def _start(plan: _Plan, results: BoundedQueue[AnalyzedFrame], stack: contextlib.ExitStack) -> Run:
    """A run that fills `results`, started; the stack stops and joins it."""
    settings = plan.settings
    people = None if settings.gallery is None else stack.enter_context(GallerySession(settings))

    results_of = _Results(results, needs_pixels=plan.crops)
    outputs = [] if people is None else people.outputs
    alone = plan.crops or plan.frames is not None
    run = build_run(
        settings,
        plan.specs,
        outputs=[results_of, *outputs] if alone else outputs,
        open_sinks=lambda _: [] if alone else [_ResultSink(results, None)],
        wants_frames=not alone,
        people=None if people is None else people.gallery,
        recorder=None if people is None else people.recorder,
        frames=plan.frames,
        alone=plan.crops,
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


@dataclass(frozen=True, slots=True)
class _Results:
    """Hands pictures to the caller, too, where they are wanted. Implements `visage.runtime.job.JobOutputs`."""

    results: BoundedQueue[AnalyzedFrame]
    needs_pixels: bool

    def sinks_for(self, info: VideoInfo, place: JobPlace) -> list[Sink]:
        return [_ResultSink(self.results, place.pictures if self.needs_pixels else None)]


class _ResultSink(Sink):
    """Hands observations to the caller's thread."""

    def __init__(self, results: BoundedQueue[AnalyzedFrame], pictures: Pictures | None) -> None:
        """`pictures`: what brings them to the host, for crops."""
        self._results = results
        self._pictures = pictures

    def write(self, observation: Observation) -> None:
        with contextlib.suppress(QueueAborted):  # the caller has left; the pipeline is about to be aborted
            image = None
            if self._pictures is not None and len(observation.faces):
                image = self._pictures.to_bgr(observation.frame.picture)
            self._results.put([AnalyzedFrame.of(observation, image)])
