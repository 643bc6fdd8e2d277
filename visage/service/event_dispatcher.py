"""Publishes events: owns the journal, the outbox, the bus and the tasks that send over a network.

Sinks for every source come from here, and the states of cameras go through here. Nothing in this waits for a receiver:
whoever is away finds the events in the outbox.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Set
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from stages.errors import SourceError
from stages.frames import Observation, Picture
from stages.sink.base import Sink
from visage.config.service import EventsConfig
from visage.people.reader import crop_around
from visage.service.bus import EventBus
from visage.service.enrolled import FORGOTTEN, EnrolledPeople
from visage.service.events import REMOVED, EventFactory, ServiceEvent
from visage.service.journal import Journal
from visage.service.ledger import Job
from visage.service.mqtt import MqttPublisher
from visage.service.outbox import Outbox
from visage.service.supervision import keep_running
from visage.service.track_events import TrackEventSink
from visage.service.webhooks import WebhookSender

__all__ = ["EventDispatcher"]

logger = logging.getLogger(__name__)

MQTT = "mqtt"
LATENCIES = 50
PEOPLE_SECONDS = 2.0
"""How often the gallery is asked whether another process has forgotten someone."""


class EventDispatcher:
    """Safe from any thread, apart from `senders` and `flush`, which are tasks."""

    def __init__(
        self,
        config: EventsConfig,
        state_dir: Path,
        *,
        on_latency: Callable[[float], None],
        people: EnrolledPeople | None = None,
    ) -> None:
        """
        Args:
            people: who may be named; without it everyone.
            on_latency: told for each frame of a camera how many seconds passed from its capture to its events.

        Raises ConfigError where a secret is not there, OSError where a file can't be written.
        """
        self._on_latency = on_latency
        self._people = people
        self._known: Set[str] = frozenset() if people is None else people.person_ids()
        self._erase_again = False
        self._boot = str(uuid.uuid4())
        self._factories: dict[str, EventFactory] = {}
        self._latencies: dict[str, deque[float]] = {}
        self._sessions: dict[str, TrackEventSink] = {}
        with ExitStack() as owned:
            self.outbox = Outbox(state_dir / "outbox.sqlite", limit=config.queue_limit)
            owned.callback(self.outbox.close)
            self._journal = None
            if config.jsonl is not None:
                self._journal = Journal(config.jsonl)
                owned.callback(self._journal.close)
                self._erase_again = True  # for those who were forgotten while no daemon ran
            receivers: dict[str, frozenset[str] | None] = {
                f"webhook/{name}": frozenset(hook.kinds) or None for name, hook in config.webhooks.items()
            }
            self._webhooks = {
                name: WebhookSender(name, hook, self.outbox, receiver=f"webhook/{name}", people=people)
                for name, hook in config.webhooks.items()
            }
            self._mqtt = None
            if config.mqtt is not None:
                receivers[MQTT] = None
                self._mqtt = MqttPublisher(config.mqtt, self.outbox, receiver=MQTT, state_dir=state_dir, people=people)
            self.outbox.forget(known=receivers)
            self.bus = EventBus(journal=self._journal, outbox=self.outbox, receivers=receivers)
            if self._mqtt is not None:
                self.bus.subscribe(self._mqtt.note)
            if people is not None:
                self.outbox.erase(self._known)  # forgotten while no daemon ran
            self._owned = owned.pop_all()

    def close(self) -> None:
        """Write everything to disk and close the journal and the outbox. The tasks of `senders` must have ended."""
        self._owned.close()

    def senders(self) -> list[Callable[[], Coroutine[object, object, None]]]:
        """Return the tasks that empty the outbox, one for each receiver; each runs until it is cancelled.

        They survive sqlite3.Error, such as a full disk, with growing waits; any other error is a bug and is raised.
        """
        tasks: dict[str, Callable[[], Coroutine[object, object, None]]] = {
            f"webhook {name}": sender.run for name, sender in self._webhooks.items()
        }
        if self._mqtt is not None:
            tasks[MQTT] = self._mqtt.run
        if self._people is not None:
            tasks["forgotten people"] = self._watch_people
        return [keep_running(name, task, after=(sqlite3.Error,)) for name, task in tasks.items()]

    async def flush(self, seconds: float) -> None:
        """Wait at most `seconds` until every receiver has its events; what is left stays in the outbox on disk."""
        with anyio.move_on_after(seconds):
            while any(self.outbox.depths().values()):  # noqa: ASYNC110  # bounded, and nothing tells of the last one
                await anyio.sleep(0.05)

    def erase_forgotten(self) -> None:
        """Unname everyone who is no longer enrolled, in what waits, in retained topics and in the file of events.

        Raises sqlite3.Error, OSError where the disk does not take it; deliveries leave their names out all the same.
        """
        if self._people is None:
            return
        known = self._known = self._people.person_ids()
        self._erase_again = True  # an event may just be on its way into the outbox
        if self._mqtt is not None:
            self._mqtt.keep_only(known)
        self.outbox.erase(known)
        if self._journal is not None:
            self._journal.erase(known)

    @property
    def needs_pixels(self) -> bool:
        """Whether the sinks of cameras read pixels: True if pictures are published by MQTT."""
        return self._mqtt is not None and self._mqtt.wants_pictures

    def camera_sink(self, name: str, *, to_bgr: Callable[[Picture], NDArray[np.uint8]] | None = None) -> Sink:
        """For one session of a camera in the pipeline.

        Args:
            to_bgr: a picture as it may be shown, uint8 (H, W, 3); None where pixels are not held.
        """

        def on_identified(event: ServiceEvent, observation: Observation, row: int) -> None:
            person = event.data.get("person")
            found = person.get("id") if isinstance(person, dict) else None
            person_id = None if found is None else str(found)
            is_known = self._people is None or person_id is None or person_id in self._known
            if self._mqtt is not None and to_bgr is not None and is_known:
                with suppress(SourceError):  # the face lies outside the picture
                    image = to_bgr(observation.frame.picture)
                    self._mqtt.offer_picture(name, person_id, crop_around(image, observation.faces.boxes_xyxy[row]))

        # Each session counts its tracks from 1: its events need ids of their own.
        session = EventFactory(name, "camera", str(uuid.uuid4()))
        sink = TrackEventSink(
            session,
            self._publish,
            on_latency=lambda seconds: self._note_latency(name, seconds),
            on_identified=on_identified if self.needs_pixels else None,
        )
        self._sessions[name] = sink
        return sink

    def file_sink(self, name: str, job: Job) -> Sink:
        """Return the sink that publishes a file's events; their ids are the same if the file is analysed again.

        The pipeline opens and closes it.
        """
        return TrackEventSink(EventFactory(name, "file", f"{job.content}/{job.settings}"), self._publish)

    def camera_state(self, name: str, state: str, reason: str) -> None:
        """Publish a camera's new state. Safe from any thread."""
        factory = self._factories.setdefault(name, EventFactory(name, "camera", self._boot))
        self.bus.publish(factory.source_state(state, reason, time.time()))

    def camera_lost(self, name: str, connection: int) -> None:
        """End the tracks in view of a camera that lost its connection; connections are numbered from 1.

        Safe from any thread.
        """
        session = self._sessions.get(name)
        if session is not None:
            session.lose(connection)

    def camera_gone(self, name: str) -> None:
        """Publish that a camera was removed, and forget what was kept for it."""
        self.camera_state(name, REMOVED, "")
        self._factories.pop(name, None)
        self._latencies.pop(name, None)
        self._sessions.pop(name, None)

    def latency_seconds(self, name: str) -> float | None:
        """From capture to event, mean of the last frames of a camera; None before the first."""
        recent = list(self._latencies.get(name, ()))
        return sum(recent) / len(recent) if recent else None

    def rejected(self) -> dict[str, int]:
        """Return the number of events that each webhook refused for good, by its name."""
        return {name: sender.rejected for name, sender in self._webhooks.items()}

    def _publish(self, event: ServiceEvent) -> None:
        """Publish an event of a track, without the name of someone who was forgotten while the track went on."""
        person = event.data.get("person")
        if self._people is not None and isinstance(person, dict) and person.get("id") is not None:
            if person["id"] not in self._known:  # just enrolled, or forgotten
                with suppress(sqlite3.Error):  # the pipeline goes on; whoever can't be looked up is not named
                    self._known = self._people.person_ids()
            if person["id"] not in self._known:
                event = replace(event, data={**event.data, "person": {**person, **FORGOTTEN}})
        self.bus.publish(event)

    async def _watch_people(self) -> None:
        """Notice people whom another process has forgotten."""
        assert self._people is not None
        while True:
            now = await anyio.to_thread.run_sync(self._people.person_ids)
            if self._known - now or self._erase_again:
                try:
                    await anyio.to_thread.run_sync(self.erase_forgotten)
                    self._erase_again = False
                except OSError as error:
                    logger.error("forgotten names are still in the event file: %s; trying again", error.strerror)
            self._known = now
            await anyio.sleep(PEOPLE_SECONDS)

    def _note_latency(self, name: str, seconds: float) -> None:
        self._latencies.setdefault(name, deque(maxlen=LATENCIES)).append(seconds)
        self._on_latency(seconds)
