"""What people said about sightings, as stored facts: who said it, when, about which face of which film or camera.

Facts are kept apart from sightings, which come and go with every analysis. `corrected` names the sightings that show a
fact's face at present, and what these were before, for `Correcting.undo`. A fact that names a person goes with them;
one about a face goes when that face is forgotten.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.addresses import is_address
from stages.frames import FloatArray
from visage.people.correction_rule import Anchor, CorrectionKind, Fact, SeenTrack, is_about
from visage.people.database import Database, Row, Value
from visage.people.records import CorrectionRecord
from visage.people.vectors import VectorCodec
from visage.storage.content import content_key

__all__ = ["ANCHORED", "Corrections"]

ANCHORED = """
SELECT id, source, uri, started_at, start_seconds, end_seconds, best_seconds, box, embedding, is_live,
    person_id, unknown_id, similarity, is_ignored
FROM sightings
"""
HOLDING = "undone_at IS NULL"
HISTORY = """
SELECT corrections.id, kind, at, actor, source, seconds, undone_at, people.name,
    (SELECT group_concat('s' || sighting_id, ' ') FROM corrected WHERE correction_id = corrections.id) AS sightings
FROM corrections LEFT JOIN people ON people.id = person_id
"""
MAX_FILES = 1000


class Corrections:
    """The corrections of one gallery. Safe from any thread. Those that write do so within the caller's transaction."""

    def __init__(self, database: Database, codec: VectorCodec) -> None:
        self._database = database
        self._codec = codec
        self._contents: dict[tuple[str, int, int], str] = {}

    def add(self, kind: CorrectionKind, row: Row, *, actor: str, person: int | None = None) -> int:
        """Store a fact about a sighting, a row of `ANCHORED`, which is linked to it. Returns its number."""
        seen = self.seen(row)
        number = self._insert(kind, row["source"], seen.anchor, actor=actor, at=time.time(), person=person)
        self.link(number, row)
        self._database.audit("correct", f"s{row['id']}", f"c{number} {kind.value}")
        return number

    def join(self, one: int, other: int) -> None:
        """Make two facts of the kind "different" one pair; undoing one undoes both."""
        self._database.write("UPDATE corrections SET pair = ? WHERE id = ?", [one, one])
        self._database.write("UPDATE corrections SET pair = ?, part_of = ? WHERE id = ?", [-one, one, other])

    def insert_known(self, kind: CorrectionKind, source: str, anchor: Anchor, **fields: Value) -> int | None:
        """Store a fact from elsewhere and link it to the sightings it is about; None where it is there already.

        Args:
            fields: `actor`, `at`, `person`.
        """
        person = fields.get("person")
        same = self._database.row(
            f"SELECT 1 FROM corrections WHERE {HOLDING} AND kind = ? AND person_id IS ? AND uri = ?"
            " AND abs(seconds - ?) < 0.001 AND box IS ?",
            [kind.value, person, anchor.uri, anchor.seconds, _box(anchor)],
        )
        if same is not None:
            return None
        number = self._insert(
            kind, source, anchor, actor=str(fields["actor"]), at=float(fields["at"] or 0), person=_number(person)
        )
        for row in self._database.rows(f"{ANCHORED} WHERE uri = ?", [anchor.uri]):
            if is_about(anchor, self.seen(row)):
                self.link(number, row)
        return number

    def link(self, number: int, row: Row) -> None:
        """Note that a sighting shows a fact's face, and what it is before that has an effect."""
        self._database.write(
            "INSERT OR IGNORE INTO corrected VALUES (?, ?, ?, ?, ?, ?)",
            [number, row["id"], row["person_id"], row["unknown_id"], row["similarity"], row["is_ignored"]],
        )

    def about(self, seen: SeenTrack) -> list[Fact]:
        """Return the facts that hold about a track, stored or not."""
        places, values = "uri = ?", [seen.anchor.uri]
        if seen.anchor.content is not None:
            places, values = f"({places} OR content = ?)", [*values, seen.anchor.content]
        rows = self._database.rows(f"SELECT * FROM corrections WHERE {HOLDING} AND {places}", values)
        return [_fact(row) for row in rows if is_about(self._anchor(row), seen)]

    def of_sighting(self, number: int) -> list[Fact]:
        """Return the facts that hold about a stored sighting."""
        rows = self._database.rows(
            f"SELECT * FROM corrections JOIN corrected ON correction_id = id WHERE {HOLDING} AND sighting_id = ?",
            [number],
        )
        return [_fact(row) for row in rows]

    def corrected(self) -> list[Row]:
        """Return the sightings, rows of `ANCHORED`, that facts which hold are about."""
        linked = f"SELECT sighting_id FROM corrected JOIN corrections ON id = correction_id WHERE {HOLDING}"
        return self._database.rows(f"{ANCHORED} WHERE id IN ({linked}) ORDER BY id")

    def apart_from(self, pairs: frozenset[int]) -> set[int]:
        """Return the numbers of the unknowns whom a track with these pairs was said to differ from."""
        rows = self._database.rows(
            f"SELECT DISTINCT unknown_id FROM corrections JOIN corrected ON correction_id = corrections.id"
            f" JOIN sightings ON sightings.id = sighting_id WHERE {HOLDING} AND unknown_id IS NOT NULL"
            " AND pair IN (SELECT value FROM json_each(?))",
            [json.dumps([-pair for pair in pairs])],
        )
        return {int(row["unknown_id"]) for row in rows}

    def pairs(self) -> dict[int, frozenset[int]]:
        """Return the pairs of each sighting that has any: two that share one with opposite signs differ."""
        rows = self._database.rows(
            f"SELECT sighting_id, pair FROM corrected JOIN corrections ON id = correction_id"
            f" WHERE {HOLDING} AND pair IS NOT NULL"
        )
        found: dict[int, frozenset[int]] = {}
        for row in rows:
            found[row["sighting_id"]] = found.get(row["sighting_id"], frozenset()) | {int(row["pair"])}
        return found

    def examples(self) -> tuple[FloatArray, list[int | None]]:
        """Return the faces that facts name, float32 (N, D), and the person each shows; None for a refused face."""
        rows = self._database.rows(
            f"SELECT kind, person_id, embedding FROM corrections WHERE {HOLDING} AND embedding IS NOT NULL"
            " AND kind IN ('is', 'is-not', 'ignore') ORDER BY id"
        )
        owners = [int(row["person_id"]) if row["kind"] == CorrectionKind.IS.value else None for row in rows]
        return self._codec.decode_all([row["embedding"] for row in rows]), owners

    def ignored_faces(self) -> FloatArray:
        """Return the faces that are ignored, float32 (N, D)."""
        rows = self._database.rows(
            f"SELECT embedding FROM corrections WHERE {HOLDING} AND kind = 'ignore' AND embedding IS NOT NULL"
        )
        return self._codec.decode_all([row["embedding"] for row in rows])

    def history(self, limit: int) -> list[CorrectionRecord]:
        """Return the newest corrections first, those that were undone among them."""
        return [_record(row) for row in self._database.rows(f"{HISTORY} ORDER BY corrections.id DESC LIMIT ?", [limit])]

    def record(self, number: int) -> CorrectionRecord | None:
        """Return one correction; None where there is none."""
        row = self._database.row(f"{HISTORY} WHERE corrections.id = ?", [number])
        return None if row is None else _record(row)

    def holding(self) -> list[tuple[Row, Anchor]]:
        """Return all facts that hold, for an export: rows of `corrections`, and their faces."""
        rows = self._database.rows(f"SELECT * FROM corrections WHERE {HOLDING} ORDER BY id")
        return [(row, self._anchor(row)) for row in rows]

    def take_back(self, number: int, *, actor: str) -> list[Row]:
        """Let a fact, with those that came with it, hold no longer. Returns the rows of `corrected` that it had."""
        row = self._database.row("SELECT coalesce(part_of, id) FROM corrections WHERE id = ?", [number])
        assert row is not None
        with_it, values = "SELECT id FROM corrections WHERE id = ? OR part_of = ?", [int(row[0])] * 2
        rows = self._database.rows(f"SELECT * FROM corrected WHERE correction_id IN ({with_it})", values)
        self._database.write(
            f"UPDATE corrections SET undone_at = ?, undone_by = ?, embedding = NULL WHERE id IN ({with_it})",
            [time.time(), actor, *values],
        )
        self._database.audit("undo", f"c{number}")
        return rows

    def forget_faces(self, where: str, values: Sequence[Value]) -> None:
        """Delete the facts about sightings that are to be forgotten."""
        linked = f"SELECT correction_id FROM corrected WHERE sighting_id IN (SELECT id FROM sightings WHERE {where})"
        self._database.write(f"DELETE FROM corrections WHERE id IN ({linked})", values)

    def forget_unlinked(self, *, before: float) -> None:
        """Delete the facts about strangers' faces from before then of which no sighting is left."""
        self._database.write(
            "DELETE FROM corrections WHERE kind <> 'is' AND at < ? AND id NOT IN (SELECT correction_id FROM corrected)",
            [before],
        )

    def seen(self, row: Row) -> SeenTrack:
        """Return a stored sighting, a row of `ANCHORED`, as a track to compare."""
        embedding = None if row["embedding"] is None else self._codec.decode(row["embedding"])
        box = None if row["box"] is None else tuple(json.loads(row["box"]))
        begin = row["started_at"] - row["start_seconds"] if row["is_live"] else 0.0
        content = None if row["is_live"] else self.content_of(row["uri"])
        anchor = Anchor(row["uri"], content, begin + row["best_seconds"], box, embedding)
        return SeenTrack(anchor, begin + row["start_seconds"], begin + row["end_seconds"])

    def are_there(self) -> bool:
        """Return whether any fact holds. Quick."""
        return self._database.row(f"SELECT 1 FROM corrections WHERE {HOLDING} LIMIT 1") is not None

    def content_of(self, uri: str) -> str | None:
        """Return the key of a file's content, so that it is known wherever it is moved; None where it can't be read."""
        if is_address(uri):
            return None
        try:
            status = os.stat(uri)
            place = (uri, status.st_mtime_ns, status.st_size)
            if place not in self._contents:
                if len(self._contents) >= MAX_FILES:
                    self._contents.clear()
                self._contents[place] = content_key(Path(uri))
            return self._contents[place]
        except OSError:
            return None

    def _insert(
        self, kind: CorrectionKind, source: str, anchor: Anchor, *, actor: str, at: float, person: int | None
    ) -> int:
        embedding = None if anchor.embedding is None else self._codec.encode(anchor.embedding)
        values: list[Value] = [kind.value, at, actor, person, source, anchor.uri, anchor.content, anchor.seconds]
        return self._database.write(
            "INSERT INTO corrections (kind, at, actor, person_id, source, uri, content, seconds, box, embedding)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [*values, _box(anchor), embedding],
        )

    def _anchor(self, row: Row) -> Anchor:
        embedding = None if row["embedding"] is None else self._codec.decode(row["embedding"])
        box = None if row["box"] is None else tuple(json.loads(row["box"]))
        return Anchor(row["uri"], row["content"], row["seconds"], box, embedding)


def _box(anchor: Anchor) -> str | None:
    return None if anchor.box_xyxy is None else json.dumps(np.round(anchor.box_xyxy, 1).tolist())


def _number(value: Value) -> int | None:
    return value if isinstance(value, int) else None


def _fact(row: sqlite3.Row) -> Fact:
    return Fact(int(row["id"]), CorrectionKind(row["kind"]), row["person_id"], row["pair"])


def _record(row: Row) -> CorrectionRecord:
    return CorrectionRecord(
        f"c{row['id']}",
        row["kind"],
        row["at"],
        row["actor"],
        row["source"],
        row["seconds"],
        row["name"] or "",
        tuple((row["sightings"] or "").split()),
        row["undone_at"],
    )
