"""Every track that ended: stored in SQLite, searchable by face through an index that is made from it.

SQLite is the truth. A sighting waits for the index in the column `is_indexed`, a removal in the table `unindex`; so a
crash between the two writes, or a server that is away, is caught up by `index_waiting`. An index that holds less than
it was given (a new server, a folder that is gone) gets everything again. A search looks at the index and at what still
waits for it, and answers only what SQLite still has: right at every moment.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from stages.frames import FloatArray
from stages.tracks.summary import TrackSummary
from visage.people.cipher import Cipher
from visage.people.database import Database, Row, Value
from visage.people.index.base import Condition, FaceIndex, IndexPoint
from visage.people.recording_time import RecordingTime
from visage.people.records import Sighting, SightingMatch
from visage.people.vectors import VectorCodec

__all__ = ["KEYS", "SightingQuery", "Sightings"]

KEYS: dict[str, type] = {"person": int, "source": str, "at": float}
CATCH_UP_ROWS = 2000
SOURCES = """
WITH RECURSIVE named(source) AS (
    SELECT min(source) FROM sightings
    UNION ALL SELECT (SELECT min(sightings.source) FROM sightings WHERE sightings.source > named.source)
    FROM named WHERE named.source IS NOT NULL)
SELECT source FROM named, (SELECT ? AS wanted) WHERE source = wanted OR source GLOB wanted
"""
"""The sources that are meant: from name to name in the index, not from sighting to sighting."""
SOURCE = f"sightings.source IN ({SOURCES})"
INDEXED = "is_indexed = 1 AND embedding IS NOT NULL"
MAX_MERGED_SOURCES = 100
"""Up to here a list takes the newest of each source and then the newest of all these."""

SPARE = 4  # asked of the index more than wanted: SQLite has the last word
DETAIL = """
SELECT sightings.id, source, uri, track_id, started_at, start_seconds, end_seconds, frames, best_frame, best_seconds,
    quality, person_id, unknown_id, similarity, is_live, time_origin, is_ignored, people.name AS person_name
