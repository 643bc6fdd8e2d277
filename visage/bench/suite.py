"""The measurements of one benchmark, their order and their repeats.

Everything is measured once a round, round after round, and the median counts: a machine that slows down for a while
slows down all of them. Loops and pipeline must have found the same number of faces, or nothing is reported.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from visage.bench.child import MeasurementFailed, measure, measure_costs
from visage.bench.clip import Clip, excerpt
from visage.bench.command import CommandRun, measure_command
from visage.bench.measurement import Pass, StageCost, StageCosts
from visage.config import Settings

__all__ = ["Results", "Suite"]

FRAMESKIP = 24
"""Of the pass in which decoding is the limit: a look a second at a film."""

SKIPPING_TIMES = 4
"""How often that pass loops the clip: it is the fastest, and compiling a network must not be most of it."""

LONG_TIMES = 20
"""How much longer the clip is on which memory must not grow."""

FILMS = 4
"""Read at once by the real command, into one table."""

FACE_TOLERANCE = 0.01
"""Share of faces by which passes may differ: batches of another size round otherwise, at the score threshold."""


class Suite:
    """Measures one clip; `run` raises MeasurementFailed, OutputFailed."""

    def __init__(
        self, settings: Settings, clip: Clip, *, rounds: int, with_long: bool, report: Callable[[str], None]
    ) -> None:
        """
        Args:
            with_long: measure memory on a clip `LONG_TIMES` longer, too.
            report: told what is being measured.
        """
        self._settings = settings
        self._clip = clip
        self._rounds = rounds
        self._with_long = with_long
        self._report = report

    def run(self) -> Results:
        """Measure everything. Raises MeasurementFailed, OutputFailed."""
        results = Results()
        with tempfile.TemporaryDirectory(prefix="visage-bench-") as scratch:
            looped = self._looped(Path(scratch), SKIPPING_TIMES)
            for number in range(1, self._rounds + 1):
                self._round(results, looped, f"round {number} of {self._rounds}")
            self._copies(results)
            self._report("the real command")
            for films, dst in ((1, "out"), (FILMS, "all.parquet")):
                title = f"{films} film{'s' * (films > 1)} to {'a folder' if dst == 'out' else 'one table'}"
                results.commands.append(measure_command(self._settings, looped.path, films=films, dst=dst, title=title))
            if self._with_long:
                self._measure(results, "long", "pipeline", self._settings, self._looped(Path(scratch), LONG_TIMES), "")
        self._check_faces(results)
        return results

    def _round(self, results: Results, looped: Clip, label: str) -> None:
        settings = self._settings
        self._report(f"{label}: stages alone")
        results.costs.append(measure_costs(settings, self._clip))
        self._measure(results, "decode", "decode", settings, self._clip, label)
        self._measure(results, "sequential", "one thread", settings, self._clip, label)
        self._measure(results, "pipeline", "pipeline", settings, self._clip, label)
        self._measure(results, "sequential_threaded", "all cores", settings, self._clip, label)
        if settings.embed:
            detect_only = settings.model_copy(update={"embed": False})
            self._measure(results, "detection", "pipeline", detect_only, self._clip, label)
        skipping = settings.model_copy(update={"frameskip": FRAMESKIP})
        self._measure(results, "skipping_decode", "decode", settings, looped, label)
        self._measure(results, "skipping", "pipeline", skipping, looped, label)

    def _measure(self, results: Results, name: str, kind: str, settings: Settings, clip: Clip, label: str) -> None:
        self._report(f"{label}: {name}" if label else name)
        results.runs.setdefault(name, []).append(measure(kind, settings, clip))

    def _copies(self, results: Results) -> None:
        cores = self._settings.cpu_threads
        self._report(f"{cores} loops side by side")
        with ThreadPoolExecutor(cores) as executor:
            runs = list(executor.map(lambda _: measure("one thread", self._settings, self._clip), range(cores)))
        results.copies_fps.append(sum(run.fps for run in runs))

    def _looped(self, folder: Path, times: int) -> Clip:
        path = folder / f"{times}-times.mkv"
        if not path.exists():
            excerpt(self._clip.path, path, frames=self._clip.frames, times=times)
        return Clip.of(path)

    def _check_faces(self, results: Results) -> None:
        found = {name: results.runs[name][0].faces for name in ("sequential", "sequential_threaded", "pipeline")}
        if max(found.values()) - min(found.values()) > FACE_TOLERANCE * max(found.values()):
            raise MeasurementFailed(f"not the same work: numbers of faces found differ, {found}; please report it")


@dataclass(slots=True)
class Results:
    """All rounds' results.

    Attributes:
        runs: passes by name: decode, sequential, sequential_threaded, pipeline, and where they were asked for
            detection, skipping, skipping_decode, long.
        commands: of the real command, once each: they take long, and their length evens them out.
        copies_fps: of as many one-thread loops as there are cores, side by side, together: what the machine can do.
    """

    costs: list[StageCosts] = field(default_factory=list)
    runs: dict[str, list[Pass]] = field(default_factory=dict)
    copies_fps: list[float] = field(default_factory=list)
    commands: list[CommandRun] = field(default_factory=list)

    def fps(self, name: str) -> float | None:
        """Return the median of the rounds, in frames a second; None if it was not measured."""
        runs = self.runs.get(name)
        return statistics.median(run.fps for run in runs) if runs else None

    def stages(self) -> dict[str, StageCost]:
        """Return the median cost of every stage, in CPU seconds a frame."""
        return {
            name: StageCost(
                cpu_seconds_per_frame=statistics.median(c.stages[name].cpu_seconds_per_frame for c in self.costs),
                items_per_second=statistics.median(c.stages[name].items_per_second for c in self.costs),
                unit=stage.unit,
                part_of=stage.part_of,
            )
            for name, stage in self.costs[0].stages.items()
        }
