"""People and their pictures. Every change is one transaction, with its entry in the audit log.

Changing anybody changes the gallery's revision, which tells every process that identifies to load the people again.
"""

from __future__ import annotations

import re
import time

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from visage.people.cipher import Cipher
from visage.people.database import Database, Row, Value
from visage.people.errors import NameTaken, NoSuchPerson, PictureKnown, PictureRefused
from visage.people.names import clean_name, folded, tidy
from visage.people.reader import PortraitFace
from visage.people.records import Enrolled, PeoplePage, PictureRecord, StoredPerson
from visage.people.vectors import VectorCodec

__all__ = ["PersonStore", "number_of"]

SAME_PICTURE = 0.995
"""Two pictures this alike (cosine) are one picture, resized or encoded again."""

MAX_DIGITS = 18
"""Of an id: 64 bits hold any such number."""

LISTED = """
SELECT people.id, people.name, (SELECT count(*) FROM pictures WHERE person_id = people.id) AS pictures,
    count(sightings.id) AS sightings, coalesce(sum(end_seconds - start_seconds), 0) AS seen_seconds,
    max(started_at + end_seconds - start_seconds) AS last_seen,
    EXISTS (SELECT 1 FROM pictures WHERE person_id = people.id AND crop IS NOT NULL)
    OR EXISTS (SELECT 1 FROM sightings WHERE person_id = people.id AND crop IS NOT NULL) AS has_crop
FROM {people} LEFT JOIN sightings ON sightings.person_id = people.id
"""
FOUND = "(? = '' OR instr(folded(name), ?))"
PAGE = f"(SELECT id, name FROM people WHERE {FOUND} AND (? IS NULL OR name > ?) ORDER BY name LIMIT ?) AS people"

UNKNOWN = re.compile(r"unknown \d+|u\d+", re.IGNORECASE)