FROM sightings LEFT JOIN people ON people.id = sightings.person_id
"""
"""Without embeddings and crops: they are large, and sorting carries them about."""


class Sightings:
    """The sightings of one gallery. Safe from any thread. Owns the index, which is opened on first use."""

    def __init__(
        self,
        database: Database,
        codec: VectorCodec,
        cipher: Cipher,
        *,
        open_index: Callable[[], FaceIndex],
        volatile: bool,
    ) -> None:
        """
        Args:
            open_index: called when an index is first needed; its owner is this store.
            volatile: the index forgets when it is closed, so everything is put in once it is open.
        """
        self._database = database
        self._codec = codec
        self._cipher = cipher
        self._open_index = open_index
        self._volatile = volatile
        self._index: FaceIndex | None = None
        self._is_compared = False
        self._lock = threading.Lock()
        self._indexing = threading.Lock()

    def add(
        self,
        track: TrackSummary,
        *,
        uri: str,
        is_live: bool,
        is_still: bool = False,
        session: float | None = None,
        person: int | None,
        unknown: int | None,
        similarity: float | None,
        crop: bytes | None,
        recorded: RecordingTime | None = None,
        is_ignored: bool = False,
    ) -> int:
        """Store a track; within the caller's transaction. Returns the sighting's number."""
        embedding = None if track.embedding is None else self._codec.encode(track.embedding)
        started_at = track.started_at if recorded is None else recorded.at + track.start_seconds
        values: list[Value] = [track.source_id, uri, track.track_id, started_at, track.start_seconds]
        values += [track.end_seconds, track.frames, track.best_frame, track.best_seconds, track.best_quality]
        values += [
            person,
            unknown,
            similarity,
            embedding,
            None if crop is None else self._cipher.encrypt(crop),
            is_live,
            is_still,
            session,
            *((None, None) if recorded is None else (track.started_at, recorded.origin)),
            json.dumps([round(float(side), 1) for side in track.best_box_xyxy]),
            is_ignored,
        ]
        return self._database.write(
            "INSERT INTO sightings (source, uri, track_id, started_at, start_seconds, end_seconds, frames, best_frame,"
            " best_seconds, quality, person_id, unknown_id, similarity, embedding, crop, is_live, is_still, session,"
            " analysed_at, time_origin, box, is_ignored)"
            f" VALUES ({', '.join('?' * len(values))})",
            values,
        )

    def listed(self, query: SightingQuery, *, after: tuple[float, int] | None = None) -> list[Sighting]:
        """Return the sightings that match, newest first.

        Args:
            after: `started_at` and number of the last sighting on the previous page; None for the first page.
        """
        newest = "ORDER BY sightings.started_at DESC, sightings.id DESC LIMIT ?"
        where, values = _where(replace(query, source=None))
        if after is not None:
            where += " AND sightings.started_at <= ? AND (sightings.started_at < ? OR sightings.id < ?)"
            values += [after[0], *after]
        values.append(query.limit)
        if query.source is not None:
            names = [row["source"] for row in self._database.rows(SOURCES, [query.source])]
            if len(names) > MAX_MERGED_SOURCES or query.person is not None or query.unknown is not None:
                # The + keeps from the index of sources, where most of all sightings might have to be sorted.
                where = f"+sightings.source IN (SELECT value FROM json_each(?)) AND {where}"
            else:
                own = f"SELECT sightings.id FROM sightings WHERE source = named.value AND {where} {newest}"
                each = f"SELECT own.id FROM json_each(?) AS named JOIN sightings AS own ON own.id IN ({own})"
                where = f"sightings.id IN ({each})"
                values.append(query.limit)
            values.insert(0, json.dumps(names))
        rows = self._database.rows(f"{DETAIL} WHERE {where} {newest}", values)
        return [_sighting(row) for row in rows]

    def search(
        self, embedding: FloatArray, query: SightingQuery, *, least_similarity: float = -1.0
    ) -> list[SightingMatch]:
        """The sightings most like a face, best first.

        Args:
            embedding: float32 (D,), L2 norm 1.
            least_similarity: cosine, in [-1, 1].

        Raises FaceIndexError.
        """
        where, values = _where(query)
        found: dict[int, float] = {}
        if query.unknown is None:
            condition = self._condition(query)
            (hits,) = self._compared().search(
                embedding[None], limit=SPARE * query.limit, condition=condition, exact=True
            )
            found = {hit.point_id: hit.similarity for hit in hits}
        is_waiting = "is_indexed = 0 AND " if query.unknown is None else ""  # the index knows no unknowns: they change
        waiting = self._database.rows(
            f"SELECT id, embedding FROM sightings WHERE {is_waiting}embedding IS NOT NULL AND {where}", values
        )
        if waiting:
            products = self._codec.decode_all([row["embedding"] for row in waiting]) @ embedding
            found.update(zip((row["id"] for row in waiting), products.tolist(), strict=True))
        best = sorted(found.items(), key=lambda item: -item[1])[: SPARE * query.limit]
        chosen = json.dumps([number for number, _ in best])
        rows = self._database.rows(
            f"{DETAIL} WHERE sightings.id IN (SELECT value FROM json_each(?)) AND {where}", [chosen, *values]
        )
        matches = [SightingMatch(_sighting(row), found[row["id"]]) for row in rows]
        matches = [match for match in matches if match.similarity >= least_similarity]
        return sorted(matches, key=lambda match: -match.similarity)[: query.limit]

    def crop(self, number: int) -> bytes | None:
        """Return the JPEG of a sighting's best shot; None if crops are not kept."""
        row = self._database.row("SELECT crop FROM sightings WHERE id = ?", [number])
        return None if row is None or row["crop"] is None else self._cipher.decrypt(row["crop"])

    def best_crop(self, query: SightingQuery) -> bytes | None:
        """Return the JPEG of the best of these sightings that has one; None if none has."""
        where, values = _where(query)
        row = self._database.row(
            f"SELECT crop FROM sightings WHERE {where} AND crop IS NOT NULL ORDER BY quality DESC LIMIT 1", values
        )
        return None if row is None else self._cipher.decrypt(row["crop"])

    def remove(self, where: str, values: Sequence[Value]) -> tuple[int, int, int]:
        """Delete rows, within the caller's transaction; returns how many sightings, embeddings and crops were deleted.

        The index deletes them in `index_waiting`.
        """
        row = self._database.row(f"SELECT count(*), count(embedding), count(crop) FROM sightings WHERE {where}", values)
        assert row is not None
        self._database.write(f"INSERT OR IGNORE INTO unindex SELECT id FROM sightings WHERE {where}", values)
        self._database.write(f"DELETE FROM sightings WHERE {where}", values)
        return int(row[0]), int(row[1]), int(row[2])

    def index_waiting(self) -> int:
        """Bring the index up to what SQLite holds; how many points were added or removed. Raises FaceIndexError."""
        with self._indexing:
            index, done = self._compared(), 0
            while True:
                gone = [row[0] for row in self._database.rows(f"SELECT sighting_id FROM unindex LIMIT {CATCH_UP_ROWS}")]
                rows = self._database.rows(
                    "SELECT id, source, started_at, person_id, embedding FROM sightings"
                    f" WHERE is_indexed = 0 AND embedding IS NOT NULL LIMIT {CATCH_UP_ROWS}"
                )
                if not gone and not rows:
                    return done
                if gone:
                    index.delete(gone)
                index.upsert([self._point(row) for row in rows])
                with self._database.transaction():
                    self._database.write_many(
                        "DELETE FROM unindex WHERE sighting_id = ?", [(number,) for number in gone]
                    )
                    # Only what is still as it was sent: somebody may have been named meanwhile.
                    self._database.write_many(
                        "UPDATE sightings SET is_indexed = 1 WHERE id = ? AND person_id IS ?",
                        [(row["id"], row["person_id"]) for row in rows],
                    )
                done += len(gone) + len(rows)

    def index(self) -> FaceIndex:
        """The index, opened when first asked for. Raises FaceIndexError."""
        with self._lock:
            if self._index is None:
                index = self._open_index()
                if self._volatile:
                    rows = self._database.rows(
                        f"SELECT id, source, started_at, person_id, embedding FROM sightings WHERE {INDEXED}"
                    )
                    index.upsert([self._point(row) for row in rows])
                self._index = index
            return self._index

    def close(self) -> None:
        """Close the index, if it was opened. Idempotent."""
        with self._lock:
            index, self._index = self._index, None
        if index is not None:
            index.close()

    def _compared(self) -> FaceIndex:
        """The index, once it is known to hold what it was given, or to get it again. Raises FaceIndexError."""
        index = self.index()
        if not self._is_compared:
            given = self._database.row(f"SELECT count(*) FROM sightings WHERE {INDEXED}")
            if given is not None and index.count() < given[0]:
                self._database.write(f"UPDATE sightings SET is_indexed = 0 WHERE {INDEXED}")
            self._is_compared = True
        return index

    def _point(self, row: Row) -> IndexPoint:
        fields = {"person": row["person_id"] or 0, "source": row["source"], "at": row["started_at"]}
        return IndexPoint(row["id"], self._codec.decode(row["embedding"]), fields)

    def _condition(self, query: SightingQuery) -> Condition:
        among: dict[str, Sequence[int | str]] = {}
        if query.person is not None:
            among["person"] = [query.person]
        if query.source is not None:
            rows = self._database.rows(SOURCES, [query.source])
            among["source"] = [row["source"] for row in rows] or [""]  # none is called so
        ranges = {} if query.since is None and query.until is None else {"at": (query.since, query.until)}
        return Condition(among, ranges)


