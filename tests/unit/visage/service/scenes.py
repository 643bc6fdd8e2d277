"""Observations of a source whose faces come, get names and go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.frames import Faces, Frame, Identity, Observation

ADA = Identity("p1", "Ada", 0.71, 0.2)
BOB = Identity("p2", "Bob", 0.66, 0.4)


class Blank:
    """A picture that is nothing but its size."""

    width, height, pixel_aspect = 64, 64, 1.0

    def release(self) -> None:
        pass


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
