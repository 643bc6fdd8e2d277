"""A real broker, and a subscriber that sees what Home Assistant would."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiomqtt
import anyio
import anyio.abc
import anyio.to_thread
import numpy as np
import pytest

from stages.frames import Identity
from stages.sink.source_sinks import SourceSinks
from tests.bells import Bell
from tests.unit.stages.sink.scenes import opened, video
from tests.unit.visage.service.authority import Authority
from tests.unit.visage.service.scenes import ADA, BOB, RingingOutbox, observe
from visage.config.service import EventsConfig, MqttConfig
from visage.people.errors import NoSuchPerson
from visage.service.backoff import Backoff
from visage.service.bus import EventBus
from visage.service.enrolled import EnrolledPeople
from visage.service.event_dispatcher import EventDispatcher
from visage.service.events import REMOVED, EventFactory
from visage.service.installation import installation_id
from visage.service.mqtt import MqttPublisher
from visage.service.retained_topics import RetainedTopics
from visage.service.track_events import TrackEventSink

BOUND_SECONDS = 30
BROKER = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

pytestmark = pytest.mark.skipif(BROKER is None, reason="needs mosquitto (apt install mosquitto)")


class Broker:
    """mosquitto on a port of its own, started and stopped at will."""

    def __init__(self, folder: Path, authority: Authority | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self._config = folder / "mosquitto.conf"
        lines = [f"user {getpass.getuser()}", f"listener {self.port} 127.0.0.1", "allow_anonymous true"]
        if authority is not None:
            lines += [f"certfile {authority.server_file}", f"keyfile {authority.server_file}"]
        self._config.write_text("\n".join(lines) + "\n")
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
    sink = opened(TrackEventSink(factory, bus.publish), video("front door", is_live=True))
    sink.write(observe(0, [1], identities=[ADA], source_id="front door"))
    sink.write(observe(1, [2], ended=(1,), source_id="front door"))


def rig(
    folder: Path,
    broker: Broker,
    *,
    idle_seconds: float = BOUND_SECONDS,
    topic_prefix: str = "visage",
    people: EnrolledPeople | None = None,
    pictures: bool = False,
) -> tuple[EventBus, MqttPublisher, RingingOutbox]:
    outbox = RingingOutbox(folder / "outbox.sqlite")
    publisher = MqttPublisher(
        MqttConfig(host="127.0.0.1", port=broker.port, topic_prefix=topic_prefix, pictures=pictures),
        outbox,
        receiver="mqtt",
        state_dir=folder,
        people=people,
        backoff=Backoff(0.05, 0.1),
        idle_seconds=idle_seconds,
    )
    bus = EventBus(journal=None, outbox=outbox, receivers={"mqtt": None})
    bus.subscribe(publisher.note)
    return bus, publisher, outbox


async def retained(port: int) -> dict[str, str]:
    """Everything that a client that connects now is sent at once."""
    found: dict[str, str] = {}
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("#")
        await client.publish("end of what is retained", "", qos=1)  # the broker keeps the order
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            if str(message.topic) == "end of what is retained":
                break
            if message.retain:
                found[str(message.topic)] = message.payload.decode()
    return found


async def comes_true(port: int, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    """The retained topics as soon as they are as expected."""
    while True:
        found = await retained(port)
        if holds(found):
            return found
        await anyio.sleep(0.02)  # another process: nothing else tells


def run_until(publisher: MqttPublisher, port: int, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    """Run a publisher until the retained topics are as expected; the topics as they were then."""

    async def run() -> dict[str, str]:
        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(publisher.run)
                found = await comes_true(port, holds)
                group.cancel_scope.cancel()
        return found

    return anyio.run(run)


def test_home_assistant_finds_a_camera_and_its_state(tmp_path: Path, broker: Broker) -> None:
    broker.start()
    bus, publisher, outbox = rig(tmp_path, broker)
    play(bus)
    base = f"visage/{installation_id(tmp_path)}"
    online = run_until(publisher, broker.port, lambda found: found.get("visage/front_door/faces") == "1")
    offline = anyio.run(retained, broker.port)
    outbox.close()
    for status in ("visage/status", f"{base}/status"):
        assert (online[status], offline[status]) == ("online", "offline")
    for camera in ("visage/front_door", f"{base}/front_door"):
        assert (online[f"{camera}/state"], online[f"{camera}/faces"]) == ("running", "1")
    assert online[f"{base}/front_door/availability"] == "online"
    key = f"visage_{installation_id(tmp_path)}_front_door_presence"
    presence = json.loads(online[f"homeassistant/binary_sensor/{key}/config"])
    assert presence["state_topic"] == f"{base}/front_door/faces"
    assert presence["availability"] == [{"topic": f"{base}/status"}, {"topic": f"{base}/front_door/availability"}]
    assert presence["device"]["name"] == "front door"


@pytest.mark.parametrize(("is_back", "faces"), [(False, "0"), (True, "1")])
def test_nobody_is_in_the_view_of_a_camera_that_is_away(
    tmp_path: Path, broker: Broker, is_back: bool, faces: str
) -> None:
    """Also where a frame from before is told of after the loss; found again, it begins with those who are there."""
    broker.start()
    bus, publisher, outbox = rig(tmp_path, broker)
    factory = EventFactory("front door", "camera", "boot")
    sink = opened(TrackEventSink(factory, bus.publish), video("front door", is_live=True))
    play(bus)
    bus.publish(factory.source_state("reconnecting", "", 1_700_000_001.0))
    sink.write(observe(2, [3], source_id="front door"))
    if is_back:
        bus.publish(factory.source_state("running", "", 1_700_000_002.0))
        sink.write(observe(3, [4], source_id="front door"))

    expected = "online" if is_back else "offline"
    found = run_until(
        publisher,
        broker.port,
        lambda found: found.get(f"visage/{installation_id(tmp_path)}/front_door/availability") == expected,
    )
    outbox.close()
    assert found["visage/front_door/faces"] == faces


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
                await comes_true(
                    broker.port, lambda found: {"visage/door/state", "visage/garden/state"} <= found.keys()
                )
                bus.publish(EventFactory("door", "camera", "boot").source_state(REMOVED, "", 1_700_000_001.0))
                await outbox.until_empty("mqtt")
                group.cancel_scope.cancel()
            bus.publish(EventFactory("garden", "camera", "boot").source_state(REMOVED, "", 1_700_000_002.0))
            async with anyio.create_task_group() as group:
                group.start_soon(publisher.run)
                await outbox.until_empty("mqtt")
                group.cancel_scope.cancel()
            return await retained(broker.port)

    own = f"visage/{installation_id(tmp_path)}/status"
    assert anyio.run(run) == {"visage/status": "offline", own: "offline"}
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
                heard.ring()

    heard = Bell()

    async def run() -> None:
        with anyio.fail_after(BOUND_SECONDS):
            for turn in (1, 2):
                play(bus)
                await anyio.to_thread.run_sync(broker.start)
                async with anyio.create_task_group() as listening:
                    await listening.start(listen)
                    async with anyio.create_task_group() as publishing:
                        publishing.start_soon(publisher.run)
                        await outbox.until_empty("mqtt")
                        publishing.cancel_scope.cancel()
                    await heard.until(lambda: len(received) >= 5 * turn)  # noqa: B023  # asked in this turn
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
                await outbox.until_empty("mqtt")
                await anyio.to_thread.run_sync(broker.stop)
                await anyio.to_thread.run_sync(broker.start)
                found = await comes_true(broker.port, lambda found: "visage/front_door/faces" in found)
                group.cancel_scope.cancel()
            return found

    found = anyio.run(run)
    outbox.close()
    assert found["visage/status"] == "online"
    assert found["visage/front_door/faces"] == "1"


def watch(bus: EventBus, camera: str) -> SourceSinks:
    """A camera that is running."""
    factory = EventFactory(camera, "camera", "boot")
    bus.publish(factory.source_state("running", "", 1_700_000_000.0))
    return opened(TrackEventSink(factory, bus.publish), video(camera, is_live=True))


def test_a_killed_daemon_leaves_no_camera_behind_that_is_no_longer_configured(tmp_path: Path, broker: Broker) -> None:
    """It is killed with a face in view; the camera has another name, and topics another prefix, at the next start."""
    broker.start()
    bus, publisher, outbox = rig(tmp_path, broker)
    watch(bus, "old").write(observe(0, [1], identities=[ADA], source_id="old"))
    run_until(publisher, broker.port, lambda found: found.get("visage/old/faces") == "1")
    outbox.close()
    bus, publisher, outbox = rig(tmp_path, broker, topic_prefix="house")
    watch(bus, "new")
    found = run_until(publisher, broker.port, lambda found: "house/new/state" in found)
    outbox.close()
    assert not [topic for topic in found if topic.startswith("visage/") or "old" in topic]
    assert json.loads(found[f"house/{installation_id(tmp_path)}/new/person"])["names"] == []


def test_discovery_of_versions_without_an_installation_id_is_cleared(tmp_path: Path, broker: Broker) -> None:
    """Home Assistant would show each camera twice."""
    broker.start()
    former = "homeassistant/sensor/visage_door_person/config"

    async def publish_former() -> None:
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.publish(former, "{}", qos=1, retain=True)

    anyio.run(publish_former)
    bus, publisher, outbox = rig(tmp_path, broker)
    watch(bus, "door")
    found = run_until(publisher, broker.port, lambda found: "visage/door/state" in found)
    outbox.close()
    assert former not in found


def test_two_installations_at_one_broker_leave_each_other_alone(tmp_path: Path, broker: Broker) -> None:
    """Both have the default configuration and a camera of the same name; one loses its camera, then ends."""
    broker.start()
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bus_a, first, outbox_a = rig(tmp_path / "a", broker)
    bus_b, second, outbox_b = rig(tmp_path / "b", broker, idle_seconds=0.2)
    base_a, base_b = (f"visage/{installation_id(tmp_path / name)}" for name in "ab")
    watch(bus_a, "door").write(observe(0, [1], identities=[ADA]))
    watch(bus_b, "door").write(observe(0, [1, 2], identities=[BOB, None]))

    async def run() -> tuple[dict[str, str], dict[str, str]]:
        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as running_b:
                running_b.start_soon(second.run)
                async with anyio.create_task_group() as running_a:
                    running_a.start_soon(first.run)
                    both = await comes_true(
                        broker.port,
                        lambda found: (
                            found.get(f"{base_a}/door/faces") == "1" and found.get(f"{base_b}/door/faces") == "2"
                        ),
                    )
                    running_a.cancel_scope.cancel()
                one = await comes_true(
                    broker.port,
                    lambda found: (found[f"{base_a}/status"], found["visage/status"]) == ("offline", "online"),
                )
                running_b.cancel_scope.cancel()
        return both, one

    both, one = anyio.run(run)
    outbox_a.close()
    outbox_b.close()
    assert (both[f"{base_a}/status"], both[f"{base_b}/status"]) == ("online", "online")
    assert json.loads(both[f"{base_a}/door/person"])["names"] == ["Ada"]
    assert json.loads(both[f"{base_b}/door/person"])["names"] == ["Bob"]
    payloads = [json.loads(text) for topic, text in both.items() if topic.endswith("/config")]
    assert len({payload["unique_id"] for payload in payloads}) == len(payloads) == 2 * 6
    assert one[f"{base_b}/status"] == "online"


def test_default_client_ids_differ(tmp_path: Path, broker: Broker) -> None:
    """Equal ids make a broker throw the other client out at each connection."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    broker.start()
    rigs = [rig(tmp_path / name, broker) for name in "ab"]

    async def run() -> None:
        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                for bus, publisher, outbox in rigs:
                    group.start_soon(publisher.run)
                    for _ in range(20):
                        bus.publish(EventFactory("door", "camera", "boot").source_state("running", "", 1_700_000_000.0))
                        await outbox.until_empty("mqtt")
                group.cancel_scope.cancel()

    anyio.run(run)
    for _, publisher, outbox in rigs:
        assert publisher.delivered == 20  # a client that is thrown out sends letters again
        outbox.close()


