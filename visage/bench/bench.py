"""A whole benchmark: get the clip and the models ready, measure, make the record."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from visage.bench.clip import Clip, ClipRecipe, excerpt, make_clip
from visage.bench.record import make_record
from visage.bench.suite import Suite
from visage.config import Settings
from visage.models import ModelStore
from visage.samples import SampleMedia

__all__ = ["Bench"]


class Bench:
    """Benchmarks with one set of settings. The clip and samples are kept beside the models."""

    def __init__(self, settings: Settings, console: Console) -> None:
        """`console` shows the progress. `run` raises SourceError, ModelError, OutputFailed, MeasurementFailed."""
        self._settings = settings
        self._console = console
        self._recipe = ClipRecipe()

    def run(self, clip: Path | None, *, frames: int, rounds: int, with_long: bool) -> dict[str, Any]:
        """Measure and return the record; see `visage.bench.record`.

        Args:
            clip: a video, or None for the made one.
            frames: at most this many from its start.

        Raises:
            SourceError: the clip can't be read.
            ModelError: a model can't be fetched.
            OutputFailed: a clip can't be written.
            MeasurementFailed
        """
        with self._console.status("") as status, tempfile.TemporaryDirectory(prefix="visage-bench-") as scratch:

            def report(text: str) -> None:
                if self._console.is_terminal:
                    status.update(text)
                else:
                    self._console.print(text, highlight=False)

            report("models")
            for name in [self._settings.detector, *([self._settings.embedder] if self._settings.embed else [])]:
                ModelStore(self._settings.model_dir).prepared(name)
            if clip is None:
                report("clip: made once, about half a minute")
                clip = self._made()
            measured = Clip.of(clip)
            if measured.frames > frames:
                part = Path(scratch) / f"{clip.stem}-{frames}.mkv"
                excerpt(clip, part, frames=frames)
                measured = Clip.of(part)
            results = Suite(self._settings, measured, rounds=rounds, with_long=with_long, report=report).run()
            return make_record(self._settings, measured, results)

    def _made(self) -> Path:
        folder = self._settings.model_dir.parent
        path = folder / "bench" / self._recipe.file_name
        if not path.exists():
            make_clip(path, self._recipe, SampleMedia(folder / "samples").path)
        return path
