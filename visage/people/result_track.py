"""A track of an earlier run's results as somebody to enrol: its aggregated embedding, from `tracks.parquet`.

Results hold no pictures, so that no crop goes with it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.errors import SourceError
from visage.people.errors import OtherModel, PictureRefused
from visage.people.reader import PortraitFace

__all__ = ["read_track"]


def read_track(folder: Path, track_id: int, *, model: str) -> PortraitFace:
    """The face of a track in a folder that `visage --dst` wrote.

    Raises SourceError for a folder without results, PictureRefused for a track that is not there or has no embedding,
    OtherModel for embeddings of another model than this.
    """
    try:
        embedder = json.loads((folder / "metadata.json").read_text())["embedder"]
        table = pq.read_table(folder / "tracks.parquet", filters=[("track_id", "=", track_id)])
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as exc:
        raise SourceError(f"{folder}: no results with tracks; give the folder of one video that --dst wrote") from exc
    if embedder is not None and embedder != model:
        raise OtherModel(f"{folder}: embeddings of {embedder}, but the gallery belongs to {model}")
    if not table.num_rows:
        raise PictureRefused(f"there is no track {track_id}; tracks.csv lists them")
    row = table.to_pylist()[0]
    if row.get("embedding") is None:
        raise PictureRefused(f"track {track_id} was not embedded; choose a longer one, or leave out --no-embed")
    box = np.array([row[side] for side in ("x1", "y1", "x2", "y2")], np.float32)
    return PortraitFace(box, 1.0, float(row["best_quality"]), np.array(row["embedding"], np.float32), b"")
