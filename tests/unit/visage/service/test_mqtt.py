"""A real broker, and a subscriber that sees what Home Assistant would."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import anyio
import anyio.abc
import anyio.to_thread
import pytest

from tests.unit.visage.service.scenes import ADA, observe
from visage.config.service import MqttConfig
from visage.service.backoff import Backoff
from visage.service.bus import EventBus
from visage.service.events import REMOVED, EventFactory
from visage.service.mqtt import MqttPublisher
from visage.service.outbox import Outbox
from visage.service.track_events import TrackEventSink

BOUND_SECONDS = 30
BROKER = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

pytestmark = pytest.mark.skipif(BROKER is None, reason="needs mosquitto (apt install mosquitto)")


class Broker:
    """mosquitto on a port of its own, started and stopped at will."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert BROKER is not None
        self._process = subprocess.Popen([BROKER, "-c", str(self._config)], stderr=subprocess.DEVNULL)
        anyio.run(self._wait)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(BOUND_SECONDS)
            self._process = None

    async def _wait(self) -> None:
        with anyio.fail_after(BOUND_SECONDS):
            while True:
                try:
                    async with await anyio.connect_tcp("127.0.0.1", self.port):
                        return
                except OSError:
                    await anyio.sleep(0.05)  # another process: nothing else tells


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


def play(bus: EventBus) -> None:
    """Ada comes to the door, is identified, leaves; somebody else stays in view."""
    factory = EventFactory("front door", "camera", "boot")
    bus.publish(factory.source_state("running", "", 1_700_000_000.0))
    sink = TrackEventSink(factory, bus.publish)
    sink.write(observe(0, [1], identities=[ADA], source_id="front door"))
    sink.write(observe(1, [2], ended=(1,), source_id="front door"))


def rig(folder: Path, broker: Broker, *, idle_seconds: float = BOUND_SECONDS) -> tuple[EventBus, MqttPublisher, Outbox]:
    outbox = Outbox(folder / "outbox.sqlite", limit=100)
    config = MqttConfig(host="127.0.0.1", port=broker.port)
    publisher = MqttPublisher(config, outbox, receiver="mqtt", backoff=Backoff(0.05, 0.1), idle_seconds=idle_seconds)
    bus = EventBus(journal=None, outbox=outbox, receivers={"mqtt": None})
    bus.subscribe(publisher.note)
    return bus, publisher, outbox


async def emptied(outbox: Outbox) -> None:
    while outbox.depths().get("mqtt"):  # noqa: ASYNC110  # nothing tells of the last delivery
        await anyio.sleep(0.02)


async def retained(port: int, count: int) -> dict[str, str]:
    """What a client that connects now is told at once."""
    found: dict[str, str] = {}
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("#")
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            found[str(message.topic)] = message.payload.decode()
            if len(found) == count:
                return found
    return found


def test_home_assistant_finds_a_camera_and_its_state(tmp_path: Path, broker: Broker) -> None:
    broker.start()
    bus, publisher, outbox = rig(tmp_path, broker)

    async def run() -> tuple[dict[str, str], dict[str, str]]:
        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(publisher.run)
                play(bus)
                await emptied(outbox)
                online = await retained(broker.port, 8)
                group.cancel_scope.cancel()
            return online, await retained(broker.port, 8)

    online, offline = anyio.run(run)
    outbox.close()
    assert online["visage/status"] == "online"
    assert offline["visage/status"] == "offline"
    assert online["visage/front_door/state"] == "running"
    assert online["visage/front_door/faces"] == "1"
    assert online["visage/front_door/person"] == "Ada"
    presence = json.loads(online["homeassistant/binary_sensor/visage_front_door_presence/config"])
    assert presence["state_topic"] == "visage/front_door/faces"
    assert presence["availability_topic"] == "visage/status"
    assert presence["device"]["name"] == "front door"
    assert sum(topic.startswith("homeassistant/") for topic in online) == 4