def test_the_person_topics_say_who_is_in_view(tmp_path: Path, broker: Broker) -> None:
    """Ada, Bob and a stranger come; Bob goes; then everyone goes."""
    broker.start()
    bus, publisher, outbox = rig(tmp_path, broker)
    sink = watch(bus, "door")
    stranger = Identity(None, "unknown", 0.1, 0.0)
    base = f"visage/{installation_id(tmp_path)}"

    def is_now(names: list[str], strangers: int) -> Callable[[dict[str, str]], bool]:
        def holds(found: dict[str, str]) -> bool:
            told = json.loads(found.get(f"{base}/door/person", "{}"))
            return (told.get("names"), told.get("strangers")) == (names, strangers)

        return holds

    sink.write(observe(0, [1, 2, 3], identities=[BOB, ADA, stranger]))
    found = run_until(publisher, broker.port, is_now(["Ada", "Bob"], 1))
    assert found["visage/door/person"] == "Ada, Bob"
    assert json.loads(found[f"{base}/people/p2"])["sources"] == ["door"]
    sink.write(observe(1, [2, 3], identities=[ADA, stranger], ended=(1,)))
    found = run_until(publisher, broker.port, is_now(["Ada"], 1))
    bob = json.loads(found[f"{base}/people/p2"])
    assert (bob["present"], bob["last_source"], bob["name"]) == (False, "door", "Bob")
    sink.write(observe(2, [3], identities=[stranger], ended=(2,)))
    assert run_until(publisher, broker.port, is_now([], 1))["visage/door/person"] == "stranger"
    sink.write(observe(3, [], ended=(3,)))
    assert "visage/door/person" not in run_until(publisher, broker.port, is_now([], 0))
    outbox.close()


