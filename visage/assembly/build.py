"""From settings and sources to a pipeline that is ready to start."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stages.contract import Hook
from stages.sink.base import Sink
from stages.sources import VideoInfo
from visage.assembly.choice import choose_platform
from visage.assembly.plan import ModelPlan
from visage.assembly.platform import Platform
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models import Progress
from visage.models.engines import OnBuild
from visage.runtime import OverflowPolicy, Pipeline, PipelineLimits

__all__ = ["OpenSinksWith", "build"]


OpenSinksWith = Callable[[VideoInfo, Platform], Sequence[Sink]]


def build(
    settings: Settings,
    sources: Sequence[SourceSpec],
    *,
    open_sinks: OpenSinksWith,
    keep_pixels: bool = False,
    hooks: Sequence[Hook] = (),
    progress: Progress | None = None,
    on_build: OnBuild | None = None,
) -> Pipeline:
    """A pipeline over these sources, and no others. Fetches and prepares the models it needs.

    Args:
        open_sinks: makes a source's sinks, given its description and the platform (for its pixels and its name).
        keep_pixels: some sink reads pictures, so they are held until the sinks have seen them.
        progress: told of model downloads.
        on_build: told of the building of engines, which takes minutes at the first run on a card.

    Raises:
        ModelError: a model is unknown or can't be fetched.
        BackendError: no network runtime, or the wrong one for the device.
    """
    platform = choose_platform(settings, ModelPlan.of(settings, progress=progress, on_build=on_build))
    live = sum(spec.is_live for spec in sources)
    concurrent = min(len(sources), platform.concurrent_files + live) or 1
    pipeline = Pipeline(
        detect=platform.detect_stage(release_pixels=not settings.embed and not keep_pixels),
        embed=platform.embed_stage(release_pixels=not keep_pixels) if settings.embed else None,
        open_sinks=lambda info: open_sinks(info, platform),
        limits=PipelineLimits(
            detect_batch=platform.detect_batch,
            embed_batch=platform.embed_batch,
            batch_deadline_seconds=settings.batch_deadline_seconds,
            inbox_capacity=settings.inbox_capacity,
            queue_capacity=settings.queue_capacity,
            concurrent_sources=concurrent,
        ),
        hooks=hooks,
    )
    pipeline.on_stopped(platform.close)
    for spec in sources:
        policy = OverflowPolicy.DROP_OLDEST if spec.is_live else OverflowPolicy.WAIT
        pipeline.add(spec.source_id, platform.frame_source(spec, concurrent=concurrent), policy)
    pipeline.finish()
    return pipeline
