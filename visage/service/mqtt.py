"""Publishes events to an MQTT broker, with Home Assistant's discovery of every camera and person.

    PREFIX/ID/status         retained: online, offline (the broker's last will); ID is the installation's
    PREFIX/ID/SOURCE/picture JPEG of the face that was identified last, if `pictures` is on; likewise people/PERSON
    PREFIX/SOURCE/event      every event's JSON with the key `installation`, QoS 1
    PREFIX/status            retained alias: online, offline

and the topics of `retained_topics` and `home_assistant`. Events wait in the outbox while the broker is away; retained
topics are put right after every connection, which is tested now and then while nothing happens. Topics that an earlier
run left behind are cleared first. MQTT restricts names: a source's name becomes a topic with everything but letters,
digits, - and _ replaced.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

import aiomqtt
import anyio
import anyio.to_thread

from visage.config.service import MqttConfig
from visage.observe.fields import about
from visage.people.errors import NoSuchPerson
from visage.runtime.wake import Wake
from visage.service.backoff import Backoff
from visage.service.enrolled import EnrolledPeople, without_forgotten
from visage.service.events import ServiceEvent
from visage.service.home_assistant import Discovery
from visage.service.installation import installation_id
from visage.service.outbox import Letter, Outbox
from visage.service.published_topics import PublishedTopics
from visage.service.retained_topics import RetainedTopics
from visage.service.tls import client_context

__all__ = ["MqttPublisher"]

FIRST_RETRY_SECONDS = 1.0
MAX_RETRY_SECONDS = 60.0
IDLE_SECONDS = 10.0
PICTURE_SECONDS = 60.0
QOS = 1

logger = logging.getLogger(__name__)


class MqttPublisher:
    """Keeps a connection to the broker and empties its part of the outbox. Runs in one task."""

    def __init__(
        self,
        config: MqttConfig,
        outbox: Outbox,
        *,
        receiver: str,
        state_dir: Path,
        people: EnrolledPeople | None = None,
        backoff: Backoff | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """
        Args:
            state_dir: keeps the installation's id and the topics that were published.
            people: who may be named; without it everyone.
            idle_seconds: how often the status is published again.

        Raises ConfigError where the password or `ca_file` can't be read, OSError where `state_dir` can't be written.
        """
        self.delivered = 0
        self._config = config
        self._outbox = outbox
        self._receiver = receiver
        self._people = people
        self._backoff = backoff or Backoff(FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS)
        self._idle_seconds = idle_seconds
        self._password = config.credentials.password.read()
        self._tls = client_context(config.ca_file, key="events.mqtt.ca_file") if config.tls else None
        self._installation = installation_id(state_dir)
        self._client_id = config.client_id or f"visage-{self._installation}"
        self._base = f"{config.topic_prefix}/{self._installation}"
        self._discovery = (
            None
            if config.discovery_prefix is None
            else Discovery(config.discovery_prefix, self._installation, self._base, pictures=config.pictures)
        )
        half_life = config.presence_half_life_seconds
        self._retained = RetainedTopics(
            config.topic_prefix, self._installation, self._discovery, half_life_seconds=half_life
        )
        self._pictures: dict[str, tuple[float, str | None, bytes]] = {}
        self._picture_lock = threading.Lock()
        self._published = PublishedTopics(state_dir, f"{config.host}:{config.port}")
        self._wake = Wake()
        self._restore_people()
        outbox.on_put(self._wake.set)

    def note(self, event: ServiceEvent) -> None:
        """Take in an event, from any thread: what the retained topics are to say."""
        self._retained.note(event)
        self._wake.set()

    def keep_only(self, known: Set[str]) -> None:
        """Remove everyone whose id is not among these from the retained topics; from any thread."""
        self._retained.keep_only(known)
        with self._picture_lock:
            for topic, (_, person_id, _) in list(self._pictures.items()):
                if person_id is not None and person_id not in known:
                    del self._pictures[topic]
        self._wake.set()

    @property
    def wants_pictures(self) -> bool:
        """Whether `offer_picture` has any effect: True if `events.mqtt.pictures` is set."""
        return self._config.pictures

    def offer_picture(self, source_id: str, person_id: str | None, jpeg: bytes) -> None:
        """Publish the picture of a face that was just identified, after its event; from any thread.

        Only the newest of each camera and person is kept, in memory and for a minute: none waits on disk for a broker.
        """
        topics = [f"{self._base}/{MqttConfig.topic_level(source_id)}/picture"]
        if person_id is not None:
            topics.append(f"{self._base}/people/{person_id}/picture")
        with self._picture_lock:
            for topic in topics:
                self._pictures[topic] = (time.monotonic(), person_id, jpeg)
        self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled, then publish that the daemon is offline, waiting at most one second.

        A lost connection is logged and made again with growing waits, never raised.
        """
        while True:
            try:
                # A connection has one last will; the alias of the status needs another.
                async with self._client(self._status_topic) as client, self._client(self._alias_topic):
                    logger.info(
                        "MQTT: connected to %s:%d", self._config.host, self._config.port, extra=about("mqtt.connected")
                    )
                    self._backoff.reset()
                    try:
                        await self._serve(client)
                    finally:
                        with anyio.CancelScope(shield=True), anyio.move_on_after(1.0):
                            await self._say(client, "offline")
            except (aiomqtt.MqttError, OSError) as error:
                if not self._backoff.failures:
                    logger.warning(
                        "MQTT: %s:%d: %s; trying again",
                        self._config.host,
                        self._config.port,
                        error,
                        extra=about("mqtt.away", error=error),
                    )
            await anyio.sleep(self._backoff.next_seconds())

    def _restore_people(self) -> None:
        """People seen before a restart keep their entities in Home Assistant, unless they were forgotten."""
        start = f"{self._base}/people/"
        for topic in self._published.topics:
            if topic.startswith(start) and self._people is not None:
                person_id = topic.removeprefix(start)
                with suppress(NoSuchPerson):
                    self._retained.restore(person_id, self._people.person_name(person_id))

    async def _serve(self, client: aiomqtt.Client) -> None:
        sent: dict[str, str] = {}
        await self._clear_former(client)
        await self._say(client, "online")
        said_at = time.monotonic()
        while True:
            await self._put_right(client, sent)
            letters = await anyio.to_thread.run_sync(self._outbox.oldest, self._receiver)
            for letter in letters:
                await self._publish_event(client, letter)
                self.delivered += 1
                await anyio.to_thread.run_sync(self._outbox.delivered, self._receiver, letter.number)
            if not letters:
                await self._publish_pictures(client)
                await self._wake.wait(self._idle_seconds)
            if time.monotonic() - said_at >= self._idle_seconds:
                # Nothing else notices a broker that started anew or no longer answers, or puts the alias right after
                # another installation has ended.
                await self._say(client, "online")
                said_at = time.monotonic()

    async def _clear_former(self, client: aiomqtt.Client) -> None:
        """Versions without an installation id kept no list: clear their discovery of the cameras that are here."""
        if self._published.is_first and self._discovery is not None:
            for level in self._retained.levels():
                for topic in self._discovery.former(level):
                    await client.publish(topic, "", qos=QOS, retain=True)

    async def _put_right(self, client: aiomqtt.Client, sent: dict[str, str]) -> None:
        """Publish the retained topics that changed, after clearing those that are no more."""
        payloads = self._retained.payloads()
        stale = self._published.topics - payloads.keys() - {self._status_topic, self._alias_topic}
        await anyio.to_thread.run_sync(self._published.add, [*payloads, self._status_topic, self._alias_topic])
        for topic in sorted(stale):
            await client.publish(topic, "", qos=QOS, retain=True)
            sent.pop(topic, None)
        await anyio.to_thread.run_sync(self._published.discard, stale)
        for topic, payload in payloads.items():
            if sent.get(topic) != payload:
                await client.publish(topic, payload, qos=QOS, retain=True)
                sent[topic] = payload

    async def _publish_event(self, client: aiomqtt.Client, letter: Letter) -> None:
        """Return when the broker has acknowledged it."""
        body = letter.body
        if self._people is not None:
            body = without_forgotten(body, await anyio.to_thread.run_sync(self._people.person_ids))
        record = json.loads(body)
        source = MqttConfig.topic_level(str(record["source"]))
        payload = json.dumps({**record, "installation": self._installation}, separators=(",", ":"))
        await client.publish(f"{self._config.topic_prefix}/{source}/event", payload, qos=QOS)

    async def _publish_pictures(self, client: aiomqtt.Client) -> None:
        """Not retained: a broker keeps no face."""
        with self._picture_lock:
            pictures, self._pictures = self._pictures, {}
        for topic, (offered_at, _, jpeg) in pictures.items():
            if time.monotonic() - offered_at < PICTURE_SECONDS:
                await client.publish(topic, jpeg, qos=0)

    async def _say(self, client: aiomqtt.Client, status: str) -> None:
        for topic in (self._status_topic, self._alias_topic):
            await client.publish(topic, status, qos=QOS, retain=True)

    def _client(self, status_topic: str) -> aiomqtt.Client:
        suffix = "" if status_topic == self._status_topic else "-status"
        return aiomqtt.Client(
            self._config.host,
            self._config.port,
            username=self._config.credentials.user,
            password=self._password,
            identifier=self._client_id + suffix,
            tls_context=self._tls,
            will=aiomqtt.Will(status_topic, "offline", qos=QOS, retain=True),
            timeout=10.0,
        )

    @property
    def _status_topic(self) -> str:
        return f"{self._base}/status"

    @property
    def _alias_topic(self) -> str:
        return f"{self._config.topic_prefix}/status"
