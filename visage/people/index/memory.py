"""Faces in memory: exact, one matrix product a search, nothing durable.

Rows grow by doubling, so that adding one costs one row's copy on average. Deleting moves the last row into the gap.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from visage.people.index.base import Condition, Hit, IndexPoint, IndexValue, check_vectors

__all__ = ["MemoryIndex"]

FIRST_ROWS = 64


class MemoryIndex:
    """Implements `FaceIndex` in memory, by one matrix product."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._lock = threading.Lock()
        self._vectors: FloatArray = np.empty((FIRST_ROWS, dimension), np.float32)
        self._ids: list[int] = []
        self._fields: list[Mapping[str, IndexValue]] = []
        self._rows: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"<MemoryIndex {len(self._ids)} faces, {self.dimension}-D>"

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        for point in points:
            check_vectors(point.vector[None], self.dimension)
        with self._lock:
            for point in points:
                row = self._rows.get(point.point_id)
                if row is None:
                    row = self._append(point.point_id)
                self._vectors[row] = point.vector
                self._fields[row] = dict(point.fields)

    def delete(self, point_ids: Sequence[int]) -> None:
        with self._lock:
            for point_id in point_ids:
                row = self._rows.pop(point_id, None)
                if row is None:
                    continue
                last_id, last_fields = self._ids.pop(), self._fields.pop()
                if row < len(self._ids):
                    self._vectors[row] = self._vectors[len(self._ids)]
                    self._ids[row], self._fields[row] = last_id, last_fields
                    self._rows[last_id] = row

    def search(
        self, queries: FloatArray, *, limit: int, condition: Condition | None = None, exact: bool = False
    ) -> list[list[Hit]]:
        check_vectors(queries, self.dimension)
        with self._lock:
            rows = self._matching(condition)
            if not len(rows) or limit < 1:
                return [[] for _ in queries]
            vectors = self._vectors[: len(self._ids)]
            similarities = queries @ (vectors if len(rows) == len(vectors) else vectors[rows]).T
            count = min(limit, len(rows))
            chosen = np.argpartition(-similarities, count - 1, axis=1)[:, :count]
            return [self._hits(found[best], rows[best]) for found, best in zip(similarities, chosen, strict=True)]

    def count(self) -> int:
        return len(self._ids)

    def optimize(self) -> bool:
        """Do nothing: a matrix needs no maintenance."""
        return False

    def close(self) -> None:
        with self._lock:
            self._vectors = np.empty((FIRST_ROWS, self.dimension), np.float32)
            self._ids.clear()
            self._fields.clear()
            self._rows.clear()

    def _append(self, point_id: int) -> int:
        row = len(self._ids)
        if row == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
        self._ids.append(point_id)
        self._fields.append({})
        self._rows[point_id] = row
        return row

    def _matching(self, condition: Condition | None) -> NDArray[np.intp]:
        if condition is None or not (condition.among or condition.ranges):
            return np.arange(len(self._ids))
        return np.array([row for row, fields in enumerate(self._fields) if _holds(condition, fields)], np.intp)

    def _hits(self, similarities: FloatArray, rows: NDArray[np.intp]) -> list[Hit]:
        order = np.argsort(-similarities, kind="stable")
        return [Hit(self._ids[rows[place]], float(similarities[place])) for place in order]


def _holds(condition: Condition, fields: Mapping[str, IndexValue]) -> bool:
    if any(fields.get(name) not in values for name, values in condition.among.items()):
        return False
    for name, (least, most) in condition.ranges.items():
        value = fields.get(name)
        if not isinstance(value, (int, float)):
            return False
        if (least is not None and value < least) or (most is not None and value >= most):
            return False
    return True
