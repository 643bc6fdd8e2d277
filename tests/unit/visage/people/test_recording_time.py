"""When a file was recorded: from its container, its name, its last change; and what is seen in it has that time."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from stages.sources import SourceEnded, VideoInfo
from tests.unit.stages.sink.scenes import opened as opened_sink
from tests.unit.visage.people.scenes import gallery, near, person, track
from tests.unit.visage.service.scenes import observe
from visage.people import Gallery, SightingRecorder
from visage.people.recording_time import recording_time
from visage.people.sink import SightingSink

MOMENT = datetime(2024, 11, 30, 14, 30, 22)
LOCAL = MOMENT.timestamp()
UTC = MOMENT.replace(tzinfo=timezone.utc).timestamp()


@pytest.fixture(autouse=True)
def madrid(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose time is not UTC."""
    monkeypatch.setenv("TZ", "Europe/Madrid")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def seconds(path: str, metadata: dict[str, str] | None = None) -> tuple[float, str] | None:
    found = recording_time(Path(path), metadata or {}, duration_seconds=None)
    return None if found is None else (found.at, found.origin)


@pytest.mark.parametrize(
    "name",
    [
        "20241130_143022.mp4",
        "20241130143022.mp4",
        "garage-2024-11-30_14-30-22.mkv",
        "2024-11-30 14.30.22.mp4",
        "2024-11-30T14:30:22.ts",
        "RLC-810A_00_20241130143022.mp4",
        "VID_20241130_143022123.mp4",
        "20241130_143022_20241130_144022.mp4",
    ],
)
def test_recorders_names_are_read_as_local_time(name: str) -> None:
    assert seconds(f"/nowhere/{name}") == (MOMENT.timestamp(), "file name")


@pytest.mark.parametrize("name", ["holiday.mp4", "20241330_143022.mp4", "20240231_143022.mp4", "120241130143022.mp4"])
def test_other_names_say_nothing(name: str) -> None:
    assert seconds(f"/nowhere/{name}") is None


@pytest.mark.parametrize(
    ("metadata", "at"),
    [
        ({"creation_time": "2024-11-30T14:30:22.000000Z"}, UTC),
        ({"creation_time": "2024-11-30 14:30:22"}, UTC),
        (
            {"creation_time": "2001-01-01T00:00:00Z", "com.apple.quicktime.creationdate": "2024-11-30T15:30:22+0100"},
            UTC,
        ),
    ],
)
def test_the_containers_word_comes_first(metadata: dict[str, str], at: float) -> None:
    assert seconds("/nowhere/20230101_000000.mp4", metadata) == (at, "metadata")


@pytest.mark.parametrize(
    "text", ["1904-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z", "2199-01-01T00:00:00Z", "x", ""]
)
def test_a_clock_that_was_never_set_is_not_believed(text: str) -> None:
    found = seconds("/nowhere/20241130_143022.mp4", {"creation_time": text})
    assert found == (MOMENT.timestamp(), "file name")


def test_else_the_recording_ended_with_the_files_last_change(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.touch()
    os.utime(path, (UTC, UTC))
    found = recording_time(path, {}, duration_seconds=60.0)
    assert found is not None
    assert (found.at, found.origin) == (UTC - 60, "last change")


def analyse(opened: Gallery, path: Path, *, later: float = 0.0) -> None:
    """Two frames of a file with one face, by the sink, as a run does it."""
    with contextlib.closing(SightingRecorder(opened)) as recorder:
        info = VideoInfo("film", str(path), 64, 64, metadata={"creation_time": "2024-11-30T14:30:22Z"})
        sink = opened_sink(SightingSink(recorder), info)
        for index in range(10):
            seen = observe(index, [1], source_id="film")
            sink.write(replace(seen, frame=replace(seen.frame, captured_at=seen.frame.captured_at + later)))
        sink.close(SourceEnded("film", 10))


def test_since_finds_what_a_recorder_exported(tmp_path: Path) -> None:
    """Also after it was analysed again, which leaves nothing double; retention counts from the analysis."""
    path = tmp_path / "export.mp4"
    path.touch()
    with gallery(tmp_path / "g") as opened:
        analyse(opened, path)
        analyse(opened, path, later=50)
        (seen,) = opened.sightings(since=UTC, until=UTC + 60)
        assert (seen.started_at, seen.time_origin) == (UTC, "metadata")
        assert opened.sightings(since=1_700_000_000, until=1_700_000_100) == []  # when it was analysed
        assert opened.prune(older_than_seconds=3600, now=1_700_000_100) == 0
        assert opened.prune(older_than_seconds=3600, now=1_700_010_000) == 1


def test_an_older_gallery_gets_the_columns_and_keeps_its_times(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        opened.record(track(near(person(1), 1), at=1000.0), uri="a.mp4")
    with contextlib.closing(sqlite3.connect(tmp_path / "gallery.sqlite")) as database:
        for column in ("analysed_at", "time_origin"):
            database.execute(f"ALTER TABLE sightings DROP COLUMN {column}")
    with gallery(tmp_path) as opened:
        (seen,) = opened.sightings()
        assert (seen.started_at, seen.time_origin) == (1000.0, "analysis")
