"""Groups tracks by person, without names: constrained clustering of track summaries, from scratch or one by one.

Tracks that are visible together are never one person, whatever they look like: a constraint that no similarity
overrides. Within it, the two most similar clusters become one for as long as they are similar enough. A cluster is the
mean of its tracks by weight, so that many good tracks outvote a poor one.

All functions are pure: a store (`visage.people.unknowns`) keeps the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray

__all__ = ["Scene", "Span", "TrackPoint", "cluster", "conflicts", "keep_numbers", "seen_with", "visible_together"]

Scene: TypeAlias = "tuple[str, float | None]"
"""What a track's time is counted in: an address, and when that run of it began; None for a camera, whose time is the
wall clock's."""

APART = np.float32(-2.0)
"""Less similar than anything can be: clusters that may not be joined."""


@dataclass(frozen=True, slots=True)
class Span:
    """When a track was visible.

    Attributes:
        scene: None where it is not known: such a track is never taken to be visible together with another one.
        first_seconds, last_seconds: both inclusive.
    """

    scene: Scene | None
    first_seconds: float
    last_seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class TrackPoint:
    """A track as clustering sees it.

    Attributes:
        embedding: float32 (D,), L2 norm 1.
        weight: how much it says of its person's looks; above 0.
        apart: two tracks with a number and its negative were said to be different people.
    """

    span: Span
    embedding: FloatArray
    weight: float
    apart: frozenset[int] = frozenset()


def visible_together(one: Span, other: Span) -> bool:
    """Return whether both are visible at some moment of one scene: then they are two people."""
    return (
        one.scene is not None
        and one.scene == other.scene
        and one.first_seconds <= other.last_seconds
        and other.first_seconds <= one.last_seconds
    )


def seen_with(spans: Sequence[Span], others: Sequence[Span]) -> list[bool]:
    """Return for each span whether it is visible together with any of the others; quick for many."""
    known: dict[Scene, list[Span]] = {}
    for other in sorted(others, key=lambda other: other.first_seconds):
        if other.scene is not None:
            known.setdefault(other.scene, []).append(other)
    begun = {scene: np.array([other.first_seconds for other in own]) for scene, own in known.items()}
    latest = {scene: np.maximum.accumulate([other.last_seconds for other in own]) for scene, own in known.items()}
    found = []
    for span in spans:
        is_seen = False
        if span.scene is not None and span.scene in known:
            before = int(np.searchsorted(begun[span.scene], span.last_seconds, side="right"))
            is_seen = before > 0 and bool(latest[span.scene][before - 1] >= span.first_seconds)
        found.append(is_seen)
    return found


def conflicts(points: Sequence[TrackPoint]) -> NDArray[np.bool_]:
    """Which are visible together, or said to be different: bool (N, N), symmetric, False on the diagonal."""
    spans = [point.span for point in points]
    numbers = {scene: number for number, scene in enumerate(dict.fromkeys(span.scene for span in spans))}
    scenes = np.array([-1 if span.scene is None else numbers[span.scene] for span in spans])
    first = np.array([span.first_seconds for span in spans])
    last = np.array([span.last_seconds for span in spans])
    together = (scenes[:, None] == scenes) & (scenes >= 0) & (first[:, None] <= last) & (first <= last[:, None])
    for pair in {abs(pair) for point in points for pair in point.apart}:
        one, other = (np.flatnonzero([sign * pair in point.apart for point in points]) for sign in (1, -1))
        together[np.ix_(one, other)] = True
        together[np.ix_(other, one)] = True
    np.fill_diagonal(together, False)
    return np.asarray(together, np.bool_)


def cluster(points: Sequence[TrackPoint], threshold: float) -> list[list[int]]:
    """Return groups of rows that are one person each, in the order of their first rows.

    The most similar two are joined first, so the order of the points does not matter. O(N^2) memory: a few thousand.

    Args:
        threshold: lowest cosine, -1 to 1, of two clusters' means to be one person's.
    """
    if not points:
        return []
    sums = np.stack([point.weight * point.embedding for point in points]).astype(np.float64)
    units = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    apart = conflicts(points)
    similar = (units @ units.T).astype(np.float32)
    np.fill_diagonal(similar, APART)
    similar[apart] = APART
    groups = [[row] for row in range(len(points))]
    nearest, best = similar.argmax(axis=1), similar.max(axis=1)
    while True:
        kept = int(best.argmax())
        if best[kept] < threshold:
            break
        kept, gone = sorted((kept, int(nearest[kept])))
        groups[kept] += groups[gone]
        groups[gone] = []
        sums[kept] += sums[gone]
        units[kept] = sums[kept] / max(float(np.linalg.norm(sums[kept])), 1e-12)
        apart[kept] |= apart[gone]
        apart[:, kept] = apart[kept]
        row = (units @ units[kept]).astype(np.float32)
        row[apart[kept]] = APART
        row[kept] = APART
        row[[number for number, group in enumerate(groups) if not group]] = APART
        similar[kept], similar[:, kept] = row, row
        similar[gone], similar[:, gone] = APART, APART
        best[gone] = APART
        stale = np.flatnonzero((nearest == kept) | (nearest == gone) | (similar[:, kept] > best))
        nearest[stale], best[stale] = similar[stale].argmax(axis=1), similar[stale].max(axis=1)
        nearest[kept], best[kept] = int(row.argmax()), row.max()
        best[gone] = APART
    return sorted((sorted(group) for group in groups if group), key=lambda group: group[0])


def keep_numbers(
    groups: Sequence[Sequence[int]], points: Sequence[TrackPoint], numbers: Sequence[int | None]
) -> list[int | None]:
    """The number of each group, so that people keep theirs: None for a group that needs a new one.

    A number goes where most of its tracks, by weight, have gone; of several that come together the lowest, which is the
    oldest, stays.

    Args:
        numbers: each point's so far; None for one that had none.
    """
    shares: dict[int, dict[int, float]] = {}
    for place, group in enumerate(groups):
        for row in group:
            number = numbers[row]
            if number is not None:
                own = shares.setdefault(number, {})
                own[place] = own.get(place, 0.0) + points[row].weight
    homes = {number: max(own, key=lambda place: (own[place], -place)) for number, own in shares.items()}
    return [
        min((number for number, home in homes.items() if home == place), default=None) for place in range(len(groups))
    ]
