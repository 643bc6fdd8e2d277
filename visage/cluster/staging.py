"""The outputs of one attempt at a job: made beside their places, and given their names when the coordinator says so.

Two attempts at a film may be at work at once: one by a node that was cut off, one by another that has its job now.
Each has folders of its own, so that neither disturbs the other; what gets its names is what the ledger let through.
`metadata.json` comes last, and vouches for the rest.
"""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from stages.frames import Observation
from stages.sink.base import Sink
from stages.sink.destination import Places
from stages.sink.folder import METADATA, OUTPUTS
from stages.sink.staged import output_errors, sync_folder
from stages.sources import SourceEnded, VideoInfo
from stages.tracks.log import TrackLog
from stages.tracks.summary import TrackSummary
from visage.runtime.job import JobOutputs, JobPlace

__all__ = ["MovableOutputs", "Readdressed", "Staging"]

ATTEMPT_PREFIX = ".attempt-"


@runtime_checkable
class MovableOutputs(Protocol):
    """Outputs that are files; others, such as tracks for the gallery, go through the coordinator."""

    def moved(self, source_id: str, places: Places, uri: str) -> JobOutputs:
        """Return what writes this source, and no other, where `places` says; the source is at `uri` there."""


class Staging:
    """Owns what one attempt stages, until `publish` or `discard`. Implements `stages.sink.destination.Places`."""

    def __init__(self, source_id: str, attempt: str, *, local: Callable[[Path], Path] = lambda path: path) -> None:
        """
        Args:
            attempt: differs from that of every other attempt at the job.
            local: where this machine has a path; what it raises is raised by `folder` and `file`.
        """
        self._source_id = source_id
        self._name = f"{ATTEMPT_PREFIX}{source_id}@{attempt}"
        self._local = local
        self._places: dict[Path, Path] = {}  # staged: target
        self._new_folders: list[Path] = []
        self._is_published = False

    def __repr__(self) -> str:
        return f"<Staging {self._name}, {'published' if self._is_published else f'{len(self._places)} places'}>"

    def folder(self, path: Path) -> Path:
        """Return the folder in which the files of this one are staged."""
        target = self._local(path)
        if not target.exists():
            self._new_folders.append(target)
        staged = target / self._name
        self._places[staged] = target
        return staged

    def file(self, path: Path) -> Path:
        """Return where this file is staged."""
        target = self._local(path)
        staged = target.parent / self._name / target.name
        self._places[staged] = target
        return staged

    def remove_earlier(self) -> bool:
        """Remove what earlier attempts at the same job staged here: their leases have ended.

        Returns False where something is left: a process that was cut off, and has not ended yet, may still write there.
        """
        is_clean = True
        for folder in self._folders():
            pattern = f"{glob.escape(ATTEMPT_PREFIX + self._source_id)}@*"
            for left in folder.parent.glob(pattern):
                if left.name != self._name:
                    shutil.rmtree(left, ignore_errors=True)
                    is_clean = is_clean and not left.exists()
        return is_clean

    def publish(self) -> None:
        """Give everything its name, durably; again does nothing. Raises OutputFailed, and may then be tried again."""
        if self._is_published:
            return
        for staged, target in self._places.items():
            with output_errors(target):
                if staged.is_dir():
                    _publish_folder(staged, target)
                elif staged.exists():
                    staged.replace(target)
                    sync_folder(target.parent)
        self._is_published = True
        self._remove()
        self.remove_earlier()

    def discard(self) -> None:
        """Remove what is staged. Does nothing once published; never raises."""
        if not self._is_published:
            self._remove()

    def _folders(self) -> set[Path]:
        return {staged if staged.name == self._name else staged.parent for staged in self._places}

    def _remove(self) -> None:
        for folder in self._folders():
            shutil.rmtree(folder, ignore_errors=True)
        for folder in () if self._is_published else self._new_folders:
            with contextlib.suppress(OSError):  # never made, or another attempt is at work in it
                folder.rmdir()


class Readdressed:
    """Outputs that name a source as the coordinator does, on a node that has it elsewhere. Fit for pickling."""

    def __init__(self, outputs: JobOutputs, uri: str) -> None:
        self._outputs = outputs
        self._uri = uri

    @property
    def needs_pixels(self) -> bool:
        """Whether some sink reads pictures."""
        return self._outputs.needs_pixels

    def sinks_for(self, info: VideoInfo, place: JobPlace) -> Sequence[Sink]:
        """Return the sinks of a source that has started, not yet opened."""
        return [_Readdressed(sink, self._uri) for sink in self._outputs.sinks_for(info, place)]


class _Readdressed(Sink):
    def __init__(self, sink: Sink, uri: str) -> None:
        self._sink = sink
        self._uri = uri

    def attach(self, tracks: TrackLog) -> None:
        self._sink.attach(tracks)

    def open(self, info: VideoInfo) -> None:
        self._sink.open(replace(info, uri=self._uri))

    def write(self, observation: Observation) -> None:
        self._sink.write(observation)

    def end_tracks(self, tracks: Sequence[TrackSummary]) -> None:
        self._sink.end_tracks(tracks)

    def close(self, ended: SourceEnded) -> None:
        self._sink.close(ended)

    def abandon(self) -> None:
        self._sink.abandon()


def _publish_folder(staged: Path, target: Path) -> None:
    """The files of one folder into another; what vouches for them goes first and comes last."""
    names = sorted(os.listdir(staged), key=lambda name: (name == METADATA, name))
    for name in OUTPUTS:
        if name == METADATA or name not in names:
            (target / name).unlink(missing_ok=True)
    for name in names:
        (staged / name).replace(target / name)
    sync_folder(target)
