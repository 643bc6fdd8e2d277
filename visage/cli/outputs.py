"""Where a run's results go: `--dst`, `--annotate` and `--show`, turned into the sinks of each source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from stages.errors import OutputExists
from stages.sink.annotate import AnnotatedVideoSink
from stages.sink.base import Sink
from stages.sink.blur import ALL
from stages.sink.destination import Destination, destination_for
from stages.sink.metadata import RunDescription
from stages.sink.window import WindowSink
from stages.sources import VideoInfo
from visage.assembly import Pictures
from visage.config.sources import SourceSpec

__all__ = ["OutputOptions", "Outputs"]


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What the command line says of outputs.

    Attributes:
        dst: a folder or a table; None for none.
        annotate: a video file, or with several sources a folder for one each; None for none.
        blur: whose faces to make unrecognisable in it; None for nobody's.
        show: play in a window.
        force: replace what exists.
    """

    dst: Path | None = None
    annotate: Path | None = None
    blur: str | None = None
    show: bool = False
    force: bool = False


class Outputs:
    """The outputs of one run; `open_sinks` is what `visage.assembly.build` asks for."""

    def __init__(
        self, options: OutputOptions, run: RunDescription, sources: Sequence[SourceSpec], *, knows_people: bool
    ) -> None:
        self._options = options
        self._knows_people = knows_people
        self._sources = {spec.source_id: spec for spec in sources}
        self._destination: Destination | None = None
        if options.dst is not None:
            self._destination = destination_for(options.dst, run, source_ids=list(self._sources), force=options.force)

    @property
    def needs_pixels(self) -> bool:
        """Whether some sink reads pictures."""
        return self._options.show or self._options.annotate is not None

    def check(self) -> None:
        """Raises OutputExists, OutputFailed or typer.BadParameter for what could only fail later."""
        if self._options.blur is not None and self._options.annotate is None:
            raise typer.BadParameter("--blur is for the annotated video: give --annotate as well")
        if self._options.blur not in (None, ALL) and not self._knows_people:
            raise typer.BadParameter(f"--blur {self._options.blur} needs --gallery, to know who is who; or --blur all")
        if self._options.show and len(self._sources) > 1:
            raise typer.BadParameter("--show plays one video: name one, or use --annotate with a folder for all")
        if self._destination is not None:
            self._destination.check()
        for path in map(self._annotated, self._sources):
            if path is not None and path.exists() and not self._options.force:
                raise OutputExists(f"{path}: exists already; choose another name or give --force to replace it")

    def open_sinks(self, info: VideoInfo, pictures: Pictures) -> list[Sink]:
        """A source's sinks, not yet opened."""
        sinks = [] if self._destination is None else self._destination.sinks_for(info)
        path = self._annotated(info.source_id)
        is_still_among_others = info.frame_count == 1 and len(self._sources) > 1
        if path is not None and not is_still_among_others:
            audio_uri = None if info.is_live else self._sources[info.source_id].uri
            sinks.append(
                AnnotatedVideoSink(
                    path,
                    to_bgr=pictures.to_bgr,
                    audio_uri=audio_uri,
                    blur=self._options.blur,
                    force=self._options.force,
                )
            )
        if self._options.show:
            sinks.append(WindowSink(to_bgr=pictures.to_bgr))
        return sinks

    def close(self) -> None:
        """After the last source. Raises OutputExists, OutputFailed."""
        if self._destination is not None:
            self._destination.close()

    def describe(self) -> str:
        """Where the results are, for a person."""
        written = dict.fromkeys(str(path) for path in (self._options.dst, self._options.annotate) if path is not None)
        if written:
            return f"written to {' and '.join(written)}"
        return "nothing was written: --dst out/ writes tables, --annotate out.mp4 a video"

    def _annotated(self, source_id: str) -> Path | None:
        """The annotated video of a source."""
        path = self._options.annotate
        if path is None or len(self._sources) == 1:
            return path
        return path / f"{source_id}.mp4"
