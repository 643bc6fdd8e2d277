"""What the networks of a run see of a folder of pictures or videos: for calibration, and to compare two networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.buffers import HostStream
from stages.embed.align import box_transforms, landmark_transforms
from stages.imaging.host import HostImaging
from visage.assembly.host import HostPlatform
from visage.assembly.plan import ModelPlan
from visage.config import Settings
from visage.config.sources import expand_sources

__all__ = ["Seen", "collect"]


@dataclass(frozen=True, slots=True)
class Seen:
    """Attributes:
    letterboxed: detector inputs, uint8 (H, W, 3), BGR; of one shape or several.
    crops: aligned faces, uint8 (size, size, 3), BGR.
    """

    letterboxed: Sequence[NDArray[np.uint8]]
    crops: Sequence[NDArray[np.uint8]]


def collect(sources: Sequence[Path], settings: Settings, *, most: int) -> Seen:
    """Look at the sources as a run with these settings would, frame by frame, up to `most` frames and crops.

    Raises SourceError, ModelError, BackendError.
    """
    plan = ModelPlan.of(settings)
    platform = HostPlatform(settings, plan)
    stage = platform.detect_stage(release_pixels=False)
    imaging, stream = HostImaging(max_batch=1), HostStream()
    letterboxed: list[NDArray[np.uint8]] = []
    crops: list[NDArray[np.uint8]] = []
    stage.open()
    try:
        for spec in expand_sources([str(path) for path in sources]):
            source = platform.frame_source(spec, concurrent=1)
            source.open()
            try:
                for frame in source.frames():
                    (item,) = stage.process([frame])
                    letterboxed.append(imaging.letterbox([frame.picture], stream=stream)[0].copy())
                    if plan.embedder is not None and len(item.faces):
                        size, aspect = plan.embedder.input.size, frame.picture.pixel_aspect
                        if plan.template is None or item.faces.landmarks is None:
                            transforms = box_transforms(item.faces.boxes_xyxy, size, pixel_aspect=aspect)
                        else:
                            transforms = landmark_transforms(item.faces.landmarks, plan.template, pixel_aspect=aspect)
                        crops += [
                            crop.copy() for crop in imaging.crop([frame.picture], [transforms], size, stream=stream)
                        ]
                    frame.release()
                    if len(letterboxed) >= most:
                        return Seen(letterboxed, crops[:most])
            finally:
                source.close()
    finally:
        stage.close()
        platform.close()
    return Seen(letterboxed, crops[:most])
