"""Frames as JSON lines: one object for every frame, also those without a face.

So a reader tells "nobody there" from "not looked at", and can follow along.

    {"source": "movie.mkv", "frame_num": 24, "timestamp": 0.96, "faces": [
        {"box": [x1, y1, x2, y2], "confidence": 0.93, "landmarks": [[x, y], ...],
         "track_id": 1, "quality": 0.81, "propagated": false, "sharpness": 0.94, "pose": 0.88,
         "person": "Ada", "similarity": 0.71, "embedding": [...]}]}

(on one line). The faces come best score first; what the run has not, a face has not: landmarks, what belongs to its
track, a person, an embedding. A frame that nobody looked at, though faces were followed through it, has
`"looked_at": false`.

Pixels have two decimals, everything else six: an embedding of norm 1 loses less than 1e-6 of its cosine.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray, Observation
from stages.sink.rows import spelled
from stages.sink.staged import StagedFile, output_errors

__all__ = ["JsonLinesTable"]


class JsonLinesTable:
    """Writes frames to a staged file, one JSON object a line, ASCII. Implements `stages.sink.rows.Table`."""

    def __init__(self, path: Path, *, force: bool = False, is_part: bool = False) -> None:
        """Stage the file; a part is not brought to disk by itself. Raises OutputExists, OutputFailed."""
        self._staged = StagedFile(path, force=force, durable=not is_part)

    def append(self, observation: Observation, source: str) -> None:
        """Add a frame and its faces. Raises OutputFailed."""
        frame, faces = observation.frame, observation.faces
        parts: dict[str, list[object]] = {
            "box": _rounded(faces.boxes_xyxy, 2),
            "confidence": _rounded(faces.scores, 6),
        }
        if faces.landmarks is not None:
            parts["landmarks"] = _rounded(faces.landmarks, 2)
        if faces.track_ids is not None and faces.quality is not None and faces.propagated is not None:
            parts["track_id"] = faces.track_ids.tolist()
            parts["quality"] = _rounded(faces.quality, 6)
            parts["propagated"] = faces.propagated.tolist()
        if faces.sharpness is not None and faces.pose is not None:
            parts["sharpness"], parts["pose"] = _rounded(faces.sharpness, 6), _rounded(faces.pose, 6)
        records = [dict(zip(parts, values, strict=True)) for values in zip(*parts.values(), strict=True)]
        for identity, face in zip(faces.identities or [], records, strict=False):
            if identity is not None:
                face["person"], face["similarity"] = identity.name, round(identity.similarity, 6)
        if faces.embeddings is not None:
            for row in np.flatnonzero(faces.embeddings.any(axis=1)).tolist():
                records[row]["embedding"] = _rounded(faces.embeddings[row], 6)
        record = {
            "source": spelled(source),
            "frame_num": frame.index,
            "timestamp": round(frame.pts_seconds, 6),
            **({} if observation.detected else {"looked_at": False}),
            "faces": records,
        }
        with output_errors(self._staged.path):
            self._staged.file.write(json.dumps(record, allow_nan=False).encode("ascii") + b"\n")

    def seal(self) -> None:
        self._staged.seal()

    def publish(self) -> None:
        self._staged.publish()

    def discard(self) -> None:
        self._staged.discard()


def _rounded(values: FloatArray, decimals: int) -> list[object]:
    """As Python floats of the shortest form; float64 first, as float32 has no short form for most decimals."""
    exact: NDArray[np.float64] = np.asarray(values, np.float64)
    rounded: list[object] = exact.round(decimals).tolist()
    return rounded
