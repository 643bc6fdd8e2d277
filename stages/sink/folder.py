"""The folder of one source: `detections.csv`, `embeddings.hdf5`, `tracks.*`, `metadata.json`, committed together.

All are staged and on disk before the first gets its name; `metadata.json` comes last, so that its presence means
that all is there. A run killed between the renames leaves `metadata.json.part`: the next run sees by it that what lies
beside is not whole, and replaces that without being forced. A source without a face gives empty tables, one that broke
keeps its rows until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from stages.errors import OutputExists
from stages.frames import Observation
from stages.sink.base import Sink
from stages.sink.csv import CsvTable
from stages.sink.hdf5 import EmbeddingsFile
from stages.sink.metadata import RunDescription, SourceCounts, metadata_json
from stages.sink.rows import Table
from stages.sink.staged import StagedFile, output_errors, part_path
from stages.sink.tracks import TracksCsv, TracksParquet
from stages.sources import SourceEnded, VideoInfo
from stages.tracks.log import TrackLog
from stages.tracks.summary import TrackSummary

__all__ = [
    "DETECTIONS",
    "METADATA",
    "OUTPUTS",
    "TRACKS_CSV",
    "TRACKS_PARQUET",
    "FolderSink",
    "refuse_existing_outputs",
    "remove_outputs",
]

DETECTIONS = "detections.csv"
EMBEDDINGS = "embeddings.hdf5"
TRACKS_CSV = "tracks.csv"
TRACKS_PARQUET = "tracks.parquet"
METADATA = "metadata.json"

OUTPUTS = (METADATA, DETECTIONS, EMBEDDINGS, TRACKS_CSV, TRACKS_PARQUET)
"""Every file that there may be; the first vouches for the others."""


class FolderSink(Sink):
    """Writes one source's folder. Without an embedder there is no `embeddings.hdf5`, without tracking no `tracks.*`."""

    def __init__(self, folder: Path, run: RunDescription, *, force: bool = False, csv_mark: bool = False) -> None:
        """
        Args:
            force: replace the outputs that a folder has already.
            csv_mark: begin CSV files that hold names with a byte order mark, for Excel.
        """
        self._folder = folder
        self._run = run
        self._force = force
        self._csv_mark = csv_mark
        self._made_folder = False
        self._tables: list[Table] = []
        self._track_tables: list[TracksCsv | TracksParquet] = []
        self._track_log: TrackLog | None = None
        self._metadata: StagedFile | None = None

    def attach(self, tracks: TrackLog) -> None:
        """Remember the log, whose totals go into the metadata."""
        self._track_log = tracks

    def open(self, info: VideoInfo) -> None:
        """Stage the files. Raises OutputExists, OutputFailed."""
        if not self._force:
            refuse_existing_outputs(self._folder)
        self._info = info
        self._counts = SourceCounts(started=datetime.now(timezone.utc))
        self._made_folder = not self._folder.exists()
        # First of all: its lock keeps a second run out of the folder.
        self._metadata = StagedFile(self._folder / METADATA, force=self._force)
        replace = self._force or self._metadata.took_over
        self._tables.append(CsvTable(self._folder / DETECTIONS, force=replace, with_mark=self._csv_mark))
        dimension = self._run.embedding_dimension
        if dimension is not None:
            self._tables.append(EmbeddingsFile(self._folder / EMBEDDINGS, dimension=dimension, force=replace))
        if self._run.tracks:
            self._track_tables.append(TracksCsv(self._folder / TRACKS_CSV, force=replace))
            self._track_tables.append(
                TracksParquet(self._folder / TRACKS_PARQUET, embedding_dimension=dimension, force=replace)
            )

    def end_tracks(self, tracks: Sequence[TrackSummary]) -> None:
        """Add the tracks' rows. Raises OutputFailed."""
        for table in self._track_tables:
            for track in tracks:
                table.append(track)

    def write(self, observation: Observation) -> None:
        """Add a frame's faces. Raises OutputFailed."""
        self._counts.frames += 1
        self._counts.frames_looked_at += observation.detected
        self._counts.faces += len(observation.faces)
        if self._run.is_scan:
            self._note_look(observation.frame.index)
        for table in self._tables:
            table.append(observation, self._info.uri)

    def close(self, ended: SourceEnded) -> None:
        """Commit the folder, which appears whole. Raises OutputExists, OutputFailed."""
        if self._metadata is None:
            raise RuntimeError("the folder is not open")
        if self._run.tracks and self._track_log is not None:
            self._counts.tracks = self._track_log.statistics()
        tables = [*self._tables, *self._track_tables]
        for table in tables:
            table.seal()
        text = metadata_json(self._info, self._run, self._counts, ended, datetime.now(timezone.utc))
        with output_errors(self._metadata.path):
            self._metadata.file.write(text.encode())
        self._metadata.seal()
        self._remove_outdated()
        for table in tables:
            table.publish()
        self._metadata.publish()

    def abandon(self) -> None:
        """Discard what is staged, and the folder where it was made for that."""
        for table in [*self._tables, *self._track_tables]:
            table.discard()
        if self._metadata is not None:
            self._metadata.discard()
        if self._made_folder:
            _remove_if_empty(self._folder)

    def _note_look(self, index: int) -> None:
        spans = self._run.spans.get(self._info.source_id, ())
        if not any(first <= index <= last for first, last in spans):
            self._counts.looks.append(index)

    def _remove_outdated(self) -> None:
        """Old metadata would vouch for new tables, and old embeddings would be taken for this run's."""
        names = [METADATA]
        names += [] if self._run.embedding_dimension is not None else [EMBEDDINGS]
        names += [] if self._run.tracks else [TRACKS_CSV, TRACKS_PARQUET]
        for name in names if self._force else []:
            with output_errors(self._folder / name):
                (self._folder / name).unlink(missing_ok=True)


def refuse_existing_outputs(folder: Path) -> None:
    """Raise OutputExists if the folder has outputs that a run has finished."""
    metadata = folder / METADATA
    if part_path(metadata).exists() and not metadata.exists():
        return
    for name in OUTPUTS:
        if (folder / name).exists():
            raise OutputExists(
                f"{folder / name}: exists already; choose another folder or give --force to replace the outputs in it"
            )


def remove_outputs(folder: Path) -> bool:
    """Remove the outputs of what is not there any more, and their folder where nothing else is in it.

    Returns whether there were any. Raises OutputFailed.
    """
    had_metadata = (folder / METADATA).exists()
    for name in OUTPUTS:  # first what vouches for the rest
        with output_errors(folder / name):
            (folder / name).unlink(missing_ok=True)
    if had_metadata:
        _remove_if_empty(folder)
    return had_metadata


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return  # somebody put something in it
