"""The best shots of one track: few, good, and not all of the same moment. Updated while the track lasts.

By them the tracker says which faces are worth an embedding (`--embed best`).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BestShots", "Shot"]

MAX_SHOTS = 5
"""Kept a track. A mean over more changes little."""

APART_SECONDS = 0.5
"""Shots closer than this show the same: only the better one is kept."""

MIN_GAIN = 1.05
"""A shot replaces another one only if it is better by this factor: each costs an embedding."""


class BestShots:
    """The best shots of one track: at most `MAX_SHOTS`, no two of them closer than `APART_SECONDS`."""

    def __init__(self) -> None:
        self._shots: list[Shot] = []

    def __len__(self) -> int:
        return len(self._shots)

    @property
    def shots(self) -> list[Shot]:
        """Return the shots, best first."""
        return sorted(self._shots, key=lambda shot: -shot.quality)

    def offer(self, shot: Shot) -> bool:
        """Keep the shot if it is better than one that it replaces; returns whether it was kept."""
        near = [kept for kept in self._shots if abs(kept.pts_seconds - shot.pts_seconds) < APART_SECONDS]
        if near:
            replaced = near  # it stands for their moment
        elif len(self._shots) < MAX_SHOTS:
            replaced = []
        else:
            replaced = [min(self._shots, key=lambda kept: kept.quality)]
        if replaced and shot.quality < MIN_GAIN * max(kept.quality for kept in replaced):
            return False
        self._shots = [kept for kept in self._shots if kept not in replaced] + [shot]
        return True


@dataclass(frozen=True, slots=True)
class Shot:
    """A face at a moment: its quality, 0 to 1 (see `stages.track.quality`), and its time in seconds."""

    quality: float
    pts_seconds: float
