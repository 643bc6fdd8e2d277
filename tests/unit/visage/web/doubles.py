"""The rest of the daemon in memory: it keeps what it is told and answers from that, by the ports' rules."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatch

import cv2
import numpy as np
from pydantic import JsonValue

from stages.addresses import redact_credentials
from visage.service.events import EventType, ServiceEvent
from visage.web.errors import Conflict, NotFound, UnusablePicture
from visage.web.ports import (
    FeedEvent,
    NewSource,
    OnEvent,
    PeopleFilter,
    PeopleView,
    Readiness,
    SightingFilter,
    SightingsView,
    Unsubscribe,
)
from visage.web.records import MatchRecord, PersonRecord, SightingRecord, SourceRecord, UnknownRecord

__all__ = ["NOON", "MemoryPeople", "MemoryService", "jpeg"]

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)


def jpeg(width: int = 64, height: int = 48, shade: int = 120) -> bytes:
    """A picture of one grey."""
    _, data = cv2.imencode(".jpg", np.full((height, width, 3), shade, np.uint8))
    return data.tobytes()


class MemoryService:
    """A `ServicePort` without a pipeline."""

    def __init__(self, sources: Sequence[SourceRecord] = ()) -> None:
        self._lock = threading.Lock()
        self._sources = {source.source_id: source for source in sources}
        self._listeners: list[OnEvent] = []
        self.ready = Readiness(True)
        self.added: list[NewSource] = []
        self.reloads = 0

    def readiness(self) -> Readiness:
        return self.ready

    def sources(self) -> list[SourceRecord]:
        with self._lock:
            return list(self._sources.values())

    def add_source(self, source: NewSource) -> SourceRecord:
        with self._lock:
            if source.source_id in self._sources:
                raise Conflict(f"there is a source {source.source_id!r} already")
            self.added.append(source)
            status = SourceRecord(
                source.source_id,
                "camera" if source.is_live else "file",
                "running",
                address=redact_credentials(source.uri),
            )
            self._sources[source.source_id] = status
            return status

    def pause_source(self, source_id: str) -> SourceRecord:
        return self.change(source_id, state="paused", reason="paused by a person")

    def resume_source(self, source_id: str) -> SourceRecord:
        return self.change(source_id, state="running", reason="")

    def remove_source(self, source_id: str) -> None:
        with self._lock:
            self._find(source_id)
            del self._sources[source_id]

    def reload(self) -> None:
        self.reloads += 1

    def subscribe(self, on_event: OnEvent) -> Unsubscribe:
        self._listeners.append(on_event)
        return lambda: self._listeners.remove(on_event)

    def change(self, source_id: str, *, state: str, reason: str = "", fps: float = 0.0) -> SourceRecord:
        """Put a source into another state."""
        with self._lock:
            status = replace(self._find(source_id), state=state, reason=reason, fps=fps)
            self._sources[source_id] = status
            return status

    def happen(
        self, event_id: str, event_type: EventType, at: datetime, source_id: str, data: dict[str, JsonValue]
    ) -> None:
        """Tell those who subscribed of what a camera saw."""
        record = ServiceEvent(event_id, event_type, at, source_id, "camera", data).record()
        event = FeedEvent(event_id, event_type, record)
        for listener in list(self._listeners):
            listener(event)

    def _find(self, source_id: str) -> SourceRecord:
        if source_id not in self._sources:
            raise NotFound(f"there is no source {source_id!r}")
        return self._sources[source_id]


class MemoryPeople:
    """A `PeoplePort` without a network: a face is a picture's mean shade, and near shades are one face."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._people: dict[str, PersonRecord] = {}
        self._unknowns: dict[str, UnknownRecord] = {}
        self._portraits: dict[str, bytes] = {}
        self._sightings: list[tuple[SightingRecord, float]] = []
        self._number = 0

    def see(self, name: str, source_id: str, shade: float, *, minutes_ago: int = 0, unknown: bool = False) -> None:
        """Add a sighting of somebody who is made known if need be."""
        at = NOON - timedelta(minutes=minutes_ago)
        identifier = self._identifier(name, unknown=unknown)
        if unknown:
            before = self._unknowns[identifier]
            sources = tuple(dict.fromkeys([*before.sources, source_id]))
            after = replace(before, sightings=before.sightings + 1, sources=sources, first_seen=at, last_seen=NOON)
            self._unknowns[identifier] = after
        else:
            person = self._people[identifier]
            self._people[identifier] = replace(person, sightings=person.sightings + 1, last_seen=at)
        sighting = SightingRecord(
            sighting_id=f"s-{len(self._sightings)}",
            source_id=source_id,
            started_at=at,
            ended_at=at + timedelta(seconds=4),
            name=name,
            person_id=None if unknown else identifier,
            unknown_id=identifier if unknown else None,
            quality=0.8,
            start_seconds=minutes_ago * 60.0,
            end_seconds=minutes_ago * 60.0 + 4,
        )
        self._sightings.append((sighting, shade))

    def keep_portrait(self, name: str, data: bytes) -> None:
        """A face for somebody who is known."""
        for person in self._people.values():
            if person.name == name:
                self._people[person.person_id] = replace(person, has_portrait=True)
                self._portraits[person.person_id] = data
                return
        for unknown in self._unknowns.values():
            if unknown.label == name:
                self._unknowns[unknown.unknown_id] = replace(unknown, has_portrait=True)
                self._portraits[unknown.unknown_id] = data
                return
        raise NotFound(name)

    def people(self, query: PeopleFilter) -> PeopleView:
        found = [person for person in self._people.values() if query.search.casefold() in person.name.casefold()]
        found.sort(key=lambda person: person.name)
        ids = [person.person_id for person in found]
        first = ids.index(query.after) + 1 if query.after in ids else 0
        page = found[first : first + query.limit]
        is_last = first + query.limit >= len(found)
        return PeopleView(page, len(found), None if is_last else page[-1].person_id)

    def person_ids(self) -> set[str]:
        return set(self._people)

    def person(self, person_id: str) -> PersonRecord:
        if person_id not in self._people:
            raise NotFound(f"there is no person {person_id!r}")
        return self._people[person_id]

    def add_person(self, name: str, pictures: Sequence[bytes]) -> PersonRecord:
        for picture in pictures:
            _shade(picture)
        identifier = self._identifier(name, unknown=False)
        person = self._people[identifier]
        self._people[identifier] = replace(person, pictures=person.pictures + len(pictures))
        return self._people[identifier]

    def rename_person(self, person_id: str, name: str) -> PersonRecord:
        person = self.person(person_id)
        if any(other.name == name and other.person_id != person_id for other in self._people.values()):
            raise Conflict(f"there is a person {name!r} already; merge them instead")
        self._people[person_id] = replace(person, name=name)
        return self._people[person_id]

    def merge_people(self, kept_id: str, merged_id: str) -> PersonRecord:
        kept, merged = self.person(kept_id), self.person(merged_id)
        del self._people[merged_id]
        self._people[kept_id] = replace(
            kept, pictures=kept.pictures + merged.pictures, sightings=kept.sightings + merged.sightings
        )
        return self._people[kept_id]

    def forget_person(self, person_id: str) -> dict[str, int]:
        person = self.person(person_id)
        del self._people[person_id]
        before = len(self._sightings)
        self._sightings = [(seen, shade) for seen, shade in self._sightings if seen.person_id != person_id]
        return {"pictures": person.pictures, "sightings": before - len(self._sightings)}

    def portrait(self, identifier: str) -> bytes:
        if identifier not in self._portraits:
            raise NotFound("no picture is kept")
        return self._portraits[identifier]

    def unknowns(self) -> list[UnknownRecord]:
        return list(self._unknowns.values())

    def name_unknown(self, unknown_id: str, name: str) -> PersonRecord:
        if unknown_id not in self._unknowns:
            raise NotFound(f"there is no unknown {unknown_id!r}")
        unknown = self._unknowns.pop(unknown_id)
        identifier = self._identifier(name, unknown=False)
        person = self._people[identifier]
        has_portrait = unknown_id in self._portraits
        if has_portrait:
            self._portraits[identifier] = self._portraits.pop(unknown_id)
        self._people[identifier] = replace(
            person,
            sightings=person.sightings + unknown.sightings,
            last_seen=unknown.last_seen,
            has_portrait=has_portrait,
        )
        return self._people[identifier]

    def sightings(self, query: SightingFilter) -> SightingsView:
        return SightingsView([sighting for sighting, _ in self._matching(query)][: query.limit])

    def search(self, picture: bytes, query: SightingFilter) -> list[MatchRecord]:
        shade = _shade(picture)
        matches = [MatchRecord(sighting, 1 - abs(seen - shade) / 255) for sighting, seen in self._matching(query)]
        return sorted(matches, key=lambda match: -match.similarity)[: query.limit]

    def _matching(self, query: SightingFilter) -> list[tuple[SightingRecord, float]]:
        return [
            (sighting, shade)
            for sighting, shade in sorted(self._sightings, key=lambda pair: pair[0].started_at, reverse=True)
            if query.person_id in (None, sighting.person_id)
            and fnmatch(sighting.source_id, query.source or "*")
            and (query.since is None or sighting.started_at >= query.since)
            and (query.until is None or sighting.started_at <= query.until)
        ]

    def _identifier(self, name: str, *, unknown: bool) -> str:
        with self._lock:
            for person in self._people.values():
                if person.name == name and not unknown:
                    return person.person_id
            for stranger in self._unknowns.values():
                if stranger.label == name and unknown:
                    return stranger.unknown_id
            self._number += 1
            identifier = f"{'u' if unknown else 'p'}{self._number}"
            if unknown:
                self._unknowns[identifier] = UnknownRecord(identifier, name, 0)
            else:
                self._people[identifier] = PersonRecord(identifier, name)
            return identifier


def _shade(picture: bytes) -> float:
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise UnusablePicture("the picture can't be decoded")
    if image.mean() < 10:
        raise UnusablePicture("no face found; is the picture upright and bright enough?")
    return float(image.mean())
