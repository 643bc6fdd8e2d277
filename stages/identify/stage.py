"""Embedded faces in, faces with identities out. Runs behind the embedder on its thread; one matrix product a batch.

A track's samples are judged together (see `stages.identify.rule`); without tracks every face is judged by itself. A
face that was not embedded (it was followed, or not worth it) gets its track's identity. When the people change
(enrolled, named, forgotten), the tracks in view are judged anew. Memory: the last samples of each track in view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from stages.frames import Identity, Observation
from stages.identify.evidence import Candidate, TrackEvidence, TrackSample
from stages.identify.roster import Roster
from stages.identify.rule import NamingRule

__all__ = ["IdentifyStage"]


class IdentifyStage:
    """Implements `stages.contract.Stage[Observation, Observation]`."""

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
        """Do nothing: no device is used."""

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        """The same observations with `faces.identities`; those without embeddings pass as they are."""
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
            identities: list[Identity | None] = []
            for evidence, sample in of_item:
                if sample is not None:
                    evidence.decide(sample, next(candidates), self._rule)
                identities.append(evidence.identity)
            results.append(replace(item, faces=replace(item.faces, identities=tuple(identities))))
        return results

    def end_source(self, source_id: str) -> None:
        """Forget the source's tracks."""
        self._tracks.pop(source_id, None)

    def close(self) -> None:
        """Forget all tracks."""
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
