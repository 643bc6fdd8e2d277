"""What a worker process sends about its sources: starts, ends and ended tracks, and frames if the owner wants them.

One array a field carries the faces of all frames of a message: pickling many small arrays, and making them again, would
cost the receiving interpreter more than all else it does for a frame. Pixels stay behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stages.frames import FACE_ARRAYS, Faces, Frame, Identity, Observation
from stages.sources import SourceEnded, SourceStarted, VideoInfo
from visage.fleet.recording import TrackReport
from visage.runtime.sinks import SinkItem

__all__ = ["ItemBatch", "Unpacker", "WireItem"]

WireItem: TypeAlias = SinkItem | TrackReport
Entry: TypeAlias = "_Row | SourceStarted | SourceEnded | TrackReport"


@dataclass(frozen=True, slots=True)
class ItemBatch:
    """Items in a form that pickles fast: all but arrays in their order, and the arrays of all items joined by field."""

    entries: tuple[Entry, ...]
    columns: dict[str, NDArray[Any]]

    @classmethod
    def of(cls, items: Sequence[WireItem]) -> ItemBatch:
        """Pack items in their order. Pixels are not packed: the caller still owns and releases the frames."""
        columns: dict[str, list[NDArray[Any]]] = {name: [] for name in FACE_ARRAYS}
        entries: list[Entry] = []
        for item in items:
            if not isinstance(item, Observation):
                entries.append(item)
                continue
            present = []
            for name in FACE_ARRAYS:
                array = getattr(item.faces, name)
                if array is not None:
                    columns[name].append(array)
                    present.append(name)
            entries.append(_Row.of(item, tuple(present)))
        return cls(tuple(entries), {name: np.concatenate(arrays) for name, arrays in columns.items() if arrays})


class Unpacker:
    """Makes items of batches again. Used by one thread; remembers the size of each source's pictures."""

    def __init__(self) -> None:
        self._pictures: dict[str, _NoPixels] = {}

    def unpack(self, batch: ItemBatch) -> list[WireItem]:
        """The items that were packed; their frames have no pixels to give back."""
        return list(self._items(batch.entries, batch.columns))

    def _items(self, entries: Sequence[Entry], columns: dict[str, NDArray[Any]]) -> Iterator[WireItem]:
        starts = dict.fromkeys(FACE_ARRAYS, 0)
        for row in entries:
            if isinstance(row, SourceStarted):
                self._pictures[row.source_id] = _NoPixels.of(row.info)
            elif isinstance(row, SourceEnded):
                self._pictures.pop(row.source_id, None)
            if not isinstance(row, _Row):
                yield row
                continue
            arrays: dict[str, Any] = {}
            for name in row.fields:
                start = starts[name]
                starts[name] = end = start + row.faces
                arrays[name] = columns[name][start:end]
            picture = self._pictures[row.source_id]
            frame = Frame(
                row.source_id, row.number, row.pts_seconds, picture, row.captured_at, row.detect, row.connection
            )
            faces = Faces(**arrays, identities=row.identities)
            yield Observation(frame, faces, row.ended_tracks, row.is_detected)


class _Row(NamedTuple):
    """An observation without its arrays; `fields` are those it has. A tuple, because it is pickled for every frame."""

    source_id: str
    number: int
    pts_seconds: float
    captured_at: float
    detect: bool
    connection: int
    is_detected: bool
    ended_tracks: tuple[int, ...]
    faces: int
    fields: tuple[str, ...]
    identities: tuple[Identity | None, ...] | None

    @classmethod
    def of(cls, item: Observation, fields: tuple[str, ...]) -> _Row:
        frame = item.frame
        return cls(
            frame.source_id,
            frame.index,
            frame.pts_seconds,
            frame.captured_at,
            frame.detect,
            frame.connection,
            item.detected,
            item.ended_tracks,
            len(item.faces),
            fields,
            item.faces.identities,
        )


@dataclass(frozen=True, slots=True)
class _NoPixels:
    """What is left of a picture that is in another process: its measures. Implements `stages.frames.Picture`."""

    width: int
    height: int
    pixel_aspect: float

    @classmethod
    def of(cls, info: VideoInfo) -> _NoPixels:
        return cls(info.width, info.height, info.pixel_aspect)

    def release(self) -> None:
        """It was given back where it was."""
