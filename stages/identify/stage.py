"""Embedded faces in, faces with identities out. Runs behind the embedder on its thread; one matrix product a batch.

A track's looks are taken together (see `stages.identify.rule`); without tracks every face is decided by itself. A face
that was not embedded (it was followed, or not worth it) gets what its track was decided to be. Memory: the mean
embedding of each track in view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stages.frames import FloatArray, Identity, Observation
from stages.identify.evidence import TrackEvidence
from stages.identify.roster import Roster
from stages.identify.rule import NamingRule

__all__ = ["IdentifyStage"]


@dataclass(frozen=True, slots=True)
class _Look:
    """One face of a batch: whose evidence it is, and if it was embedded, what to compare."""

    evidence: TrackEvidence
    mean: FloatArray | None
    looks: int


class IdentifyStage:
    """Implements `stages.contract.Stage[Observation, Observation]`."""

    name = "identify"

    def __init__(self, roster: Callable[[], Roster], *, threshold: float, margin: float) -> None:
        """
        Args:
            roster: the people of this moment; asked once a batch, so it has to be quick.
            threshold: least cosine similarity to be somebody.
            margin: how much more similar than the next person the best one has to be.
        """
        self._roster = roster
        self._rule = NamingRule(threshold, margin)
        self._tracks: dict[str, dict[int, TrackEvidence]] = {}

    def open(self) -> None:
        """Nothing to take."""

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        """The same observations with `faces.identities`; those without embeddings pass as they are."""
        roster = self._roster()
        looks = [self._looks(item) for item in batch]
        means = [look.mean for of_item in looks for look in of_item if look.mean is not None]
        candidates = iter(self._candidates(roster, means))
        results = []
        for item, of_item in zip(batch, looks, strict=True):
            if item.faces.embeddings is None:
                results.append(item)
                continue
            identities: list[Identity | None] = []
            for look in of_item:
                if look.mean is not None:
                    position, similarity, runner_up = next(candidates)
                    best = roster.people[position] if position >= 0 else None
                    at = item.frame.pts_seconds
                    look.evidence.decide(best, similarity, runner_up, self._rule, looks=look.looks, at=at)
                identities.append(look.evidence.identity)
            results.append(replace(item, faces=replace(item.faces, identities=tuple(identities))))
        return results

    def flush(self, source_id: str) -> list[Observation]:
        """Forget the source's tracks."""
        self._tracks.pop(source_id, None)
        return []

    def close(self) -> None:
        self._tracks.clear()

    def _looks(self, item: Observation) -> list[_Look]:
        """One a face, counted; none for faces without embeddings."""
        faces = item.faces
        tracks = self._tracks.setdefault(item.source_id, {})
        for number in item.ended_tracks:
            tracks.pop(number, None)
        if faces.embeddings is None:
            return []
        looks = []
        for row, embedding in enumerate(faces.embeddings):
            number = 0 if faces.track_ids is None else int(faces.track_ids[row])
            evidence = tracks.setdefault(number, TrackEvidence()) if number else TrackEvidence()
            quality = 1.0 if faces.quality is None else float(faces.quality[row])
            mean = evidence.add(embedding, quality) if embedding.any() else None
            looks.append(_Look(evidence, mean, evidence.looks))
        return looks

    @staticmethod
    def _candidates(roster: Roster, means: Sequence[FloatArray]) -> list[tuple[int, float, float]]:
        if not means:
            return []
        found = roster.closest(np.stack(means))
        return list(zip(found.best.tolist(), found.similarity.tolist(), found.runner_up.tolist(), strict=True))
