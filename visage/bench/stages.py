"""Each stage alone, with every library on one thread: what a frame costs at the least.

The clip goes through in groups: a group is decoded, then admitted, then detected and so on, each on its own, so that no
stage shares the caches or the processor's boost with another.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av

from stages.buffers import HostStream
from stages.contract import Stage
from stages.decode.pyav import as_fraction
from stages.frames import Frame, Observation
from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.imaging import HostImaging
from stages.imaging.orientation import Orientation
from stages.sources import SourceEnded
from stages.track.stage import TrackStage
from visage.assembly import ModelPlan, choose_platform
from visage.bench.measurement import StageCost, StageCosts, steady_range
from visage.bench.outputs import open_sinks
from visage.config import Settings
from visage.config.sources import expand_sources

__all__ = ["measure_stages"]

GROUP = 24
"""Frames; 75 MB of 1080p pictures."""


def measure_stages(settings: Settings, clip: Path, frames: int, output: Path) -> StageCosts:
    """Measure over the steady part of the clip; what comes before warms up.

    Args:
        frames: in the clip.
        output: a folder for the sinks, not there yet.
    """
    settings = settings.model_copy(update={"threads": 1})
    bench = _StageBench(settings, clip, output)
    try:
        first, last = steady_range(frames)
        bench.run(first)
        bench.timers.clear()
        bench.run(last - first)
        bench.finish()
        return bench.costs(last - first)
    finally:
        bench.close()


class _StageBench:
    """The stages, and what each has cost so far."""

    def __init__(self, settings: Settings, clip: Path, output: Path) -> None:
        self.timers: defaultdict[str, _Timer] = defaultdict(_Timer)
        self._plan = ModelPlan.of(settings)
        self._platform = choose_platform(settings, self._plan)
        self._batch = self._platform.detect_batch
        self._admission = HostAdmission(self._plan.detector_input, capacity=GROUP)
        self._detect = self._platform.detect_stage(release_pixels=False, keeps_weak=settings.track)
        self._found = _Found()
        self._track = self._tracking(settings) if settings.track else None
        self._embed = self._platform.embed_stage(release_pixels=False) if settings.embed else None
        self._imaging = HostImaging(max_batch=self._platform.embed_batch)
        self._spec = expand_sources([str(clip)])[0]
        source = self._platform.frame_source(self._spec, concurrent=1)
        self._sinks = open_sinks(settings, self._spec, source.open(), output)
        source.close()
        self._container = av.open(clip)
        stream = self._container.streams.video[0]
        stream.codec_context.thread_count = 1
        self._pixel_aspect = float(
            as_fraction(stream.codec_context.sample_aspect_ratio) or as_fraction(stream.sample_aspect_ratio) or 1
        )
        self._decoded = self._container.decode(video=0)
        self._index = itertools.count()

    def run(self, frames: int) -> None:
        """Take this many more frames through all stages."""
        while frames > 0:
            count = min(GROUP, frames)
            frames -= count
            with self._timing("decode", count):
                decoded = list(itertools.islice(self._decoded, count))
            with self._timing("admit", count):
                pictures = [self._admit(frame) for frame in decoded]
            del decoded
            with self._timing("detect", count):
                seen = [item for batch in _batches(pictures, self._batch) for item in self._detect.process(batch)]
            if self._track is not None:
                self._found.observations = seen
                with self._timing("track", count):
                    seen = self._track.process([item.frame for item in seen])
            faces = sum(len(item.faces.worth_embedding) for item in seen)
            if self._embed is not None:
                with self._timing("align", faces):
                    self._align(seen)
                with self._timing("embed", faces):
                    seen = list(self._embed.process(seen))
            with self._timing("sink", count):
                for item in seen:
                    self._sinks.write(item)
            self.timers["faces"].items += sum(len(item.faces) for item in seen)
            for item in seen:
                item.release()

    def finish(self) -> None:
        """Make the outputs durable; it counts."""
        with self._timing("sink", 0):
            self._sinks.close(SourceEnded(self._spec.source_id, next(self._index)))

    def costs(self, frames: int) -> StageCosts:
        units = {"align": "faces", "embed": "faces"}
        return StageCosts(
            stages={
                name: StageCost(
                    cpu_seconds_per_frame=timer.cpu_seconds / frames,
                    items_per_second=timer.items / timer.seconds,
                    unit=units.get(name, "frames"),
                    part_of="embed" if name == "align" else None,
                )
                for name, timer in self.timers.items()
                if timer.seconds > 0
            },
            backend=self._platform.description,
            faces_per_frame=self.timers["faces"].items / frames,
        )

    def close(self) -> None:
        self._sinks.abandon()
        self._container.close()
        self._admission.close()
        stages: list[Stage[Frame, Observation] | Stage[Observation, Observation] | None] = [
            self._detect,
            self._track,
            self._embed,
        ]
        for stage in stages:
            if stage is not None:
                stage.close()

    def _tracking(self, settings: Settings) -> TrackStage:
        return TrackStage(
            self._found,
            patch_reader=self._platform.open_patch_reader(),
            chooses=settings.embed == "best",
            score_threshold=self._platform.score_threshold,
        )

    @contextmanager
    def _timing(self, name: str, items: int) -> Iterator[None]:
        timer = self.timers[name]
        timer.items += items
        with timer.timing():
            yield

    def _admit(self, frame: av.VideoFrame) -> Frame:
        picture = self._admission.admit(frame, Orientation.of(frame, self._pixel_aspect))
        assert picture is not None  # it waits
        return Frame(self._spec.source_id, next(self._index), frame.time or 0.0, picture)

    def _align(self, seen: list[Observation]) -> None:
        size = self._plan.embedder.input.size if self._plan.embedder else 0
        for item in seen:
            if len(item.faces.worth_embedding):
                chosen = item.with_faces(item.faces.select(item.faces.worth_embedding))
                transforms = self._plan.crop_transforms(chosen)
                self._imaging.crop([item.frame.picture], [transforms], size, stream=HostStream())


class _Found:
    """Plays the detector, whose cost is a row of its own: returns what it has found. Implements `Stage`."""

    name = "found"

    def __init__(self) -> None:
        self.observations: list[Observation] = []

    def open(self) -> None:
        pass

    def process(self, batch: Sequence[Frame]) -> Sequence[Observation]:
        return self.observations

    def end_source(self, source_id: str) -> None:
        pass

    def close(self) -> None:
        pass


@dataclass(slots=True)
class _Timer:
    """What a stage has cost so far; `items` are counted by whoever times it."""

    cpu_seconds: float = 0.0
    seconds: float = 0.0
    items: int = 0

    @contextmanager
    def timing(self) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu_seconds += time.process_time() - cpu
        self.seconds += time.perf_counter() - wall


def _batches(frames: list[Frame], size: int) -> Iterator[list[Frame]]:
    for start in range(0, len(frames), size):
        yield frames[start : start + size]
