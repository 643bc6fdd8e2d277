"""Embedded faces in, faces with identities out. Runs behind the embedder on its thread; one matrix product a batch.

A track's looks are counted together; without tracks every face is decided by itself. A face that was not embedded (it
was followed, or not worth it) gets what its track was decided to be. When the people change (enrolled, named,
forgotten), the tracks in view are decided anew from their last looks. Memory: one record and `KEPT_LOOKS` embeddings a
track in view.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from stages.frames import FloatArray, Identity, Observation
from stages.identify.roster import Candidates, Roster
from stages.identify.voting import UNKNOWN, Look, TrackVotes

__all__ = ["IdentifyStage"]

KEPT_LOOKS = 16


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
        self._threshold = threshold
        self._margin = margin
        self._known: Roster | None = None
        self._tracks: dict[str, dict[int, _Track]] = {}

    def open(self) -> None:
        """Nothing to take."""

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        """The same observations with `faces.identities`; those without embeddings pass as they are."""
        roster = self._roster()
        if roster is not self._known:
            self._known = roster
            self._decide_anew(roster)
        embeddings = [item.faces.embeddings for item in batch if item.faces.embeddings is not None]
        if not embeddings:
            return list(batch)
        candidates = roster.closest(np.concatenate(embeddings))
        results, start = [], 0
        for item in batch:
            if item.faces.embeddings is None:
                results.append(item)
                continue
            results.append(self._identified(item, roster, candidates, start))
            start += len(item.faces)
        return results

    def flush(self, source_id: str) -> list[Observation]:
        """Forget the source's tracks."""
        self._tracks.pop(source_id, None)
        return []

    def close(self) -> None:
        self._tracks.clear()

    def _identified(self, item: Observation, roster: Roster, candidates: Candidates, start: int) -> Observation:
        faces = item.faces
        assert faces.embeddings is not None
        tracks = self._tracks.setdefault(item.source_id, {})
        for number in item.ended_tracks:
            tracks.pop(number, None)
        identities: list[Identity | None] = []
        for row in range(len(faces)):
            number = 0 if faces.track_ids is None else int(faces.track_ids[row])
            track = tracks.setdefault(number, _Track()) if number else _Track()
            if faces.embeddings[row].any():
                quality = 1.0 if faces.quality is None else float(faces.quality[row])
                track.votes.add(self._look(roster, candidates, start + row, quality, item.frame.pts_seconds))
                track.looks.append((faces.embeddings[row].copy(), quality, item.frame.pts_seconds))
            identities.append(track.votes.identity)
        return replace(item, faces=replace(faces, identities=tuple(identities)))

    def _decide_anew(self, roster: Roster) -> None:
        for track in [track for tracks in self._tracks.values() for track in tracks.values() if track.looks]:
            candidates = roster.closest(np.stack([embedding for embedding, _, _ in track.looks]))
            track.votes = TrackVotes()
            for row, (_, quality, at_seconds) in enumerate(track.looks):
                track.votes.add(self._look(roster, candidates, row, quality, at_seconds))

    def _look(self, roster: Roster, candidates: Candidates, row: int, quality: float, at_seconds: float) -> Look:
        position = int(candidates.best[row])
        similarity = float(candidates.similarity[row])
        is_clear = similarity - float(candidates.runner_up[row]) >= self._margin
        if position < 0 or similarity < self._threshold or not is_clear:
            return Look(None, None, UNKNOWN, similarity, quality, at_seconds)
        person = roster.people[position]
        return Look(person.person_id or person.name, person.person_id, person.name, similarity, quality, at_seconds)


@dataclass(slots=True)
class _Track:
    """A track in view. Its looks: embedding, quality, the source's time."""

    votes: TrackVotes = field(default_factory=TrackVotes)
    looks: deque[tuple[FloatArray, float, float]] = field(default_factory=lambda: deque(maxlen=KEPT_LOOKS))
