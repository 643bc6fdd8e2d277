"""Sightings: stored, found, clustered, named, pruned; a full queue, a kill, a server that is away."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from stages.frames import Identity
from stages.identify.errors import IndexUnavailable
from stages.identify.index import IndexPoint
from stages.identify.memory import MemoryIndex
from tests.unit.visage.people.scenes import DIMENSION, add, gallery, near, person, track
from visage.people import SightingRecorder
from visage.people.gallery import Gallery

ADA, BOB, EVE = person(1), person(2), person(3)


@pytest.fixture
def opened(tmp_path: Path) -> Gallery:
    return gallery(tmp_path)


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


def test_a_decision_of_the_pipeline_is_kept(opened: Gallery) -> None:
    with opened:
        add(opened, "Ada", ADA)
        record(opened, track(near(BOB, 1), identity=Identity("p1", "Ada", 0.9, 0.0)))
        (seen,) = opened.sightings()
        assert (seen.name, seen.person_id, seen.similarity) == ("Ada", "p1", 0.9)


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
    twin = near(EVE, 50, cosine=0.55)  # close enough to be taken for one
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
    store = SightingRecorder._store

    def held(self: SightingRecorder, batch: list[object]) -> None:
        entered.set()
        assert gate.wait(30)
        store(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(SightingRecorder, "_store", held)
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
