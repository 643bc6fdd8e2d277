"""What is told of tracks, to whom, and that nothing of it is lost."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from stages.sources import SourceEnded
from tests.unit.stages.sink.scenes import opened, video
from tests.unit.visage.service.scenes import ADA, BOB, observe
from visage.service.bus import EventBus
from visage.service.events import EventFactory, ServiceEvent
from visage.service.journal import Journal
from visage.service.outbox import Outbox
from visage.service.track_events import TrackEventSink


def play(session: str = "boot", *, end: bool = True) -> list[ServiceEvent]:
    """Ada comes, is identified, is taken for Bob; another comes and stays; Ada leaves."""
    events: list[ServiceEvent] = []
    track_sink = TrackEventSink(EventFactory("door", "camera", session), events.append, now=lambda: 1_700_000_009.0)
    sink = opened(track_sink, video("door", is_live=True))
    sink.write(observe(0, [1]))
    sink.write(observe(1, [1], identities=[None]))
    sink.write(observe(2, [1, 2], identities=[ADA, None]))
    sink.write(observe(3, [1, 2], identities=[ADA, None]))
    sink.write(observe(4, [1, 0], identities=[BOB, None]))
    sink.write(observe(5, [2], ended=(1,)))
    if end:
        sink.close(SourceEnded("door", 6))
    return events


def test_a_track_begins_gets_a_name_and_ends() -> None:
    told = [(event.type, event.data["track"]["id"], event.data["person"]) for event in play()]  # type: ignore[call-overload,index]
    assert [(kind, number, person and person["name"]) for kind, number, person in told] == [  # type: ignore[call-overload,index]
        ("track_started", 1, None),
        ("track_identified", 1, "Ada"),
        ("track_started", 2, None),
        ("track_identified", 1, "Bob"),
        ("track_ended", 1, "Bob"),
        ("track_ended", 2, None),
    ]


def test_a_lost_camera_ends_its_tracks_at_once() -> None:
    """Not when it comes back; what is still on its way of the lost connection begins nothing again."""
    events: list[ServiceEvent] = []
    track_sink = TrackEventSink(EventFactory("door", "camera", "boot"), events.append)
    sink = opened(track_sink, video("door", is_live=True))

    def see(index: int, tracks: list[int], connection: int, ended: tuple[int, ...] = ()) -> None:
        seen = observe(index, tracks, ended=ended)
        sink.write(replace(seen, frame=replace(seen.frame, connection=connection)))

    see(0, [1, 2], 1)
    track_sink.lose(1)
    assert [event.type for event in events[2:]] == ["track_ended", "track_ended"]
    see(1, [1, 3], 1)
    assert len(events) == 4
    see(2, [4], 2, (1, 2, 3))
    sink.close(SourceEnded("door", 3))
    assert [event.type for event in events[4:]] == ["track_started", "track_ended"]


def test_the_schema_is_stable() -> None:
    """A change of this text breaks receivers."""
    events = play()
    assert json.loads(events[1].to_json()) == {
        "schema": "visage.event/1",
        "id": events[1].event_id,
        "type": "track_identified",
        "time": "2023-11-14T22:13:20.200Z",
        "source": "door",
        "kind": "camera",
        "track": {"id": 1, "frame": 2, "seconds": 0.2, "box": [1, 2, 11, 12], "score": 0.9, "quality": 0.5},
        "person": {"id": "p1", "name": "Ada", "similarity": 0.71},
    }
    assert json.loads(events[4].to_json())["track"] == {
        "id": 1,
        "frame": 0,
        "last_frame": 4,
        "seconds": 0.0,
        "end_seconds": 0.4,
        "frames": 5,
        "best_frame": 0,
        "box": [1, 2, 11, 12],
        "quality": 0.5,
    }


def test_a_repeat_has_the_same_ids_and_another_session_others() -> None:
    first, again, other = play(), play(), play("next boot")
    assert [event.event_id for event in first] == [event.event_id for event in again]
    assert len({event.event_id for event in first + other}) == 12


def test_latency_is_from_capture_to_here() -> None:
    seconds: list[float] = []
    sink = TrackEventSink(
        EventFactory("door", "camera", "s"), lambda _: None, on_latency=seconds.append, now=lambda: 1_700_000_000.25
    )
    sink.write(observe(0, []))
    assert seconds == [0.25]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with contextlib.closing(Outbox(tmp_path / "outbox.sqlite", limit=3)) as outbox:
        yield outbox


def test_every_receiver_gets_what_it_wants(tmp_path: Path, outbox: Outbox) -> None:
    journal = Journal(tmp_path / "events.jsonl")
    bus = EventBus(journal=journal, outbox=outbox, receivers={"all": None, "names": frozenset({"track_identified"})})
    heard: list[ServiceEvent] = []
    unsubscribe = bus.subscribe(heard.append)
    events = play()[:3]
    for event in events:
        bus.publish(event)
    unsubscribe()
    bus.publish(play()[3])
    journal.close()
    assert heard == events
    assert [len(outbox.oldest(name)) for name in ("all", "names")] == [3, 2]
    assert outbox.dropped() == {"all": 1}
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["type"] for line in lines] == [event.type for event in play()[:4]]
    assert bus.counts() == {"track_started": 2, "track_identified": 2}


def test_a_listener_that_fails_harms_nobody(outbox: Outbox) -> None:
    def fail(_: ServiceEvent) -> None:
        raise ValueError("a bug")

    heard: list[ServiceEvent] = []
    bus = EventBus(journal=None, outbox=outbox, receivers={})
    bus.subscribe(fail)
    bus.subscribe(heard.append)
    bus.publish(play()[0])
    assert len(heard) == 1


def test_letters_outlive_their_process_until_they_are_delivered(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "o.sqlite", limit=10)
    for number in range(3):
        first.put(["hook"], f"e{number}", "{}")
    first.close()
    second = Outbox(tmp_path / "o.sqlite", limit=10)
    letters = second.oldest("hook")
    assert [letter.event_id for letter in letters] == ["e0", "e1", "e2"]
    second.delivered("hook", letters[0].number)
    second.delivered("hook", letters[0].number)
    assert second.depths() == {"hook": 2}
    second.forget(known=())
    assert second.oldest("hook") == []
    second.close()


@pytest.mark.parametrize("limit", [3, 100])
def test_what_a_full_disk_refused_is_neither_counted_nor_a_reason_to_drop(tmp_path: Path, limit: int) -> None:
    """In a process of its own, for which the limit of a file's size is the disk's end."""
    program = """
