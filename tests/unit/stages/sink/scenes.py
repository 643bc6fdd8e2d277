"""Observations and sources as sinks get them, made of numbers a test can recognise."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.frames import Faces, Frame, Observation, Picture
from stages.sink.base import Sink
from stages.sink.destination import Destination, destination_for
from stages.sink.metadata import RunDescription
from stages.sink.source_sinks import SourceSinks
from stages.sources import SourceEnded, VideoInfo

__all__ = [
    "DIMENSION",
    "OUTPUTS",
    "RUN",
    "PlainPicture",
    "ended",
    "make",
    "names",
    "observation",
    "only",
    "plain_bgr",
    "read_json",
    "rows_of",
    "run",
    "video",
]

DIMENSION = 4

OUTPUTS = ["detections.csv", "embeddings.hdf5", "metadata.json"]
"""What a run without tracking leaves in a source's folder."""

RUN = RunDescription(
    detector="yunet",
    embedder="sface",
    embedding_dimension=DIMENSION,
    frameskip=2,
    versions={"visage": "0"},
    settings={"nms_iou": 0.3},
)


class PlainPicture:
    """A picture of one colour."""

    pixel_aspect = 1.0

    def __init__(self, width: int = 64, height: int = 48, bgr: tuple[int, int, int] = (30, 60, 120)) -> None:
        self.width = width
        self.height = height
        self.bgr = bgr
        self.is_released = False

    def release(self) -> None:
        self.is_released = True


def plain_bgr(picture: Picture) -> NDArray[np.uint8]:
    """The `to_bgr` of a PlainPicture."""
    assert isinstance(picture, PlainPicture)
    assert not picture.is_released
    return np.full((picture.height, picture.width, 3), picture.bgr, np.uint8)


def observation(
    index: int,
    count: int = 1,
    *,
    source_id: str = "clip",
    seconds: float | None = None,
    picture: PlainPicture | None = None,
    with_landmarks: bool = True,
    dimension: int | None = DIMENSION,
) -> Observation:
    """A frame with faces whose numbers follow from its index: x1 = 10 index + face, score = 0.9 - 0.1 face."""
    numbers = np.arange(count, dtype=np.float32)
    left = 10.0 * index + numbers
    faces = Faces(
        boxes_xyxy=np.stack([left, left + 1, left + 20.25, left + 30.126], axis=1).astype(np.float32),
        scores=(0.9 - 0.1 * numbers).astype(np.float32),
        landmarks=np.arange(count * 10, dtype=np.float32).reshape(count, 5, 2) + index if with_landmarks else None,
        embeddings=None if dimension is None else np.full((count, dimension), index + 0.5, np.float32),
    )
    time = index / 25 if seconds is None else seconds
    return Observation(Frame(source_id, index, time, picture or PlainPicture()), faces)


def video(source_id: str = "clip", **changes: Any) -> VideoInfo:
    """A small video, 25 frames a second."""
    known: dict[str, Any] = {
        "uri": f"/videos/{source_id}.mp4",
        "width": 64,
        "height": 48,
        "fps": 25.0,
        "frame_count": 100,
        "duration_seconds": 4.0,
        "codec": "h264",
    }
    return VideoInfo(source_id, **(known | changes))


def ended(source_id: str = "clip", frames: int = 100, **changes: Any) -> SourceEnded:
    """A proper end, unless changed."""
    return SourceEnded(source_id, frames, **changes)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file's object."""
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def names(folder: Path) -> list[str]:
    """Of all files below the folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def run(sink: Sink, observations: Sequence[Observation], source_id: str = "clip") -> None:
    """A sink's whole life."""
    source = opened(sink, video(source_id))
    for item in observations:
        source.write(item)
    source.close(ended(source_id))


def opened(sink: Sink, info: VideoInfo) -> SourceSinks:
    """The only sink of a source, which has started."""
    source = SourceSinks()
    source.open(lambda: [sink], info)
    return source


def only(sinks: list[Sink]) -> Sink:
    """The one there is."""
    (sink,) = sinks
    return sink


def rows_of(path: Path) -> list[dict[str, str]]:
    """A CSV file's lines."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def make(path: Path, *source_ids: str, force: bool = False, run: RunDescription = RUN) -> Destination:
    """The destination of that name, for these sources or for "clip"."""
    return destination_for(path, run, source_ids=source_ids or ("clip",), force=force)
