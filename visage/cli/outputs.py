"""Where a run's results go: `--dst`, `--annotate` and `--show`, turned into the sinks of each source."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from stages.errors import OutputExists, OutputFailed, SinkError
from stages.sink.annotate import CONTAINERS
from stages.sink.base import Sink
from stages.sink.blur import ALL
from stages.sink.destination import TABLES, Destination, check_writable, destination_for
from stages.sink.metadata import RunDescription
from stages.sink.window import load_pygame
from stages.sources import VideoInfo
from visage.cli.job_outputs import FileOutputs
from visage.config.sources import SourceSpec
from visage.runtime.source import Outcome

__all__ = ["OutputOptions", "Outputs"]

# What is surely meant to be a file, and can't be one: without this it would become a folder of that name.
FILE_SUFFIX = re.compile(r"\.(?:[a-z]{2,5}|h5|hdf5|[a-z]4[a-z])", re.IGNORECASE)


class Outputs:
    """The outputs of one run.

    Owns the staged files: ended by `close`, or by `discard` if the run did not reach its end.
    """

    def __init__(
        self, options: OutputOptions, run: RunDescription, sources: Sequence[SourceSpec], *, knows_people: bool
    ) -> None:
        self._options = options
        self._knows_people = knows_people
        self._sources = {spec.source_id: spec for spec in sources}
        self._started: set[str] = set()
        self._destination: Destination | None = None
        if options.dst is not None:
            self._destination = destination_for(
                options.dst,
                run,
                source_ids=list(self._sources),
                force=self._may_replace,
                csv_mark=options.excel,
                folders=options.folders,
            )

    def check(self) -> None:
        """Raises typer.BadParameter, OutputExists, OutputFailed, DisplayUnavailable: what would fail later."""
        self.check_names()
        annotated = list(self._options.videos_of(list(self._sources)).values())
        self._keep_inputs(annotated)
        if self._options.show:
            load_pygame()
        if self._destination is not None:
            self._destination.check()
        for path in annotated:
            if path.exists() and not self._may_replace:
                raise OutputExists(f"{path}: exists already; choose another name or give --force to replace it")
        for folder in {path.parent for path in annotated}:
            check_writable(folder)

    def begin(self) -> FileOutputs:
        """Stage what the sources share; return what writes each of them. Raises OutputExists, OutputFailed."""
        options = self._options
        return FileOutputs(
            tables=None if self._destination is None else self._destination.begin(),
            videos=options.videos_of(list(self._sources)),
            audio_uris={source_id: spec.uri for source_id, spec in self._sources.items() if options.annotate},
            is_among_others=len(self._sources) > 1,
            blur=options.blur,
            boxes=options.boxes,
            show=options.show,
            force=self._may_replace,
        )

    @property
    def _may_replace(self) -> bool:
        # Resuming, what may not be replaced was refused before.
        return self._options.force or self._options.folders is not None

    def open_shared(self, info: VideoInfo) -> list[Sink]:
        """Return the sinks that join a source's results with those of the others, not yet opened.

        The caller opens and closes them.
        """
        self._started.add(info.source_id)
        return [] if self._destination is None else self._destination.shared_sinks(info)

    def close(self) -> None:
        """After the last source. Raises OutputExists, OutputFailed."""
        if self._destination is not None:
            self._destination.close()

    def discard(self) -> None:
        """Remove everything staged and shared. Without effect after `close`."""
        if self._destination is not None:
            self._destination.discard()

    def describe(self, outcomes: Mapping[str, Outcome]) -> str:
        """Return one line that says where the results are. Sources whose sinks failed do not count as written."""
        wanted = [path for path in (self._options.dst, self._options.annotate) if path is not None]
        if not wanted and self._started:
            return "nothing was written: --dst out/ writes tables, --annotate out.mp4 a video"
        has_outputs = any(not isinstance(outcomes[source_id].error, SinkError) for source_id in self._started)
        written = dict.fromkeys(str(path) for path in wanted if has_outputs and path.exists())
        return f"written to {' and '.join(written)}" if written else "nothing was written"

    def check_names(self) -> None:
        """Raises typer.BadParameter for names and options that do not fit together."""
        options, are_several = self._options, len(self._sources) > 1
        dst = options.dst
        if dst is not None and _looks_like_file(dst) and not dst.is_dir():
            raise typer.BadParameter(
                f"--dst {dst}: a table ends in {', '.join(TABLES)}; for a folder leave the ending {dst.suffix} out, or "
                "make the folder first"
            )
        if options.annotate is not None and options.videos is None:
            is_video = options.annotate.suffix.lower() in CONTAINERS
            if are_several and is_video:
                raise typer.BadParameter(f"--annotate {options.annotate}: for several videos name a folder")
            if not are_several and not is_video:
                raise typer.BadParameter(f"--annotate {options.annotate}: a video ends in {', '.join(CONTAINERS)}")
        if options.blur is not None and options.annotate is None:
            raise typer.BadParameter("--blur is for the annotated video: give --annotate as well")
        if not options.boxes and options.annotate is None:
            raise typer.BadParameter("--no-boxes is for the annotated video: give --annotate as well")
        if options.blur not in (None, ALL) and not self._knows_people:
            raise typer.BadParameter(f"--blur {options.blur} needs --gallery, to know who is who; or --blur all")
        if options.show and are_several:
            raise typer.BadParameter("--show plays one video: name one, or use --annotate with a folder for all")

    def _keep_inputs(self, outputs: Sequence[Path]) -> None:
        """Not even `force` replaces a video that is to be read. Raises OutputFailed."""
        existing = [path for path in outputs if path.exists()]
        for spec in self._sources.values() if existing else ():
            for path in existing:
                if os.path.exists(spec.uri) and path.samefile(spec.uri):
                    raise OutputFailed(f"{path}: is the input video and would be overwritten; choose another output")


def _looks_like_file(path: Path) -> bool:
    """Whether a name has an ending, of none of the tables written here."""
    suffix = path.suffix.lower()
    return suffix not in TABLES and (suffix in CONTAINERS or FILE_SUFFIX.fullmatch(suffix) is not None)


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What the command line says of outputs.

    Attributes:
        dst: a folder or a table; None for none.
        annotate: a video file, or with several sources a folder for one each; None for none.
        blur: whose faces to make unrecognisable in it; None for nobody's.
        boxes: draw boxes, names and landmarks of the faces that are not blurred.
        show: play in a window.
        force: replace what exists.
        excel: begin CSV files with a byte order mark.
        folders: of each source, where a run is resumed: what is in them is replaced.
        videos: likewise the annotated video of each source.
    """

    dst: Path | None = None
    annotate: Path | None = None
    blur: str | None = None
    boxes: bool = True
    show: bool = False
    force: bool = False
    excel: bool = False
    folders: Mapping[str, Path] | None = None
    videos: Mapping[str, Path] | None = None

    @property
    def drawn(self) -> dict[str, object]:
        """What is drawn in the annotated video."""
        return {"blur": self.blur, "boxes": self.boxes}

    def videos_of(self, source_ids: Sequence[str]) -> dict[str, Path]:
        """Return the annotated video of each source, by its id; to be called where `annotate` is not None."""
        if self.videos is not None:
            return {source_id: self.videos[source_id] for source_id in source_ids if source_id in self.videos}
        if self.annotate is None:
            return {}
        if len(source_ids) == 1:
            return {source_ids[0]: self.annotate}
        return {source_id: self.annotate / f"{source_id}.mp4" for source_id in source_ids}
