"""People without a name, gathered from tracks by incremental clustering: `Unknown 17`.

A track joins the closest cluster from the threshold up, else it begins one; a cluster is the mean of its tracks,
weighted by how long and how well they were seen. Order matters a little, as always when clustering as one goes: a wrong
merge is split again by hand, and two that are one person get the same name. Memory: one vector a cluster.
"""

from __future__ import annotations

import threading

import numpy as np

from stages.frames import FloatArray
from visage.people.database import Database, Row
from visage.people.errors import NoSuchPerson
from visage.people.person_store import number_of
from visage.people.records import StoredUnknown
from visage.people.vectors import VectorCodec

__all__ = ["OFFERED_SECONDS", "Unknowns"]

OFFERED_SECONDS = 1.0
"""Seen for less than this altogether, nobody is offered for naming: most are passers-by and false detections."""

SPLIT_STEP = 0.02
HARDEST_SPLIT = 0.98
MIN_QUALITY = 0.05  # a face of none still counts a little

LISTED = """
SELECT unknown_id AS id, count(*) AS sightings, sum(end_seconds - start_seconds) AS seen_seconds,
    min(started_at) AS first_seen, max(started_at + end_seconds - start_seconds) AS last_seen,
    group_concat(DISTINCT source) AS sources,
    EXISTS (SELECT 1 FROM sightings AS own WHERE own.unknown_id = sightings.unknown_id AND crop IS NOT NULL) AS has_crop
FROM sightings WHERE unknown_id IS NOT NULL
"""


