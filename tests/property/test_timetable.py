"""The hours of a camera against a list of the week's 10,080 minutes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visage.config.timetable import DAYS, Timetable

MONDAY = datetime(2026, 11, 30)
DAY = 24 * 60

times = st.integers(0, DAY - 1)
entries = st.tuples(st.integers(0, 6), st.integers(0, 6), times, times).filter(lambda entry: entry[2] != entry[3])


def spelled(first: int, last: int, start: int, end: int) -> str:
    return f"{DAYS[first]}-{DAYS[last]} {start // 60}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


def minutes_of(first: int, last: int, start: int, end: int) -> set[int]:
    """The minutes of the week, from Monday's first, in which the entry is on; a span over midnight goes on."""
    days = [(first + step) % 7 for step in range((last - first) % 7 + 1)]
    length = (end - start) % DAY
    return {(day * DAY + start + minute) % (7 * DAY) for day in days for minute in range(length)}


@given(st.lists(entries, min_size=1, max_size=3), st.integers(0, 7 * DAY - 1), st.integers(0, 59))
def test_a_camera_is_on_in_the_minutes_of_its_entries(
    chosen: list[tuple[int, int, int, int]], minute: int, second: int
) -> None:
    table = Timetable.parse([spelled(*entry) for entry in chosen])
    wanted = set().union(*(minutes_of(*entry) for entry in chosen))
    assert table.is_on(MONDAY + timedelta(minutes=minute, seconds=second)) is (minute in wanted)


@given(st.lists(entries, min_size=1, max_size=2), st.integers(0, 7 * DAY - 1))
def test_neither_capitals_nor_spaces_matter(chosen: list[tuple[int, int, int, int]], minute: int) -> None:
    now = MONDAY + timedelta(minutes=minute)
    plain = [spelled(*entry) for entry in chosen]
    assert Timetable.parse([f"  {text.upper()} " for text in plain]).is_on(now) is Timetable.parse(plain).is_on(now)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("", "is not a time: write"),
        ("mon", "is not a time: write"),
        ("mon-fri 7-19", "is not a time: write"),
        ("07:00", "is not a time: write"),
        ("mon 07:00-19:30 and later", "is not a time: write"),
        ("mom 07:00-19:30", "'mom' is not a day: mon, tue"),
        ("mon-fry 07:00-19:30", "'fry' is not a day"),
        ("07:60-19:30", "is not a time of day"),
        ("24:00-06:00", "is not a time of day"),
        ("07:00-24:01", "is not a time of day"),
        ("07:00-07:00", "is not a time of day"),
    ],
)
def test_what_is_no_entry_is_refused_with_the_way_to_write_one(entry: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Timetable.parse(["sat 10:00-24:00", entry])


def test_a_day_ends_at_24_and_no_entries_are_always() -> None:
    evening = Timetable.parse(["mon 18:00-24:00"])
    assert evening.is_on(datetime(2026, 11, 30, 23, 59))
    assert not evening.is_on(datetime(2026, 12, 1, 0, 0))
    assert Timetable().is_on(datetime(2026, 12, 1, 3, 0))
