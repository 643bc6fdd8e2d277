"""Observations of a source whose faces come, get names and go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.frames import Faces, Frame, Identity, Observation
from tests.bells import Bell
from visage.service.outbox import Outbox

ADA = Identity("p1", "Ada", 0.71, 0.2)
BOB = Identity("p2", "Bob", 0.66, 0.4)


class Blank:
    """A picture that is nothing but its size."""

    width, height, pixel_aspect = 64, 64, 1.0

    def release(self) -> None:
        pass


class RingingOutbox(Outbox):
    """Rings after each delivery."""

    def __init__(self, path: Path, *, limit: int = 100) -> None:
        super().__init__(path, limit=limit)
        self._bell = Bell()

    def delivered(self, receiver: str, number: int) -> None:
        super().delivered(receiver, number)
        self._bell.ring()

    async def until_empty(self, receiver: str) -> None:
        """Return once nothing waits for the receiver. The caller's scope bounds the wait."""
        await self._bell.until(lambda: not self.depths().get(receiver))


def observe(
    index: int,
    tracks: Sequence[int],
    *,
    identities: Sequence[Identity | None] | None = None,
    ended: tuple[int, ...] = (),
    source_id: str = "door",
) -> Observation:
    """Frame `index` of ten a second, with a face for each track."""
    count = len(tracks)
    faces = Faces(
        np.tile(np.array([1, 2, 11, 12], np.float32), (count, 1)),
        np.full(count, 0.9, np.float32),
        track_ids=np.array(tracks, np.int64),
        quality=np.full(count, 0.5, np.float32),
        propagated=np.zeros(count, np.bool_),
        identities=None if identities is None else tuple(identities),
    )
    return Observation(Frame(source_id, index, index / 10, Blank(), 1_700_000_000 + index / 10), faces, ended)
