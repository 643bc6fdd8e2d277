"""People without a name, gathered from tracks by constrained clustering: `Unknown 17`.

A track that ends joins the closest cluster from the threshold up in which nobody is visible together with it, else it
begins one; a track without a recognisable face has no embedding, and belongs to none. What came first matters a little
then, so the clusters that have changed, and those near them, are clustered again from scratch now and then
(`visage.people.clustering`). People keep their numbers. What was split by hand stays as it is.

A cluster is the mean of its tracks, weighted by how long and how well they were seen, and is what its sightings make
it: when some go, it is computed again from those that are left. Memory: one vector a cluster.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence, Set

import numpy as np

from stages.frames import FloatArray
from visage.people.clustering import Scene, Span, TrackPoint, cluster, keep_numbers
from visage.people.database import Database, Row, Value
from visage.people.errors import NoSuchPerson
from visage.people.person_store import number_of
from visage.people.records import StoredUnknown
from visage.people.vectors import VectorCodec

__all__ = ["OFFERED_SECONDS", "TRACKS", "Unknowns", "point_of", "seen_together", "span_of", "weight_of"]

OFFERED_SECONDS = 1.0
"""Seen for less than this altogether, nobody is offered for naming, except from photographs: most are passers-by."""

SPLIT_STEP = 0.02
HARDEST_SPLIT = 0.98

MIN_QUALITY = 0.05  # a face of none still counts a little
MIN_SECONDS, MAX_SECONDS = 0.2, 5.0
"""Of a track, as far as its weight goes: who stands there for an hour is seen no better than in five seconds."""

MAX_TRACK_SECONDS = 86_400.0
"""A track of a camera that began longer ago is not looked for."""

NEAR = 0.15
"""Cosine below the threshold down to which a cluster's neighbours are clustered again with it."""

MAX_TRACKS = 2000
"""That are clustered at once: takes about a second."""

TRACKS = """
SELECT id, uri, started_at, start_seconds, end_seconds, quality, person_id, unknown_id, similarity, embedding,
    is_live, session
FROM sightings
"""

LISTED = """
SELECT unknown_id AS id, count(*) AS sightings, sum(end_seconds - start_seconds) AS seen_seconds,
    min(started_at) AS first_seen, max(started_at + end_seconds - start_seconds) AS last_seen,
    json_group_array(DISTINCT source) AS sources,
    EXISTS (SELECT 1 FROM sightings AS own WHERE own.unknown_id = sightings.unknown_id AND is_still) AS has_still,
    EXISTS (SELECT 1 FROM sightings AS own WHERE own.unknown_id = sightings.unknown_id AND crop IS NOT NULL) AS has_crop
FROM sightings WHERE unknown_id IS NOT NULL
"""


