"""Live pictures and events over real HTTP: what viewers get, and that nobody waits for them."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import cv2
import httpx
import numpy as np
import pytest
from pydantic import JsonValue

from stages.frames import Faces, Identity
from stages.sink.preview import Preview
from tests.unit.visage.web.doubles import NOON, MemoryService, jpeg
from tests.unit.visage.web.serving import Running, preview, running
from visage.web import WebParts, WebServer, WebSettings
from visage.web.errors import BindRefused
from visage.web.live import LiveHub
from visage.web.records import SourceRecord
from visage.web.tokens import Role

PATIENCE_SECONDS = 10.0
FAST = 30.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Running]:
    sources = tuple(SourceRecord(name, "camera", "running") for name in ("door", "yard"))
    with running(tmp_path, sources=sources, live_fps=FAST, burst=10_000) as state:
        yield state


def feed_until(site: Running, done: threading.Event, source_ids: tuple[str, ...] = ("door",)) -> threading.Thread:
    """A sink thread: it offers a picture whenever one is wanted, until somebody has seen enough."""

    def sink() -> None:
        for index in range(1_000_000):
            for source_id in source_ids:
                if site.live.wants(source_id):
                    site.live.offer(preview(source_id, index, faces()))
            if done.wait(0.001):
                return

    thread = threading.Thread(target=sink)
    thread.start()
    return thread


def faces() -> Faces:
    return Faces(
        boxes_xyxy=np.array([[16, 12, 32, 36]], np.float32),
        scores=np.array([0.9], np.float32),
        track_ids=np.array([7]),
        identities=(Identity("p1", "Zoë", 0.8, 0.0),),
    )


def test_nobody_watches_so_nothing_is_wanted(site: Running) -> None:
    assert not site.live.wants("door")
    assert site.live.statistics() == {"wanted": 0, "encoded": 0, "failed": 0, "replaced": 0}


def test_a_snapshot_is_the_next_picture(site: Running) -> None:
    done = threading.Event()
    thread = feed_until(site, done)
    try:
        with site.local() as client:
            answer = client.get("/api/v1/sources/door/snapshot.jpg")
    finally:
        done.set()
        thread.join()
    assert answer.headers["content-type"] == "image/jpeg"
    image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (48, 64, 3)


def test_mjpeg_goes_on_with_newer_pictures(site: Running) -> None:
    done = threading.Event()
    thread = feed_until(site, done)
    received = b""
    try:
        with site.local() as client, client.stream("GET", "/api/v1/sources/door/live.mjpg") as answer:
            assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
            for piece in answer.iter_raw():
                received += piece
                if received.count(b"content-type: image/jpeg") >= 3:
                    break
    finally:
        done.set()
        thread.join()
    assert received.count(b"\xff\xd8\xff") >= 3


def test_one_stream_has_all_sources_with_their_faces(site: Running) -> None:
    done = threading.Event()
    thread = feed_until(site, done, ("door", "yard"))
    heads: dict[str, dict[str, object]] = {}
    received = b""
    try:
        with site.local() as client, client.stream("GET", "/api/v1/live") as answer:
            for piece in answer.iter_raw():
                received += piece
                while b"\n" in received:
                    line, rest = received.split(b"\n", 1)
                    head = json.loads(line)
                    if len(rest) < head.get("bytes", 0):
                        break
                    jpeg, received = rest[: head.get("bytes", 0)], rest[head.get("bytes", 0) :]
                    if head:
                        assert jpeg[:2] == b"\xff\xd8"
                        heads[head["source"]] = head
                if heads.keys() == {"door", "yard"}:
                    break
    finally:
        done.set()
        thread.join()
    assert heads["door"]["faces"] == [
        {"box": [0.25, 0.25, 0.25, 0.5], "score": 0.9, "track": 7, "name": "Zoë", "known": True}
    ]


def test_a_viewer_who_reads_nothing_holds_nobody_back(site: Running) -> None:
    """The viewer's connection is full; the sink offers on and others see on."""
    done = threading.Event()
    with site.local() as stuck, stuck.stream("GET", "/api/v1/live"):
        thread = feed_until(site, done)
        try:
            with site.local() as client:
                for _ in range(5):
                    assert client.get("/api/v1/sources/door/snapshot.jpg").status_code == 200
        finally:
            done.set()
            thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def test_more_viewers_than_allowed_are_refused(tmp_path: Path) -> None:
    with running(tmp_path, viewers=1) as site, site.local() as first, site.local() as second:
        for path in ("/api/v1/live", "/api/v1/events"):
            with first.stream("GET", path) as open_one:
                pieces = open_one.iter_raw()  # named: httpx closes the connection with its last reader
                next(pieces)
                refused = second.get(path)
                assert refused.status_code == 429
                assert "open already" in refused.json()["error"]


def test_a_viewer_who_has_gone_makes_room(tmp_path: Path) -> None:
    """The source sends nothing, so only the connection tells; one place, taken and left ten times."""
    with running(tmp_path, viewers=1, burst=10_000) as site, site.local() as client:
        for _ in range(10):
            statuses = (watch_once(client) for _ in range(1000))
            assert 200 in statuses  # 429 until the server has seen the last one go


def watch_once(client: httpx.Client) -> int:
    """Connect, read the first line if there is one, and leave."""
    with client.stream("GET", "/api/v1/live") as answer:
        return answer.status_code