class Unknowns:
    """The unknowns of one gallery. Safe to use from several threads."""

    def __init__(self, database: Database, codec: VectorCodec, *, threshold: float) -> None:
        self._database = database
        self._codec = codec
        self._threshold = threshold
        self._lock = threading.Lock()
        self._numbers: list[int] | None = None
        self._revision: object = None
        self._centroids: FloatArray = np.empty((0, codec.dimension), np.float32)
        self._weights: list[float] = []

    def listed(self, *, all_of_them: bool = False) -> list[StoredUnknown]:
        """Those offered for naming, longest seen first; or all."""
        rows = self._database.rows(f"{LISTED} GROUP BY unknown_id ORDER BY seen_seconds DESC, unknown_id")
        records = [_record(row) for row in rows]
        return [record for record in records if all_of_them or record.offered]

    def key(self, who: str) -> int:
        """The number of an unknown by id ("u17") or name ("Unknown 17"). Raises NoSuchPerson."""
        number = number_of(who, "u")
        number = number_of(who.lower(), "unknown ") if number is None else number
        if number is None:
            raise NoSuchPerson(f"nobody is called {who!r}; `visage people list` and `unknowns` show everybody")
        if self._database.row("SELECT 1 FROM unknowns WHERE id = ?", [number]) is None:
            raise NoSuchPerson(f"there is no unknown {who!r}; `visage people unknowns` lists them")
        return number

    def is_unknown(self, who: str) -> bool:
        """Whether this is the id or name of an unknown that is there."""
        try:
            self.key(who)
        except NoSuchPerson:
            return False
        return True

    def assign(self, embedding: FloatArray, weight: float) -> int:
        """The unknown that a track's embedding, float32 (D,) of norm 1, belongs to; within the caller's transaction."""
        with self._lock:
            numbers = self._loaded()
            similarities = self._centroids @ embedding
            best = int(similarities.argmax()) if len(numbers) else -1
            if best < 0 or similarities[best] < self._threshold:
                number = self._database.write(
                    "INSERT INTO unknowns (centroid, weight) VALUES (?, ?)", [self._codec.encode(embedding), weight]
                )
                self._centroids = np.concatenate([self._centroids, embedding[None]])
                self._weights.append(weight)
                numbers.append(number)
                self._revision = self._changed()
                return number
            before = self._weights[best]
            mean = (before * self._centroids[best] + weight * embedding) / (before + weight)
            self._centroids[best] = mean / max(float(np.linalg.norm(mean)), 1e-12)
            self._weights[best] = before + weight
            self._database.write(
                "UPDATE unknowns SET centroid = ?, weight = ? WHERE id = ?",
                [self._codec.encode(self._centroids[best]), before + weight, numbers[best]],
            )
            return numbers[best]

    def remove(self, number: int) -> None:
        """Drop an unknown who has no sightings any more; within the caller's transaction."""
        self._database.write("DELETE FROM unknowns WHERE id = ?", [number])
        self._changed()

    def remove_unseen(self) -> None:
        """Drop those whose sightings are all gone; within the caller's transaction."""
        self._database.write(
            "DELETE FROM unknowns WHERE id NOT IN (SELECT unknown_id FROM sightings WHERE unknown_id IS NOT NULL)"
        )
        self._changed()

    def split(self, number: int) -> list[int]:
        """Tell apart who was taken for one: harder thresholds until it falls apart. Returns all parts, it among them.

        One part only: even the hardest threshold finds one person.
        """
        with self._database.transaction():
            rows = self._database.rows(
                "SELECT id, embedding, quality FROM sightings WHERE unknown_id = ? ORDER BY id", [number]
            )
            vectors = self._codec.decode_all([row["embedding"] for row in rows])
            threshold = self._threshold
            groups = [list(range(len(rows)))]
            while len(groups) < 2 and threshold < HARDEST_SPLIT:  # noqa: PLR2004 - apart
                threshold += SPLIT_STEP
                groups = _connected(vectors, threshold)
            parts = []
            for place, group in enumerate(sorted(groups, key=len, reverse=True)):
                centroid = self._codec.encode(vectors[group].mean(axis=0))
                part = (
                    number
                    if place == 0
                    else self._database.write("INSERT INTO unknowns (centroid, weight) VALUES (?, 0)", [centroid])
                )
                weight = sum(max(float(rows[row]["quality"]), MIN_QUALITY) for row in group)
                self._database.write(
                    "UPDATE unknowns SET centroid = ?, weight = ? WHERE id = ?", [centroid, weight, part]
                )
                self._database.write_many(
                    "UPDATE sightings SET unknown_id = ? WHERE id = ?", [(part, rows[row]["id"]) for row in group]
                )
                parts.append(part)
            self._database.audit("split", f"u{number}", " ".join(f"u{part}" for part in parts))
            self._changed()
        return parts

    def reload(self) -> None:
        """What is in memory may have been rolled back."""
        with self._lock:
            self._numbers = None

    def _changed(self) -> int:
        """Tell whoever clusters, in this process and others, to load the clusters again."""
        before = self._database.meta("unknowns")
        revision = (before if isinstance(before, int) else 0) + 1
        self._database.set_meta("unknowns", revision)
        return revision

    def _loaded(self) -> list[int]:
        revision = self._database.meta("unknowns")
        if self._numbers is None or revision != self._revision:
            self._revision = revision
            rows = self._database.rows("SELECT id, centroid, weight FROM unknowns ORDER BY id")
            self._centroids = self._codec.decode_all([row["centroid"] for row in rows]).copy()
            self._weights = [float(row["weight"]) for row in rows]
            self._numbers = [int(row["id"]) for row in rows]
        return self._numbers


def _connected(vectors: FloatArray, threshold: float) -> list[list[int]]:
    """Rows joined by chains of pairs from the threshold up (single linkage)."""
    similar = vectors @ vectors.T >= threshold
    left, groups = set(range(len(vectors))), []
    while left:
        waiting, group = [min(left)], []
        left.discard(waiting[0])
        while waiting:
            row = waiting.pop()
            group.append(row)
            near = [other for other in np.flatnonzero(similar[row]).tolist() if other in left]
            left.difference_update(near)
            waiting += near
        groups.append(sorted(group))
    return groups


def _record(row: Row) -> StoredUnknown:
    return StoredUnknown(
        f"u{row['id']}",
        f"Unknown {row['id']}",
        row["sightings"],
        row["seen_seconds"],
        row["first_seen"],
        row["last_seen"],
        tuple(sorted(row["sources"].split(","))),
        row["seen_seconds"] >= OFFERED_SECONDS,
        bool(row["has_crop"]),
    )
