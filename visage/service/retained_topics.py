"""The content of the broker's retained topics, made from the events of cameras.

    PREFIX/ID/SOURCE/{state,faces,person,availability}   `person` is JSON: who is in view, and how many strangers
    PREFIX/ID/people/PERSON                              JSON: whether and where a person is in view, the last event
    PREFIX/SOURCE/{state,faces,person}                   aliases without the installation's id; `person` is plain text

A name is in a topic only while its person is in the gallery. An empty payload removes a retained topic.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field

from visage.config.service import MqttConfig
from visage.service.events import REMOVED, ServiceEvent
from visage.service.home_assistant import Discovery

__all__ = ["RetainedTopics"]

RUNNING = "running"
STRANGER = "stranger"
STEP_SECONDS = 30.0


@dataclass(slots=True)
class _Camera:
    """`tracks`: those in view; the person's id and name, an id of None for a stranger, None before it is decided."""

    level: str
    discovery: dict[str, str]
    state: str = RUNNING
    tracks: dict[int, tuple[str | None, str] | None] = field(default_factory=dict)

    def people(self) -> dict[str, str]:
        """Ids and names of the people in view."""
        return {who[0]: who[1] for who in self.tracks.values() if who is not None and who[0] is not None}

    def strangers(self) -> int:
        return sum(who is not None and who[0] is None for who in self.tracks.values())


@dataclass(slots=True)
class _Seen:
    """The last time that a person was identified.

    Attributes:
        similarity: cosine, of the event that identified the person.
        in_view_at: when the person was last known to be in view, seconds since the epoch.
    """

    name: str
    discovery: dict[str, str]
    facts: dict[str, object]
    similarity: float = 0.0
    in_view_at: float = 0.0


