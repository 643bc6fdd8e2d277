"""Lanes and meetings: sources that share a name, cameras that have days instead of an end, runs that begin anew."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from visage.people.records import Sighting
from visage.report.timeline import clock, seen_together, timelines

NOON = time.mktime((2026, 3, 1, 12, 0, 0, 0, 0, -1))
SEEN = Sighting("s1", "film", "/a/film.mp4", 1, NOON, 0.0, 10.0, 250, 5, 0.2, 0.8, "Ada")


def at(start: float, end: float, uri: str = "/a/film.mp4", source: str = "film") -> Sighting:
    return replace(SEEN, source=source, uri=uri, start_seconds=start, end_seconds=end)


def live(start: float, seconds: float, uri: str = "rtsp://door/1") -> Sighting:
    """Seen by a camera, so long after noon; its own time began anew a second before."""
    return replace(SEEN, source="door", uri=uri, is_live=True, started_at=NOON + start, start_seconds=1.0,
                   end_seconds=1.0 + seconds)  # fmt: skip


def test_two_files_of_one_name_have_a_timeline_each() -> None:
    told = timelines([("Ada", "red", [at(0, 5), at(0, 20, "/b/film.mp4")]), ("Eve", "blue", [at(0, 10)])])
    assert [(one.name, [lane.name for lane in one.lanes]) for one in told] == [
        ("film, /a/film.mp4", ["Ada", "Eve"]),
        ("film, /b/film.mp4", ["Ada"]),
    ]
    assert [bar.width for lane in told[0].lanes for bar in lane.bars] == [50.0, 100.0]
    assert seen_together([("Ada", [at(0, 5)]), ("Eve", [at(0, 5, "/b/film.mp4")])], 9) == []


@pytest.mark.parametrize("uri", ["rtsp://door/1", "http://door/live.m3u8"])
def test_a_camera_has_a_timeline_a_day_in_the_time_of_day_and_no_links(uri: str) -> None:
    told = timelines([("Ada", "red", [live(0, 100, uri), live(300, 100, uri), live(86_400, 10, uri)])])
    assert [(one.name, one.scale) for one in told] == [
        ("door, 2026-03-01", ("12:00:00", "12:03:20", "12:06:40")),
        ("door, 2026-03-02", ("12:00:00", "12:00:05", "12:00:10")),
    ]
    assert [(bar.left, bar.width, bar.href) for bar in told[0].lanes[0].bars] == [(0, 25, ""), (75, 25, "")]


def test_who_meets_whom_is_counted_by_moments_of_one_run() -> None:
    ada, eve, joe = [at(0, 10), at(20, 30)], [at(5, 25), at(28, 40)], [at(10, 11)]
    assert seen_together([("Ada", ada), ("Eve", eve), ("Joe", joe)], 9) == [("Ada", "Eve", 12.0), ("Eve", "Joe", 1.0)]
    assert seen_together([("Ada", ada), ("Eve", eve), ("Joe", joe)], 1) == [("Ada", "Eve", 12.0)]
    assert seen_together([("Ada", [live(0, 10)]), ("Eve", [live(100, 10)])], 9) == []


def test_a_film_at_an_address_is_a_file() -> None:
    (told,) = timelines([("Ada", "red", [at(0, 5, "http://archive/film.mp4"), at(10, 20, "http://archive/film.mp4")])])
    assert (told.scale[2], told.lanes[0].bars[1].href) == ("0:20.0", "http://archive/film.mp4#t=10.0")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (75.44, "1:15.4"), (59.96, "1:00.0"), (3661, "1:01:01.0")]
)
def test_times_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert clock(seconds) == text
