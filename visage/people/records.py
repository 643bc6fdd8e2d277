"""Records of people: plain data, without embeddings. Times are seconds since the epoch.

Ids are words that name the kind: p7 a person, u17 an unknown, i3 a picture, s1042 a sighting.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "AuditEntry",
    "CorrectionRecord",
    "Enrolled",
    "Forgotten",
    "NameChange",
    "PeoplePage",
    "PictureRecord",
    "Preview",
    "Sighting",
    "SightingMatch",
    "StoredPerson",
    "StoredUnknown",
]


@dataclass(frozen=True, slots=True)
class StoredPerson:
    """A person with a name.

    Attributes:
        seen_seconds: total length of all their sightings, in seconds.
        last_seen: None if they have no sightings.
        has_crop: any picture or sighting of theirs has a crop.
    """

    person_id: str
    name: str
    pictures: int
    sightings: int = 0
    seen_seconds: float = 0.0
    last_seen: float | None = None
    has_crop: bool = False


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """Some of the people who were asked for.

    Attributes:
        total: how many there are on all pages.
        after: where the next page begins; None after the last.
    """

    people: list[StoredPerson]
    total: int
    after: str | None


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """One enrolled face; `crop` is a JPEG, None if crops are not kept."""

    picture_id: str
    origin: str
    quality: float
    added_at: float
    crop: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class StoredUnknown:
    """A person without a name.

    Attributes:
        seen_seconds: total length of their sightings, in seconds.
        offered: seen long enough to be worth a name.
        has_crop: any sighting of theirs has a crop.
    """

    unknown_id: str
    name: str
    sightings: int
    seen_seconds: float
    first_seen: float
    last_seen: float
    sources: tuple[str, ...]
    offered: bool
    has_crop: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """One track, stored.

    Attributes:
        uri: where the source came from, without credentials.
        started_at: wall-clock time of its first frame; for a file that of its recording, as far as that is known.
        time_origin: where that is known from: "capture", "metadata", "file name", "last change", or only "analysis".
        start_seconds, end_seconds, best_seconds: the source's own time.
        name: the person's or unknown's; "unknown" if it belongs to no cluster, "ignored" if it is to be ignored.
        similarity: to the person, -1 to 1, when it was named; None for unknowns and for names given by a correction.
        is_live: seen by a camera, whose own time begins anew with every connection.
        is_ignored: a correction says to ignore it; its name is "ignored".
    """

    sighting_id: str
    source: str
    uri: str
    track_id: int
    started_at: float
    start_seconds: float
    end_seconds: float
    frames: int
    best_frame: int
    best_seconds: float
    quality: float
    name: str
    person_id: str | None = None
    unknown_id: str | None = None
    similarity: float | None = None
    is_live: bool = False
    time_origin: str = "analysis"
    is_ignored: bool = False


@dataclass(frozen=True, slots=True)
class SightingMatch:
    """A sighting found by a face; `similarity` is the cosine, -1 to 1."""

    sighting: Sighting
    similarity: float


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The result of adding a picture. `note`: what the user should know, such as that another person looks alike."""

    person_id: str
    picture_id: str
    quality: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much of a person's data was removed.

    Attributes:
        vectors: embeddings, of pictures and sightings together; crops likewise.
        verified: a search for the embeddings afterwards found none of them.
        index_waits: the index is open in another process, or its server is away; it drops its copies later.
        waiting_vectors: the number of copies that the index still holds then; searches leave them out.
    """

    pictures: int
    sightings: int
    vectors: int
    crops: int
    verified: bool
    index_waits: bool = False
    waiting_vectors: int = 0


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, at how many seconds since the epoch.

    Names are not recorded, so that none is left of forgotten people.
    """

    at: float
    actor: str
    action: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class CorrectionRecord:
    """A correction of a sighting.

    Attributes:
        kind: "is", "is-not", "ignore" or "different".
        name: of the person whom it names; empty for the other kinds.
        sightings: ids of those that show this face at present; empty until its film is analysed again.
        seconds: of the file, or since the epoch for a camera.
        undone_at: None while it holds.
    """

    correction_id: str
    kind: str
    at: float
    actor: str
    source: str
    seconds: float
    name: str = ""
    sightings: tuple[str, ...] = ()
    undone_at: float | None = None


@dataclass(frozen=True, slots=True)
class NameChange:
    """A past sighting whose name a change would alter; names as lists of sightings show them."""

    sighting_id: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change would do to past sightings, of which there are `total`."""

    changes: list[NameChange]
    total: int