class Unknowns:
    """The unknowns of one gallery. Safe from any thread."""

    def __init__(
        self,
        database: Database,
        codec: VectorCodec,
        *,
        threshold: float,
        pairs: Callable[[], dict[int, frozenset[int]]] = dict,
    ) -> None:
        """
        Args:
            threshold: least cosine to a cluster's mean to be of it.
            pairs: for each sighting that was said to differ from another, its pairs; see `TrackPoint.apart`.
        """
        self._pairs = pairs
        self._changed_numbers: set[int] | None = None  # None: any may have
        self._database = database
        self._codec = codec
        self._threshold = threshold
        self._lock = threading.Lock()
        self._numbers: list[int] | None = None
        self._revision: object = None
        self._listed: tuple[tuple[int, int] | None, tuple[StoredUnknown, ...]] = (None, ())
        self._centroids: FloatArray = np.empty((0, codec.dimension), np.float32)
        self._weights: list[float] = []

    def listed(self, *, all_of_them: bool = False) -> list[StoredUnknown]:
        """Those offered for naming, longest seen first; or all. Read again only when the file has changed."""
        # The version before the rows: they may be newer than it says, never older.
        version, (known, records) = self._database.version(), self._listed
        if version is None or known != version:
            rows = self._database.rows(f"{LISTED} GROUP BY unknown_id ORDER BY seen_seconds DESC, unknown_id")
            records = tuple(map(_record, rows))
            self._listed = (version, records)
        return [record for record in records if all_of_them or record.offered]

    def key(self, who: str) -> int:
        """The number of an unknown by id ("u17") or name ("Unknown 17"). Raises NoSuchPerson."""
        number = number_of(who, "u")
        number = number_of(who.lower(), "unknown ") if number is None else number
        if number is None:
            raise NoSuchPerson(f"there is no person named {who!r}; `visage people list` and `unknowns` list all people")
        if self._database.row("SELECT 1 FROM unknowns WHERE id = ?", [number]) is None:
            raise NoSuchPerson(f"there is no unknown {who!r}; `visage people unknowns` lists them")
        return number

    def is_unknown(self, who: str) -> bool:
        """Return whether this is the id or name of an existing unknown. Never raises NoSuchPerson."""
        try:
            self.key(who)
        except NoSuchPerson:
            return False
        return True

    def assign(self, point: TrackPoint, *, excluded: Set[int] = frozenset()) -> int:
        """Return the number of the unknown that a track belongs to, an existing or a new one.

        Args:
            excluded: numbers of the unknowns to whom it was said not to belong.

        Within the caller's transaction: call `reload` if that is rolled back.
        """
        with self._lock:
            numbers = self._loaded()
            similarities = self._centroids @ point.embedding
            others = {row["unknown_id"] for row in seen_together(self._database, point.span)} | excluded
            allowed = [place for place, number in enumerate(numbers) if number not in others]
            best = max(allowed, key=lambda place: float(similarities[place]), default=-1)
            if best < 0 or similarities[best] < self._threshold:
                number = self._insert(point.embedding, point.weight)
                self._centroids = np.concatenate([self._centroids, point.embedding[None]])
                self._weights.append(point.weight)
                numbers.append(number)
                self._revision = self._changed()
            else:
                number, before = numbers[best], self._weights[best]
                mean = before * self._centroids[best] + point.weight * point.embedding
                self._centroids[best] = mean / max(float(np.linalg.norm(mean)), 1e-12)
                self._weights[best] = before + point.weight
                self._store(number, self._centroids[best], self._weights[best])
            if self._changed_numbers is not None:
                self._changed_numbers.add(number)
            return number

    def cluster_again(self) -> None:
        """Cluster those that have changed since the last time, and their neighbours, from their tracks.

        Raises sqlite3.Error for a disk that is full, say; then they are as they were.
        """
        try:
            with self._database.transaction():
                self._cluster_again()
        except BaseException:
            self.reload()  # what is in memory may be of what was rolled back
            raise

    def seen_in(self, where: str, values: Sequence[Value]) -> list[int]:
        """Return the numbers of the unknowns in these sightings."""
        rows = self._database.rows(
            f"SELECT DISTINCT unknown_id FROM sightings WHERE unknown_id IS NOT NULL AND {where}", values
        )
        return [int(row["unknown_id"]) for row in rows]

    def refresh(self, numbers: Sequence[int]) -> None:
        """Recompute unknowns some of whose sightings are gone; within the caller's transaction."""
        for number in numbers:
            rows = self._database.rows(f"{TRACKS} WHERE unknown_id = ? AND embedding IS NOT NULL", [number])
            if rows:
                self._store(number, *_mean(self._points(rows)))
        if numbers:
            self.remove_unseen()

    def remove(self, number: int) -> None:
        """Delete an unknown without sightings; within the caller's transaction."""
        self._database.write("DELETE FROM unknowns WHERE id = ?", [number])
        self._changed()

    def remove_unseen(self) -> None:
        """Delete the unknowns whose sightings are all gone; within the caller's transaction."""
        self._database.write(
            "DELETE FROM unknowns WHERE id NOT IN (SELECT unknown_id FROM sightings WHERE unknown_id IS NOT NULL)"
        )
        self._changed()

    def split(self, number: int) -> list[int]:
        """Split an unknown who is several people, by raising the threshold until the group falls apart.

        Returns the numbers of all parts, this one included. A single part means that even the highest threshold finds
        one person. One transaction: on any error nothing has changed.
        """
        with self._database.transaction():
            rows = self._database.rows(f"{TRACKS} WHERE unknown_id = ? AND embedding IS NOT NULL ORDER BY id", [number])
            points = self._points(rows)
            vectors = np.stack([point.embedding for point in points])
            threshold = self._threshold
            groups = [list(range(len(rows)))]
            while len(groups) < 2 and threshold < HARDEST_SPLIT:  # noqa: PLR2004 - apart
                threshold += SPLIT_STEP
                groups = _connected(vectors, threshold)
            parts = []
            for place, group in enumerate(sorted(groups, key=len, reverse=True)):
                part = number if place == 0 else self._insert(vectors[group[0]], 0.0)
                self._store(part, *_mean([points[row] for row in group]))
                self._database.write_many(
                    "UPDATE sightings SET unknown_id = ? WHERE id = ?", [(part, rows[row]["id"]) for row in group]
                )
                parts.append(part)
            if len(parts) > 1:
                self._database.write_many(
                    "UPDATE unknowns SET is_settled = 1 WHERE id = ?", [(part,) for part in parts]
                )
            self._database.audit("split", f"u{number}", " ".join(f"u{part}" for part in parts))
            self._changed()
        return parts

    def reload(self) -> None:
        """Discard what is in memory, after a transaction that was rolled back."""
        with self._lock:
            self._numbers = self._changed_numbers = None

    def _changed(self) -> int:
        """Tell whoever clusters, in this process and others, to load the clusters again."""
        before = self._database.meta("unknowns")
        revision = (before if isinstance(before, int) else 0) + 1
        self._database.set_meta("unknowns", revision)
        return revision

    def _cluster_again(self) -> None:
        with self._lock:
            near = self._near()
            self._changed_numbers = set()
        if not near:
            return
        marks = ", ".join("?" * len(near))
        rows = self._database.rows(
            f"{TRACKS} WHERE unknown_id IN ({marks}) AND embedding IS NOT NULL ORDER BY id", near
        )
        points = self._points(rows)
        before = [int(row["unknown_id"]) for row in rows]
        groups = cluster(points, self._threshold)
        moved: list[tuple[int, int]] = []
        for group, kept in zip(groups, keep_numbers(groups, points, before), strict=True):
            number = self._insert(points[group[0]].embedding, 0.0) if kept is None else kept
            moved += [(number, rows[row]["id"]) for row in group if before[row] != number]
            self._store(number, *_mean([points[row] for row in group]))
        if moved:
            self._database.write_many("UPDATE sightings SET unknown_id = ? WHERE id = ?", moved)
            self.remove_unseen()
        self._changed()

    def _near(self) -> list[int]:
        """The numbers that are to be clustered again; those that were settled by hand are not among them."""
        changed, numbers = self._changed_numbers, self._loaded()
        if changed is not None and not changed:
            return []
        rows = self._database.rows(
            "SELECT unknowns.id, count(*) AS tracks FROM unknowns JOIN sightings ON unknown_id = unknowns.id"
            " WHERE NOT is_settled GROUP BY unknowns.id"
        )
        tracks = {int(row["id"]): int(row["tracks"]) for row in rows}
        own = [place for place, number in enumerate(numbers) if changed is None or number in changed]
        if not own:
            return []
        closeness = (self._centroids @ self._centroids[own].T).max(axis=1)
        chosen, total = [], 0
        for place in np.argsort(-closeness, kind="stable").tolist():
            number = numbers[place]
            if closeness[place] < self._threshold - NEAR:
                break
            if number in tracks and total + tracks[number] <= MAX_TRACKS:
                chosen.append(number)
                total += tracks[number]
        return chosen

    def _points(self, rows: Sequence[Row]) -> list[TrackPoint]:
        vectors = self._codec.decode_all([row["embedding"] for row in rows])
        pairs = self._pairs()
        return [
            point_of(row, vector, pairs.get(row["id"], frozenset())) for row, vector in zip(rows, vectors, strict=True)
        ]

    def _insert(self, centroid: FloatArray, weight: float) -> int:
        return self._database.write(
            "INSERT INTO unknowns (centroid, weight) VALUES (?, ?)", [self._codec.encode(centroid), weight]
        )

    def _store(self, number: int, centroid: FloatArray, weight: float) -> None:
        self._database.write(
            "UPDATE unknowns SET centroid = ?, weight = ? WHERE id = ?",
            [self._codec.encode(centroid), weight, number],
        )

    def _loaded(self) -> list[int]:
        revision = self._database.meta("unknowns")
        if self._numbers is None or revision != self._revision:
            self._revision = revision
            rows = self._database.rows("SELECT id, centroid, weight FROM unknowns ORDER BY id")
            self._centroids = self._codec.decode_all([row["centroid"] for row in rows]).copy()
            self._weights = [float(row["weight"]) for row in rows]
            self._numbers = [int(row["id"]) for row in rows]
        return self._numbers