@pytest.mark.parametrize("path", ["events", "live", "sources/door/live.mjpg"])
def test_who_has_no_token_any_more_sees_no_more(site: Running, path: str) -> None:
    """A stream goes on for days; others who watch are not disturbed."""
    done = threading.Event()
    sink = feed_until(site, done)
    site.tokens.create("other", Role.VIEWER)
    token = site.tokens.create("tablet", Role.VIEWER)
    head = {"authorization": f"Bearer {token}"}
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        with httpx.stream("GET", f"{site.url}/api/v1/{path}", headers=head, timeout=PATIENCE_SECONDS) as answer:
            pieces = answer.iter_raw()
            next(pieces)
            site.tokens.revoke("tablet")
            with contextlib.suppress(httpx.RemoteProtocolError):  # it ends in the middle
                for _ in pieces:
                    assert time.monotonic() < deadline, "the stream goes on"
    finally:
        done.set()
        sink.join()


def test_events_arrive_as_they_happen_and_go_on_where_a_connection_broke(site: Running) -> None:
    with site.local() as client:
        with client.stream("GET", "/api/v1/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.iter_lines()
            assert next(lines) == "retry: 2000"
            site.service.happen("e1", "track_started", NOON, "door", {"track": {"id": 1}})
            seen = data_of(lines, "track_started")
            assert json.loads(seen.removeprefix("data: "))["track"] == {"id": 1}
        site.service.happen("e2", "track_ended", NOON, "door", {"track": {"id": 1}})
        with client.stream("GET", "/api/v1/events", headers={"last-event-id": "e1"}) as answer:
            seen = data_of(answer.iter_lines(), "track_ended")
            assert json.loads(seen.removeprefix("data: "))["id"] == "e2"


def test_who_was_forgotten_is_in_no_past_event(site: Running) -> None:
    with site.local() as client:
        ada = client.post("/api/v1/people", data={"name": "Ada"}, files={"pictures": ("a", jpeg())}).json()
        named: dict[str, JsonValue] = {"id": ada["person_id"], "name": "Ada", "similarity": 0.7}
        stranger: dict[str, JsonValue] = {"id": None, "name": "unknown 3", "similarity": 0.5}
        for number, person in enumerate([None, named, stranger]):
            site.service.happen(f"e{number}", "track_identified", NOON, "door", {"track": {"id": 1}, "person": person})
        assert [event["person"] for event in client.get("/api/v1/events/recent").json()] == [stranger, named, None]
        client.delete(f"/api/v1/people/{ada['person_id']}")
        assert [event["person"] for event in client.get("/api/v1/events/recent").json()] == [stranger, None, None]
        with client.stream("GET", "/api/v1/events", headers={"last-event-id": "e0"}) as answer:
            lines = answer.iter_lines()
            told = [json.loads(data_of(lines, "track_identified").removeprefix("data: ")) for _ in range(2)]
    assert [event["person"] for event in told] == [None, stranger]


def data_of(lines: Iterator[str], kind: str) -> str:
    """The data line of the next event of this kind."""
    for line in lines:
        if line == f"event: {kind}":
            return next(lines)
    raise AssertionError(f"the stream ended before {kind}")


def test_the_state_of_sources_is_told_every_two_seconds(site: Running) -> None:
    with site.local() as client, client.stream("GET", "/api/v1/events") as answer:
        data = json.loads(data_of(answer.iter_lines(), "status").removeprefix("data: "))
    assert [source["source_id"] for source in data["sources"]] == ["door", "yard"]


def test_shutdown_ends_streams_at_once(site: Running) -> None:
    """Twelve viewers and listeners are connected, none of whom closes its connection."""
    clients = [site.local() for _ in range(12)]
    streams, readers = [], []
    try:
        for number, client in enumerate(clients):
            path = ("/api/v1/live", "/api/v1/events", "/api/v1/sources/door/live.mjpg")[number % 3]
            stream = client.stream("GET", path)
            readers.append(stream.__enter__().iter_raw())
            streams.append(stream)
            next(readers[-1])
        assert site.live.viewers == 8
        seconds = site.stop()
    finally:
        for stream in streams:
            stream.__exit__(None, None, None)
        for client in clients:
            client.close()
    assert seconds < 10.0
    assert not [thread for thread in threading.enumerate() if thread.name == "live-encode"]


def test_a_picture_that_can_not_be_encoded_costs_one_picture(site: Running) -> None:
    done = threading.Event()
    thread = feed_until(site, done)
    try:
        with site.local() as client, client.stream("GET", "/api/v1/live"):
            site.live.offer(Preview("door", np.empty((0, 0, 3), np.uint8), faces(), 0, 0.0, 0.0))
            assert client.get("/api/v1/sources/door/snapshot.jpg").status_code == 200
    finally:
        done.set()
        thread.join()


async def serve_and_cancel(server: WebServer) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(server.run)
        async with httpx.AsyncClient(base_url=server.url) as client:
            assert (await client.get("/healthz")).status_code == 200
        group.cancel_scope.cancel()


def test_a_cancelled_server_frees_its_port(tmp_path: Path) -> None:
    settings = WebSettings(port=0, token_file=tmp_path / "t", audit_file=tmp_path / "a")
    server = WebServer(settings, WebParts(service=MemoryService(), live=LiveHub(settings)))
    anyio.run(serve_and_cancel, server)
    again = WebSettings(**{**settings.model_dump(), "port": httpx.URL(server.url).port})
    anyio.run(serve_and_cancel, WebServer(again, WebParts(service=MemoryService(), live=LiveHub(again))))


def test_a_port_that_is_taken_is_said_in_one_line(site: Running) -> None:
    settings = WebSettings(port=httpx.URL(site.url).port or 0, token_file=site.tokens.path)
    with pytest.raises(BindRefused, match="can't be listened on"):
        WebServer(settings, WebParts(service=site.service, live=site.live))
