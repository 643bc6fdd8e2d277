"""The networks without the decoder: the same frames through the detect and the embed stage, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from stages.frames import Observation
from visage.assembly import ModelPlan
from visage.assembly.cuda import DETECT_BATCH, CudaPlatform
from visage.config import Settings
from visage.config.sources import SourceSpec

__all__ = ["NetworkRates", "measure_networks"]

SECONDS = 1.0
WARM_CALLS = 5


@dataclass(frozen=True, slots=True)
class NetworkRates:
    """What a card does with frames that are on it already, letterbox, crops, heads and the way back included.

    Attributes:
        detect_fps: frames a second through the detect stage, full batches.
        embed_faces_per_second: faces through the embed stage.
        faces_per_frame: of these frames.
        both_fps: frames a second, one stage after the other.
    """

    detect_fps: float
    embed_faces_per_second: float
    faces_per_frame: float
    both_fps: float


def measure_networks(
    settings: Settings, clip: Path, *, make_platform: Callable[[Settings, ModelPlan], CudaPlatform] = CudaPlatform
) -> NetworkRates:
    """Measure both stages with one full batch of the clip's frames, in items a second. Raises BackendError."""
    settings = settings.model_copy(update={"inbox_capacity": settings.detect_batch or DETECT_BATCH})
    platform = make_platform(settings, ModelPlan.of(settings))
    with ExitStack() as stack:
        stack.callback(platform.close)
        detect = platform.detect_stage(release_pixels=False)
        stack.callback(detect.close)
        embed = platform.embed_stage(release_pixels=False)
        stack.callback(embed.close)
        source = platform.frame_source(SourceSpec(uri=str(clip), source_id="clip"), concurrent=1)
        stack.callback(source.close)
        source.open()
        frames = [frame for frame, _ in zip(source.frames(), range(platform.detect_batch), strict=False)]
        for frame in frames:
            stack.callback(frame.release)
        observations: Sequence[Observation] = detect.process(frames)
        faces = sum(len(item.faces) for item in observations)
        detect_calls = _calls_per_second(lambda: detect.process(frames))
        embed_calls = _calls_per_second(lambda: embed.process(observations))
        return NetworkRates(
            detect_fps=len(frames) * detect_calls,
            embed_faces_per_second=faces * embed_calls,
            faces_per_frame=faces / len(frames),
            both_fps=len(frames) / (1 / detect_calls + 1 / embed_calls),
        )


def _calls_per_second(call: Callable[[], object]) -> float:
    for _ in range(WARM_CALLS):
        call()
    calls, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        call()
        calls += 1
    return calls / (time.perf_counter() - began)