@dataclass
class Roll:
    """Who is enrolled."""

    names: dict[str, str]

    def person_ids(self) -> set[str]:
        return set(self.names)

    def person_name(self, person_id: str) -> str:
        if person_id not in self.names:
            raise NoSuchPerson(person_id)
        return self.names[person_id]


@pytest.mark.parametrize("is_running", [True, False])
def test_a_forgotten_name_stands_in_no_topic(tmp_path: Path, broker: Broker, is_running: bool) -> None:
    """Ada is in view when she is forgotten, while the daemon runs or while it does not; Bob stays known."""
    broker.start()
    roll = Roll({"p1": "Ada", "p2": "Bob"})
    bus, publisher, outbox = rig(tmp_path, broker, people=roll)
    watch(bus, "door").write(observe(0, [1, 2], identities=[ADA, BOB]))
    run_until(publisher, broker.port, lambda found: found.get("visage/door/person") == "Ada, Bob")
    del roll.names["p1"]
    if is_running:
        publisher.keep_only(roll.person_ids())
    else:
        outbox.close()
        bus, publisher, outbox = rig(tmp_path, broker, people=roll)
        watch(bus, "door")
    found = run_until(publisher, broker.port, lambda found: not any("Ada" in text for text in found.values()))
    outbox.close()
    base = f"visage/{installation_id(tmp_path)}"
    assert f"{base}/people/p1" not in found
    assert json.loads(found[f"{base}/people/p2"])["name"] == "Bob"


