"""One clip many times at once, in this process: the decoders alone, and the whole pipeline on top of them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from stages.buffers.cuda import CudaDevice
from stages.contract import FrameSource
from stages.frames import Observation
from stages.sink.base import Sink
from stages.sources import SourceEnded, VideoInfo
from visage.assembly import ModelPlan, build
from visage.assembly.cuda import CudaPlatform
from visage.bench.card.steady_work import CardMeasurementFailed, FrameCounter, SteadyWork, measure_window
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.runtime import PipelineStatistics

__all__ = ["CountingSinks", "MakePlatform", "measure_decoders", "measure_pipeline", "specs_of"]

JOIN_SECONDS = 30.0

MakePlatform = Callable[[Settings, ModelPlan], CudaPlatform]


def measure_decoders(
    settings: Settings, clip: Path, *, sources: int, seconds: float, on_warm: Callable[[], object] = lambda: None
) -> SteadyWork:
    """Decode on the card and copy every surface into our pool, as the pipeline does, then let it go.

    Args:
        on_warm: see `measure_window`.
    """
    platform = CudaPlatform(settings, ModelPlan.of(settings))
    decoders = [_Decoder(platform.frame_source(spec, concurrent=sources)) for spec in specs_of(clip, sources)]
    with contextlib.ExitStack() as stack:
        stack.callback(platform.close)
        for decoder in decoders:
            stack.callback(decoder.stop)
            decoder.start()
        counters = [decoder.counter for decoder in decoders]
        window = measure_window(counters, _OwnMeter(platform.device), seconds=seconds, on_warm=on_warm)
    for decoder in decoders:
        if decoder.error is not None:
            raise decoder.error
    return window


def measure_pipeline(
    settings: Settings,
    clip: Path,
    *,
    sources: int,
    seconds: float,
    make_platform: MakePlatform | None = None,
) -> SteadyWork:
    """Every frame detected, every face embedded; what comes out is counted.

    Args:
        make_platform: another platform than a run's, to measure what differs.
    """
    plan = ModelPlan.of(settings)
    platform = (make_platform or CudaPlatform)(settings, plan)
    sinks = CountingSinks(sources)
    pipeline = build(settings, specs_of(clip, sources), open_sinks=sinks.open, platform=platform)
    with pipeline:
        pipeline.start()
        before: list[PipelineStatistics] = []
        try:
            window = measure_window(
                sinks.counters,
                _OwnMeter(platform.device),
                seconds=seconds,
                on_warm=lambda: before.append(pipeline.statistics()),
            )
            after = pipeline.statistics()
        finally:
            pipeline.abort()
    if pipeline.failure is not None:
        raise pipeline.failure
    return replace(window, waiting=_waiting(before[0], after, window))


def specs_of(clip: Path, sources: int) -> list[SourceSpec]:
    """Return a source for each of `sources` copies of the clip."""
    return [SourceSpec(uri=str(clip), source_id=f"copy-{number}") for number in range(sources)]


class CountingSinks:
    """A sink for each copy that counts what arrives; `open` is what a run asks for."""

    def __init__(self, sources: int) -> None:
        self._sinks = {f"copy-{number}": _CounterSink() for number in range(sources)}

    @property
    def counters(self) -> list[FrameCounter]:
        return [sink.counter for sink in self._sinks.values()]

    def open(self, info: VideoInfo, _: object) -> Sequence[_CounterSink]:
        return self.open_here(info)

    def open_here(self, info: VideoInfo) -> Sequence[_CounterSink]:
        return [self._sinks[info.source_id]]


def _waiting(before: PipelineStatistics, after: PipelineStatistics, window: SteadyWork) -> dict[str, float]:
    """Shares of the time between two moments in which stages did nothing of their own."""
    decoded = zip(before.sources, after.sources, strict=True)
    held_back = sum(new.inbox.seconds_waiting_to_put - old.inbox.seconds_waiting_to_put for old, new in decoded)
    shares = {"decode": held_back / window.sources / window.seconds}
    for old, new in zip(before.stages, after.stages, strict=True):
        shares[new.name] = 1 - (new.seconds_busy - old.seconds_busy) / window.seconds
    waited = after.queues["sink"].seconds_waiting_to_get - before.queues["sink"].seconds_waiting_to_get
    shares["sink"] = waited / window.seconds
    return {name: min(1.0, max(0.0, share)) for name, share in shares.items()}


class _OwnMeter:
    """Of this process and its card."""

    def __init__(self, device: CudaDevice) -> None:
        self._device = device

    @property
    def ordinal(self) -> int:
        return self._device.ordinal

    def cpu_seconds(self) -> float:
        return time.process_time()

    def bus_bytes(self) -> tuple[int, int] | None:
        statistics = self._device.statistics()
        return statistics.bytes_to_host, statistics.bytes_to_device


class _Decoder:
    """A source's decode thread with nothing behind it."""

    def __init__(self, source: FrameSource) -> None:
        self.counter = FrameCounter()
        self.error: Exception | None = None
        self._source = source
        self._thread = threading.Thread(target=self._run, name="decode")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.ident is None:
            return
        self._source.interrupt()
        self._thread.join(JOIN_SECONDS)
        if self._thread.is_alive():
            raise CardMeasurementFailed(f"a decoder did not stop in {JOIN_SECONDS:.0f} s")

    def _run(self) -> None:
        try:
            self._source.open()
            for frame in self._source.frames():
                frame.release()
                self.counter.add()
        except Exception as exc:  # the thread's edge: raised by whoever measures
            self.error = exc
        finally:
            self.counter.end()
            self._source.close()


class _CounterSink(Sink):
    """A sink that counts."""

    def __init__(self) -> None:
        self.counter = FrameCounter()

    def write(self, observation: Observation) -> None:
        self.counter.add(len(observation.faces))

    def close(self, ended: SourceEnded) -> None:
        self.counter.end()
