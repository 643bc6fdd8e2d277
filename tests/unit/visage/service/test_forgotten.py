"""A person who was forgotten is named to no receiver, and in no file of the outbox; a real gallery decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from stages.frames import Identity
from tests.bells import Bell
from tests.congruence.qdrant_stand_in import QdrantStandIn
from tests.unit.stages.sink.scenes import opened as opened_sink
from tests.unit.stages.sink.scenes import video
from tests.unit.visage.people.scenes import add, gallery, near, person, track
from tests.unit.visage.service.scenes import observe
from visage.config import Settings
from visage.config.service import EventsConfig
from visage.people import FaceReader, Gallery, SightingRecorder, gallery_of
from visage.service.event_dispatcher import EventDispatcher
from visage.web.gallery_people import GalleryPeople

BOUND_SECONDS = 20
NAME = "Adalgisa"
AWAY = {"webhooks": {"hook": {"url": "http://127.0.0.1:9/"}}}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Gallery]:
    with gallery(tmp_path / "gallery") as opened:
        yield opened


def dispatcher(folder: Path, opened: Gallery) -> EventDispatcher:
    """With a receiver that is away."""
    return EventDispatcher(
        EventsConfig.model_validate(AWAY), folder / "state", on_latency=lambda _: None, people=opened
    )


def no_reader() -> FaceReader:
    raise AssertionError("no picture is read")


def named_in(folder: Path) -> list[str]:
    """Files of the outbox in which the name stands."""
    found = sorted((folder / "state").glob("outbox.sqlite*"))
    assert found
    return [path.name for path in found if NAME.encode() in path.read_bytes()]


def test_the_api_forgets_a_person_in_everything_that_waits(tmp_path: Path, opened: Gallery) -> None:
    """In delivered letters too, which SQLite's log keeps; and in the end of a track that goes on."""
    person_id = add(opened, NAME, person(1))
    other_id = add(opened, "Bob", person(2))
    events = dispatcher(tmp_path, opened)
    sink = opened_sink(events.camera_sink("door"), video("door", is_live=True))
    ada, bob = Identity(person_id, NAME, 0.7, 0.0), Identity(other_id, "Bob", 0.7, 0.0)
    sink.write(observe(0, [1, 2], identities=[ada, bob]))
    first = events.outbox.oldest("webhook/hook")[0]
    events.outbox.delivered("webhook/hook", first.number)
    assert named_in(tmp_path)
    shown = GalleryPeople(opened, no_reader, on_forgotten=events.erase_forgotten)
    shown.forget_person(person_id)
    assert named_in(tmp_path) == []
    sink.write(observe(1, [1, 2], identities=[ada, bob], ended=()))
    sink.write(observe(2, [], ended=(1, 2)))
    letters = [json.loads(letter.body) for letter in events.outbox.oldest("webhook/hook")]
    named = [(letter["type"], letter["person"]["name"]) for letter in letters if letter["person"]]
    events.close()
    assert ("track_ended", "Bob") in named
    assert ("track_identified", "unknown") in named
    assert NAME not in {name for _, name in named}
    assert named_in(tmp_path) == []


@pytest.mark.parametrize("is_running", [True, False])
def test_another_process_forgets_a_person(
    tmp_path: Path, opened: Gallery, monkeypatch: pytest.MonkeyPatch, is_running: bool
) -> None:
    """As `visage people forget` does, beside a daemon or while none runs."""
    person_id = add(opened, NAME, person(1))
    events = dispatcher(tmp_path, opened)
    sink = opened_sink(events.camera_sink("door"), video("door", is_live=True))
    sink.write(observe(0, [1], identities=[Identity(person_id, NAME, 0.7, 0.0)]))
    with gallery(opened.folder) as other:
        other.forget(NAME)
    erased = Bell()
    monkeypatch.setattr(events.outbox, "erase", erased.after(events.outbox.erase))

    async def run() -> None:
        with anyio.fail_after(BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                for sender in events.senders():
                    group.start_soon(sender)
                await erased.until(lambda: not named_in(tmp_path))
                group.cancel_scope.cancel()

    if is_running:
        anyio.run(run)
    else:
        events.close()
        events = dispatcher(tmp_path, opened)
    assert named_in(tmp_path) == []
    assert events.outbox.depths() == {"webhook/hook": 2}
    events.close()


@pytest.mark.parametrize("is_running", [True, False])
def test_the_file_of_events_forgets_too(tmp_path: Path, opened: Gallery, is_running: bool) -> None:
    """Also the file before it, and what is written meanwhile; every event stays, and so do others' names."""
    path = tmp_path / "events.jsonl"
    config = EventsConfig(jsonl=path)
    ids = {name: add(opened, name, person(number)) for number, name in enumerate((NAME, "Bob"), 1)}
    events = EventDispatcher(config, tmp_path / "state", on_latency=lambda _: None, people=opened)
    sink = opened_sink(events.camera_sink("door"), video("door", is_live=True))
    seen = [Identity(ids[name], name, 0.7, 0.0) for name in (NAME, "Bob")]
    sink.write(observe(0, [1, 2], identities=seen))
    path.with_name("events.jsonl.1").write_bytes(path.read_bytes())
    path.chmod(0o604)
    before = path.read_text().splitlines()
    if is_running:
        GalleryPeople(opened, no_reader, on_forgotten=events.erase_forgotten).forget_person(ids[NAME])
        sink.write(observe(2, [], ended=(1, 2)))
    else:
        events.close()
        opened.forget(NAME)
        events = EventDispatcher(config, tmp_path / "state", on_latency=lambda _: None, people=opened)

        async def run() -> None:
            with anyio.fail_after(BOUND_SECONDS):
                async with anyio.create_task_group() as group:
                    for sender in events.senders():
                        group.start_soon(sender)
                    while NAME in path.read_text():  # noqa: ASYNC110  # nothing reports it
                        await anyio.sleep(0.02)
                    group.cancel_scope.cancel()

        anyio.run(run)
    events.close()
    files = sorted(file.name for file in tmp_path.glob("events.jsonl*"))
    assert files == ["events.jsonl", "events.jsonl.1"]
    for file in files:
        text = (tmp_path / file).read_text()
        assert NAME not in text
        assert [json.loads(line)["id"] for line in text.splitlines()][: len(before)] == [
            json.loads(line)["id"] for line in before
        ]
        assert "Bob" in text
    assert path.stat().st_mode & 0o777 == 0o604
    assert is_running == ("track_ended" in path.read_text())


def test_the_answer_says_how_many_copies_wait_for_an_index_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with QdrantStandIn() as stand_in:
        monkeypatch.setenv("VISAGE_INDEX_URL", stand_in.url)
        with gallery_of(Settings(gallery=tmp_path / "gallery")) as opened:
            ids = [add(opened, name, person(number)) for number, name in enumerate((NAME, "Bob"), 1)]
            recorder = SightingRecorder(opened)
            for number in (1, 2):
                recorder.record(track(near(person(number), 1), number), uri="x")
            recorder.close()
            shown = GalleryPeople(opened, no_reader)
            assert "waiting_vectors" not in shown.forget_person(ids[1])
            stand_in.failures = 1_000
            assert shown.forget_person(ids[0])["waiting_vectors"] == 1
            stand_in.failures = 0
