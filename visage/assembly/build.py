"""From settings and sources to a pipeline that is ready to start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from stages.chain import Chain
from stages.contract import Hook, Stage
from stages.decode.array_source import ArrayFrames
from stages.frames import Observation
from stages.identify.roster import KnownPeople
from stages.sink.base import Sink
from stages.sources import VideoInfo
from visage.assembly.choice import choose_platform
from visage.assembly.plan import ModelPlan
from visage.assembly.platform import Pictures, Platform
from visage.assembly.stages import detecting_stage, embedding_stage
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models import Progress
from visage.models.engines import OnBuild
from visage.runtime import Outcome, OverflowPolicy, Pipeline, PipelineLimits

__all__ = ["OpenSinksWith", "build", "build_service"]

MAX_SERVICE_SOURCES = 256
"""Sources decoded at once by the daemon, which itself says how many of them are files."""

LIVE_DEADLINE_SECONDS = 0.01
"""Longest wait for a batch to fill with a camera among the sources."""

LIVE_INBOX_CAPACITY = 8
"""Frames of a camera that may wait: a third of a second."""

OpenSinksWith = Callable[[VideoInfo, Pictures], Sequence[Sink]]


def build(
    settings: Settings,
    sources: Sequence[SourceSpec],
    *,
    open_sinks: OpenSinksWith,
    keep_pixels: bool = False,
    hooks: Sequence[Hook] = (),
    progress: Progress | None = None,
    on_build: OnBuild | None = None,
    platform: Platform | None = None,
    people: KnownPeople | None = None,
    frames: ArrayFrames | None = None,
) -> Pipeline:
    """A pipeline over these sources, and no others. Fetches and prepares the models it needs.

    Args:
        open_sinks: makes a source's sinks, given its description and what brings its pictures to the host.
        keep_pixels: some sink reads pictures, so they are held until the sinks have seen them.
        progress: called with the progress of model downloads.
        on_build: called when engines are built, which takes minutes at the first run on a card.
        platform: where it runs; by default what the settings choose. The pipeline closes it; so does a failure.
        people: whom faces are compared with; stays the caller's. Needs the settings' `embed`.
        frames: pictures to take instead of what the one source names.

    Raises:
        ModelError: a model is unknown or can't be fetched.
        BackendError: no network runtime, or the wrong one for the device.
    """
    if platform is None:
        platform = choose_platform(settings, ModelPlan.of(settings, progress=progress, on_build=on_build))
    live = sum(spec.is_live for spec in sources)
    files_at_once = settings.concurrent_files or platform.concurrent_files
    concurrent = min(len(sources), files_at_once + live) or 1
    pipeline = _assemble(
        settings,
        platform,
        open_sinks=open_sinks,
        keep_pixels=keep_pixels,
        hooks=hooks,
        concurrent=concurrent,
        people=people,
    )
    with ExitStack() as on_failure:
        on_failure.callback(pipeline.close)
        for spec in sources:
            policy = OverflowPolicy.DROP_OLDEST if spec.is_live else OverflowPolicy.WAIT
            pipeline.add(spec.source_id, platform.frame_source(spec, concurrent=concurrent, frames=frames), policy)
        pipeline.finish()
        on_failure.pop_all()
    return pipeline


def build_service(
    settings: Settings,
    platform: Platform,
    *,
    open_sinks: OpenSinksWith,
    on_ended: Callable[[Outcome], None],
    hide: Stage[Observation, Observation] | None = None,
    keep_pixels: bool = False,
    hooks: Sequence[Hook] = (),
    concurrent: int = MAX_SERVICE_SOURCES,
    people: KnownPeople | None = None,
) -> Pipeline:
    """A pipeline without sources, which takes them as they come until it is drained. It closes the platform.

    Args:
        open_sinks: as for `build`.
        on_ended: called with each source that has ended, see `Pipeline`.
        hide: drops faces before they are embedded; runs behind the detector, on its thread.
        concurrent: most sources decoded at once.
        keep_pixels, people: as for `build`.
    """
    return _assemble(
        settings,
        platform,
        open_sinks=open_sinks,
        keep_pixels=keep_pixels,
        hooks=hooks,
        concurrent=concurrent,
        on_ended=on_ended,
        hide=hide,
        people=people,
    )


def _assemble(
    settings: Settings,
    platform: Platform,
    *,
    open_sinks: OpenSinksWith,
    keep_pixels: bool,
    hooks: Sequence[Hook],
    concurrent: int,
    on_ended: Callable[[Outcome], None] | None = None,
    hide: Stage[Observation, Observation] | None = None,
    people: KnownPeople | None = None,
) -> Pipeline:
    deadline = settings.batch_deadline_seconds
    with ExitStack() as on_failure:
        on_failure.callback(platform.close)
        detect = detecting_stage(settings, platform, release_pixels=not settings.embed and not keep_pixels)
        on_failure.callback(detect.close)
        embed = embedding_stage(settings, platform, people, release_pixels=not keep_pixels) if settings.embed else None
        if embed is not None:
            on_failure.callback(embed.close)
        pipeline = Pipeline(
            detect=detect if hide is None else Chain(detect, hide),
            embed=embed,
            open_sinks=lambda info: open_sinks(info, platform),
            limits=PipelineLimits(
                detect_batch=platform.detect_batch,
                embed_batch=platform.embed_batch,
                batch_deadline_seconds=platform.batch_deadline_seconds if deadline is None else deadline,
                live_deadline_seconds=LIVE_DEADLINE_SECONDS if deadline is None else deadline,
                inbox_capacity=platform.inbox_capacity,
                live_inbox_capacity=settings.inbox_capacity or LIVE_INBOX_CAPACITY,
                queue_capacity=platform.queue_capacity,
                concurrent_sources=concurrent,
            ),
            hooks=hooks,
            on_ended=on_ended,
        )
        pipeline.on_stopped(platform.close)
        on_failure.pop_all()
    return pipeline
