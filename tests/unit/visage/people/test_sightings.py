"""Sightings: stored, found, clustered, named, pruned; a full queue, a kill, a server that is away."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.frames import Identity
from stages.tracks.summary import TrackSummary
from tests.unit.visage.people.scenes import DIMENSION, add, gallery, near, person, track
from visage.people import SightingRecorder
from visage.people.gallery import Gallery
from visage.people.index.base import IndexPoint
from visage.people.index.errors import IndexUnavailable
from visage.people.index.memory import MemoryIndex
from visage.people.sightings import Sightings

ADA, BOB, EVE = person(1), person(2), person(3)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Gallery]:
    with gallery(tmp_path) as opened:
        yield opened


def record(opened: Gallery, *tracks: object) -> None:
    recorder = SightingRecorder(opened)
    for item in tracks:
        assert recorder.record(item, uri="file.mp4")  # type: ignore[arg-type]
    recorder.close()
    assert recorder.statistics().failure == ""


def test_known_people_are_found_by_person_source_and_time(opened: Gallery) -> None:
    with opened:
        add(opened, "Ada", ADA)
        record(
            opened,
            track(near(ADA, 1), 1, at=100.0),
            track(near(ADA, 2), 2, at=200.0, source="door"),
            track(near(BOB, 1), 3, at=300.0),
            track(None, 4, at=400.0),
        )
        everything = opened.search(ADA)
        assert [match.sighting.track_id for match in everything][-1] == 3
        assert everything[0].similarity == pytest.approx(0.8, abs=1e-3)
        assert {match.sighting.track_id for match in opened.search(ADA, person="Ada")} == {1, 2}
        assert {match.sighting.track_id for match in opened.search(ADA, source="cam-*")} == {1, 3}
        assert {match.sighting.track_id for match in opened.search(ADA, since=150.0, until=300.0)} == {2}
        assert [seen.track_id for seen in opened.sightings()] == [4, 3, 2, 1]
        assert len(opened.search(ADA, limit=1)) == 1
        assert opened.search(ADA, least_similarity=0.9) == []


def test_the_newest_come_first_however_long_their_source_has_run(opened: Gallery) -> None:
    """A camera's own time counts from when it was opened: days, for one that never fails."""
    with opened:
        record(
            opened,
            track(near(ADA, 1), 1, at=300.0, source="opened just now"),
            track(near(ADA, 2), 2, at=100.0, start=9e5, source="up for days"),
            track(near(ADA, 3), 3, at=300.0, start=9e5, source="up for days"),
            track(near(ADA, 4), 4, at=200.0, source="opened just now"),
        )
        assert [seen.track_id for seen in opened.sightings()] == [3, 1, 4, 2]
        assert [seen.track_id for seen in opened.sightings(limit=1)] == [3]


def test_a_decision_of_the_pipeline_is_kept(opened: Gallery) -> None:
    with opened:
        add(opened, "Ada", ADA)
        record(opened, track(near(BOB, 1), identity=Identity("p1", "Ada", 0.9, 0.0)))
        (seen,) = opened.sightings()
        assert (seen.name, seen.person_id, seen.similarity) == ("Ada", "p1", 0.9)


def test_whom_the_pipeline_left_unknown_is_stored_as_unknown(opened: Gallery) -> None:
    """It has seen every look; rows and sightings tell the same."""
    add(opened, "Ada", ADA)
    record(opened, track(near(ADA, 1), 1, identity=Identity(None, "unknown", 0.5, 0.0)), track(near(ADA, 2), 2))
    assert sorted(seen.name for seen in opened.sightings()) == ["Ada", "Unknown 1"]


def test_unknowns_gather_across_sources_and_days_and_get_a_name(opened: Gallery) -> None:
    with opened:
        record(opened, track(near(EVE, 1), 1), track(near(BOB, 1), 2), track(near(EVE, 2), 3, source="door", at=9e5))
        (eve, bob) = opened.unknowns()
        assert (eve.name, eve.sightings, eve.sources) == ("Unknown 1", 2, ("cam-1", "door"))
        assert opened.name_unknown(eve.unknown_id, "Eve").sightings == 2
        assert [one.name for one in opened.unknowns()] == [bob.name]
    with gallery(opened.folder) as again:
        record(again, track(near(EVE, 3), 4))
        assert again.person("Eve").sightings == 3
        assert {match.sighting.track_id for match in again.search(EVE, person="Eve")} == {1, 3, 4}


def test_only_those_seen_long_enough_are_offered(opened: Gallery) -> None:
    with opened:
        record(opened, track(near(EVE, 1), seconds=0.4))
        assert opened.unknowns() == []
        assert [one.offered for one in opened.unknowns(all_of_them=True)] == [False]
        record(opened, track(near(EVE, 2), 2, seconds=0.7))
        assert [one.name for one in opened.unknowns()] == ["Unknown 1"]


