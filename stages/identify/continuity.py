"""One id, one person: a track whose embeddings change to another person's gets another id from there on.

A tracker sees places and coarse appearance, so that its id may pass to whoever takes a face's place: in an inset that
is cut, behind a post, in a crossing. Embeddings tell. One that is beyond doubt (well recognisable, and nothing like a
track that is so, too) divides the track at itself; poorer ones do when several in a row are unlike the track and like
each other. Whoever was left is known for `RETURN_SECONDS`: a face that passes before another does not cost it its id.

Ids are given here: they grow from 1, are never used again, and are the tracker's own as long as no track was divided.
Memory: the mean embedding of each track in view, and of those parted from in the last seconds.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stages.frames import Faces, FloatArray, Observation

__all__ = ["ContinuityStage"]

UNLIKE = (0.2, 0.5)
LESS_ALIKE = 0.35
"""A sample's likeness is its cosine to the mean or to the last sample, whichever is higher: a head that turns is like
the last one. A sample less alike than is usual in its track, by so much, is another person's, or a very bad one; the
limit lies between those two cosines. Of five people in the tracking benchmark two have 0.46."""

SURE_QUALITY = 0.35
NOTHING_ALIKE = (0.12, 0.3)
FAR_LESS_ALIKE = 0.65
"""Likewise, of a sample of that quality in a track of such samples: another person's by itself."""

USUAL_LIKENESS = 0.75
USUAL_FADING = 0.9
"""What is usual is learnt sample by sample."""

PARTING_SAMPLES = 3
ONE_PERSON = 0.5
"""That many samples in a row unlike the mean are another person's if they resemble each other; bad samples differ."""

RETURN_SECONDS = 2.0
RETURNING = 0.5
"""Cosine to somebody who was parted from so recently, from which it is that person again."""

FADING = 0.97
"""A sample's weight after each further one: the mean follows a face that ages, turns or is lit differently."""

MIN_WEIGHT = 0.05


class ContinuityStage:
    """Implements `stages.contract.Stage[Observation, Observation]`; runs after the embedder, on its thread."""

    name = "continuity"

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}

    def open(self) -> None:
        """Do nothing: no device is used. Never raises."""

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        """Return the same observations, some of whose tracks have other ids; the frames stay the caller's."""
        return [self._sources.setdefault(item.source_id, _Source()).told(item) for item in batch]

    def end_source(self, source_id: str) -> None:
        """Forget the tracks of a source that has ended."""
        self._sources.pop(source_id, None)

    def close(self) -> None:
        """Forget all tracks. Idempotent."""
        self._sources.clear()


@dataclass(slots=True, eq=False)
class _Face:
    """Whoever has one id.

    Attributes:
        mean: float32 (D,), sum of the samples by their weights; None before the first. weight: its norm.
        last: the last one of them.
        usual: their likeness so far.
        best_quality: of the samples.
        others: the last samples in a row that are unlike the mean, with their weights.
    """

    track_id: int
    mean: FloatArray | None = None
    weight: float = 0.0
    last: FloatArray | None = None
    usual: float = USUAL_LIKENESS
    best_quality: float = 0.0
    others: deque[tuple[FloatArray, float]] = field(default_factory=lambda: deque(maxlen=PARTING_SAMPLES))

    def likeness(self, embedding: FloatArray) -> float:
        """Cosine of this one to the mean, or to the last sample if that is higher; 1 before the first."""
        if self.mean is None or self.last is None:
            return 1.0
        return max(float(embedding @ self.mean) / max(self.weight, 1e-12), float(embedding @ self.last))

    def learn(self, embedding: FloatArray, quality: float, likeness: float) -> None:
        """Count a sample of this face."""
        weight = max(quality, MIN_WEIGHT)
        self.last = embedding.copy()
        if self.mean is None:
            self.mean = weight * embedding
        else:
            self.usual = USUAL_FADING * self.usual + (1 - USUAL_FADING) * likeness
            self.mean *= FADING
            self.mean += weight * embedding
        self.weight = math.sqrt(float(self.mean @ self.mean))
        self.best_quality = max(self.best_quality, quality)
        self.others.clear()

    def takes(self, embedding: FloatArray, quality: float) -> bool:
        """Count a sample; False if it, or the last several, are of somebody else. Those then are in `others`."""
        likeness = self.likeness(embedding)
        far = _between(self.usual - FAR_LESS_ALIKE, *NOTHING_ALIKE)
        is_sure = quality >= SURE_QUALITY <= self.best_quality and likeness < far
        if likeness >= _between(self.usual - LESS_ALIKE, *UNLIKE) or (not is_sure and quality > self.weight):
            self.learn(embedding, quality, likeness)
            return True
        # Compared with each other, too: samples that only agree in being bad agree in nothing.
        if any(float(embedding @ other) < ONE_PERSON for other, _ in self.others):
            self.others.clear()
        self.others.append((embedding.copy(), quality))
        return not is_sure and len(self.others) < PARTING_SAMPLES