import resource, sqlite3, sys
from pathlib import Path
from visage.service.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), limit=int(sys.argv[2]))
outbox.put(["hook"], "before", "{}")
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
size = max(file.stat().st_size for file in Path(sys.argv[1]).parent.iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (size, unlimited[1]))
refused = 0
for number in range(9):
    try:
        outbox.put(["hook"], f"refused {number}", "x" * 9000)
    except sqlite3.Error:
        refused += 1
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
print(refused, outbox.depths(), outbox.dropped())
outbox.put(["hook"], "after", "{}")
for letter in outbox.oldest("hook"):
    print(letter.event_id)
    outbox.delivered("hook", letter.number)
print(outbox.depths())
"""
    command = [sys.executable, "-c", program, str(tmp_path / "o.sqlite"), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["9 {'hook': 1} {}", "before", "after", "{'hook': 0}"]


def test_an_event_that_was_put_survives_a_power_cut(outbox: Outbox) -> None:
    """As the ledger does, which says that its file is done. In WAL mode FULL (2) brings every commit to disk."""
    assert outbox._database.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_full_journal_is_turned_over(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "e.jsonl", most_bytes=20)
    for text in ("a" * 9, "b" * 9, "c" * 9):
        journal.write(text)
    journal.close()
    assert (tmp_path / "e.jsonl").read_text() == "c" * 9 + "\n"
    assert (tmp_path / "e.jsonl.1").read_text() == "a" * 9 + "\n" + "b" * 9 + "\n"


def test_a_journal_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    """By logrotate, or with its folder."""
    path = tmp_path / "logs" / "e.jsonl"
    journal = Journal(path, most_bytes=20)
    journal.write("a" * 9)
    path.rename(tmp_path / "a.jsonl")
    journal.write("b" * 9)
    path.parent.rename(tmp_path / "gone")
    for text in ("c" * 9, "d" * 9, "e" * 9):
        journal.write(text)
    journal.close()
    kept = [tmp_path / "a.jsonl", tmp_path / "gone/e.jsonl", path.with_name("e.jsonl.1"), path]
    assert [file.read_text().split() for file in kept] == [["a" * 9], ["b" * 9], ["c" * 9, "d" * 9], ["e" * 9]]


def test_a_journal_that_could_not_be_opened_again_is_tried_with_every_event(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The process has no descriptor left in the moment in which the file is full."""
    journal = Journal(tmp_path / "e.jsonl", most_bytes=20)
    for text in ("a" * 9, "b" * 9):
        journal.write(text)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        journal.write("lost")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    journal.write("kept")
    journal.close()
    assert (tmp_path / "e.jsonl").read_text() == "kept\n"
    assert [record.message.partition(": ")[2] for record in caplog.records] == [
        "events are lost: Too many open files",
        "can be written again; 1 events were lost",
    ]


def test_events_may_go_to_a_pipe_which_no_disk_has() -> None:
    """As `jsonl: /dev/stdout` does in a container."""
    reading, writing = os.pipe()
    journal = Journal(Path(f"/dev/fd/{writing}"), most_bytes=1)
    journal.write("first")
    journal.write("second")
    journal.close()
    os.close(writing)
    with open(reading) as told:
        assert told.read() == "first\nsecond\n"


def test_a_disk_that_fills_in_the_middle_of_a_line_leaves_no_half_of_it(tmp_path: Path) -> None:
    """In a process of its own, for which the limit of a file's size is the disk's end."""
    program = """
import resource, sys
from pathlib import Path
from visage.service.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.write("first")
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, unlimited[1]))
journal.write("this one is too long")
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
journal.write("second")
journal.close()
"""
    path = tmp_path / "e.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert path.read_text() == "first\nsecond\n"
    assert done.stderr.splitlines() == [
        f"{path}: events are lost: No space left on device",
        f"{path}: can be written again; 1 events were lost",
    ]


def test_a_full_disk_is_told_of_when_it_begins_and_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    journal = Journal(tmp_path / "e.jsonl")
    with monkeypatch.context() as patched:
        patched.setattr("visage.service.journal.os.write", full)
        for _ in range(3):
            journal.write("lost")
    journal.write("kept")
    journal.close()
    assert [record.message.partition(": ")[2] for record in caplog.records] == [
        "events are lost: No space left on device",
        "can be written again; 3 events were lost",
    ]