class PersonStore:
    """The people of one gallery. Safe from any thread."""

    def __init__(self, database: Database, codec: VectorCodec, cipher: Cipher) -> None:
        self._database = database
        self._codec = codec
        self._cipher = cipher
        self._ids: tuple[tuple[int, int] | None, frozenset[str]] = (None, frozenset())
        self._copy: tuple[Value, FloatArray, NDArray[np.intp]] | None = None

    def people(self) -> list[StoredPerson]:
        """Return all people, sorted by name."""
        rows = self._database.rows(f"{LISTED.format(people='people')} GROUP BY people.id ORDER BY people.name")
        return [_person(row) for row in rows]

    def page(self, search: str, *, limit: int, after: str | None = None) -> PeoplePage:
        """Some of those whose names contain a text, by name; case and accents do not matter.

        Args:
            after: the id of the last person of the page before; None begins. Raises NoSuchPerson.
        """
        wanted = folded(search)
        last = None if after is None else self.name(after)
        rows = self._database.rows(
            f"{LISTED.format(people=PAGE)} GROUP BY people.id ORDER BY people.name",
            [wanted, wanted, last, last, limit + 1],
        )
        row = self._database.row(f"SELECT count(*) FROM people WHERE {FOUND}", [wanted, wanted])
        assert row is not None
        people = [_person(row) for row in rows[:limit]]
        return PeoplePage(people, int(row[0]), people[-1].person_id if len(rows) > limit else None)

    def person_ids(self) -> frozenset[str]:
        """Return everyone's id. Read again only when the file has changed: there may be thousands.

        Safe from any thread.
        """
        # The version before the rows: they may be newer than it says, never older.
        version, (known, ids) = self._database.version(), self._ids
        if version is None or known != version:
            ids = frozenset(f"p{row['id']}" for row in self._database.rows("SELECT id FROM people"))
            self._ids = (version, ids)
        return ids

    def name(self, person_id: str) -> str:
        """Return the name of the person with this id. Raises NoSuchPerson."""
        row = self._database.row("SELECT name FROM people WHERE id = ?", [number_of(person_id, "p")])
        if row is None:
            raise NoSuchPerson(f"there is no person {person_id!r}")
        return str(row["name"])

    def person(self, who: str) -> StoredPerson:
        """By name or id ("p7"). Raises NoSuchPerson."""
        row = self._database.row(
            f"{LISTED.format(people='people')} WHERE people.id = ? GROUP BY people.id", [self.key(who)]
        )
        assert row is not None
        return _person(row)

    def pictures(self, who: str) -> list[PictureRecord]:
        """A person's pictures, oldest first. Raises NoSuchPerson."""
        rows = self._database.rows("SELECT * FROM pictures WHERE person_id = ? ORDER BY id", [self.key(who)])
        return [
            PictureRecord(
                f"i{row['id']}",
                row["origin"],
                row["quality"],
                row["added_at"],
                None if row["crop"] is None else self._cipher.decrypt(row["crop"]),
            )
            for row in rows
        ]

    def best_crop(self, key: int) -> bytes | None:
        """Return the JPEG of a person's best picture that has one; None if none has."""
        row = self._database.row(
            "SELECT crop FROM pictures WHERE person_id = ? AND crop IS NOT NULL ORDER BY quality DESC LIMIT 1", [key]
        )
        return None if row is None else self._cipher.decrypt(row["crop"])

    def key(self, who: str) -> int:
        """The number in a person's id, by name or id. Raises NoSuchPerson."""
        who = tidy(who)
        row = self._database.row(
            "SELECT id FROM people WHERE name = ? OR id = ? ORDER BY name = ? DESC", [who, number_of(who, "p"), who]
        )
        if row is None:
            if UNKNOWN.fullmatch(who.strip()):
                raise NoSuchPerson(f'{who!r} has no name yet; `visage people name "{who}" NAME` gives one')
            raise NoSuchPerson(f"there is no person named {who!r}; `visage people list` shows all people")
        return int(row["id"])

    def create(self, name: str) -> int:
        """A person without pictures. Raises NameTaken, NameRefused."""
        name = self._free_name(name)
        return self._database.write("INSERT INTO people (name, created_at) VALUES (?, ?)", [name, time.time()])

    def add_picture(self, name: str, face: PortraitFace, *, origin: str, digest: str, keep_crop: bool) -> Enrolled:
        """Enrol a face; creates the person if the name is new.

        Raises NameRefused; PictureRefused for a picture that is there already.
        """
        name = clean_name(name)
        with self._database.transaction():
            everybody, owners = self.vectors()
            similarities = everybody @ face.embedding
            row = self._database.row("SELECT id FROM people WHERE name = ?", [name])
            key = self.create(name) if row is None else int(row["id"])
            own = similarities[owners == key]
            same = self._database.row("SELECT id FROM pictures WHERE person_id = ? AND digest = ?", [key, digest])
            if same is not None or own.max(initial=-1.0) >= SAME_PICTURE:
                raise PictureKnown(f"{name} has this picture already")
            picture = self._insert(
                key, face.embedding, origin, digest, face.quality, face.crop if keep_crop and face.crop else None
            )
            self._database.audit("enrol", f"p{key}", f"i{picture}")
            self._database.people_changed()
            self._add_to_copy((everybody, owners), face.embedding, key)
        others = np.where(owners == key, -1.0, similarities)
        note = ""
        if len(others) and others.max() >= SAME_PICTURE:
            note = f"this is also a picture of {self.person(f'p{owners[others.argmax()]}').name}: merge or remove one"
        return Enrolled(f"p{key}", f"i{picture}", face.quality, note)

    def add_embedding(
        self, key: int, embedding: FloatArray, *, origin: str, quality: float, crop: bytes | None
    ) -> None:
        """Add an embedding, float32 (D,), by which a person is recognised; within the caller's transaction."""
        self._insert(key, embedding, origin, origin, quality, crop)
        self._database.people_changed()

    def rename(self, who: str, name: str) -> None:
        """Rename a person. Raises NoSuchPerson, NameTaken, NameRefused."""
        with self._database.transaction():
            key = self.key(who)
            self._database.write("UPDATE people SET name = ? WHERE id = ?", [self._free_name(name, key), key])
            self._database.audit("rename", f"p{key}")
            self._database.people_changed()

    def merge(self, kept: str, merged: str) -> None:
        """Give the first one all that the second has, who is gone then. Raises NoSuchPerson."""
        with self._database.transaction():
            target, source = self.key(kept), self.key(merged)
            if target == source:
                raise NoSuchPerson(f"{kept} and {merged} are one person already")
            self._database.write("UPDATE pictures SET person_id = ? WHERE person_id = ?", [target, source])
            self._database.write(
                "UPDATE sightings SET person_id = ?, is_indexed = 0 WHERE person_id = ?", [target, source]
            )
            self._database.write("UPDATE corrections SET person_id = ? WHERE person_id = ?", [target, source])
            self._database.write("UPDATE corrected SET was_person = ? WHERE was_person = ?", [target, source])
            self._database.write("DELETE FROM people WHERE id = ?", [source])
            self._database.audit("merge", f"p{target}", f"p{source}")
            self._database.people_changed()

    def split(self, who: str, name: str, pictures: list[str]) -> None:
        """Give these pictures to a new person of that name, and the sightings that are more like them.

        Raises NoSuchPerson, NameTaken, PictureRefused.
        """
        with self._database.transaction():
            key = self.key(who)
            numbers = [self._own_picture(key, picture) for picture in pictures]
            new = self.create(name)
            for number in numbers:
                self._database.write("UPDATE pictures SET person_id = ? WHERE id = ?", [new, number])
            self._move_sightings(key, new)
            self._copy_denials(key, new)
            self._database.audit("split", f"p{key}", f"p{new}")
            self._database.people_changed()

    def remove_picture(self, who: str, picture: str) -> None:
        """Raises NoSuchPerson, PictureRefused where the person has no such picture."""
        with self._database.transaction():
            key = self.key(who)
            self._database.write("DELETE FROM pictures WHERE id = ?", [self._own_picture(key, picture)])
            self._database.audit("remove-image", f"p{key}", picture)
            self._database.people_changed()

    def embeddings(self, who: str) -> FloatArray:
        """A person's embeddings, float32 (N, D), in the order of `pictures`. Raises NoSuchPerson."""
        rows = self._database.rows("SELECT embedding FROM pictures WHERE person_id = ? ORDER BY id", [self.key(who)])
        return self._codec.decode_all([row["embedding"] for row in rows])

    def vectors(self) -> tuple[FloatArray, NDArray[np.intp]]:
        """All embeddings, float32 (M, D), and the number of the person each belongs to, int (M,).

        Read again only when anybody was changed: enrolling many people would take time in their square.
        """
        revision, copy = self._database.meta("revision"), self._copy
        if copy is None or copy[0] != revision or revision is None:
            rows = self._database.rows("SELECT person_id, embedding FROM pictures")
            owners = np.array([row["person_id"] for row in rows], np.intp)
            copy = self._copy = (revision, self._codec.decode_all([row["embedding"] for row in rows]), owners)
        return copy[1], copy[2]

    def _add_to_copy(self, before: tuple[FloatArray, NDArray[np.intp]], embedding: FloatArray, key: int) -> None:
        """Within the transaction that enrolled somebody, after `people_changed`."""
        vectors, owners = before
        stored = self._codec.normalised(embedding)
        self._copy = (self._database.meta("revision"), np.concatenate([vectors, stored[None]]), np.append(owners, key))

    def _move_sightings(self, key: int, new: int) -> None:
        """Those of a person that are more like the pictures of another one."""
        rows = self._database.rows(
            "SELECT id, embedding FROM sightings WHERE person_id = ? AND embedding IS NOT NULL", [key]
        )
        kept, moved = self.embeddings(f"p{key}"), self.embeddings(f"p{new}")
        if not rows or not len(kept) or not len(moved):
            return
        seen = self._codec.decode_all([row["embedding"] for row in rows])
        is_other = (seen @ moved.T).max(axis=1) > (seen @ kept.T).max(axis=1)
        self._database.write_many(
            "UPDATE sightings SET person_id = ?, is_indexed = 0 WHERE id = ?",
            [(new, row["id"]) for row, is_moved in zip(rows, is_other.tolist(), strict=True) if is_moved],
        )

    def _copy_denials(self, key: int, new: int) -> None:
        """Whoever was said not to be a person is neither of the two whom that person turns out to be."""
        columns = "kind, at, actor, source, uri, content, seconds, box, embedding"
        was = "was_person, was_unknown, was_similarity, was_ignored"
        rows = self._database.rows(
            "SELECT id FROM corrections WHERE kind = 'is-not' AND person_id = ? AND undone_at IS NULL", [key]
        )
        for row in rows:
            copy = self._database.write(
                f"INSERT INTO corrections ({columns}, person_id, part_of)"
                f" SELECT {columns}, ?, coalesce(part_of, id) FROM corrections WHERE id = ?",
                [new, row["id"]],
            )
            self._database.write(
                f"INSERT INTO corrected SELECT ?, sighting_id, {was} FROM corrected WHERE correction_id = ?",
                [copy, row["id"]],
            )

    def _insert(
        self, key: int, embedding: FloatArray, origin: str, digest: str, quality: float, crop: bytes | None
    ) -> int:
        return self._database.write(
            "INSERT INTO pictures (person_id, origin, digest, quality, added_at, embedding, crop) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                key,
                origin,
                digest,
                quality,
                time.time(),
                self._codec.encode(embedding),
                None if crop is None else self._cipher.encrypt(crop),
            ],
        )

    def _own_picture(self, key: int, picture: str) -> int:
        number = number_of(picture, "i")
        row = self._database.row("SELECT id FROM pictures WHERE id = ? AND person_id = ?", [number, key])
        if row is None:
            raise PictureRefused(f"there is no picture {picture}; `visage people show` lists them")
        return int(row["id"])

    def _free_name(self, name: str, key: int | None = None) -> str:
        name = clean_name(name)
        row = self._database.row("SELECT id FROM people WHERE name = ?", [name])
        if row is not None and row["id"] != key:
            raise NameTaken(f"there is a {name} already; merge the two, or choose another name")
        return name


def number_of(identifier: str, kind: str) -> int | None:
    """The number in an id of that kind ("p7" is 7); None for any other text, and for more than SQLite can count to."""
    digits = identifier[len(kind) :]
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS
    is_number = is_number and (digits == "0" or not digits.startswith("0"))  # no second spelling of an id
    return int(digits) if identifier.startswith(kind) and is_number else None


def _person(row: Row) -> StoredPerson:
    return StoredPerson(
        f"p{row['id']}",
        row["name"],
        row["pictures"],
        row["sightings"],
        row["seen_seconds"],
        row["last_seen"],
        bool(row["has_crop"]),
    )
