"""Embedded faces in, faces with identities out. Runs behind the embedder on its thread; one matrix product a batch.

A track's samples are judged together (see `stages.identify.rule`); without tracks every face is judged by itself. A
face that was not embedded (it was followed, or not worth it) gets its track's identity. Two faces in one frame never
have the same name. When the people change (enrolled, named, forgotten), the tracks in view are judged anew. Memory: the
last samples of each track in view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from stages.frames import Faces, FloatArray, Observation
from stages.identify.evidence import Candidate, TrackEvidence, TrackSample
from stages.identify.roster import Roster
from stages.identify.rule import NamingRule

__all__ = ["IdentifyStage"]

SAME_FACE = 0.5
"""Overlap (IoU) of two boxes from which they are of one face."""


class IdentifyStage:
    """Implements `stages.contract.Stage[Observation, Observation]`; runs on one thread, the embedder's."""

    name = "identify"

    def __init__(self, roster: Callable[[], Roster], *, threshold: float, margin: float) -> None:
        """
        Args:
            roster: the people of this moment; asked once a batch, so it has to be quick.
            threshold, margin: see `NamingRule`.
        """
        self._roster = roster
        self._rule = NamingRule(threshold, margin)
        self._known: Roster | None = None
        self._tracks: dict[str, dict[int, TrackEvidence]] = {}

    def open(self) -> None:
        """Do nothing: no device is used. Never raises."""

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        """Return the same observations with `faces.identities`, None for faces that are not decided.

        Observations without embeddings pass unchanged.
        """
        roster = self._roster()
        if roster is not self._known:
            self._known = roster
            self._decide_anew(roster)
        counted = [self._count_samples(item) for item in batch]
        samples = [sample for of_item in counted for _, sample in of_item if sample is not None]
        candidates = iter(_candidates(roster, samples))
        results = []
        for item, of_item in zip(batch, counted, strict=True):
            if item.faces.embeddings is None:
                results.append(item)
                continue
            for evidence, sample in of_item:
                if sample is not None:
                    evidence.decide(sample, next(candidates), self._rule)
            shown = [evidence for evidence, _ in of_item]
            _one_each(item.faces, shown)
            identities = tuple(evidence.identity for evidence in shown)
            results.append(replace(item, faces=replace(item.faces, identities=identities)))
        return results

    def end_source(self, source_id: str) -> None:
        """Forget the tracks of a source that has ended."""
        self._tracks.pop(source_id, None)

    def close(self) -> None:
        """Forget all tracks. Idempotent."""
        self._tracks.clear()

    def _decide_anew(self, roster: Roster) -> None:
        for evidence in [evidence for tracks in self._tracks.values() for evidence in tracks.values()]:
            samples = evidence.begin_anew()
            for sample, candidate in zip(samples, _candidates(roster, samples), strict=True):
                evidence.decide(sample, candidate, self._rule)

    def _count_samples(self, item: Observation) -> list[tuple[TrackEvidence, TrackSample | None]]:
        """Add the item's samples to its tracks' evidence.

        Returns for every face the evidence, and the sample if it was embedded; nothing without embeddings.
        """
        faces, at_seconds = item.faces, item.frame.pts_seconds
        tracks = self._tracks.setdefault(item.source_id, {})
        for track_id in item.ended_tracks:
            tracks.pop(track_id, None)
        if faces.embeddings is None:
            return []
        counted = []
        for row, embedding in enumerate(faces.embeddings):
            track_id = 0 if faces.track_ids is None else int(faces.track_ids[row])
            evidence = tracks.setdefault(track_id, TrackEvidence()) if track_id else TrackEvidence()
            quality = 1.0 if faces.quality is None else float(faces.quality[row])
            counted.append((evidence, evidence.add(embedding, quality, at_seconds) if embedding.any() else None))
        return counted


def _one_each(faces: Faces, shown: Sequence[TrackEvidence]) -> None:
    """Two faces in one frame are two people: of those with one name only the one most like that person keeps it."""
    named = [row for row, evidence in enumerate(shown) if evidence.identity and evidence.identity.person_id]
    if len(named) < 2:  # noqa: PLR2004 - nobody else
        return
    strongest: dict[str | None, int] = {}
    for row in sorted(named, key=lambda row: -_similarity(shown[row])):
        identity = shown[row].identity
        assert identity is not None
        best = strongest.setdefault(identity.person_id, row)
        rival = shown[best].identity
        if best != row and rival is not None and not _is_one_face(faces.boxes_xyxy[best], faces.boxes_xyxy[row]):
            shown[row].bar(rival)


def _similarity(evidence: TrackEvidence) -> float:
    return -1.0 if evidence.identity is None else evidence.identity.similarity


def _is_one_face(one_xyxy: FloatArray, other_xyxy: FloatArray) -> bool:
    """Whether two boxes are of the same face, found twice."""
    sides = np.minimum(one_xyxy[2:], other_xyxy[2:]) - np.maximum(one_xyxy[:2], other_xyxy[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    areas = float(np.prod(one_xyxy[2:] - one_xyxy[:2]) + np.prod(other_xyxy[2:] - other_xyxy[:2]))
    return shared > SAME_FACE * (areas - shared)


def _candidates(roster: Roster, samples: Sequence[TrackSample]) -> list[Candidate | None]:
    if not samples:
        return []
    found = roster.closest(np.stack([sample.mean for sample in samples]))
    told = zip(samples, found.best.tolist(), found.similarity.tolist(), found.runner_up.tolist(), strict=True)
    return [
        None
        if place < 0
        else Candidate(roster.people[place], similarity, runner_up, roster.similarity(place, sample.embedding))
        for sample, place, similarity, runner_up in told
    ]
