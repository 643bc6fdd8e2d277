"""The gallery for the web: implements `visage.web.ports.PeoplePort` over `visage.people.Gallery`.

The networks that read pictures are loaded when the first picture comes, since most daemons never get one, and stay. The
gallery stays the caller's; errors of people become answers here.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import datetime, timezone

from stages.errors import SourceError
from visage.people import FaceReader, Gallery, PortraitFace, choose_face, records
from visage.people import errors as people_errors
from visage.people.index.errors import FaceIndexError
from visage.web.errors import Conflict, NotFound, Unavailable, UnusablePicture
from visage.web.ports import PeopleFilter, PeopleView, SightingFilter, SightingsView
from visage.web.records import MatchRecord, PersonRecord, SightingRecord, UnknownRecord

__all__ = ["GalleryPeople"]


class GalleryPeople:
    """Implements `PeoplePort`. Owns the networks that read pictures, not the gallery: close it first."""

    def __init__(
        self,
        gallery: Gallery,
        open_reader: Callable[[], FaceReader],
        *,
        on_forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            open_reader: loads the networks; called once, for the first picture.
            on_forgotten: called after someone was removed, before that is confirmed; may raise sqlite3.Error, OSError.
        """
        self._gallery = gallery
        self._on_forgotten = on_forgotten
        self._open_reader = open_reader
        self._reader: FaceReader | None = None
        self._lock = threading.Lock()

    def people(self, query: PeopleFilter) -> PeopleView:
        keeps_crops = self._gallery.keeps_crops
        with _answered():
            page = self._gallery.people_page(query.search, limit=query.limit, after=query.after)
        return PeopleView([_person(record, keeps_crops) for record in page.people], page.total, page.after)

    def person_ids(self) -> Set[str]:
        return self._gallery.person_ids()

    def person(self, person_id: str) -> PersonRecord:
        with _answered():
            return self._person(self._gallery.person(person_id))

    def add_person(self, name: str, pictures: Sequence[bytes]) -> PersonRecord:
        with _answered():
            # All are read before the one transaction begins: a refused picture leaves nothing, and no lock waits.
            faces = [self._read_one_of(pictures, number) for number in range(len(pictures))]
            self._gallery.add_all(name, list(zip(faces, pictures, strict=True)), origin="upload")
            return self._person(self._gallery.person(name))

    def rename_person(self, person_id: str, name: str) -> PersonRecord:
        with _answered():
            self._gallery.rename(person_id, name)
            return self._person(self._gallery.person(person_id))

    def merge_people(self, kept_id: str, merged_id: str) -> PersonRecord:
        if kept_id == merged_id:
            raise Conflict("a person can't be merged with themselves")
        with _answered():
            self._gallery.merge(kept_id, merged_id)
            return self._person(self._gallery.person(kept_id))

    def forget_person(self, person_id: str) -> dict[str, int]:
        with _answered():
            forgotten = self._gallery.forget(self._gallery.person(person_id).person_id)
        try:
            self._on_forgotten()
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"the person is forgotten, but the name is still in an event: {error}") from error
        if not forgotten.verified:
            raise Unavailable("a search still finds this person: see the daemon's log and forget again")
        counts = {"pictures": forgotten.pictures, "sightings": forgotten.sightings}
        waiting = {"waiting_vectors": forgotten.waiting_vectors} if forgotten.index_waits else {}
        return {**counts, "vectors": forgotten.vectors, "crops": forgotten.crops, **waiting}

    def portrait(self, identifier: str) -> bytes:
        with _answered():
            portrait = self._gallery.portrait(identifier)
        if portrait is None or not self._gallery.keeps_crops:
            raise NotFound(f"no picture of {identifier} is kept")
        return portrait

    def unknowns(self) -> Sequence[UnknownRecord]:
        keeps_crops = self._gallery.keeps_crops
        return [
            UnknownRecord(
                unknown_id=record.unknown_id,
                label=record.name,
                sightings=record.sightings,
                first_seen=_moment(record.first_seen),
                last_seen=_moment(record.last_seen),
                sources=record.sources,
                has_portrait=keeps_crops and record.has_crop,
            )
            for record in self._gallery.unknowns()
        ]

    def name_unknown(self, unknown_id: str, name: str) -> PersonRecord:
        with _answered():
            return self._person(self._gallery.name_unknown(unknown_id, name))

    def sightings(self, query: SightingFilter) -> SightingsView:
        at, _, number = (query.after or "").partition("-")
        with _answered():
            found = self._gallery.sightings(
                person=query.person_id,
                source=query.source,
                since=_seconds(query.since),
                until=_seconds(query.until),
                limit=query.limit + 1,
                after=(float(at), int(number)) if query.after else None,
            )
        page = found[: query.limit]
        after = f"{page[-1].started_at!r}-{page[-1].sighting_id[1:]}" if len(found) > len(page) else None
        return SightingsView([_sighting(record) for record in page], after)

    def search(self, picture: bytes, query: SightingFilter) -> Sequence[MatchRecord]:
        with _answered():
            found = self._gallery.search(
                self._read(picture).embedding,
                person=query.person_id,
                source=query.source,
                since=_seconds(query.since),
                until=_seconds(query.until),
                limit=query.limit,
                least_similarity=self._gallery.threshold,
            )
        return [MatchRecord(_sighting(match.sighting), match.similarity) for match in found]

    def close(self) -> None:
        """Close the networks. Safe to call more than once, from any thread."""
        with self._lock:
            reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _read_one_of(self, pictures: Sequence[bytes], number: int) -> PortraitFace:
        """As `_read`; of several the error says which one it was."""
        try:
            return self._read(pictures[number])
        except (UnusablePicture, people_errors.PictureRefused) as error:
            if len(pictures) == 1:
                raise
            raise UnusablePicture(f"picture {number + 1}: {error}") from error

    def _read(self, picture: bytes) -> PortraitFace:
        """The one face of a picture. Raises UnusablePicture, the web's or that of people."""
        with self._lock:
            if self._reader is None:
                self._reader = self._open_reader()
            reader = self._reader
        try:
            faces = reader.read(picture)
        except SourceError as error:
            raise UnusablePicture(str(error)) from error
        if len(faces) > 1:
            raise UnusablePicture(f"{len(faces)} faces found; crop the picture to the one you mean")
        return choose_face(faces)

    def _person(self, record: records.StoredPerson) -> PersonRecord:
        return _person(record, self._gallery.keeps_crops)


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    """Errors of people as the web answers them."""
    try:
        yield
    except people_errors.NoSuchPerson as error:
        raise NotFound(str(error)) from error
    except (people_errors.NameTaken, people_errors.NameRefused) as error:
        raise Conflict(str(error)) from error
    except people_errors.PictureRefused as error:
        raise UnusablePicture(str(error)) from error
    except FaceIndexError as error:
        raise Unavailable(str(error)) from error


def _person(record: records.StoredPerson, keeps_crops: bool) -> PersonRecord:
    return PersonRecord(
        person_id=record.person_id,
        name=record.name,
        pictures=record.pictures,
        sightings=record.sightings,
        last_seen=None if record.last_seen is None else _moment(record.last_seen),
        has_portrait=keeps_crops and record.has_crop,
    )


def _sighting(record: records.Sighting) -> SightingRecord:
    """`started_at` of a sighting is its first frame's wall-clock time; its length is the source's own time."""
    return SightingRecord(
        sighting_id=record.sighting_id,
        source_id=record.source,
        started_at=_moment(record.started_at),
        ended_at=_moment(record.started_at + record.end_seconds - record.start_seconds),
        name=record.name,
        person_id=record.person_id,
        unknown_id=record.unknown_id,
        quality=record.quality,
        start_seconds=record.start_seconds,
        end_seconds=record.end_seconds,
        time_origin=record.time_origin,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _seconds(moment: datetime | None) -> float | None:
    """Seconds since the epoch; a time without a zone is the daemon's local time."""
    return None if moment is None else moment.timestamp()
