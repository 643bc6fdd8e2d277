"""Whether tracks of one person, and of no one else, were put together.

Pairwise over tracks whose person is known: precision is the part of pairs in one cluster that are of one person, recall
the part of one person's pairs that are in one cluster. A track without a cluster is alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

__all__ = ["ClusterReport", "ClusteredTrack", "evaluate_clusters"]


@dataclass(frozen=True, slots=True)
class ClusteredTrack:
    """A track: whose it is ("" if not known), its cluster (None for none), and the frames that it is visible in.

    `frames` holds pairs of a film's number and a frame of it.
    """

    person: str
    cluster: str | None
    frames: frozenset[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """What clusters are worth.

    Attributes:
        tracks, people: tracks whose person is known, and how many people they are.
        purity: part of these tracks, if clustered, that are of the person whom their cluster has most.
        mixed_clusters: clusters with tracks of two people.
        together: clusters with two tracks that are visible in one frame, known or not: one person can't be both.
    """

    tracks: int
    people: int
    clusters: int
    precision: float
    recall: float
    purity: float
    mixed_clusters: int
    together: int


def evaluate_clusters(tracks: Sequence[ClusteredTrack]) -> ClusterReport:
    """Compare clusters with people. Where there is no pair to be right or wrong about, precision and recall are 1."""
    known = [track for track in tracks if track.person]
    members: dict[str, list[ClusteredTrack]] = {}
    for track in tracks:
        if track.cluster is not None:
            members.setdefault(track.cluster, []).append(track)
    counts = [Counter(track.person for track in cluster if track.person) for cluster in members.values()]
    people = Counter(track.person for track in known)
    right = sum(_pairs(count) for counter in counts for count in counter.values())
    clustered = sum(_pairs(counter.total()) for counter in counts)
    of_one = sum(_pairs(count) for count in people.values())
    inside = sum(counter.total() for counter in counts)
    return ClusterReport(
        tracks=len(known),
        people=len(people),
        clusters=len(members),
        precision=right / clustered if clustered else 1.0,
        recall=right / of_one if of_one else 1.0,
        purity=sum(max(counter.values(), default=0) for counter in counts) / inside if inside else 1.0,
        mixed_clusters=sum(len(counter) > 1 for counter in counts),
        together=sum(
            any(not one.frames.isdisjoint(other.frames) for one, other in combinations(cluster, 2))
            for cluster in members.values()
        ),
    )


def _pairs(count: int) -> int:
    return count * (count - 1) // 2
