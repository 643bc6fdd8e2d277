"""From settings and sources to a run: a pipeline in this process, or a fleet of them in others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from stages.decode.array_source import ArrayFrames
from stages.identify.roster import KnownPeople
from stages.sink.base import Sink
from stages.sources import VideoInfo
from visage.assembly.build import build
from visage.assembly.plan import ModelPlan
from visage.assembly.spread import tasks_for
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.fleet import Fleet
from visage.head_start import HeadStart
from visage.models import Progress
from visage.models.engines import OnBuild
from visage.runtime.job import JobOutputs, JobPlace, Pictures, TrackRecorder
from visage.runtime.run import Run

__all__ = ["build_run"]


def build_run(
    settings: Settings,
    sources: Sequence[SourceSpec],
    *,
    outputs: Sequence[JobOutputs] = (),
    open_sinks: Callable[[VideoInfo], Sequence[Sink]] = lambda _: (),
    wants_frames: bool = False,
    progress: Progress | None = None,
    on_build: OnBuild | None = None,
    people: KnownPeople | None = None,
    recorder: TrackRecorder | None = None,
    frames: ArrayFrames | None = None,
    alone: bool = False,
    head_start: HeadStart | None = None,
) -> Run:
    """Whether processes are started is for `settings.workers` and the cards. Raises as `build`,
    and ValueError where several processes are asked for that can't be.

    Args:
        outputs: make the sinks of a source where it is read.
        open_sinks: makes those that it has in this process besides; they come after the others.
        wants_frames: those read frames, not just starts and ends.
        progress, on_build: as for `build`.
        people: whom faces are compared with; stays the caller's. Needs the settings' `embed`.
        recorder: gets the tracks of every source, in this process.
        frames: as for `build`.
        alone: this process does it all: its outputs can't be sent to another.
        head_start: worker processes that were started already; stays the caller's.
    """
    if alone and (settings.workers or 1) > 1:
        raise ValueError("outputs that read pictures must be in the process that decodes them: leave workers at 1")
    tasks = tasks_for(
        settings,
        sources,
        log_level=logging.getLogger("visage").getEffectiveLevel(),
        waiting=0 if head_start is None else len(head_start),
    )
    if not tasks or alone or frames is not None:

        def open_all(info: VideoInfo, pictures: Pictures) -> list[Sink]:
            place = JobPlace(pictures, recorder)
            return [*(sink for one in outputs for sink in one.sinks_for(info, place)), *open_sinks(info)]

        return build(
            settings.model_copy(update={"workers": None}),
            sources,
            open_sinks=open_all,
            keep_pixels=any(one.needs_pixels for one in outputs),
            progress=progress,
            on_build=on_build,
            people=people,
            frames=frames,
        )
    plan = ModelPlan.of(settings, progress=progress)
    for model in (plan.detector, plan.embedder):
        if model is not None:
            plan.store.prepared(model.name, progress=progress)  # once, here, where its errors are reported
    naming = None if people is None else (people.threshold, people.margin)
    return Fleet(
        [replace(task, outputs=tuple(outputs), sends_frames=wants_frames, naming=naming) for task in tasks],
        sources,
        launch=(HeadStart() if head_start is None else head_start).launch,
        open_sinks=open_sinks,
        people=people,
        recorder=recorder,
        on_build=on_build,
    )