def test_a_wrong_merge_is_split_again(opened: Gallery) -> None:
    twin = near(EVE, 50, cosine=0.62)  # close enough to be taken for one
    with opened:
        record(opened, track(EVE, 1), track(near(EVE, 1, 0.95), 2), track(twin, 3), track(near(twin, 2, 0.95), 4))
        assert len(opened.unknowns()) == 1
        parts = opened.split_unknown("Unknown 1")
        assert sorted(parts) == ["u1", "u2"]
        groups = [{seen.track_id for seen in opened.sightings(person=part)} for part in parts]
        assert sorted(map(sorted, groups)) == [[1, 2], [3, 4]]


def test_old_sightings_go_and_unknowns_with_them(opened: Gallery) -> None:
    with opened:
        record(opened, track(near(EVE, 1), 1, at=100.0), track(near(BOB, 1), 2, at=900.0))
        assert opened.prune(older_than_seconds=500, now=1000.0) == 1
        assert [one.name for one in opened.unknowns()] == ["Unknown 2"]
        assert [match.sighting.track_id for match in opened.search(EVE)] == [2]
        assert opened.sighting_store.index().count() == 1


def test_a_full_queue_drops_and_counts_instead_of_waiting(opened: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer is held inside its first commit; the queue fills; the next track is refused at once."""
    entered, gate = threading.Event(), threading.Event()
    store = Gallery.record

    def held(self: Gallery, item: TrackSummary, *, uri: str, **more: Any) -> None:
        entered.set()
        assert gate.wait(30)
        store(self, item, uri=uri, **more)

    monkeypatch.setattr(Gallery, "record", held)
    with opened:
        recorder = SightingRecorder(opened, capacity=2)
        assert recorder.record(track(EVE, 1), uri="x")
        assert entered.wait(30)
        taken = [recorder.record(track(EVE, number), uri="x") for number in (2, 3, 4)]
        gate.set()
        recorder.close()
        assert taken == [True, True, False]
        assert (recorder.statistics().recorded, recorder.statistics().dropped) == (3, 1)
        assert not recorder.record(track(EVE, 5), uri="x")


class _AwayIndex(MemoryIndex):
    """A server that is away until it is told otherwise."""

    is_away = True

    def upsert(self, points: Sequence[IndexPoint]) -> None:
        if self.is_away:
            raise IndexUnavailable("the Qdrant server does not answer")
        super().upsert(points)


def test_what_a_server_missed_is_caught_up(opened: Gallery) -> None:
    index = _AwayIndex(DIMENSION)
    with opened:
        opened.sighting_store._index = index
        recorder = SightingRecorder(opened)
        recorder.record(track(near(EVE, 1), 1), uri="x")
        recorder.close()
        assert "does not answer" in recorder.statistics().failure
        assert [match.sighting.track_id for match in opened.search(EVE)] == [1]  # from SQLite
        index.is_away = False
        assert opened.sighting_store.index_waiting() == 1
        assert index.count() == 1


KILLED = """
import sys, itertools
from pathlib import Path
from tests.unit.visage.people.scenes import gallery, near, person, track
from visage.people import SightingRecorder
recorder = SightingRecorder(gallery(Path(sys.argv[1])))
for number in itertools.count(1):
    recorder.record(track(near(person(number % 5), number), number), uri="x")
    while recorder.statistics().recorded < number: pass
    print(number, flush=True)
"""


def test_kill_9_loses_at_most_the_track_being_written(tmp_path: Path) -> None:
    """A process that records is killed at any moment; all it said it had recorded is there, and can be searched."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    confirmed = 0
    for line in process.stdout:
        confirmed = int(line)
        if confirmed >= 40:
            break
    process.kill()
    rest = process.stdout.read().split()
    process.wait(30)
    process.stdout.close()
    confirmed = max([confirmed, *map(int, rest)])
    with gallery(tmp_path) as opened:
        stored = [seen.track_id for seen in opened.sightings(limit=10_000)]
        assert confirmed <= len(stored) <= confirmed + 1
        opened.sighting_store.index_waiting()
        assert opened.sighting_store.index().count() == len(stored)
        assert len(opened.search(person(1), limit=1000)) == len(stored)


def test_an_unknown_who_is_named_by_another_process_costs_no_track(opened: Gallery) -> None:
    """The recorder has the clusters in memory; meanwhile somebody else names one and forgets another."""
    with opened, gallery(opened.folder) as other:
        recorder = SightingRecorder(opened)
        recorder.record(track(near(EVE, 1), 1), uri="x")
        recorder.record(track(near(BOB, 1), 2), uri="x")
        while recorder.statistics().recorded < 2:
            pass
        other.name_unknown("Unknown 1", "Eve")
        other.forget("Unknown 2")
        far = near(EVE, 5, cosine=0.5)  # like the cluster, unlike Eve's pictures
        recorder.record(track(far, 3), uri="x")
        recorder.record(track(near(BOB, 2), 4), uri="x")
        recorder.close()
        assert (recorder.statistics().recorded, recorder.statistics().failure) == (4, "")
        assert {seen.track_id for seen in opened.sightings()} == {1, 3, 4}


def test_a_track_that_can_not_be_written_takes_no_other_with_it(
    opened: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_sighting = Sightings.add

    def refusing(self: Sightings, item: TrackSummary, **rest: Any) -> int:
        number = add_sighting(self, item, **rest)
        if item.track_id == 2:
            raise sqlite3.OperationalError("disk full")
        return number

    monkeypatch.setattr(Sightings, "add", refusing)
    with opened:
        recorder = SightingRecorder(opened)
        for number in (1, 2, 3):
            recorder.record(track(near(person(number), 1), number), uri="x")
        recorder.close()
        told = recorder.statistics()
        assert (told.recorded, told.dropped, told.failure) == (2, 1, "disk full")
        assert [(seen.track_id, seen.name) for seen in opened.sightings()] == [(3, "Unknown 2"), (1, "Unknown 1")]


def test_a_track_between_two_people_is_given_to_neither(opened: Gallery) -> None:
    with opened:
        add(opened, "Ada", ADA)
        add(opened, "Bob", BOB)
        between = (ADA + BOB) / np.linalg.norm(ADA + BOB)
        record(opened, track(np.asarray(between, np.float32), identity=Identity(None, "unknown", 0.7, 0.0)))
        assert [seen.name for seen in opened.sightings()] == ["Unknown 1"]


def test_a_file_that_is_analysed_again_is_there_once(opened: Gallery) -> None:
    with opened:
        add(opened, "Ada", ADA)
        recorder = SightingRecorder(opened)
        for run, at in ((0, 100.0), (1, 200.0)):
            recorder.record(track(near(ADA, run), 1, start=0.0, at=at), uri="film.mp4")
            recorder.record(track(near(EVE, run), 2, start=5.0, at=at + 1), uri="film.mp4")
            recorder.record(track(near(BOB, 1), 3, start=20.0, at=at), uri=f"{run}.mp4")
            recorder.seen_again("cam-1", uri="film.mp4", first_seconds=0.0, last_seconds=10.0, before=at)
        recorder.close()
        assert [(seen.uri, seen.name, seen.started_at) for seen in opened.sightings()] == [
            ("film.mp4", "Unknown 1", 201.0),
            ("1.mp4", "Unknown 2", 200.0),
            ("film.mp4", "Ada", 200.0),
            ("0.mp4", "Unknown 2", 100.0),
        ]
        assert opened.sighting_store.index().count() == 4


def test_forgetting_and_pruning_work_beside_the_process_that_has_the_index(opened: Gallery) -> None:
    with opened, gallery(opened.folder) as other:
        add(opened, "Ada", ADA)
        recorder = SightingRecorder(opened)
        recorder.record(track(near(ADA, 1), 1, at=1000.0), uri="x")
        recorder.record(track(near(EVE, 1), 2, at=10.0), uri="x")
        while recorder.statistics().recorded < 2:
            pass
        assert other.prune(older_than_seconds=500.0, now=1000.0) == 1
        done = other.forget("Ada")
        assert (done.sightings, done.index_waits) == (1, True)
        recorder.close()  # which catches up
        assert opened.sighting_store.index().count() == 0


def test_retention_is_kept_by_whoever_records(opened: Gallery) -> None:
    with opened:
        record(opened, track(near(EVE, 1), 1, at=1000.0), track(near(BOB, 1), 2, at=time.time()))
        recorder = SightingRecorder(opened, retention_seconds=3600.0)
        recorder.close()
        assert [seen.track_id for seen in opened.sightings()] == [2]
        assert [one.name for one in opened.unknowns()] == ["Unknown 2"]


@pytest.mark.parametrize("is_damaged", [False, True])
def test_an_index_that_is_lost_is_made_again(tmp_path: Path, is_damaged: bool) -> None:
    with gallery(tmp_path) as opened:
        record(opened, *(track(near(person(number), 1), number) for number in range(1, 6)))
    if is_damaged:
        for path in (tmp_path / "sightings").rglob("*"):
            if path.is_file():
                path.write_bytes(b"not Edge")
    else:
        shutil.rmtree(tmp_path / "sightings")
    with gallery(tmp_path) as opened:
        assert len(opened.search(person(1), limit=10)) == 5
        opened.sighting_store.index_waiting()
        assert opened.sighting_store.index().count() == 5


def test_unknowns_strange_sources_and_any_number_are_found(opened: Gallery) -> None:
    with opened:
        record(opened, *(track(near(EVE, n), n) for n in range(1, 41)), track(near(BOB, 1), 41, source="film [1080p]"))
        found = opened.search(EVE, person="Unknown 2", limit=1)  # forty others are more alike
        assert [match.sighting.track_id for match in found] == [41]
        assert [match.sighting.track_id for match in opened.search(EVE, source="film [1080p]")] == [41]
        assert len(opened.search(EVE, limit=1_000_000)) == 41
