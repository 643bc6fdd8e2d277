"""People as vectors: galleries, faces and tracks without networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from stages.frames import FloatArray, Identity
from stages.tracks.summary import TrackSummary
from visage.people import Gallery, PortraitFace, open_gallery

__all__ = ["DIMENSION", "add", "face", "gallery", "near", "person", "track"]

DIMENSION = 128


def person(seed: int) -> FloatArray:
    """Somebody's direction; two people's are almost orthogonal."""
    vector = np.random.default_rng(seed).standard_normal(DIMENSION)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def near(vector: FloatArray, seed: int, cosine: float = 0.8) -> FloatArray:
    """Another look at the same one."""
    noise = np.random.default_rng([seed, int(abs(vector[0]) * 1e6)]).standard_normal(DIMENSION)
    noise -= (noise @ vector) * vector
    mixed = cosine * vector + np.sqrt(1 - cosine**2) * noise / np.linalg.norm(noise)
    return np.asarray(mixed, np.float32)


def face(embedding: FloatArray) -> PortraitFace:
    return PortraitFace(np.array([0, 0, 100, 100], np.float32), 0.9, 0.8, embedding, b"jpeg")


def gallery(folder: Path, key_file: Path | None = None) -> Gallery:
    return open_gallery(folder, model="sface", key_file=key_file)


def add(opened: Gallery, name: str, embedding: FloatArray) -> str:
    content = embedding.tobytes()
    return opened.add(name, face(embedding), origin=f"{name}.jpg", content=content).person_id


def track(
    embedding: FloatArray | None,
    number: int = 1,
    *,
    source: str = "cam-1",
    start: float = 0.0,
    seconds: float = 2.0,
    at: float = 1000.0,
    quality: float = 0.7,
    identity: Identity | None = None,
) -> TrackSummary:
    return TrackSummary(
        source_id=source,
        track_id=number,
        first_frame=0,
        last_frame=10,
        start_seconds=start,
        end_seconds=start + seconds,
        frames=11,
        best_frame=5,
        best_seconds=start + seconds / 2,
        best_box_xyxy=np.array([1, 2, 30, 40], np.float32),
        best_landmarks=None,
        best_quality=quality,
        embedding=embedding,
        embeddings=3,
        started_at=at,
        identity=identity,
    )