@pytest.mark.parametrize(("is_back", "faces"), [(False, "0"), (True, "1")])
def test_nobody_is_in_the_view_of_a_camera_that_is_away(
    tmp_path: Path, broker: Broker, is_back: bool, faces: str
) -> None:
    """Also where a frame from before is told of after the loss; found again, it begins with those who are there."""
    broker.start()
    bus, publisher, outbox = rig(tmp_path, broker)
    factory = EventFactory("front door", "camera", "boot")
    sink = TrackEventSink(factory, bus.publish)
    play(bus)
    bus.publish(factory.source_state("reconnecting", "", 1_700_000_001.0))
    sink.write(observe(2, [3], source_id="front door"))
    if is_back:
        bus.publish(factory.source_state("running", "", 1_700_000_002.0))
        sink.write(observe(3, [4], source_id="front door"))

    async def run() -> str:
        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(publisher.run)
                await emptied(outbox)
                found = await retained(broker.port, 8)
                group.cancel_scope.cancel()
        return found["visage/front_door/faces"]

    assert anyio.run(run) == faces
    outbox.close()


def test_a_camera_that_is_gone_leaves_nothing_at_the_broker(tmp_path: Path, broker: Broker) -> None:
    """Home Assistant would show it for ever. One goes while the broker is there, one while it is away."""
    broker.start()
    bus, publisher, outbox = rig(tmp_path, broker)

    async def run() -> dict[str, str]:
        with anyio.fail_after(BOUND_SECONDS):
            for name in ("door", "garden"):
                bus.publish(EventFactory(name, "camera", "boot").source_state("running", "", 1_700_000_000.0))
            async with anyio.create_task_group() as group:
                group.start_soon(publisher.run)
                await retained(broker.port, 1 + 2 * 7)
                bus.publish(EventFactory("door", "camera", "boot").source_state(REMOVED, "", 1_700_000_001.0))
                await emptied(outbox)
                group.cancel_scope.cancel()
            bus.publish(EventFactory("garden", "camera", "boot").source_state(REMOVED, "", 1_700_000_002.0))
            async with anyio.create_task_group() as group:
                group.start_soon(publisher.run)
                await emptied(outbox)
                group.cancel_scope.cancel()
            return await retained(broker.port, 1)

    assert anyio.run(run) == {"visage/status": "offline"}
    outbox.close()


def test_events_wait_for_a_broker_that_is_away(tmp_path: Path, broker: Broker) -> None:
    """Events from before it was up, and from before it was up again: all arrive, in order."""
    bus, publisher, outbox = rig(tmp_path, broker)
    received: list[str] = []

    async def listen(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe("visage/+/event", qos=1)
            task_status.started()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                received.append(json.loads(message.payload)["type"])

    async def heard(count: int) -> None:
        while len(received) < count:  # noqa: ASYNC110  # the network tells nobody
            await anyio.sleep(0.02)

    async def run() -> None:
        with anyio.fail_after(BOUND_SECONDS):
            for turn in (1, 2):
                play(bus)
                await anyio.to_thread.run_sync(broker.start)
                async with anyio.create_task_group() as listening:
                    await listening.start(listen)
                    async with anyio.create_task_group() as publishing:
                        publishing.start_soon(publisher.run)
                        await emptied(outbox)
                        publishing.cancel_scope.cancel()
                    await heard(5 * turn)
                    listening.cancel_scope.cancel()
                await anyio.to_thread.run_sync(broker.stop)

    anyio.run(run)
    outbox.close()
    one = ["source_state", "track_started", "track_identified", "track_ended", "track_started"]
    assert received == one * 2


def test_a_broker_that_begins_anew_is_told_everything_though_nothing_happens(tmp_path: Path, broker: Broker) -> None:
    """The broker has forgotten all; no event comes that would show that the connection is gone."""
    broker.start()
    bus, publisher, outbox = rig(tmp_path, broker, idle_seconds=0.2)

    async def run() -> dict[str, str]:
        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(publisher.run)
                play(bus)
                await emptied(outbox)
                await anyio.to_thread.run_sync(broker.stop)
                await anyio.to_thread.run_sync(broker.start)
                found = await retained(broker.port, 8)
                group.cancel_scope.cancel()
            return found

    found = anyio.run(run)
    outbox.close()
    assert found["visage/status"] == "online"
    assert found["visage/front_door/person"] == "Ada"
