"""The people that faces are compared with: one matrix, one product for a whole batch. Immutable.

Exact search reads 4 D bytes a picture; benchmarks/people measures it. Chunks bound the memory a product takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray

__all__ = ["ClosestPeople", "KnownPeople", "Person", "Roster"]

CHUNK_ROWS = 131_072
"""Few and large: on busy processors a threaded BLAS waits at each. 17 MB a batch of 32 faces."""

NOBODY = np.float32(-1.0)
"""Less similar than any person can be."""


class Roster:
    """People with one or more embeddings each, as unit vectors float32 (N, D). Immutable, so safe from any thread."""

    def __init__(self, people: Sequence[Person], vectors: FloatArray, owners: NDArray[np.intp]) -> None:
        """
        Args:
            vectors: float32 (M, D), L2 norm 1.
            owners: int (M,), positions in `people`.
        """
        if len(vectors) != len(owners):
            raise ValueError(f"{len(vectors)} vectors have {len(owners)} owners")
        order = np.argsort(owners, kind="stable")  # a person's pictures lie together, mostly in one chunk
        self.people = tuple(people)
        self._vectors = np.ascontiguousarray(vectors[order], np.float32)
        self._owners = np.asarray(owners, np.intp)[order]

    @classmethod
    def empty(cls, dimension: int) -> Roster:
        """Return a roster without people, for embeddings of this length, float32 (D,)."""
        return cls([], np.empty((0, dimension), np.float32), np.empty(0, np.intp))

    def __len__(self) -> int:
        return len(self.people)

    def __repr__(self) -> str:
        return f"<Roster {len(self.people)} people, {len(self._vectors)} embeddings>"

    def closest(self, queries: FloatArray) -> ClosestPeople:
        """The best two people of each face, float32 (N, D)."""
        owners = np.full((2, len(queries)), -1, np.intp)
        similarities = np.full((2, len(queries)), -1.0, np.float32)
        for start in range(0, len(self._vectors) if len(queries) else 0, CHUNK_ROWS):
            chunk_owners, chunk_similarities = self._closest_two(queries, start, similarities[1])
            owners, similarities = _best_two(
                np.concatenate([owners, chunk_owners]), np.concatenate([similarities, chunk_similarities])
            )
        return ClosestPeople(owners[0], similarities[0], similarities[1])

    def similarity(self, place: int, query: FloatArray) -> float:
        """Cosine of one face, float32 (D,), to the closest picture of the person at that place in `people`."""
        left, right = np.searchsorted(self._owners, [place, place + 1])
        return float((self._vectors[left:right] @ query).max(initial=NOBODY))

    def _closest_two(
        self, queries: FloatArray, start: int, runner_up: FloatArray
    ) -> tuple[NDArray[np.intp], FloatArray]:
        """Owners and similarities, each (2, N), within one chunk: the best person and the next one.

        The next one is looked for only where the best one beats the runner-up so far: seldom, after a few chunks.
        """
        owners = self._owners[start : start + CHUNK_ROWS]
        products = queries @ self._vectors[start : start + CHUNK_ROWS].T
        rows = np.arange(len(queries))
        first = products.argmax(axis=1)
        first_similarity = products[rows, first]
        left = np.searchsorted(owners, owners[first], side="left")
        right = np.searchsorted(owners, owners[first], side="right")
        second_owner = np.full(len(queries), -1, np.intp)
        second_similarity = np.full(len(queries), NOBODY)
        for row in np.flatnonzero(first_similarity > runner_up):
            # Hide the best one's other pictures, which lie together.
            products[row, left[row] : right[row]] = NOBODY
            second = int(products[row].argmax())
            if products[row, second] != NOBODY:
                second_owner[row], second_similarity[row] = owners[second], products[row, second]
        return np.stack([owners[first], second_owner]), np.stack([first_similarity, second_similarity])


class KnownPeople(Protocol):
    """The people that faces are compared with; `visage.people.Gallery` is one. Thresholds are cosines, -1 to 1."""

    @property
    def threshold(self) -> float:
        """Lowest cosine similarity, -1 to 1, at which a face gets a person's name."""

    @property
    def margin(self) -> float:
        """Least cosine by which the best person has to surpass the next."""

    def roster(self) -> Roster:
        """Return the people at present. Quick; called on one thread, the stage's, for every batch."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person to be recognised; `person_id` is None for an unknown, who has a number instead of a name."""

    person_id: str | None
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class ClosestPeople:
    """The two most similar people of each face.

    Attributes:
        best: int (N,), positions in `Roster.people`; -1 where there is no one.
        similarity: float32 (N,), cosine to the best one's closest picture; -1 where there is no one.
        runner_up: float32 (N,), cosine to the closest picture of anyone else; -1 where there is no one else.
    """

    best: NDArray[np.intp]
    similarity: FloatArray
    runner_up: FloatArray


def _best_two(owners: NDArray[np.intp], similarities: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Of candidates (K, N), where a person may come twice: the best of two different people, each (2, N)."""
    columns = np.arange(owners.shape[1])
    first = similarities.argmax(axis=0)
    others = np.where(owners == owners[first, columns], NOBODY, similarities)
    second = others.argmax(axis=0)
    chosen = np.stack([first, second])
    return owners[chosen, columns], np.stack([similarities[first, columns], others[second, columns]])
