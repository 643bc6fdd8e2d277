"""A gallery: a folder with people, their pictures, unknowns and sightings. The entry point of this package.

It belongs to one embedding model. Names and embeddings are in SQLite, which several processes may use at once; the
index of sightings (Qdrant Edge by default) has one owner, who is asked for it when it is first needed. With a key,
embeddings and crops are encrypted and the index is kept in memory. Close it, or use it as a context manager.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from stages.closing import Closing
from stages.frames import FloatArray
from stages.identify.roster import Roster
from stages.tracks.summary import TrackSummary
from visage.home import expand_home
from visage.people.attribution import Attribution
from visage.people.binding import GalleryBinding
from visage.people.correcting import Correcting
from visage.people.correction_rule import CorrectionKind
from visage.people.corrections import Corrections
from visage.people.database import Database
from visage.people.errors import GalleryBroken, NoSuchPerson
from visage.people.foundation import open_bound
from visage.people.index_home import IndexHome
from visage.people.person_store import PersonStore, number_of
from visage.people.reader import PortraitFace
from visage.people.recording_time import RecordingTime
from visage.people.records import (
    AuditEntry,
    CorrectionRecord,
    Enrolled,
    Forgotten,
    PeoplePage,
    PictureRecord,
    Preview,
    Sighting,
    SightingMatch,
    StoredPerson,
    StoredUnknown,
)
from visage.people.removal import Removal
from visage.people.roster_cache import RosterCache
from visage.people.sightings import SightingQuery, Sightings
from visage.people.unknowns import Unknowns
from visage.people.vectors import VectorCodec

__all__ = ["Gallery", "open_gallery"]

STORED_CROPS = " UNION ALL ".join(
    f"SELECT count(*) FROM {table} WHERE crop IS NOT NULL" for table in ("sightings", "pictures")
)


class Gallery(Closing):
    """One open gallery. Safe from any thread; whoever opened it closes it."""

    def __init__(self, folder: Path, database: Database, own: GalleryBinding, home: IndexHome) -> None:
        """See `open_gallery`, which makes one."""
        self.folder = folder
        self.database = database
        self.model = own.model
        self.model_sha256 = own.model_sha256
        self.dimension = own.dimension
        self.threshold = own.threshold
        self.margin = own.margin
        self._codec = VectorCodec(own.dimension, own.cipher)
        self.roll = PersonStore(self.database, self._codec, own.cipher)
        self.corrections = Corrections(self.database, self._codec)
        self.unknown_store = Unknowns(
            self.database, self._codec, threshold=own.unknown_threshold, pairs=self.corrections.pairs
        )
        self.sighting_store = Sightings(
            self.database, self._codec, own.cipher, open_index=home.open, volatile=home.is_volatile
        )
        self._roster = RosterCache(self.database, self.roll, self.corrections, own.dimension)
        shared = (self.roll, self.unknown_store, self.sighting_store, self.corrections)
        self._attribution = Attribution(self.database, self._codec, own, *shared)
        self._removal = Removal(self.database, self._codec, *shared)
        self._correcting = Correcting(self.database, self._codec, self.roll, self.unknown_store, self.corrections)

    def __repr__(self) -> str:
        return f"<Gallery {self.folder}, {self.model}>"

    @property
    def keeps_crops(self) -> bool:
        """Whether pictures of faces are stored, not only embeddings. Off by default."""
        return bool(self.database.meta("keeps_crops"))

    @keeps_crops.setter
    def keeps_crops(self, wanted: bool) -> None:
        self.database.set_meta("keeps_crops", int(wanted))

    def crops(self) -> int:
        """Return the number of stored pictures of faces, of sightings and of enrolled photographs together."""
        return sum(int(row[0]) for row in self.database.rows(STORED_CROPS))

    def delete_crops(self) -> int:
        """Delete every stored picture of a face and overwrite its bytes; embeddings stay. How many that were.

        Without them no gallery can be made anew with another embedder, see `visage people reindex`.
        """
        with self.database.transaction():
            crops = self.crops()
            for table in ("sightings", "pictures"):
                self.database.write(f"UPDATE {table} SET crop = NULL WHERE crop IS NOT NULL")
            if crops:
                self.database.audit("delete-crops", "everybody", str(crops))
        self.database.truncate_log()
        return crops

    # -- people ------------------------------------------------------------------------------------------------------

    def people(self) -> list[StoredPerson]:
        """Return all people, sorted by name."""
        return self.roll.people()

    def people_page(self, search: str = "", *, limit: int, after: str | None = None) -> PeoplePage:
        """Some of those whose names contain a text, by name; see `PersonStore.page`. Raises NoSuchPerson."""
        return self.roll.page(search, limit=limit, after=after)

    def person_ids(self) -> frozenset[str]:
        """Return the ids of everyone with a name. Quick; safe from any thread."""
        return self.roll.person_ids()

    def person_name(self, person_id: str) -> str:
        """Return the name of the person with this id. Raises NoSuchPerson."""
        return self.roll.name(person_id)

    def person(self, who: str) -> StoredPerson:
        """By name or id. Raises NoSuchPerson."""
        return self.roll.person(who)

    def identifier(self, who: str) -> str:
        """The id of a person or unknown, by name or id. Raises NoSuchPerson."""
        query = self._query(who, None, None, None, 1)
        return f"u{query.unknown}" if query.person is None else f"p{query.person}"

    def pictures(self, who: str) -> list[PictureRecord]:
        """A person's enrolled pictures. Raises NoSuchPerson."""
        return self.roll.pictures(who)

    def add(self, name: str, face: PortraitFace, *, origin: str, content: bytes) -> Enrolled:
        """Enrol a face from `visage.people.FaceReader`. `content`: the picture's bytes, to notice it again.

        Raises PictureRefused for a picture that is there already.
        """
        digest = hashlib.sha256(content).hexdigest()
        return self.roll.add_picture(name, face, origin=origin, digest=digest, keep_crop=self.keeps_crops)

    def add_all(self, name: str, pictures: Sequence[tuple[PortraitFace, bytes]], *, origin: str) -> list[Enrolled]:
        """Enrol several faces of one person, each with its picture's bytes: all of them or, if one is refused, none.

        Raises NameRefused, PictureRefused; then the gallery is as it was.
        """
        with self.database.transaction():
            return [self.add(name, face, origin=origin, content=content) for face, content in pictures]

    def rename(self, who: str, name: str) -> None:
        """Rename a person. Raises NoSuchPerson, NameTaken, NameRefused."""
        self.roll.rename(who, name)

    def merge(self, kept: str, merged: str) -> None:
        """Make two people one, or give an unknown to a person, which names it. Raises NoSuchPerson."""
        person = self.person(kept)
        try:
            self.person(merged)
        except NoSuchPerson:
            if not self.unknown_store.is_unknown(merged):
                raise
            self.name_unknown(merged, person.name)
        else:
            with self.database.transaction():
                self.roll.merge(kept, merged)
                self._correcting.enforce()

    def split(self, who: str, name: str, pictures: list[str]) -> None:
        """Give these pictures to a new person of that name; see `PersonStore.split`.

        Raises NoSuchPerson, NameTaken, PictureRefused.
        """
        with self.database.transaction():
            self.roll.split(who, name, pictures)
            self._correcting.enforce()

    def forget(self, who: str) -> Forgotten:
        """Remove everything of a person or unknown: pictures, crops, embeddings, sightings, name; then look for them.

        An index that is another process's, or on a server that is away, follows later: `index_waits`. Searches find
        nothing at once. Raises NoSuchPerson.
        """
        return self._removal.forget(who)

    # -- unknowns ----------------------------------------------------------------------------------------------------

    def unknowns(self, *, all_of_them: bool = False) -> list[StoredUnknown]:
        """Return the unknowns seen long enough to be worth a name, or all of them; longest seen first."""
        return self.unknown_store.listed(all_of_them=all_of_them)

    def name_unknown(self, who: str, name: str) -> StoredPerson:
        """Give an unknown a name, or to the person who has it: all past sightings, and by their best ones all future.

        Raises NoSuchPerson, NameRefused.
        """
        return self._attribution.name_unknown(who, name)

    def split_unknown(self, who: str) -> list[str]:
        """Tell apart those taken for one; ids of all parts. Raises NoSuchPerson."""
        return [f"u{number}" for number in self.unknown_store.split(self.unknown_store.key(who))]

    def cluster_again(self) -> None:
        """Cluster the unknowns that have changed since the last time from scratch, with everything known by now.

        May take seconds; other threads wait.
        """
        self.unknown_store.cluster_again()

    # -- corrections -------------------------------------------------------------------------------------------------

    def correct(
        self, sightings: Sequence[str], kind: CorrectionKind, *, name: str | None = None, actor: str | None = None
    ) -> list[CorrectionRecord]:
        """Correct sightings, given by their ids. The correction lasts, and serves as an example for later decisions.

        Args:
            name: of the person whom they show or do not show, by name or id; "is" makes a person of a new name.
            actor: who says so; None for this process's user.

        Returns one correction for each sighting. Raises NoSuchPerson, NameRefused, CorrectionRefused.
        """
        return self._correcting.correct(sightings, kind, name=name, actor=actor)

    def undo_correction(self, correction: str | None = None, *, actor: str | None = None) -> CorrectionRecord:
        """Take a correction back, by its id, or the last one that holds. Raises CorrectionRefused."""
        return self._correcting.undo(correction, actor=actor)

    def correction_history(self, limit: int = 100) -> list[CorrectionRecord]:
        """Return the newest corrections first, those that were undone among them."""
        return self.corrections.history(limit)

    def enforce_corrections(self) -> None:
        """Have corrections that came from elsewhere take effect."""
        self._correcting.enforce()
        self.database.people_changed()

    def preview(self, change: Callable[[], object]) -> Preview:
        """Return which past sightings would have another name after a change of this gallery, which is then discarded.

        Args:
            change: calls methods of this gallery; whatever it raises is raised, and nothing has changed.
        """
        return self._correcting.preview(change)

    # -- sightings ---------------------------------------------------------------------------------------------------

    def record(
        self,
        track: TrackSummary,
        *,
        uri: str,
        is_live: bool = False,
        is_still: bool = False,
        session: float | None = None,
        crop: bytes | None = None,
        recorded: RecordingTime | None = None,
    ) -> None:
        """Store a track that has ended as a sighting, of the person or unknown whom it shows.

        Args:
            uri: where the source came from, without credentials.
            is_live: of a camera.
            is_still: of a photograph.
            session: when this run of the source began, seconds since the epoch: tracks of one session that are visible
                at one time are different people. None where that is not known.
            crop: JPEG of its best shot; None keeps none, and so does a gallery that keeps no crops by now.
            recorded: when its file was, if that is known.

        Raises sqlite3.Error for a disk that is full, say; then nothing is stored.
        """
        self._attribution.record(
            track,
            self.roster(),
            uri=uri,
            is_live=is_live,
            is_still=is_still,
            session=session,
            crop=crop if crop is not None and self.keeps_crops else None,
            recorded=recorded,
        )

    def open_index(self) -> None:
        """Open the index of sightings, if it is not yet. Raises FaceIndexError, such as IndexInUse."""
        self.sighting_store.index()

    def index_waiting(self) -> None:
        """Bring the index up to what was recorded and removed. Raises FaceIndexError."""
        self.sighting_store.index_waiting()

    def sightings(
        self,
        *,
        person: str | None = None,
        source: str | None = None,
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        after: tuple[float, int] | None = None,
    ) -> list[Sighting]:
        """Newest first; see `SightingQuery`. `person`: name or id of a person or unknown. Raises NoSuchPerson.

        Args:
            after: `started_at` and number of the last sighting of the page before; None begins.
        """
        return self.sighting_store.listed(self._query(person, source, since, until, limit), after=after)

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
        enrolled = None if query.person is None else self.roll.best_crop(query.person)
        return enrolled or self.sighting_store.best_crop(query)

    def prune(self, *, older_than_seconds: float, now: float | None = None) -> int:
        """Remove sightings older than so many seconds, and unknowns left without any.

        Args:
            now: seconds since the epoch; None is the present.

        Returns:
            The number of sightings that were removed.
        """
        return self._removal.prune(older_than_seconds=older_than_seconds, now=now)

    def replace_sightings(self, source: str, uri: str, stretch: tuple[float, float], *, before: float) -> int:
        """A stretch of a file, in seconds of its own, was analysed again: drop what was seen in it before then."""
        return self._removal.replace(source, uri, stretch, before=before)

    # -- identification ----------------------------------------------------------------------------------------------

    def roster(self) -> Roster:
        """Return the people who can be recognised now. Quick: looks for changes twice a second at most."""
        return self._roster.current()

    def audit(self, limit: int = 100) -> list[AuditEntry]:
        """Return the last entries of the audit log, newest first, at most `limit`."""
        rows = self.database.rows("SELECT * FROM audit ORDER BY id DESC LIMIT ?", [limit])
        return [AuditEntry(row["at"], row["actor"], row["action"], row["subject"], row["detail"]) for row in rows]

    def close(self) -> None:
        """Close the index and the file. Later calls raise sqlite3.ProgrammingError."""
        self.sighting_store.close()
        self.database.close()

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
    folder = expand_home(path)
    if not create and not (folder / "gallery.sqlite").is_file():
        raise GalleryBroken(f"{folder}: there is no gallery; `visage people add NAME PICTURE` creates one")

    def bind(database: Database) -> tuple[GalleryBinding, IndexHome]:
        own = GalleryBinding.of(database, folder, model=model, model_dir=model_dir, key_file=key_file)
        return own, IndexHome(folder, database, own, url=index_url, grpc_port=index_grpc_port, api_key=api_key)

    database, (own, home) = open_bound(folder / "gallery.sqlite", bind)
    return Gallery(folder, database, own, home)
