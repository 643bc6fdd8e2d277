"""All measurements of one card, in one run: per codec the decoders, the networks, and the pipeline at every width."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from visage.assembly.spread import tasks_for
from visage.bench.card.load import measure_decoders, measure_pipeline, specs_of
from visage.bench.card.networks import NetworkRates, measure_networks
from visage.bench.card.overlap import Overlap, measure_overlap
from visage.bench.card.spread import measure_decoders_apart, measure_fleet
from visage.bench.card.steady_work import SteadyWork
from visage.bench.command import CommandRun, measure_command
from visage.config import Settings

__all__ = ["CardResults", "CardSuite", "Width", "decoder_limit"]

FILMS = 16
"""Read by the real command."""

WIDTHS = (1, 4, 8, 16, 32)
"""Videos at once."""


@dataclass(frozen=True, slots=True)
class Width:
    """The rates with several copies of one clip at once, in frames a second."""

    codec: str
    decoders: SteadyWork
    pipeline: SteadyWork

    @property
    def share(self) -> float:
        """What is left of the decoders' rate when everything else works behind them."""
        return self.pipeline.fps / self.decoders.fps


@dataclass(frozen=True, slots=True)
class CardResults:
    """Everything measured on one card."""

    widths: list[Width]
    networks: NetworkRates
    overlap: Overlap
    commands: list[CommandRun]


def decoder_limit(widths: Sequence[Width], codec: str) -> float | None:
    """Return what the card's decoders do when they are full: their rate over their utilization, where it is highest.

    None where nvidia-smi does not say how busy they were.
    """
    busy = [
        (window.utilization.decoder_percent, window.fps)
        for window in (width.decoders for width in widths if width.codec == codec)
        if window.utilization is not None and window.utilization.decoder_percent > 0
    ]
    if not busy:
        return None
    percent, fps = max(busy)
    return 100 * fps / percent


class CardSuite:
    """Measures one set of settings."""

    def __init__(self, settings: Settings, *, seconds: float, report: Callable[[str], None]) -> None:
        """
        Args:
            seconds: length of each measurement, apart from its warming up.
            report: told what is being measured.
        """
        self._settings = settings
        self._seconds = seconds
        self._report = report

    def run(self, clips: Mapping[str, Path]) -> CardResults:
        """Measure these clips, by codec: the first alone with the heavy detector. Raises MeasurementFailed."""
        first = next(iter(clips.values()))
        self._report("networks alone")
        networks = measure_networks(self._settings, first)
        widths = [self._width(codec, clip, sources) for codec, clip in clips.items() for sources in WIDTHS]
        self._report("one video, a detector as slow as its decoder")
        overlap = measure_overlap(self._settings, first, seconds=self._seconds)
        commands = []
        for codec, clip in clips.items():
            limit = decoder_limit(widths, codec)
            for dst in ("out", "all.parquet"):
                title = f"{FILMS} films of {codec} to {'folders' if dst == 'out' else 'one table'}"
                self._report(f"the real command: {title}")
                commands.append(
                    measure_command(self._settings, clip, films=FILMS, dst=dst, title=title, limit_fps=limit)
                )
        return CardResults(widths, networks, overlap, commands)

    def _width(self, codec: str, clip: Path, sources: int) -> Width:
        settings = self._settings.model_copy(update={"concurrent_files": sources})
        tasks = tasks_for(settings, specs_of(clip, sources), log_level=logging.WARNING)
        where = f"{codec}, {sources} at once" + (f" in {len(tasks)} processes" if tasks else "")
        self._report(f"{where} ...")
        if tasks:
            decoders = measure_decoders_apart(tasks, clip, sources=sources, seconds=self._seconds)
            pipeline = measure_fleet(settings, clip, sources=sources, seconds=self._seconds)
        else:
            decoders = measure_decoders(settings, clip, sources=sources, seconds=self._seconds)
            pipeline = measure_pipeline(settings, clip, sources=sources, seconds=self._seconds)
        width = Width(codec, decoders, pipeline)
        # Told at once: a run that is stopped later has not been for nothing.
        self._report(f"{where}: decoders {decoders.fps:.0f} fps, pipeline {pipeline.fps:.0f} fps, {width.share:.2f}")
        return width