ENTITY_KEYS = {
    "name", "unique_id", "state_topic", "availability", "availability_mode", "device", "origin", "device_class",
    "value_template", "icon", "json_attributes_topic", "json_attributes_template", "entity_category", "expire_after",
    "force_update", "qos", "encoding", "enabled_by_default", "object_id", "default_entity_id", "entity_picture",
    "availability_topic", "availability_template", "payload_available", "payload_not_available", "platform",
}  # fmt: skip
DOCUMENTED = {
    "binary_sensor": ENTITY_KEYS | {"payload_on", "payload_off", "off_delay"},
    "sensor": ENTITY_KEYS
    | {"state_class", "unit_of_measurement", "suggested_display_precision", "last_reset_value_template", "options"},
}
"""The keys of Home Assistant's pages "MQTT binary sensor" and "MQTT sensor"; below, of "MQTT image"."""
DOCUMENTED["image"] = ENTITY_KEYS - {"state_topic", "value_template", "device_class"} | {
    "image_topic", "image_encoding", "content_type", "url_topic", "url_template",
}  # fmt: skip
DEVICE_KEYS = {
    "configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model", "model_id", "name",
    "serial_number", "suggested_area", "sw_version", "via_device",
}  # fmt: skip
ORIGIN_KEYS = {"name", "sw_version", "support_url"}
TOPIC = re.compile(r"homeassistant/(binary_sensor|sensor|image)/([a-zA-Z0-9_-]+)/config")


def test_discovery_is_what_home_assistant_documents(tmp_path: Path, broker: Broker) -> None:
    """Known keys alone, unique ids, and every topic that a payload names is retained at the broker."""
    broker.start()
    bus, publisher, outbox = rig(tmp_path, broker, pictures=True)
    watch(bus, "front door").write(observe(0, [1], identities=[ADA], source_id="front door"))
    found = run_until(publisher, broker.port, lambda found: found.get("visage/front_door/person") == "Ada")
    outbox.close()
    configs = {topic: json.loads(text) for topic, text in found.items() if topic.startswith("homeassistant/")}
    assert len(configs) == 8
    for topic, payload in configs.items():
        match = TOPIC.fullmatch(topic)
        assert match is not None, topic
        assert match[2] == payload["unique_id"]
        assert payload.keys() <= DOCUMENTED[match[1]]
        assert payload["device"].keys() <= DEVICE_KEYS
        assert payload["device"]["identifiers"]
        assert payload["origin"].keys() <= ORIGIN_KEYS
        assert payload["availability_mode"] in {"all", "any", "latest"}
        assert ("state_topic" in payload) != ("image_topic" in payload)
        named = [
            *([payload["state_topic"]] if "state_topic" in payload else []),
            *(place["topic"] for place in payload["availability"]),
        ]
        named += [payload["json_attributes_topic"]] if "json_attributes_topic" in payload else []
        for name in named:
            assert name in found
        for place in payload["availability"]:
            assert found[place["topic"]] in {"online", "offline"}
        if "json_attributes_topic" in payload:
            assert isinstance(json.loads(found[payload["json_attributes_topic"]]), dict)


