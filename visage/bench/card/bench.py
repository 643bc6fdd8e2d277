"""The card's benchmark from clip to tables."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from visage.bench.card.record import make_card_record, print_card_results
from visage.bench.card.suite import CardSuite
from visage.bench.clip import Clip, ClipRecipe, excerpt, make_clip
from visage.config import Settings
from visage.samples import SampleMedia

__all__ = ["CardBench"]

CODECS = {"h264": "libx264", "hevc": "libx265"}

LONG_FRAMES = 7_200
"""Of the clips measured, by repeating the given one: more than one decoder passes while it is measured."""


class CardBench:
    """Benchmarks one card; `run` raises MeasurementFailed where a measurement can't be made."""

    def __init__(self, settings: Settings, console: Console) -> None:
        """`console` shows what is being measured."""
        # Of several cards the one that is named, or the first: its utilisation is what is sampled.
        self._settings = settings.model_copy(update={"device": f"cuda:{settings.cuda_ordinal}"})
        self._console = console

    def run(self, clip: Path | None, output: Console, *, seconds: float) -> dict[str, Any]:
        """Measure, print tables to `output`, and return the record.

        Args:
            clip: a video; None for the made one, once in H.264 and once in HEVC.
            seconds: length of each measurement.

        Raises:
            SourceError: the clip can't be read.
            ModelError, BackendError: there is no network or no card to run it.
            OutputFailed: a clip can't be written.
            MeasurementFailed
        """
        with tempfile.TemporaryDirectory(prefix="visage-bench-") as scratch:
            clips = {Clip.of(clip).codec: clip} if clip is not None else self._made()
            long = {codec: _repeated(path, Path(scratch) / f"{codec}.mkv") for codec, path in clips.items()}
            results = CardSuite(self._settings, seconds=seconds, report=self._report).run(long)
        print_card_results(output, results)
        return make_card_record(self._settings, results)

    def _made(self) -> Mapping[str, Path]:
        folder = self._settings.model_dir.parent
        made = {}
        for codec, encoder in CODECS.items():
            recipe = ClipRecipe(encoder=encoder)
            made[codec] = folder / "bench" / recipe.file_name
            if not made[codec].exists():
                self._report(f"{codec} clip: made once")
                make_clip(made[codec], recipe, SampleMedia(folder / "samples").path)
        return made

    def _report(self, text: str) -> None:
        self._console.print(text, highlight=False)


def _repeated(clip: Path, path: Path) -> Path:
    frames = Clip.of(clip).frames
    excerpt(clip, path, frames=frames, times=max(1, -(-LONG_FRAMES // frames)))
    return path