@dataclass(slots=True, eq=False)
class _Source:
    """The faces of one source.

    Attributes:
        faces: by the tracker's id.
        parted: who was left by a track, and until when they may come back.
    """

    faces: dict[int, _Face] = field(default_factory=dict)
    parted: list[tuple[_Face, float]] = field(default_factory=list)
    last_id: int = 0
    is_divided: bool = False

    def told(self, item: Observation) -> Observation:
        """The observation with this source's ids."""
        faces = item.faces
        ended = self._end(item.ended_tracks, item.frame.pts_seconds)
        if faces.track_ids is None:
            return item
        track_ids: list[int] = faces.track_ids.tolist()
        for number in track_ids:
            if number and number not in self.faces:
                self.faces[number] = _Face(self._next_id())
        if faces.embeddings is not None:
            self._learn(faces, track_ids, item.frame.pts_seconds)
        if not self.is_divided:
            return item
        own = np.array([self.faces[number].track_id if number else 0 for number in track_ids], np.int64)
        return replace(item, faces=replace(faces, track_ids=own), ended_tracks=ended)

    def _learn(self, faces: Faces, track_ids: Sequence[int], seconds: float) -> None:
        embeddings = faces.embeddings
        assert embeddings is not None
        qualities = [1.0] * len(faces) if faces.quality is None else faces.quality.tolist()
        for row in np.flatnonzero(embeddings.any(axis=1)).tolist():
            number = track_ids[row]
            if not number:
                continue
            face, embedding, quality = self.faces[number], embeddings[row], qualities[row]
            if not face.takes(embedding, quality):
                self._divide(number, seconds)

    def _divide(self, number: int, seconds: float) -> None:
        """The track goes on as somebody else: one parted from lately, or somebody new."""
        self.is_divided = True
        left = self.faces[number]
        samples = list(left.others)
        left.others.clear()
        known = max(self.parted, key=lambda other: other[0].likeness(samples[-1][0]), default=None)
        if known is not None and known[0].likeness(samples[-1][0]) >= RETURNING:
            self.parted.remove(known)
            face = known[0]
        else:
            face = _Face(self._next_id())
        for embedding, quality in samples:
            face.learn(embedding, quality, face.likeness(embedding))
        self.faces[number] = face
        self.parted.append((left, seconds + RETURN_SECONDS))

    def _end(self, numbers: Sequence[int], seconds: float) -> tuple[int, ...]:
        """The ids of the faces that have ended, where the tracker's tracks of these numbers have."""
        ended = [self.faces.pop(number).track_id for number in numbers if number in self.faces]
        if self.parted:
            ended += [face.track_id for face, until in self.parted if until < seconds]
            self.parted = [(face, until) for face, until in self.parted if until >= seconds]
        return tuple(sorted(ended))

    def _next_id(self) -> int:
        self.last_id += 1
        return self.last_id


def _between(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