def test_a_broker_with_a_private_ca_is_trusted_where_the_file_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    broker = Broker(tmp_path, authority)
    broker.start()
    outbox = RingingOutbox(tmp_path / "outbox.sqlite")
    config = MqttConfig(host="127.0.0.1", port=broker.port, tls=True, ca_file=authority.ca_file)
    publisher = MqttPublisher(config, outbox, receiver="mqtt", state_dir=tmp_path)
    outbox.put(["mqtt"], "e", '{"source":"door"}')

    async def run() -> None:
        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(publisher.run)
                await outbox.until_empty("mqtt")
                group.cancel_scope.cancel()

    try:
        anyio.run(run)
    finally:
        broker.stop()
        outbox.close()
    assert publisher.delivered == 1


def test_the_confidence_that_a_person_is_there_halves_out_of_view() -> None:
    """Across cameras: it is that of the event that identified the person last, and begins to fall when all lost her."""
    clock = [1_700_000_000.0]
    topics = RetainedTopics("visage", "id", None, half_life_seconds=300.0, now=lambda: clock[0])
    bus = EventBus(journal=None, outbox=None, receivers={})  # type: ignore[arg-type]  # no one receives
    bus.subscribe(topics.note)
    door, yard = watch(bus, "door"), watch(bus, "yard")

    def ada() -> dict[str, object]:
        told: dict[str, object] = json.loads(topics.payloads()["visage/id/people/p1"])
        return told

    door.write(observe(0, [1], identities=[ADA]))
    yard.write(observe(5, [7], identities=[replace(ADA, similarity=0.6)], source_id="yard"))
    assert (ada()["confidence"], ada()["sources"], ada()["track"]) == (0.6, ["door", "yard"], 7)
    door.write(observe(10, [], ended=(1,)))
    assert (ada()["confidence"], ada()["present"], ada()["last_source"]) == (0.6, True, "yard")
    yard.write(observe(20, [], ended=(7,), source_id="yard"))
    assert (ada()["confidence"], ada()["present"]) == (0.6, False)
    clock[0] += 20
    assert ada()["confidence"] == 0.6  # in steps of half a minute
    clock[0] += 300
    assert ada()["confidence"] == 0.3
    clock[0] += 1e9
    assert ada()["confidence"] == 0.0


@pytest.mark.parametrize("wanted", [True, False])
def test_a_picture_follows_the_event_if_that_is_wanted(tmp_path: Path, broker: Broker, wanted: bool) -> None:
    """Only of the face, not retained, and none of a person who was forgotten meanwhile."""
    broker.start()
    roll = Roll({"p1": "Ada", "p2": "Bob"})
    mqtt = {"host": "127.0.0.1", "port": broker.port, "pictures": wanted}
    config = EventsConfig.model_validate({"mqtt": mqtt})
    events = EventDispatcher(config, tmp_path, on_latency=lambda _: None, people=roll)
    assert events.needs_pixels is wanted
    sink = events.camera_sink("front door", to_bgr=lambda _: np.full((64, 64, 3), 200, np.uint8))
    base = f"visage/{installation_id(tmp_path)}"
    last = f"{base}/front_door/picture" if wanted else "visage/front_door/event"

    async def run() -> dict[str, bytes]:
        heard: dict[str, bytes] = {}
        with anyio.fail_after(BOUND_SECONDS):
            async with aiomqtt.Client("127.0.0.1", broker.port) as client, anyio.create_task_group() as group:
                await client.subscribe("#")
                sink.write(observe(0, [1, 2], identities=[ADA, BOB], source_id="front door"))
                del roll.names["p2"]
                events.erase_forgotten()
                for sender in events.senders():
                    group.start_soon(sender)
                async for message in client.messages:
                    assert isinstance(message.payload, bytes)
                    heard[str(message.topic)] = message.payload
                    if str(message.topic).endswith("/picture"):
                        assert not message.retain
                        assert "visage/front_door/event" in heard
                    if str(message.topic) == (f"{base}/people/p1/picture" if wanted else last):
                        break
                group.cancel_scope.cancel()
        return heard

    heard = anyio.run(run)
    events.close()
    pictures = {topic: payload for topic, payload in heard.items() if topic.endswith("/picture")}
    assert f"{base}/people/p2/picture" not in pictures
    assert bool(pictures) is wanted
    for payload in pictures.values():
        assert payload.startswith(b"\xff\xd8")
