"""A pass through the pipeline as `visage run --dst` makes it."""

from __future__ import annotations

from pathlib import Path

from stages.frames import Observation
from stages.sink.base import Sink
from visage.assembly import build
from visage.bench.measurement import Meter, Pass
from visage.bench.outputs import make_sinks
from visage.config import Settings
from visage.config.sources import expand_sources

__all__ = ["run_pipeline"]


def run_pipeline(settings: Settings, clip: Path, meter: Meter, output: Path) -> Pass:
    """Analyse the clip and write its tables. Raises what stopped the pipeline or the source."""
    specs = expand_sources([str(clip)])
    pipeline = build(
        settings,
        specs,
        open_sinks=lambda info, _: [*make_sinks(settings, specs[0], info, output), _MeterSink(meter)],
    )
    with pipeline:
        pipeline.start()
        pipeline.wait()
        run = meter.finish()
    outcome = pipeline.outcomes[specs[0].source_id]
    if outcome.error is not None:
        raise outcome.error
    return run


class _MeterSink(Sink):
    """Comes after the tables: a frame that gets here is written."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def write(self, observation: Observation) -> None:
        self._meter.mark(observation.frame.index, len(observation.faces))
