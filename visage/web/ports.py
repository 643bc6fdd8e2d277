"""What the web needs of the rest of the daemon: two protocols and their records.

Methods are plain calls, safe from any thread; the web makes them on worker threads, so they may read a database but
should answer within a second. They raise `visage.web.errors`: NotFound, Conflict, PictureRefused, Unavailable.
Records hold nothing secret: addresses come without credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from pydantic import JsonValue

__all__ = [
    "FeedEvent",
    "Match",
    "NewSource",
    "OnEvent",
    "PeopleFilter",
    "PeoplePort",
    "PeopleView",
    "PersonView",
    "Readiness",
    "ServicePort",
    "SightingFilter",
    "SightingView",
    "SightingsView",
    "SourceStatus",
    "Unknown",
    "Unsubscribe",
]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether frames go through; `reason` says why not, in one line."""

    ready: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source at one moment.

    Attributes:
        state: for example "running", "reconnecting", "paused", "failed", "waiting", "done".
        reason: one line that explains the state, without credentials; empty where there is nothing to say.
        address: what it reads, without credentials.
        fps: frames looked at a second, over the last few seconds.
        frames, dropped, faces: counted since the daemon started.
        reconnects: how often it had to be opened again.
        latency_seconds: from a frame's capture to its results, for the last frames; None where unknown.
    """

    source_id: str
    kind: Literal["camera", "folder", "file"]
    state: str
    reason: str = ""
    address: str = ""
    fps: float = 0.0
    frames: int = 0
    dropped: int = 0
    faces: int = 0
    reconnects: int = 0
    latency_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source that a caller wants added. `uri` has passed the source rules; it may hold credentials.

    `source_id` is a camera's; a file is named by its path.
    """

    uri: str = field(repr=False)
    source_id: str
    is_live: bool


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """Something that happened.

    Attributes:
        event_id: unique; the same event never has two.
        type: "track_started", "track_identified", "track_ended" or "source_state".
        record: all of it, as all of the daemon's outputs tell it.
    """

    event_id: str
    type: str
    record: dict[str, JsonValue]


OnEvent: TypeAlias = Callable[[FeedEvent], None]
Unsubscribe: TypeAlias = Callable[[], None]


class ServicePort(Protocol):
    """The daemon as the web sees it."""

    def readiness(self) -> Readiness:
        """Whether frames go through."""

    def sources(self) -> Sequence[SourceStatus]:
        """Cameras, folders, and the files in work."""

    def add_source(self, source: NewSource) -> SourceStatus:
        """Begin with a source. Raises Conflict where the name is taken."""

    def pause_source(self, source_id: str) -> SourceStatus:
        """Read no more of it until `resume_source`. Raises NotFound."""

    def resume_source(self, source_id: str) -> SourceStatus:
        """Raises NotFound."""

    def remove_source(self, source_id: str) -> None:
        """Stop it and forget it. Raises NotFound."""

    def reload(self) -> None:
        """Read the configuration again. Raises Conflict with the message where it is wrong."""

    def subscribe(self, on_event: OnEvent) -> Unsubscribe:
        """Call `on_event`, which never blocks, from any thread for every event from now on."""


@dataclass(frozen=True, slots=True)
class PersonView:
    """Somebody with a name."""

    person_id: str
    name: str
    pictures: int = 0
    sightings: int = 0
    last_seen: datetime | None = None
    has_portrait: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """Somebody seen often enough to be worth a name."""

    unknown_id: str
    label: str
    sightings: int
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    sources: tuple[str, ...] = ()
    has_portrait: bool = False


@dataclass(frozen=True, slots=True)
class SightingView:
    """One track of somebody, stored."""

    sighting_id: str
    source_id: str
    started_at: datetime
    ended_at: datetime
    name: str
    person_id: str | None = None
    unknown_id: str | None = None
    quality: float = 0.0
    start_seconds: float = 0.0
    end_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Match:
    """A sighting found by a picture; `similarity` is the cosine, in [-1, 1]."""

    sighting: SightingView
    similarity: float


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Which people: those whose names contain `search`, at most `limit` of them, after the person `after`."""

    search: str = ""
    limit: int = 100
    after: str | None = None


@dataclass(frozen=True, slots=True)
class PeopleView:
    """A page of people, by name; `total` on all pages, and the id to go on `after`, None on the last page."""

    people: Sequence[PersonView]
    total: int
    after: str | None = None


@dataclass(frozen=True, slots=True)
class SightingsView:
    """A page of sightings, and what to go on `after`, None on the last page."""

    sightings: Sequence[SightingView]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class SightingFilter:
    """Which sightings: all conditions together. `source` may be a pattern such as `cam-*`.

    `after`: from the page before; a search has no pages.
    """

    person_id: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    after: str | None = None


class PeoplePort(Protocol):
    """The gallery, the unknowns and the sightings as the web sees them. Pictures are encoded, as files."""

    def people(self, query: PeopleFilter) -> PeopleView:
        """A page of those who have a name. Raises NotFound where the person to go on after is gone."""

    def person_ids(self) -> Set[str]:
        """Of everybody with a name; quick, for it is asked with every question about the past."""

    def person(self, person_id: str) -> PersonView:
        """Raises NotFound."""

    def add_person(self, name: str, pictures: Sequence[bytes]) -> PersonView:
        """Enrol from pictures with one face each. Raises PictureRefused, Conflict."""

    def rename_person(self, person_id: str, name: str) -> PersonView:
        """Raises NotFound, Conflict where another has the name."""

    def merge_people(self, kept_id: str, merged_id: str) -> PersonView:
        """Make two people one, who keeps the first one's name. Raises NotFound."""

    def forget_person(self, person_id: str) -> dict[str, int]:
        """Remove everything of a person; says how many of what. Raises NotFound, Unavailable if some is still found."""

    def portrait(self, identifier: str) -> bytes:
        """A JPEG of a person's or an unknown's face, where crops are kept. Raises NotFound."""

    def unknowns(self) -> Sequence[Unknown]:
        """Those worth a name, longest seen first."""

    def name_unknown(self, unknown_id: str, name: str) -> PersonView:
        """Give an unknown a name, or add it to the person who has that name. Raises NotFound, Conflict."""

    def sightings(self, query: SightingFilter) -> SightingsView:
        """Newest first."""

    def search(self, picture: bytes, query: SightingFilter) -> Sequence[Match]:
        """The sightings most like the face in the picture, best first. Raises NotFound, PictureRefused, Unavailable."""
