"""What the networks of a run see of a folder of pictures or videos: for calibration, and to compare two networks."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.buffers import HostStream
from stages.frames import Frame
from stages.imaging.host.imaging import HostImaging
from visage.assembly.host import HostPlatform
from visage.assembly.plan import ModelPlan
from visage.config import Settings
from visage.config.sources import expand_sources

__all__ = ["Seen", "collect"]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the networks are given.

    Attributes:
        letterboxed: detector inputs, uint8 (H, W, 3), BGR; of one shape or several.
        crops: aligned faces, uint8 (size, size, 3), BGR; none without embedder.
    """

    letterboxed: Sequence[NDArray[np.uint8]]
    crops: Sequence[NDArray[np.uint8]]


def collect(sources: Sequence[Path], settings: Settings, *, most: int) -> Seen:
    """Look at the sources as a run with these settings would, frame by frame, up to `most` frames and crops.

    Raises SourceError, ModelError, BackendError.
    """
    plan = ModelPlan.of(settings)
    imaging, stream = HostImaging(max_batch=1), HostStream()
    letterboxed: list[NDArray[np.uint8]] = []
    crops: list[NDArray[np.uint8]] = []
    with contextlib.ExitStack() as owned:
        platform = owned.enter_context(closing(HostPlatform(settings, plan)))
        stage = owned.enter_context(closing(platform.detect_stage(release_pixels=False)))
        frames = owned.enter_context(closing(_frames(platform, sources)))
        stage.open()
        for frame in itertools.islice(frames, most):
            (item,) = stage.process([frame])
            pictures = [frame.picture]
            letterboxed.append(imaging.letterbox(pictures, stream=stream)[0].copy())
            if plan.embedder is not None and len(item.faces):
                cut = imaging.crop(pictures, [plan.crop_transforms(item)], plan.embedder.input.size, stream=stream)
                crops += [crop.copy() for crop in cut]  # the next frame is cut into the same memory
            frame.release()
    return Seen(letterboxed, crops[:most])


def _frames(platform: HostPlatform, sources: Sequence[Path]) -> Generator[Frame, None, None]:
    for spec in expand_sources([str(path) for path in sources]):
        with closing(platform.frame_source(spec, concurrent=1)) as source:
            source.open()
            yield from source.frames()
