"""Runs Visage over pictures and keeps what the harness needs: the product itself is measured, not a copy of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from stages.errors import SourceError
from stages.frames import FloatArray
from visage.analysis import analyze
from visage.config import Settings
from visage.config.sources import expand_sources
from visage.evaluation.layouts import Template
from visage.results import Face

__all__ = ["embed_templates", "faces_of"]

AT_ONCE = 256  # pictures of one pipeline: their decoders are open only while they are read


def faces_of(pictures: Sequence[Path], settings: Settings) -> Mapping[Path, Sequence[Face]]:
    """The faces of every picture, best score first; none of one that can't be read.

    Raises SourceNotFound: a picture is not there.
    """
    found: dict[Path, Sequence[Face]] = dict.fromkeys(pictures, ())
    unique = list(found)
    for start in range(0, len(unique), AT_ONCE):
        found.update(_analyzed(unique[start : start + AT_ONCE], settings))
    return found


def embed_templates(templates: Mapping[str, Template], settings: Settings) -> Mapping[str, FloatArray | None]:
    """For each template the mean of its pictures' largest faces, of norm 1; None where no picture shows a face."""
    faces = faces_of([path for template in templates.values() for path in template.pictures], settings)
    embeddings: dict[str, FloatArray | None] = {}
    for name, template in templates.items():
        largest = [max(faces[path], key=_area) for path in template.pictures if faces[path]]
        rows = [face.embedding for face in largest if face.embedding is not None]
        mean = np.mean(rows, axis=0) if rows else None
        embeddings[name] = None if mean is None else np.asarray(mean / np.linalg.norm(mean), np.float32)
    return embeddings


def _analyzed(pictures: Sequence[Path], settings: Settings) -> Iterator[tuple[Path, Sequence[Face]]]:
    by_source = {
        spec.source_id: path
        for path, spec in zip(pictures, expand_sources([str(path) for path in pictures]), strict=True)
    }
    try:
        for frame in analyze([str(path) for path in pictures], settings):
            yield by_source[frame.source_id], frame.faces
    except SourceError:
        return  # raised when all others are done; the picture counts as one without faces


def _area(face: Face) -> float:
    left, top, right, bottom = face.box_xyxy
    return (right - left) * (bottom - top)
