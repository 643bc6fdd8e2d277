"""Embeds faces only where that can change their identity: `--embed auto`.

A track's detected faces are embedded until its identity is settled: the last samples agree on it and are alike, and its
similarity is clear of the threshold. From then on its best shots are, and one face every `CHECK_SECONDS`; where such a
sample is unlike the others or names another person, every face is again. All tracks are checked in one frame, so that
two people who have changed places change their names together. Faces without a track are all embedded.

What is embedded depends on a source's own frames in their order, never on what shares a batch: a frame knows of the
samples that are at least `LAG_SECONDS` older, and a batch is cut where one of them has not been compared yet. Memory:
one mean embedding a track in view.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stages.contract import Stage
from stages.frames import FloatArray, Identity, Observation
from stages.meter import metered
from stages.track.shots import BestShots, Shot

__all__ = ["SparingStage"]

LAG_SECONDS = 0.075
"""Two frames of film: so many are embedded in one call although the first may have settled it."""

CHECK_SECONDS = 0.5

AGREEING_SAMPLES = 3
"""In a row, before an identity is settled."""

MANY_SAMPLES = 24
"""Likewise where the similarity is near the threshold, or faces aren't recognisable: more change a mean little."""

CLEAR = 0.06
"""Cosine from the threshold for names from which few samples are enough."""

ALIKE = 0.35
"""Cosine to the mean of the others below which a sample doesn't agree."""


class SparingStage:
    """Implements `stages.contract.Stage[Observation, Observation]` around one that embeds and identifies.

    Owns that stage: `open` and `close` open and close it.
    """

    def __init__(self, recognise: Stage[Observation, Observation], *, threshold: float) -> None:
        """
        Args:
            recognise: embeds the faces that are marked, and says who they are; keeps rows as they come. Owned.
            threshold: cosine from which faces are named.
        """
        self._recognise = metered(recognise)
        self._threshold = threshold
        self._sources: dict[str, _Source] = {}
        self.name = recognise.name
        self.counters = self._recognise.counters

    def open(self) -> None:
        """Open the inner stage. Raises BackendError."""
        self._recognise.open()

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        """Return one result for each observation, in the batch's order. Raises BackendError."""
        results: list[Observation] = []
        together: list[Observation] = []
        for item in batch:
            source = self._sources.setdefault(item.source_id, _Source())
            tracks = source.tracks
            for number in item.ended_tracks:
                tracks.pop(number, None)
            known_until = item.frame.pts_seconds - LAG_SECONDS
            if any(track.asked and track.asked[0] <= known_until for track in tracks.values()):
                results += self._recognised(together)
                together = []
            together.append(source.marked(item))
        return [*results, *self._recognised(together)]

    def end_source(self, source_id: str) -> None:
        """Forget the tracks of a source that has ended, in the inner stage as well."""
        self._sources.pop(source_id, None)
        self._recognise.end_source(source_id)

    def close(self) -> None:
        """Close the inner stage and forget all tracks."""
        self._sources.clear()
        self._recognise.close()

    def _recognised(self, together: Sequence[Observation]) -> Sequence[Observation]:
        results = self._recognise.process(together) if together else []
        for item, result in zip(together, results, strict=True):
            numbers, embeddings = item.faces.track_ids, result.faces.embeddings
            if numbers is None or embeddings is None:
                continue
            tracks = self._sources[item.source_id].tracks
            identities = result.faces.identities or (None,) * len(embeddings)
            for row in item.faces.worth_embedding.tolist():
                track = tracks.get(int(numbers[row]))
                if track is not None:
                    track.learn(item.frame.pts_seconds, embeddings[row], identities[row], self._threshold)
        return results


@dataclass(slots=True, eq=False)
class _Track:
    """What decides whether a face of one track is embedded. Times are the source's, in seconds.

    Attributes:
        asked: of the faces that were marked and not compared yet.
        asked_last: of the last face that was marked.
        settled: after each sample from the last one that is known now, its time and whether the identity was settled.
        agreeing, blank: samples in a row that agree; that weren't recognisable.
        mean: float32 (D,), sum of the samples; None before the first.
    """

    shots: BestShots = field(default_factory=BestShots)
    asked: deque[float] = field(default_factory=deque)
    asked_last: float = float("-inf")
    settled: deque[tuple[float, bool]] = field(default_factory=deque)
    agreeing: int = 0
    blank: int = 0
    mean: FloatArray | None = None
    key: str = ""

    def wants(self, seconds: float, quality: float, *, is_check: bool) -> bool:
        """Whether its face in this frame is to be embedded; asked in the frames' order."""
        known_until = seconds - LAG_SECONDS
        while len(self.settled) > 1 and self.settled[1][0] <= known_until:
            self.settled.popleft()
        is_settled = bool(self.settled) and self.settled[0][0] <= known_until and self.settled[0][1]
        is_best = self.shots.offer(Shot(quality, seconds))
        is_check |= seconds - self.asked_last >= 2 * CHECK_SECONDS  # it was not found when the others were checked
        if is_settled and not is_best and not is_check:
            return False
        self.asked.append(seconds)
        self.asked_last = seconds
        return True

    def learn(self, seconds: float, embedding: FloatArray, identity: Identity | None, threshold: float) -> None:
        """Take in what came of a face that was marked, float32 (D,); zeros if it wasn't recognisable."""
        self.asked.popleft()
        if not embedding.any():
            self.blank += 1
            is_settled = self.settled[-1][1] if self.settled else False
            self.settled.append((seconds, is_settled or self.blank >= MANY_SAMPLES))
            return
        key = "" if identity is None else identity.person_id or identity.name
        is_alike = self.mean is None or float(embedding @ self.mean) >= ALIKE * float(np.linalg.norm(self.mean))
        self.agreeing = self.agreeing + 1 if is_alike and key == self.key else 1
        self.key, self.blank = key, 0
        self.mean = embedding.copy() if self.mean is None else self.mean + embedding
        needed = AGREEING_SAMPLES if _is_clear(identity, threshold) else MANY_SAMPLES
        self.settled.append((seconds, self.agreeing >= needed))


def _is_clear(identity: Identity | None, threshold: float) -> bool:
    """Whether few samples are enough to believe it."""
    if identity is None:
        return True
    above = identity.similarity - threshold
    # Far above and unnamed is who resembles somebody else in the picture, or two people alike.
    return above >= CLEAR if identity.person_id else not -CLEAR < above < 2 * CLEAR


@dataclass(slots=True, eq=False)
class _Source:
    """The tracks of one source, and the number of the last span of `CHECK_SECONDS` in which they were checked."""

    tracks: dict[int, _Track] = field(default_factory=dict)
    checked: int = -1

    def marked(self, item: Observation) -> Observation:
        """The observation with the faces marked that are to be embedded, of those that are worth it."""
        faces, seconds = item.faces, item.frame.pts_seconds
        rows = faces.worth_embedding.tolist()
        if faces.track_ids is None or not rows:
            return item
        span = math.floor(seconds / CHECK_SECONDS)
        is_check, self.checked = span != self.checked, span
        marks = np.zeros(len(faces), np.bool_)
        for row in rows:
            number = int(faces.track_ids[row])
            quality = 0.0 if faces.quality is None else float(faces.quality[row])
            track = self.tracks.setdefault(number, _Track()) if number else None
            marks[row] = track is None or track.wants(seconds, quality, is_check=is_check)
        return item.with_faces(replace(faces, to_embed=marks))
