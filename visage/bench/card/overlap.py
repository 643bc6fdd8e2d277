"""Whether decoding and inference overlap: one video, and a detector that takes as long as its decoder.

No detector of the catalogue is that slow on a large card, so the detector's network runs several times for every batch,
as often as makes the two equal. The pipeline is compared with a loop that decodes a batch, then detects and embeds in
it, then decodes the next.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from stages.backends.base import Backend
from stages.buffers import Stream
from stages.buffers.device import DeviceArray
from stages.frames import Frame
from visage.assembly import ModelPlan
from visage.assembly.cuda import CudaPlatform
from visage.bench.card.load import measure_decoders, measure_pipeline
from visage.bench.card.networks import measure_networks
from visage.bench.card.steady_work import CardMeasurementFailed
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models.registry import DetectorSpec, ModelSpec

__all__ = ["PROBES", "Overlap", "balanced_repeats", "measure_overlap"]

WARM_BATCHES = 4

PROBES = 17, 33
"""Runs a batch from which what one takes is learnt: with few the card waits for Python, and one more costs nothing."""

BATCH = 8
"""Frames of a detect call here: the inbox of one source has to fill the next batch meanwhile."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """One source with a heavy detector.

    Attributes:
        repeats: runs of the detector's network a batch.
        decode_fps: of the decoder alone.
        inference_fps: of detecting and embedding alone.
        sequential_fps: one after the other.
        pipeline_fps: at the same time.
    """

    repeats: int
    decode_fps: float
    inference_fps: float
    sequential_fps: float
    pipeline_fps: float


def measure_overlap(settings: Settings, clip: Path, *, seconds: float) -> Overlap:
    """Find the number of repeats that makes decoding and inference equal, then measure both ways."""
    settings = settings.model_copy(update={"detect_batch": BATCH})
    decode_fps = measure_decoders(settings, clip, sources=1, seconds=seconds).fps
    few, many = (measure_networks(settings, clip, make_platform=_platform(count)).both_fps for count in PROBES)
    repeats = balanced_repeats(decode_fps, few, many)
    heavy = _platform(repeats)
    return Overlap(
        repeats=repeats,
        decode_fps=decode_fps,
        inference_fps=measure_networks(settings, clip, make_platform=heavy).both_fps,
        sequential_fps=_sequential(heavy(settings, ModelPlan.of(settings)), clip, seconds),
        pipeline_fps=measure_pipeline(settings, clip, sources=1, seconds=seconds, make_platform=heavy).fps,
    )


def balanced_repeats(decode_fps: float, few_fps: float, many_fps: float) -> int:
    """Runs of the detector's network a batch with which inference keeps pace with the decoder, and no more.

    Args:
        few_fps, many_fps: of inference, with as many runs as the `PROBES`.
    """
    seconds_each = max(1e-7, (1 / many_fps - 1 / few_fps) / (PROBES[1] - PROBES[0]))
    return max(1, PROBES[0] + round((1 / decode_fps - 1 / few_fps) / seconds_each))


def _sequential(platform: CudaPlatform, clip: Path, seconds: float) -> float:
    with ExitStack() as stack:
        stack.callback(platform.close)
        detect, embed = platform.detect_stage(release_pixels=False), platform.embed_stage(release_pixels=True)
        stack.callback(embed.close)
        stack.callback(detect.close)
        source = platform.frame_source(SourceSpec(uri=str(clip), source_id="clip"), concurrent=1)
        stack.callback(source.close)
        source.open()
        batch: list[Frame] = []
        batches, began = 0, time.monotonic()
        for frame in source.frames():
            batch.append(frame)
            if len(batch) < BATCH:
                continue
            embed.process(detect.process(batch))
            batch = []
            batches += 1
            if batches == WARM_BATCHES:
                began = time.monotonic()
            elif batches > WARM_BATCHES and time.monotonic() - began > seconds:
                break
        for frame in batch:
            frame.release()
        if batches <= WARM_BATCHES:
            raise CardMeasurementFailed(f"the clip ended after {batches} batches of {BATCH} frames; use a longer one")
        return BATCH * (batches - WARM_BATCHES) / (time.monotonic() - began)


def _platform(repeats: int) -> type[CudaPlatform]:
    class Heavy(CudaPlatform):
        """A platform whose detector runs several times."""

        def _backend(
            self, spec: ModelSpec, max_batch: int, *, detector_size: int | None = None
        ) -> Backend[DeviceArray]:
            backend = super()._backend(spec, max_batch, detector_size=detector_size)
            return _Repeated(backend, repeats) if isinstance(spec, DetectorSpec) else backend

    return Heavy


class _Repeated:
    """A network that is run several times for every batch; the last run's outputs count."""

    def __init__(self, backend: Backend[DeviceArray], repeats: int) -> None:
        self._backend = backend
        self._repeats = repeats

    @property
    def name(self) -> str:
        return f"{self._backend.name}, {self._repeats} times"

    @property
    def max_batch(self) -> int:
        return self._backend.max_batch

    def infer(self, batch: DeviceArray, *, stream: Stream) -> Mapping[str, DeviceArray]:
        for _ in range(self._repeats - 1):
            self._backend.infer(batch, stream=stream)
        return self._backend.infer(batch, stream=stream)

    def close(self) -> None:
        self._backend.close()
