"""The contract of an index of faces: embeddings with a few fields, searched by cosine similarity.

Three homes answer alike (tests/congruence/test_face_indexes.py): `MemoryIndex`, `EdgeIndex` (Qdrant Edge, in the
process, durable) and `ServerIndex` (a Qdrant server or cluster). Vectors have L2 norm 1, so the dot product is the
cosine. An index is safe to use from several threads. Whoever owns the truth (visage.people: SQLite) can fill it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from stages.frames import FloatArray
from visage.people.index.errors import IndexMismatch

__all__ = ["Condition", "FaceIndex", "Hit", "IndexPoint", "IndexValue", "check_vectors"]

IndexValue: TypeAlias = int | float | str


class FaceIndex(Protocol):
    """Embeddings of one length, searchable by cosine similarity."""

    @property
    def dimension(self) -> int:
        """Length of the vectors that it holds."""

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        """Add points, or replace those of the same id. Durable when it returns, where the index is durable.

        Raises IndexMismatch for vectors of another length, IndexUnavailable, IndexFull.
        """

    def delete(self, point_ids: Sequence[int]) -> None:
        """Remove points; ids that are not there are no error. Raises IndexUnavailable, IndexFull."""

    def search(
        self, queries: FloatArray, *, limit: int, condition: Condition | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        """The most similar points of each query, best first.

        Args:
            queries: float32 (N, D), L2 norm 1.
            exact: look at every point even where a graph would be quicker.

        Raises IndexMismatch, IndexUnavailable.
        """

    def count(self) -> int:
        """How many points it holds. Raises IndexUnavailable."""

    def optimize(self) -> bool:
        """Build the fast form of what was added; returns whether there was anything to do. May take minutes.

        Raises IndexUnavailable.
        """

    def close(self) -> None:
        """Close the index. Idempotent."""


@dataclass(frozen=True, slots=True, eq=False)
class IndexPoint:
    """One face.

    Attributes:
        point_id: from 1, unique in the index.
        vector: float32 (D,), L2 norm 1.
        fields: what searches may ask for.
    """

    point_id: int
    vector: FloatArray = field(repr=False)
    fields: Mapping[str, IndexValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """Which points count: every part must hold; an empty condition holds for all.

    Attributes:
        among: a field's value is one of these.
        ranges: a field's value lies in [least, most); None leaves an end open.
    """

    among: Mapping[str, Sequence[int | str]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A point and its cosine similarity to the query, in [-1, 1]."""

    point_id: int
    similarity: float


def check_vectors(vectors: FloatArray, dimension: int) -> None:
    """Raises IndexMismatch unless the array is (N, dimension)."""
    if vectors.ndim != 2 or vectors.shape[1] != dimension:  # noqa: PLR2004 - a matrix
        raise IndexMismatch(f"this index holds embeddings of length {dimension}, not of shape {vectors.shape}")
