"""The plain loop that the pipeline has to beat: decode a frame, detect, embed, write, and again.

It does the pipeline's work with the pipeline's own stages, a frame at a time. With one thread everything takes turns.
With all cores the libraries thread as they do by themselves: FFmpeg decodes ahead, OpenCV splits its loops, and each
call of a network uses every core, which here is faster than what the pipeline's backends do for a single frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import av
import cv2
import numpy as np

from stages.backends.base import Backend, HostTensor
from stages.backends.openvino import OpenVINOBackend
from stages.backends.telemetry import import_openvino
from stages.buffers import Stream
from stages.sources import SourceEnded
from visage.assembly import ModelPlan
from visage.assembly.host import HostPlatform
from visage.bench.measurement import Meter, Pass
from visage.bench.outputs import open_sinks
from visage.config import Settings
from visage.config.sources import expand_sources

__all__ = ["decode_alone", "loop_on_all_cores", "loop_on_one_thread"]


def decode_alone(settings: Settings, clip: Path, meter: Meter) -> Pass:
    """Decode every frame with the pipeline's number of threads, and look at none."""
    with av.open(clip) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = settings.cpu_threads
        stream.thread_type = "AUTO"
        for index, _ in enumerate(container.decode(stream)):
            meter.mark(index)
    return meter.finish()


def loop_on_one_thread(settings: Settings, clip: Path, meter: Meter, output: Path) -> Pass:
    """The loop with every library on one thread."""
    settings = settings.model_copy(update={"threads": 1})
    return _loop(settings, HostPlatform(settings, ModelPlan.of(settings)), clip, meter, output)


def loop_on_all_cores(settings: Settings, clip: Path, meter: Meter, output: Path) -> Pass:
    """The loop with the libraries' own threading."""
    platform = _LibrariesThread(settings, ModelPlan.of(settings))
    cv2.setNumThreads(settings.cpu_threads)
    return _loop(settings, platform, clip, meter, output)


def _loop(settings: Settings, platform: HostPlatform, clip: Path, meter: Meter, output: Path) -> Pass:
    spec = expand_sources([str(clip)])[0]
    source = platform.frame_source(spec, concurrent=1)
    detect = platform.detect_stage(release_pixels=False)
    embed = platform.embed_stage(release_pixels=False) if settings.embed else None
    sinks = open_sinks(settings, spec, source.open(), output)
    for frame in source.frames():
        observations = detect.process([frame])
        if embed is not None:
            observations = embed.process(observations)
        for observation in observations:
            sinks.write(observation)
            observation.release()
            meter.mark(frame.index, len(observation.faces))
    sinks.close(SourceEnded(spec.source_id, source.frames_decoded))
    run = meter.finish()
    source.close()
    return run


class _LibrariesThread(HostPlatform):
    """A platform whose networks run one call at a time, on all cores."""

    def _backend(self, model: str, max_batch: int, *, max_chunk: int) -> Backend[HostTensor]:
        backend = super()._backend(model, max_batch, max_chunk=max_chunk)
        if not isinstance(backend, OpenVINOBackend):
            return backend  # ONNX Runtime's own way is the pipeline's
        path = self._plan.store.prepared(model)
        precision = backend.name.rpartition(" ")[2]
        return _LatencyNetwork(path, threads=self._settings.cpu_threads, precision=precision)


class _LatencyNetwork:
    """A network as OpenVINO's documentation runs it where the next result matters, not the sum of all."""

    def __init__(self, onnx_path: Path, *, threads: int, precision: str) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        model = core.read_model(onnx_path)
        self._names = [port.get_any_name() for port in model.outputs]
        self._compiled = core.compile_model(
            model,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": threads,
                "INFERENCE_PRECISION_HINT": {"fp32": "f32"}.get(precision, precision),
            },
        )
        self.name = f"openvino cpu {precision}, latency"
        self.max_batch = 64

    def infer(self, batch: HostTensor, *, stream: Stream) -> Mapping[str, HostTensor]:
        results = self._compiled(batch, share_inputs=True, share_outputs=True)
        return {name: np.asarray(results[index]) for index, name in enumerate(self._names)}

    def close(self) -> None:
        del self._compiled