class RetainedTopics:
    """The retained topics and payloads of all cameras and people. Safe from any thread."""

    def __init__(
        self,
        prefix: str,
        installation: str,
        discovery: Discovery | None,
        *,
        half_life_seconds: float = 300.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            half_life_seconds: after so long out of view the confidence that a person is still there is half.
            now: seconds since the epoch.
        """
        self._half_life_seconds = half_life_seconds
        self._now = now
        self._prefix = prefix
        self._base = f"{prefix}/{installation}"
        self._discovery = discovery
        self._lock = threading.Lock()
        self._cameras: dict[str, _Camera] = {}
        self._seen: dict[str, _Seen] = {}

    def note(self, event: ServiceEvent) -> None:
        """Take in an event of a camera; others are ignored, as files have no retained topics. Safe from any thread."""
        if event.kind != "camera":
            return
        with self._lock:
            if event.data.get("state") == REMOVED:
                self._cameras.pop(event.source_id, None)
                return
            camera = self._cameras.get(event.source_id)
            if camera is None:
                level = MqttConfig.topic_level(event.source_id)
                found = {} if self._discovery is None else self._discovery.camera(level, event.source_id)
                camera = self._cameras[event.source_id] = _Camera(level, found)
            if event.type == "source_state":
                camera.state = str(event.data.get("state"))
                self._note_in_view(camera.people(), event.at.timestamp())
                camera.tracks.clear()
            elif camera.state == RUNNING:  # frames from before a camera was lost may still come through
                self._note_track(camera, event)

    def restore(self, person_id: str, name: str) -> None:
        """Add a person who was seen before the daemon started, so that Home Assistant keeps the entity.

        Without effect if the person has been seen since.
        """
        found = {} if self._discovery is None else self._discovery.person(person_id, name)
        with self._lock:
            self._seen.setdefault(person_id, _Seen(name, found, {"last_source": None, "last_seen": None}))

    def keep_only(self, known: Set[str]) -> None:
        """Remove everyone whose id is not in `known`, from the cameras' topics as well."""
        with self._lock:
            for gone in self._seen.keys() - known:
                del self._seen[gone]
            for camera in self._cameras.values():
                for track_id, who in camera.tracks.items():
                    if who is not None and who[0] is not None and who[0] not in known:
                        camera.tracks[track_id] = None

    def levels(self) -> list[str]:
        """Return the topic levels of all cameras."""
        with self._lock:
            return [camera.level for camera in self._cameras.values()]

    def payloads(self) -> dict[str, str]:
        """Return the payload of every retained topic by its name."""
        payloads: dict[str, str] = {}
        with self._lock:
            for camera in self._cameras.values():
                payloads.update(self._of_camera(camera))
            for person_id, seen in self._seen.items():
                payloads.update(self._of_person(person_id, seen))
        return payloads

    def _note_track(self, camera: _Camera, event: ServiceEvent) -> None:
        track = event.data.get("track")
        number = track.get("id") if isinstance(track, dict) else None
        if not isinstance(number, int):
            return
        if event.type == "track_ended":
            who = camera.tracks.pop(number, None)
            self._note_in_view([] if who is None or who[0] is None else [who[0]], event.at.timestamp())
            return
        camera.tracks.setdefault(number, None)
        person = event.data.get("person")
        if event.type != "track_identified" or not isinstance(person, dict):
            return
        person_id, name = person.get("id"), str(person.get("name"))
        camera.tracks[number] = (None if person_id is None else str(person_id), name)
        if person_id is not None:
            self._note_person(str(person_id), name, event, person.get("similarity"), number)

    def _note_person(self, person_id: str, name: str, event: ServiceEvent, similarity: object, number: int) -> None:
        seen = self._seen.get(person_id)
        if seen is None or seen.name != name:
            found = {} if self._discovery is None else self._discovery.person(person_id, name)
            seen = self._seen[person_id] = _Seen(name, found, {})
        seen.facts = {
            "last_source": event.source_id,
            "last_seen": event.record()["time"],
            "similarity": similarity,
            "event": event.event_id,
            "track": number,
        }
        seen.similarity = float(similarity) if isinstance(similarity, int | float) else 0.0

    def _note_in_view(self, people: Iterable[str], at: float) -> None:
        """They were in view until then."""
        for person_id in people:
            if person_id in self._seen:
                self._seen[person_id].in_view_at = at

    def _confidence(self, seen: _Seen, *, is_present: bool) -> float:
        """How sure it is that a person is there: the similarity, which halves again and again out of view.

        In steps, so that a broker is not told anew with every look.
        """
        if is_present:
            return round(max(0.0, seen.similarity), 2)
        age = max(0.0, self._now() - seen.in_view_at) // STEP_SECONDS * STEP_SECONDS
        return round(max(0.0, seen.similarity) * math.pow(0.5, min(age / self._half_life_seconds, 64.0)), 2)

    def _of_camera(self, camera: _Camera) -> dict[str, str]:
        own, alias = f"{self._base}/{camera.level}", f"{self._prefix}/{camera.level}"
        people, strangers = camera.people(), camera.strangers()
        names = sorted(set(people.values()), key=str.casefold)
        faces = str(len(camera.tracks))
        return {
            **camera.discovery,
            f"{own}/state": camera.state,
            f"{own}/faces": faces,
            f"{own}/person": json.dumps({"names": names, "ids": sorted(people), "strangers": strangers}),
            f"{own}/availability": "online" if camera.state == RUNNING else "offline",
            f"{alias}/state": camera.state,
            f"{alias}/faces": faces,
            f"{alias}/person": ", ".join(names) or (STRANGER if strangers else ""),
        }

    def _of_person(self, person_id: str, seen: _Seen) -> dict[str, str]:
        sources = sorted(name for name, camera in self._cameras.items() if person_id in camera.people())
        confidence = self._confidence(seen, is_present=bool(sources))
        payload = {
            "present": bool(sources),
            "name": seen.name,
            "sources": sources,
            "confidence": confidence,
            **seen.facts,
        }
        return {**seen.discovery, f"{self._base}/people/{person_id}": json.dumps(payload)}