@dataclass(frozen=True, slots=True)
class SightingQuery:
    """Which sightings: all conditions together.

    Attributes:
        person, unknown: the number in the id.
        source: a name, or a pattern such as "cam-*".
        since, until: seconds since the epoch; a sighting counts by its first frame, in [since, until).
    """

    person: int | None = None
    unknown: int | None = None
    source: str | None = None
    since: float | None = None
    until: float | None = None
    limit: int = 50


def _where(query: SightingQuery) -> tuple[str, list[Value]]:
    parts: list[tuple[str, Value]] = [
        ("sightings.person_id = ?", query.person),
        ("sightings.unknown_id = ?", query.unknown),
        (SOURCE, query.source),
        ("sightings.started_at >= ?", query.since),
        ("sightings.started_at < ?", query.until),
    ]
    chosen = [(text, value) for text, value in parts if value is not None]
    return " AND ".join(["1", *(text for text, _ in chosen)]), [value for _, value in chosen]


def _sighting(row: Row) -> Sighting:
    unknown = row["unknown_id"]
    return Sighting(
        sighting_id=f"s{row['id']}",
        source=row["source"],
        uri=row["uri"],
        track_id=row["track_id"],
        started_at=row["started_at"],
        start_seconds=row["start_seconds"],
        end_seconds=row["end_seconds"],
        frames=row["frames"],
        best_frame=row["best_frame"],
        best_seconds=row["best_seconds"],
        quality=row["quality"],
        name=_name(row),
        person_id=None if row["person_id"] is None else f"p{row['person_id']}",
        unknown_id=None if unknown is None else f"u{unknown}",
        similarity=row["similarity"],
        is_live=bool(row["is_live"]),
        time_origin=row["time_origin"] or ("capture" if row["is_live"] else "analysis"),
        is_ignored=bool(row["is_ignored"]),
    )


def _name(row: Row) -> str:
    if row["person_name"] is not None:
        return str(row["person_name"])
    if row["is_ignored"]:
        return "ignored"
    return "unknown" if row["unknown_id"] is None else f"Unknown {row['unknown_id']}"
