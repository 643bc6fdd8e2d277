"""The boxes of a film, grouped by track, for formats that list one track after the other.

Tables have them by frame. They are counted, then placed into a temporary file where their track's are, so that memory
does not grow with the film.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from visage.export.film import Film, StoredTrack

__all__ = ["BOX", "boxes_by_track"]

BOX = np.dtype([("frame", "<i8"), ("seconds", "<f8"), ("box_xyxy", "<f8", 4), ("propagated", "?")])
"""Frame from 0, its seconds, pixels, and whether the face was followed there."""
SIDES = ("x1", "y1", "x2", "y2")
CHUNK_ROWS = 4096


def boxes_by_track(film: Film) -> Iterator[tuple[StoredTrack, Iterator[NDArray[np.void]]]]:
    """Yield every exported track with its boxes, in chunks of `BOX` records by frame. Raises SourceError.

    A track's chunks are to be read before the next track is asked for.
    """
    tracks = film.shown
    starts, total = {}, 0
    for track in tracks:
        starts[track.track_id] = total
        total += track.frames
    ends = {track.track_id: starts[track.track_id] for track in tracks}
    with tempfile.TemporaryFile() as file:
        file.truncate(max(1, total) * BOX.itemsize)
        for batch in film.face_batches("frame_num", "timestamp", "propagated", *SIDES):
            ids = batch.column("track_id").fill_null(0).to_numpy(zero_copy_only=False)
            rows = np.empty(len(ids), BOX)
            rows["frame"] = batch.column("frame_num").to_numpy(zero_copy_only=False)
            rows["seconds"] = batch.column("timestamp").to_numpy(zero_copy_only=False)
            rows["propagated"] = batch.column("propagated").fill_null(0).to_numpy(zero_copy_only=False)
            for side, name in enumerate(SIDES):
                rows["box_xyxy"][:, side] = batch.column(name).to_numpy(zero_copy_only=False)
            for track_id in np.unique(ids).tolist():
                if track_id not in ends:
                    continue
                own = rows[ids == track_id]
                file.seek(ends[track_id] * BOX.itemsize)
                file.write(own.tobytes())
                ends[track_id] += len(own)
        for track in tracks:
            yield track, _chunks(file, starts[track.track_id], ends[track.track_id])


def _chunks(file: IO[bytes], start: int, end: int) -> Iterator[NDArray[np.void]]:
    for row in range(start, end, CHUNK_ROWS):
        file.seek(row * BOX.itemsize)
        count = min(CHUNK_ROWS, end - row)
        yield np.frombuffer(file.read(count * BOX.itemsize), BOX)
