"""What the web needs of the rest of the daemon: two protocols, whose records the API returns unchanged.

Methods are plain calls, safe from any thread; the web makes them on worker threads, so they may read a database but
should answer within a second. They raise `visage.web.errors`: NotFound, Conflict, PictureRefused, Unavailable.
Records hold nothing secret: addresses come without credentials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeAlias

from pydantic import JsonValue

from visage.web.records import MatchRecord, PersonRecord, SightingRecord, SourceRecord, UnknownRecord

__all__ = [
    "FeedEvent",
    "NewSource",
    "OnEvent",
    "PeopleFilter",
    "PeoplePort",
    "PeopleView",
    "Readiness",
    "ServicePort",
    "SightingFilter",
    "SightingsView",
    "Unsubscribe",
]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether frames get through; `reason` is one line if they do not, otherwise empty."""

    ready: bool
    reason: str = ""


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
    """An event of the daemon.

    Attributes:
        event_id: unique; repeats of an event have the same id.
        type: "track_started", "track_identified", "track_ended" or "source_state".
        record: the whole event, as in all outputs of the daemon.
    """

    event_id: str
    type: str
    record: dict[str, JsonValue]


OnEvent: TypeAlias = Callable[[FeedEvent], None]
Unsubscribe: TypeAlias = Callable[[], None]


class ServicePort(Protocol):
    """The daemon for the web. Called on worker threads, several at once."""

    def readiness(self) -> Readiness:
        """Return whether frames get through. Quick; never raises."""

    def sources(self) -> Sequence[SourceRecord]:
        """Return all cameras and folders, and the files that are being analysed."""

    def add_source(self, source: NewSource) -> SourceRecord:
        """Begin with a source. Raises Conflict where the name is taken."""

    def pause_source(self, source_id: str) -> SourceRecord:
        """Read no more of it until `resume_source`. Raises NotFound."""

    def resume_source(self, source_id: str) -> SourceRecord:
        """Resume a paused source; returns its new state. Raises NotFound."""

    def remove_source(self, source_id: str) -> None:
        """Stop it and forget it. Raises NotFound."""

    def reload(self) -> None:
        """Read the configuration again. Raises Conflict with the message where it is wrong."""

    def subscribe(self, on_event: OnEvent) -> Unsubscribe:
        """Call `on_event`, which never blocks, from any thread for every event from now on."""


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Filter and page of people.

    Attributes:
        search: part of the name; empty for everyone.
        limit: at most this many people.
        after: the id of the last person on the previous page; None for the first page.
    """

    search: str = ""
    limit: int = 100
    after: str | None = None


@dataclass(frozen=True, slots=True)
class PeopleView:
    """A page of people, by name; `total` on all pages, and the id to go on `after`, None on the last page."""

    people: Sequence[PersonRecord]
    total: int
    after: str | None = None


@dataclass(frozen=True, slots=True)
class SightingsView:
    """A page of sightings, and what to go on `after`, None on the last page."""

    sightings: Sequence[SightingRecord]
    after: str | None = None


@dataclass(frozen=True, slots=True)
class SightingFilter:
    """Filter and page of sightings; every condition must hold, and None is no condition.

    Attributes:
        source: a name or a pattern such as `cam-*`.
        since, until: local time of the daemon where they have no time zone.
        after: the cursor of the previous page; a search has no pages.
    """

    person_id: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    after: str | None = None


class PeoplePort(Protocol):
    """The gallery with its unknowns and sightings for the web. Pictures are encoded files, as bytes."""

    def people(self, query: PeopleFilter) -> PeopleView:
        """A page of those who have a name. Raises NotFound where the person to go on after is gone."""

    def person_ids(self) -> Set[str]:
        """Return the ids of all people with a name. Quick: called for every query of past events."""

    def person(self, person_id: str) -> PersonRecord:
        """Return the person with this id. Raises NotFound."""

    def add_person(self, name: str, pictures: Sequence[bytes]) -> PersonRecord:
        """Enrol from pictures with one face each. Raises PictureRefused, Conflict."""

    def rename_person(self, person_id: str, name: str) -> PersonRecord:
        """Raises NotFound, Conflict where another has the name."""

    def merge_people(self, kept_id: str, merged_id: str) -> PersonRecord:
        """Make two people one, who keeps the first one's name. Raises NotFound."""

    def forget_person(self, person_id: str) -> dict[str, int]:
        """Remove everything of a person; says how many of what. Raises NotFound, Unavailable if some is still found."""

    def portrait(self, identifier: str) -> bytes:
        """A JPEG of a person's or an unknown's face, where crops are kept. Raises NotFound."""

    def unknowns(self) -> Sequence[UnknownRecord]:
        """Return the unknowns worth a name, those seen longest first."""

    def name_unknown(self, unknown_id: str, name: str) -> PersonRecord:
        """Give an unknown a name, or add it to the person who has that name. Raises NotFound, Conflict."""

    def sightings(self, query: SightingFilter) -> SightingsView:
        """Return a page of sightings, newest first; its `after` is None on the last page."""

    def search(self, picture: bytes, query: SightingFilter) -> Sequence[MatchRecord]:
        """The sightings most like the face in the picture, best first. Raises NotFound, PictureRefused, Unavailable."""
