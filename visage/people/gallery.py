"""A gallery: a folder with people, their pictures, unknowns and sightings. The front door of this package.

It belongs to one embedding model. Names and embeddings are in SQLite, which several processes may use at once; the
index of sightings (Qdrant Edge by default) has one owner, who is asked for it when it is first needed. With a key,
embeddings and crops are encrypted and the index is kept in memory. Close it, or use it as a context manager.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
import uuid
from pathlib import Path
from types import TracebackType

import numpy as np
from typing_extensions import Self

from stages.frames import FloatArray
from stages.identify.edge import EdgeIndex
from stages.identify.errors import FaceIndexError, IndexInUse, IndexMismatch, IndexUnavailable
from stages.identify.index import FaceIndex
from stages.identify.memory import MemoryIndex
from stages.identify.roster import Person, Roster
from stages.identify.server import ServerIndex
from visage.models import embedder_spec
from visage.people.database import Database
from visage.people.errors import GalleryBroken, GalleryLocked, NoSuchPerson, OtherModel
from visage.people.names import clean_name
from visage.people.reader import ReadFace
from visage.people.records import (
    AuditEntry,
    Enrolled,
    Forgotten,
    PersonRecord,
    PictureRecord,
    Sighting,
    SightingMatch,
    UnknownRecord,
)
from visage.people.roll import Roll, number_of
from visage.people.sealing import read_sealing
from visage.people.sightings import KEYS, SightingQuery, Sightings
from visage.people.unknowns import Unknowns
from visage.people.vectors import VectorCodec

__all__ = ["Gallery", "open_gallery"]

BEST_SIGHTINGS = 3
"""An unknown who is named is recognised by so many of their best tracks."""

STRICTER = 0.15
"""Of the way from the model's threshold to 1. That one tells whether two pictures show one person; here a stranger is
compared with everybody, so it has to be harder. SFace: 0.468, between 0.446 and 0.611, see docs/people.md."""

MARGIN = 0.05
"""How much more alike than the next person the best one has to be: two who are that close are told apart by luck."""

ROSTER_SECONDS = 0.5
"""How long a change of the people may take to reach the pipeline."""


logger = logging.getLogger(__name__)


def open_gallery(
    path: str | os.PathLike[str],
    *,
    model: str | None = None,
    model_dir: Path | None = None,
    key_file: Path | None = None,
    index_url: str | None = None,
    index_grpc_port: int | None = None,
    api_key: str | None = None,
    create: bool = True,
) -> Gallery:
    """Open a gallery's folder, or make it.

    Args:
        model: the embedder it is to belong to; default: its own, for a new one "sface".
        model_dir: where the user's own models are, for their dimension and threshold.
        key_file: encrypts embeddings and crops; has to be given every time.
        index_url: a Qdrant server for the index of sightings, instead of Qdrant Edge in the folder.
        index_grpc_port: ask it by gRPC at this port, instead of HTTP.
        create: False refuses a folder that holds no gallery.

    Raises:
        OtherModel: it belongs to another embedder.
        GalleryLocked: it is encrypted and the key is missing or wrong.
        GalleryBroken: the folder can't be used.
    """
    folder = Path(path).expanduser()
    if not create and not (folder / "gallery.sqlite").is_file():
        raise GalleryBroken(f"{folder}: no gallery is there; `visage people add NAME PICTURE` makes one")
    return Gallery(
        folder,
        model=model,
        model_dir=model_dir,
        key_file=key_file,
        index_url=index_url,
        index_grpc_port=index_grpc_port,
        api_key=api_key,
    )


class Gallery:
    """One open gallery. Safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        *,
        model: str | None = None,
        model_dir: Path | None = None,
        key_file: Path | None = None,
        index_url: str | None = None,
        index_grpc_port: int | None = None,
        api_key: str | None = None,
    ) -> None:
        """See `open_gallery`."""
        sealing = read_sealing(key_file)
        if index_url is not None and sealing.is_sealed:
            raise GalleryLocked(f"{folder}: is encrypted, and a Qdrant server would hold its embeddings readable")
        self.folder = folder
        self.database = Database(folder / "gallery.sqlite")
        try:
            self.model = self._bind(model)
            spec = embedder_spec(self.model, model_dir) if model_dir is not None else embedder_spec(self.model)
            self.threshold = spec.similarity_threshold + STRICTER * (1 - spec.similarity_threshold)
            self.margin = MARGIN
            self.dimension = spec.embedding_dim
            self._bind_dimension(self.dimension)
            self._check_key(key_file)
        except BaseException:
            self.database.close()
            raise
        codec = VectorCodec(self.dimension, sealing)
        self._codec = codec
        self._sealing = sealing

        def open_index() -> FaceIndex:
            if index_url is not None:
                return ServerIndex(
                    index_url,
                    self._collection(),
                    self.dimension,
                    keys=KEYS,
                    api_key=api_key,
                    grpc_port=index_grpc_port,
                )
            if sealing.is_sealed:
                return MemoryIndex(self.dimension)
            return self._open_edge()

        self.roll = Roll(self.database, codec, sealing)
        self.unknown_store = Unknowns(self.database, codec, threshold=self.threshold)
        volatile = index_url is None and sealing.is_sealed
        self.sighting_store = Sightings(self.database, codec, sealing, open_index=open_index, volatile=volatile)
        self._roster = Roster.empty(self.dimension)
        self._roster_revision: object = None
        self._roster_checked_at = float("-inf")

    def __repr__(self) -> str:
        return f"<Gallery {self.folder}, {self.model}>"

    @property
    def keeps_crops(self) -> bool:
        """Whether pictures of faces are stored, not only embeddings. Off until somebody switches it on."""
        return bool(self.database.meta("keeps_crops"))

    @keeps_crops.setter
    def keeps_crops(self, wanted: bool) -> None:
        self.database.set_meta("keeps_crops", int(wanted))

    # -- people ------------------------------------------------------------------------------------------------------

    def people(self) -> list[PersonRecord]:
        """Everybody, by name."""
        return self.roll.people()

    def person(self, who: str) -> PersonRecord:
        """By name or id. Raises NoSuchPerson."""
        return self.roll.person(who)

    def identifier(self, who: str) -> str:
        """The id of a person or unknown, by name or id. Raises NoSuchPerson."""
        query = self._query(who, None, None, None, 1)
        return f"u{query.unknown}" if query.person is None else f"p{query.person}"

    def pictures(self, who: str) -> list[PictureRecord]:
        """A person's enrolled pictures. Raises NoSuchPerson."""
        return self.roll.pictures(who)

    def add(self, name: str, face: ReadFace, *, origin: str, content: bytes) -> Enrolled:
        """Enrol a face from `visage.people.FaceReader`. `content`: the picture's bytes, to notice it again.

        Raises PictureRefused for a picture that is there already.
        """
        digest = hashlib.sha256(content).hexdigest()
        return self.roll.add_picture(name, face, origin=origin, digest=digest, keep_crop=self.keeps_crops)

    def rename(self, who: str, name: str) -> None:
        """Raises NoSuchPerson, NameTaken."""
        self.roll.rename(who, name)

    def merge(self, kept: str, merged: str) -> None:
        """Make two people one. Raises NoSuchPerson."""
        self.roll.merge(kept, merged)

    def forget(self, who: str) -> Forgotten:
        """Remove everything of a person or unknown: pictures, crops, embeddings, sightings, name; then look for them.

        An index that is another process's, or on a server that is away, follows later: `index_waits`. Searches find
        nothing at once. Raises NoSuchPerson.
        """
        try:
            column, number = "person_id", self.roll.key(who)
        except NoSuchPerson:
            column, number = "unknown_id", self.unknown_store.key(who)
        where = f"{column} = ?"
        rows = self.database.rows(
            f"SELECT id, embedding FROM sightings WHERE {where} AND embedding IS NOT NULL", [number]
        )
        probes = self._codec.decode_all([row["embedding"] for row in rows[:BEST_SIGHTINGS]])
        pictures = crops = 0
        with self.database.transaction():
            sightings, vectors, sighting_crops = self.sighting_store.remove(where, [number])
            if column == "person_id":
                row = self.database.row("SELECT count(*), count(crop) FROM pictures WHERE person_id = ?", [number])
                assert row is not None
                pictures, crops = int(row[0]), int(row[1])
                self.database.write("DELETE FROM people WHERE id = ?", [number])  # and, by reference, the pictures
                self.database.people_changed()
            else:
                self.unknown_store.remove(number)
            self.database.audit("forget", f"{column[0]}{number}", f"{pictures} pictures, {sightings} sightings")
        self.database.truncate_log()
        waits = bool(rows) and self._index_waits()
        verified = waits or self._is_gone({int(row["id"]) for row in rows}, probes)
        return Forgotten(pictures, sightings, vectors + pictures, crops + sighting_crops, verified, waits)

    # -- unknowns ----------------------------------------------------------------------------------------------------

    def unknowns(self, *, all_of_them: bool = False) -> list[UnknownRecord]:
        """Those seen long enough to be worth a name, longest first; or all."""
        return self.unknown_store.listed(all_of_them=all_of_them)

    def name_unknown(self, who: str, name: str) -> PersonRecord:
        """Give an unknown a name, or to the person who has it: all past sightings, and by their best ones all future.

        Raises NoSuchPerson, NameRefused.
        """
        name = clean_name(name)
        with self.database.transaction():
            number = self.unknown_store.key(who)
            row = self.database.row("SELECT id FROM people WHERE name = ?", [name])
            key = self.roll.create(name) if row is None else int(row["id"])
            best = self.database.rows(
                "SELECT * FROM sightings WHERE unknown_id = ? AND embedding IS NOT NULL ORDER BY quality DESC LIMIT ?",
                [number, BEST_SIGHTINGS],
            )
            for sighting in best:
                crop = None if sighting["crop"] is None else self._sealing.open(sighting["crop"])
                vector = self._codec.decode(sighting["embedding"])
                self.roll.add_embedding(
                    key, vector, origin=f"sighting s{sighting['id']}", quality=sighting["quality"], crop=crop
                )
            self.database.write(
                "UPDATE sightings SET person_id = ?, unknown_id = NULL, is_indexed = 0 WHERE unknown_id = ?",
                [key, number],
            )
            self.unknown_store.remove(number)
            self.database.audit("name", f"u{number}", f"p{key}")
        return self.roll.person(f"p{key}")

    def split_unknown(self, who: str) -> list[str]:
        """Tell apart those taken for one; ids of all parts. Raises NoSuchPerson."""
        return [f"u{number}" for number in self.unknown_store.split(self.unknown_store.key(who))]

    # -- sightings ---------------------------------------------------------------------------------------------------

    def sightings(
        self,
        *,
        person: str | None = None,
        source: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
    ) -> list[Sighting]:
        """Newest first; see `SightingQuery`. `person`: name or id of a person or unknown. Raises NoSuchPerson."""
        return self.sighting_store.listed(self._query(person, source, since, until, limit))

    def search(
        self,
        embedding: FloatArray,
        *,
        person: str | None = None,
        source: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        least_similarity: float = -1.0,
    ) -> list[SightingMatch]:
        """The sightings most like a face, float32 (D,), best first. Raises NoSuchPerson, FaceIndexError."""
        query = self._query(person, source, since, until, limit)
        return self.sighting_store.search(embedding, query, least_similarity=least_similarity)

    def portrait(self, who: str) -> bytes | None:
        """JPEG of the best crop of a person, unknown or sighting, where crops are kept. Raises NoSuchPerson."""
        number = number_of(who, "s")
        if number is not None:
            return self.sighting_store.crop(number)
        query = self._query(who, None, None, None, 1)
        row = None
        if query.person is not None:
            row = self.database.row(
                "SELECT crop FROM pictures WHERE person_id = ? AND crop IS NOT NULL ORDER BY quality DESC",
                [query.person],
            )
        column, value = ("unknown_id", query.unknown) if query.person is None else ("person_id", query.person)
        row = row or self.database.row(
            f"SELECT crop FROM sightings WHERE {column} = ? AND crop IS NOT NULL ORDER BY quality DESC", [value]
        )
        return None if row is None else self._sealing.open(row["crop"])

    def prune(self, *, older_than_seconds: float, now: float | None = None) -> int:
        """Retention: remove sightings, and unknowns left without any, that began longer ago. How many sightings."""
        before = (time.time() if now is None else now) - older_than_seconds
        with self.database.transaction():
            sightings, vectors, _ = self.sighting_store.remove("started_at < ?", [before])
            self.unknown_store.remove_unseen()
            if sightings:
                self.database.audit("prune", "sightings", str(sightings))
        if sightings:
            self.database.truncate_log()
        if vectors:
            self._index_waits()
        return sightings

    def replace_sightings(self, source: str, uri: str, stretch: tuple[float, float], *, before: float) -> int:
        """A stretch of a file, in seconds of its own, was analysed again: drop what was seen in it before then."""
        with self.database.transaction():
            sightings, _, _ = self.sighting_store.remove(
                "source = ? AND uri = ? AND started_at < ? AND start_seconds >= ? AND end_seconds <= ?",
                [source, uri, before, *stretch],
            )
            if sightings:
                self.unknown_store.remove_unseen()
        return sightings

    # -- identification ----------------------------------------------------------------------------------------------

    def roster(self) -> Roster:
        """Everybody who can be recognised at this moment. Quick: looks for changes twice a second at most."""
        now = time.monotonic()
        if now - self._roster_checked_at >= ROSTER_SECONDS:
            self._roster_checked_at = now
            revision = self.database.meta("revision")
            if revision != self._roster_revision or self._roster_revision is None:
                self._roster = self._load_roster()
                self._roster_revision = revision
        return self._roster

    def audit(self, limit: int = 100) -> list[AuditEntry]:
        """Who did what, newest first."""
        rows = self.database.rows("SELECT * FROM audit ORDER BY id DESC LIMIT ?", [limit])
        return [AuditEntry(row["at"], row["actor"], row["action"], row["subject"], row["detail"]) for row in rows]

    def close(self) -> None:
        """Free the index and the file."""
        self.sighting_store.close()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _query(
        self, who: str | None, source: str | None, since: float | None, until: float | None, limit: int
    ) -> SightingQuery:
        person = unknown = None
        if who is not None:
            try:
                person = self.roll.key(who)
            except NoSuchPerson as nobody:
                try:
                    unknown = self.unknown_store.key(who)
                except NoSuchPerson:
                    raise nobody from None
        return SightingQuery(person, unknown, source, since, until, limit)

    def _load_roster(self) -> Roster:
        names = {row["id"]: row["name"] for row in self.database.rows("SELECT id, name FROM people ORDER BY id")}
        vectors, owners = self.roll.vectors()
        places = {number: place for place, number in enumerate(names)}
        people = [Person(f"p{number}", name) for number, name in names.items()]
        return Roster(people, vectors, np.array([places[int(owner)] for owner in owners], np.intp))

    def _index_waits(self) -> bool:
        """Bring the index up to date; whether that is left to whoever has it, or until it is back."""
        try:
            self.sighting_store.index_waiting()
        except (IndexInUse, IndexUnavailable):
            return True
        return False

    def _is_gone(self, numbers: set[int], probes: FloatArray) -> bool:
        if not numbers:
            return True
        found = self.sighting_store.index().search(probes, limit=len(numbers) + 10, exact=True)
        return numbers.isdisjoint(hit.point_id for hits in found for hit in hits)

    def _bind(self, model: str | None) -> str:
        stored = self.database.meta("model")
        own = stored if isinstance(stored, str) else model or "sface"
        if stored is None:
            self.database.set_meta("model", own)
        if model is not None and model != own:
            raise OtherModel(
                f"{self.folder}: belongs to {own}, not to {model}; give --embedder {own}, choose another gallery, or "
                f"recompute it from its crops: visage people reindex --embedder {model}"
            )
        return own

    def _open_edge(self) -> EdgeIndex:
        """Qdrant Edge in the folder; one that is damaged is made again, since SQLite has all of it."""
        folder = self.folder / "sightings"
        try:
            return EdgeIndex(folder, self.dimension, keys=KEYS)
        except (IndexInUse, IndexMismatch):
            raise
        except FaceIndexError as error:
            if not folder.is_dir():
                raise
            logger.warning("the index of sightings is made again: %s", error)
            shutil.rmtree(folder)
            return EdgeIndex(folder, self.dimension, keys=KEYS)

    def _collection(self) -> str:
        """Its own on a server: the numbers of two galleries' sightings are the same."""
        with self.database.transaction():
            own = self.database.meta("collection")
            if not isinstance(own, str):
                own = f"visage-{re.sub('[^A-Za-z0-9]+', '-', self.model)}-{uuid.uuid4().hex[:12]}"
                self.database.set_meta("collection", own)
        return own

    def _bind_dimension(self, dimension: int) -> None:
        own = self.database.meta("dimension")
        if own is None:
            self.database.set_meta("dimension", dimension)
        elif own != dimension:
            raise OtherModel(f"{self.folder}: holds embeddings of length {own!r}, but {self.model} makes {dimension}")

    def _check_key(self, key_file: Path | None) -> None:
        sealing = read_sealing(key_file)
        token = self.database.meta("sealed")
        if token is None and sealing.is_sealed:
            if self.database.row("SELECT 1 FROM pictures UNION SELECT 1 FROM sightings") is not None:
                raise GalleryLocked(f"{self.folder}: was begun without encryption; export it and import into a new one")
            self.database.set_meta("sealed", sealing.seal(b"visage"))
        elif isinstance(token, bytes):
            if not sealing.is_sealed:
                raise GalleryLocked(f"{self.folder}: is encrypted; give its key file (--gallery-key FILE)")
            sealing.open(token)