def weight_of(quality: float, seconds: float) -> float:
    """Return how much a track counts for its person's mean: its quality, 0 to 1, times its seconds, within bounds."""
    return max(quality, MIN_QUALITY) * min(max(seconds, MIN_SECONDS), MAX_SECONDS)


def span_of(row: Row) -> Span:
    """Return when a stored track, a row of `TRACKS`, was visible, in seconds of its scene."""
    if row["is_live"]:
        return Span(
            (row["uri"], None), row["started_at"], row["started_at"] + row["end_seconds"] - row["start_seconds"]
        )
    scene: Scene | None = None if row["session"] is None else (row["uri"], row["session"])
    return Span(scene, row["start_seconds"], row["end_seconds"])


def seen_together(database: Database, span: Span) -> list[Row]:
    """Return the stored tracks, rows of `TRACKS`, that were visible together with one that is not stored yet."""
    if span.scene is None:
        return []
    uri, session = span.scene
    if session is None:
        where = "is_live AND started_at <= ? AND started_at >= ? AND started_at + end_seconds - start_seconds >= ?"
        values: list[Value] = [span.last_seconds, span.first_seconds - MAX_TRACK_SECONDS, span.first_seconds]
    else:
        where = "NOT is_live AND session = ? AND start_seconds <= ? AND end_seconds >= ?"
        values = [session, span.last_seconds, span.first_seconds]
    return database.rows(f"{TRACKS} WHERE uri = ? AND {where}", [uri, *values])


def point_of(row: Row, embedding: FloatArray, apart: frozenset[int] = frozenset()) -> TrackPoint:
    """Return a stored track as a point to cluster; `embedding` is float32 (D,), of length 1; `apart`: its pairs."""
    weight = weight_of(row["quality"], row["end_seconds"] - row["start_seconds"])
    return TrackPoint(span_of(row), embedding, weight, apart)


def _mean(points: Sequence[TrackPoint]) -> tuple[FloatArray, float]:
    """Of a cluster: its direction, float32 (D,), and its weight."""
    total = np.sum([point.weight * point.embedding for point in points], axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-12), np.float32), sum(
        point.weight for point in points
    )


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
        tuple(sorted(json.loads(row["sources"]))),
        bool(row["seen_seconds"] >= OFFERED_SECONDS or row["has_still"]),
        bool(row["has_crop"]),
    )
