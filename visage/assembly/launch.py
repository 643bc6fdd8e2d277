"""From settings and sources to a run: a pipeline in this process, or a fleet of them in others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.decode.array_source import ArrayFrames
from stages.frames import Picture
from visage.assembly.build import OpenSinksWith, build
from visage.assembly.plan import ModelPlan
from visage.assembly.spread import tasks_for
from visage.assembly.stages import KnownPeople, identifying_stage
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.fleet import Fleet
from visage.models import Progress
from visage.models.engines import OnBuild
from visage.runtime.run import Run

__all__ = ["build_run"]


def build_run(
    settings: Settings,
    sources: Sequence[SourceSpec],
    *,
    open_sinks: OpenSinksWith,
    keep_pixels: bool = False,
    progress: Progress | None = None,
    on_build: OnBuild | None = None,
    people: KnownPeople | None = None,
    frames: ArrayFrames | None = None,
) -> Run:
    """Arguments and errors are `build`'s. Whether processes are started is for `settings.workers` and the cards.

    Raises ValueError besides: several processes are asked for where pixels are kept.
    """
    tasks = tasks_for(
        settings, sources, needs_pixels=keep_pixels, log_level=logging.getLogger("visage").getEffectiveLevel()
    )
    if not tasks or frames is not None:
        return build(
            settings.model_copy(update={"workers": None}),
            sources,
            open_sinks=open_sinks,
            keep_pixels=keep_pixels,
            progress=progress,
            on_build=on_build,
            people=people,
            frames=frames,
        )
    plan = ModelPlan.of(settings, progress=progress)
    for model in (plan.detector, plan.embedder):
        if model is not None:
            plan.store.prepared(model.name, progress=progress)  # once, here, where its errors are told
    return Fleet(
        tasks,
        sources,
        entry="visage.assembly.worker_main",
        open_sinks=lambda info: open_sinks(info, _Elsewhere()),
        identify=None if people is None else identifying_stage(people),
        on_build=on_build,
    )


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """Pictures that are in other processes. Implements `visage.assembly.platform.Pictures`."""

    def to_bgr(self, picture: Picture, max_width: int | None = None) -> NDArray[np.uint8]:
        """Raise ValueError: the pixels are in another process, which draws them."""
        raise ValueError("this picture is in another process")
