"""What a scan found in one film: the frames it looked at, and the tracks in them. Kept in memory, or read from tables.

Outside of the spans that are exact a track is one face in one frame. Memory: a number a look and a record a track.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stages.frames import FloatArray, Observation
from stages.sink.base import Sink
from stages.sink.folder import METADATA, TRACKS_PARQUET
from stages.sources import VideoInfo
from stages.tracks.summary import TrackSummary

__all__ = ["Findings", "FindingsSink", "FoundFace", "read_findings"]


@dataclass(frozen=True, slots=True, eq=False)
class FoundFace:
    """A track that a scan or its refinement has seen.

    Attributes:
        first_frame, last_frame: indices in the film, both inclusive; the same one where only one look has seen it.
        name: who it was decided to be, "unknown" for no one known; None where it was not compared.
        similarity: cosine similarity to that person's closest picture, in [-1, 1]; 0.0 where it was not compared.
        embedding: float32 (D,), L2 norm 1; None where it was not embedded.
    """

    first_frame: int
    last_frame: int
    name: str | None = None
    similarity: float = 0.0
    embedding: FloatArray | None = None


@dataclass(slots=True)
class Findings:
    """One film as far as it was looked at.

    Attributes:
        looks: indices of the frames that were detected, ascending.
        faces: the tracks, in the order in which they ended.
        fps: average frames a second of the film; None if unknown.
    """

    looks: list[int] = field(default_factory=list)
    faces: list[FoundFace] = field(default_factory=list)
    fps: float | None = None


class FindingsSink(Sink):
    """Fills the findings of one source; they stay the caller's."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def open(self, info: VideoInfo) -> None:
        """Begin anew. Never raises."""
        self._findings.looks.clear()
        self._findings.faces.clear()
        self._findings.fps = info.fps

    def end_tracks(self, tracks: Sequence[TrackSummary]) -> None:
        """Note the tracks that ended. Never raises."""
        for track in tracks:
            identity = track.identity
            self._findings.faces.append(
                FoundFace(
                    track.first_frame,
                    track.last_frame,
                    None if identity is None else identity.name,
                    0.0 if identity is None else identity.similarity,
                    track.embedding,
                )
            )

    def write(self, observation: Observation) -> None:
        """Note a look. Never raises."""
        self._findings.looks.append(observation.frame.index)


def read_findings(folder: Path) -> Findings | None:
    """Return what a scan has left in this folder of results; None where that is not a scan's or can't be read."""
    try:
        metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        looks = [int(number) for number in metadata["scan"]["looks"].split()]
        table = pq.read_table(folder / TRACKS_PARQUET).to_pylist()
        fps = metadata["fps"]
        faces = [
            FoundFace(
                row["first_frame"],
                row["last_frame"],
                row["person"],
                row["similarity"] or 0.0,
                None if row.get("embedding") is None else np.array(row["embedding"], np.float32),
            )
            for row in table
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Findings(looks, faces, None if fps is None else float(fps))
