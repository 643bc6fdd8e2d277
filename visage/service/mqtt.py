"""Tells an MQTT broker what happens, so that Home Assistant finds every source by itself.

    PREFIX/status            retained: online, offline (the broker says offline where we vanish)
    PREFIX/SOURCE/event      every event's JSON, QoS 1
    PREFIX/SOURCE/state      retained: running, reconnecting, ...
    PREFIX/SOURCE/faces      retained: tracks in the picture
    PREFIX/SOURCE/person     retained: who was identified last; these three go with their source
    DISCOVERY/.../config     retained: what Home Assistant needs to show presence, faces, person and connection

Events wait in the outbox while the broker is away; retained topics are put right after every connection, which is tried
out now and then while nothing happens. MQTT has no rights on names: a source's name becomes a topic with everything but
letters, digits, - and _ replaced.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
from collections import defaultdict
from collections.abc import Iterator

import aiomqtt
import anyio
import anyio.to_thread

from visage.config.service import MqttConfig
from visage.observe.fields import about
from visage.runtime.wake import Wake
from visage.service.backoff import Backoff
from visage.service.events import REMOVED, ServiceEvent
from visage.service.outbox import Outbox

__all__ = ["MqttPublisher"]

RETRY_FIRST_SECONDS = 1.0
RETRY_MOST_SECONDS = 60.0
IDLE_SECONDS = 10.0
NO_PERSON = ""
RUNNING = "running"
QOS = 1

logger = logging.getLogger(__name__)


class MqttPublisher:
    """Keeps a connection and empties its part of the outbox."""

    def __init__(
        self,
        config: MqttConfig,
        outbox: Outbox,
        *,
        receiver: str,
        backoff: Backoff | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        """
        Args:
            idle_seconds: after so long without an event the broker is told again that we are online.

        Raises ConfigError where the password is not there.
        """
        self.delivered = 0
        self._config = config
        self._outbox = outbox
        self._receiver = receiver
        self._backoff = backoff or Backoff(RETRY_FIRST_SECONDS, RETRY_MOST_SECONDS)
        self._idle_seconds = idle_seconds
        self._password = config.credentials.password.read()
        self._lock = threading.Lock()
        self._in_view: defaultdict[str, set[int]] = defaultdict(set)
        self._retained: dict[str, str] = {}
        self._announced: set[str] = set()
        self._cameras: set[str] = set()
        self._gone: set[str] = set()
        self._wake = Wake()
        outbox.on_put(self._wake.set)

    def note(self, event: ServiceEvent) -> None:
        """From any thread, for every event: what the retained topics are to say.

        Only cameras have them: a file is over when somebody looks.
        """
        if event.kind == "camera":
            with self._lock:
                self._note_camera(event)
            self._wake.set()

    async def run(self) -> None:
        """Until cancelled; then the broker hears that we are offline."""
        while True:
            try:
                async with self._client() as client:
                    logger.info(
                        "MQTT: connected to %s:%d", self._config.host, self._config.port, extra=about("mqtt.connected")
                    )
                    self._backoff.reset()
                    try:
                        await self._serve(client)
                    finally:
                        with anyio.CancelScope(shield=True), anyio.move_on_after(1.0):
                            await client.publish(self._status_topic, "offline", qos=QOS, retain=True)
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

    def _note_camera(self, event: ServiceEvent) -> None:
        source = MqttConfig.topic_level(event.source_id)
        if event.data.get("state") == REMOVED:
            self._cameras.discard(event.source_id)
            self._gone.add(event.source_id)
            self._in_view.pop(event.source_id, None)
            # An empty text makes the broker forget a retained topic.
            self._retained.update({f"{source}/{topic}": "" for topic in ("state", "faces", "person")})
            return
        in_view = self._in_view[event.source_id]
        self._cameras.add(event.source_id)
        self._gone.discard(event.source_id)
        track = event.data.get("track")
        number = track.get("id") if isinstance(track, dict) else None
        if event.type == "source_state":
            self._retained[f"{source}/state"] = str(event.data.get("state"))
            in_view.clear()
        elif event.type == "track_ended":
            in_view.discard(int(str(number)))
        else:
            in_view.add(int(str(number)))
        person = event.data.get("person")
        if event.type == "track_identified" and isinstance(person, dict):
            self._retained[f"{source}/person"] = str(person.get("name"))
        # Frames from before the camera was lost may still be told of: nobody knows who is there now.
        is_away = self._retained.get(f"{source}/state", RUNNING) != RUNNING
        self._retained[f"{source}/faces"] = "0" if is_away else str(len(in_view))
        self._retained.setdefault(f"{source}/person", NO_PERSON)

    async def _serve(self, client: aiomqtt.Client) -> None:
        self._announced.clear()
        sent: dict[str, str] = {}
        await client.publish(self._status_topic, "online", qos=QOS, retain=True)
        while True:
            with self._lock:
                unannounced, retained = sorted(self._cameras - self._announced), list(self._retained.items())
                gone = sorted(self._gone)
            for source_id in unannounced:
                await self._announce(client, source_id)
            for source_id in gone:
                await self._announce(client, source_id, is_gone=True)
            with self._lock:
                self._gone.difference_update(gone)
            for topic, text in retained:
                if sent.get(topic) != text:
                    await client.publish(f"{self._config.topic_prefix}/{topic}", text, qos=QOS, retain=True)
                    sent[topic] = text
            letters = await anyio.to_thread.run_sync(self._outbox.oldest, self._receiver)
            for letter in letters:
                source = MqttConfig.topic_level(str(json.loads(letter.body)["source"]))
                # Returns when the broker has acknowledged it.
                await client.publish(f"{self._config.topic_prefix}/{source}/event", letter.body, qos=QOS)
                self.delivered += 1
                await anyio.to_thread.run_sync(self._outbox.delivered, self._receiver, letter.number)
            if not letters and not await self._wake.wait(self._idle_seconds):
                # Nothing else tells of a broker that began anew, or that answers no more.
                await client.publish(self._status_topic, "online", qos=QOS, retain=True)

    async def _announce(self, client: aiomqtt.Client, source_id: str, *, is_gone: bool = False) -> None:
        if self._config.discovery_prefix is not None:
            device = f"visage_{MqttConfig.topic_level(source_id)}"
            for component, key, config in self._discovery(source_id):
                topic = f"{self._config.discovery_prefix}/{component}/{device}_{key}/config"
                await client.publish(topic, "" if is_gone else json.dumps(config), qos=QOS, retain=True)
        (self._announced.discard if is_gone else self._announced.add)(source_id)

    def _discovery(self, source_id: str) -> Iterator[tuple[str, str, dict[str, object]]]:
        """Home Assistant's MQTT discovery: one device a source, four entities."""
        source = MqttConfig.topic_level(source_id)
        entities: dict[str, tuple[str, str, dict[str, object]]] = {
            "presence": (
                "binary_sensor",
                "faces",
                {"device_class": "occupancy", "value_template": "{{ 'ON' if value | int(0) > 0 else 'OFF' }}"},
            ),
            "faces": ("sensor", "faces", {"state_class": "measurement", "icon": "mdi:face-recognition"}),
            "person": ("sensor", "person", {"icon": "mdi:account"}),
            "connected": (
                "binary_sensor",
                "state",
                {"device_class": "connectivity", "value_template": "{{ 'ON' if value == 'running' else 'OFF' }}"},
            ),
        }
        for key, (component, topic, extra) in entities.items():
            yield (
                component,
                key,
                {
                    "name": key.capitalize(),
                    "unique_id": f"visage_{source}_{key}",
                    "state_topic": f"{self._config.topic_prefix}/{source}/{topic}",
                    "availability_topic": self._status_topic,
                    "device": {"identifiers": [f"visage_{source}"], "name": source_id, "manufacturer": "Visage"},
                    **extra,
                },
            )

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self._config.host,
            self._config.port,
            username=self._config.credentials.user,
            password=self._password,
            identifier=self._config.client_id,
            tls_context=ssl.create_default_context() if self._config.tls else None,
            will=aiomqtt.Will(self._status_topic, "offline", qos=QOS, retain=True),
            timeout=10.0,
        )

    @property
    def _status_topic(self) -> str:
        return f"{self._config.topic_prefix}/status"
