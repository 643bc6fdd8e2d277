"""The recorder and a database that can not be written now, or at all: who waits for a source is told."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.visage.people.scenes import gallery, near, person, track
from visage.config import Settings
from visage.people import GallerySession, SightingRecorder
from visage.people.gallery import Gallery

ADA, BOB = person(1), person(2)
FOREVER = 30.0


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Gallery]:
    with gallery(tmp_path) as opened:
        yield opened


@contextlib.contextmanager
def locked(opened: Gallery) -> Iterator[sqlite3.Connection]:
    """Another connection is in the middle of a transaction."""
    with contextlib.closing(sqlite3.connect(opened.folder / "gallery.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def test_settling_waits_until_a_source_is_stored(opened: Gallery) -> None:
    """Another process holds the database; settling gives up in time, and succeeds once it lets go."""
    with contextlib.closing(SightingRecorder(opened)) as recorder:
        with locked(opened) as other:
            assert recorder.record(track(near(ADA, 1), 1, source="film"), uri="film.mp4")
            assert recorder.record(track(near(BOB, 1), 2, source="film"), uri="film.mp4")
            waits = recorder.settle("film", 0.1)
            assert isinstance(waits, TimeoutError)
            assert str(waits) == "what was seen in film is not stored after 0.1 s"
            assert recorder.settle("of which nothing was handed in", FOREVER) is None
            answers: list[Exception | None] = []
            waiting = threading.Thread(target=lambda: answers.append(recorder.settle("film", FOREVER)))
            waiting.start()
            other.execute("ROLLBACK")
            waiting.join(FOREVER)
        assert answers == [None]
        assert [seen.track_id for seen in opened.sightings()] == [2, 1]


def test_settling_tells_once_what_was_lost_of_a_source(opened: Gallery) -> None:
    """The database stays locked for longer than SQLite waits: the track is lost, its source is told, no other is."""
    opened.database.write("PRAGMA busy_timeout = 50")
    with contextlib.closing(SightingRecorder(opened)) as recorder:
        with locked(opened):
            assert recorder.record(track(near(ADA, 1), 1, source="film"), uri="film.mp4")
            error = recorder.settle("film", FOREVER)
        assert isinstance(error, sqlite3.OperationalError)
        assert "locked" in str(error)
        assert recorder.record(track(near(ADA, 1), 1, source="film"), uri="film.mp4")  # analysed again
        assert recorder.record(track(near(BOB, 1), 1, source="door"), uri="door.mp4")
        assert recorder.settle("door", FOREVER) is None
        assert recorder.settle("film", FOREVER) is None
        assert len(opened.sightings()) == 2


def test_settling_after_the_end_does_not_wait(opened: Gallery) -> None:
    recorder = SightingRecorder(opened)
    assert recorder.record(track(near(ADA, 1), 1, source="film"), uri="film.mp4")
    recorder.close()
    assert recorder.settle("film", 0.0) is None
    assert not recorder.record(track(near(ADA, 1), 2, source="film"), uri="film.mp4")
    assert recorder.settle("film", 0.0) is not None


def test_only_tracks_are_counted_as_tracks(tmp_path: Path) -> None:
    """What a run lost is told of tracks; of an earlier run's, which could not be removed, only if no track was lost."""
    session = GallerySession(Settings(gallery=tmp_path))
    session.gallery.database.write("PRAGMA busy_timeout = 50")
    recorder = session.recorder
    assert recorder is not None
    with locked(session.gallery):
        recorder.seen_again("film", uri="/film.mp4", first_seconds=0.0, last_seconds=9.0, before=1.0)
        assert recorder.settle("film", FOREVER) is not None
        assert session.lost == f"{tmp_path}: what was seen in 1 video before could not be removed (database is locked)"
        assert recorder.record(track(near(ADA, 1), 1, source="film"), uri="/film.mp4")
        recorder.seen_again("film", uri="/film.mp4", first_seconds=0.0, last_seconds=9.0, before=1.0)
        assert recorder.settle("film", FOREVER) is not None
        assert recorder.statistics().dropped == 1
    session.close()
    assert session.lost == f"{tmp_path}: 1 track could not be stored (database is locked)"
