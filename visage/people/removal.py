"""Removes data for good: of a forgotten person, of old sightings, of a file that was analysed again.

SQLite comes first, in one transaction; an index that is another process's, on a server that is away or on a full disk
follows when it can. Searches ask SQLite last, so that they find nothing from then on.
"""

from __future__ import annotations

import time

from stages.addresses import is_address
from stages.frames import FloatArray
from visage.people.corrections import Corrections
from visage.people.database import Database, Value
from visage.people.errors import NoSuchPerson
from visage.people.index.errors import IndexFull, IndexInUse, IndexUnavailable
from visage.people.person_store import PersonStore
from visage.people.records import Forgotten
from visage.people.sightings import Sightings
from visage.people.unknowns import Unknowns
from visage.people.vectors import VectorCodec

__all__ = ["Removal"]

PROBES = 3
"""So many of the embeddings that are gone are searched for."""

ANALYSED_AT = "coalesce(analysed_at, started_at)"
"""A file may have been recorded long before; it is kept, and replaced, by when it was looked at."""


class Removal:
    """Removes people from one gallery: rows, crops and vectors."""

    def __init__(
        self,
        database: Database,
        codec: VectorCodec,
        roll: PersonStore,
        unknowns: Unknowns,
        sightings: Sightings,
        corrections: Corrections,
    ) -> None:
        self._corrections = corrections
        self._database = database
        self._codec = codec
        self._roll = roll
        self._unknowns = unknowns
        self._sightings = sightings

    def forget(self, who: str) -> Forgotten:
        """Everything of a person or unknown, then look for them. Raises NoSuchPerson."""
        try:
            column, number = "person_id", self._roll.key(who)
        except NoSuchPerson:
            column, number = "unknown_id", self._unknowns.key(who)
        where = f"{column} = ?"
        rows = self._database.rows(
            f"SELECT id, embedding FROM sightings WHERE {where} AND embedding IS NOT NULL", [number]
        )
        probes = self._codec.decode_all([row["embedding"] for row in rows[:PROBES]])
        pictures = crops = 0
        with self._database.transaction():
            self._corrections.forget_faces(where, [number])
            sightings, vectors, sighting_crops = self._sightings.remove(where, [number])
            if column == "person_id":
                row = self._database.row("SELECT count(*), count(crop) FROM pictures WHERE person_id = ?", [number])
                assert row is not None
                pictures, crops = int(row[0]), int(row[1])
                self._database.write("DELETE FROM people WHERE id = ?", [number])  # and, by reference, the pictures
                self._database.people_changed()
            else:
                self._unknowns.remove(number)
            self._database.audit("forget", f"{column[0]}{number}", f"{pictures} pictures, {sightings} sightings")
        self._database.truncate_log()
        waits = bool(rows) and self._index_waits()
        verified = waits or self._is_gone({int(row["id"]) for row in rows}, probes)
        return Forgotten(
            pictures,
            sightings,
            vectors + pictures,
            crops + sighting_crops,
            verified,
            waits,
            waiting_vectors=vectors if waits else 0,
        )

    def prune(self, *, older_than_seconds: float, now: float | None = None) -> int:
        """Remove sightings made longer than so many seconds ago, and unknowns left without any.

        Returns how many sightings were removed.
        """
        before = (time.time() if now is None else now) - older_than_seconds
        with self._database.transaction():
            seen = self._unknowns.seen_in(f"{ANALYSED_AT} < ?", [before])
            sightings, vectors, _ = self._sightings.remove(f"{ANALYSED_AT} < ?", [before])
            self._unknowns.refresh(seen)
            self._corrections.forget_unlinked(before=before)
            if sightings:
                self._database.audit("prune", "sightings", str(sightings))
        if sightings:
            self._database.truncate_log()
        if vectors:
            self._index_waits()
        return sightings

    def replace(self, source: str, uri: str, stretch: tuple[float, float], *, before: float) -> int:
        """What was seen before then in a stretch of a file, in seconds of its own. How many sightings.

        The path is the file, whatever it was called in a run. Two addresses may differ in what is not shown of them.
        """
        where = f"uri = ? AND (source = ? OR NOT ?) AND {ANALYSED_AT} < ? AND start_seconds >= ? AND end_seconds <= ?"
        values: list[Value] = [uri, source, is_address(uri), before, *stretch]
        with self._database.transaction():
            seen = self._unknowns.seen_in(where, values)
            sightings, _, _ = self._sightings.remove(where, values)
            self._unknowns.refresh(seen)
        return sightings

    def _index_waits(self) -> bool:
        """Bring the index up to date; whether that is left to whoever has it, or until it is back."""
        try:
            self._sightings.index_waiting()
        except (IndexFull, IndexInUse, IndexUnavailable):
            return True
        return False

    def _is_gone(self, numbers: set[int], probes: FloatArray) -> bool:
        if not numbers:
            return True
        found = self._sightings.index().search(probes, limit=len(numbers) + 10, exact=True)
        return numbers.isdisjoint(hit.point_id for hits in found for hit in hits)
