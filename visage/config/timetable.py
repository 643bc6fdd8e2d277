"""When a camera is looked at: local times of the week, such as `mon-fri 07:00-19:30` or `22:00-06:00`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

__all__ = ["Timetable"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ENTRY = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))?\s+)?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
HOUR_MINUTES = 60
DAY_MINUTES = 24 * HOUR_MINUTES


@dataclass(frozen=True, slots=True)
class Timetable:
    """Spans of the week in local time; without any it is always on. `parse` raises ValueError."""

    spans: tuple[_Span, ...] = ()

    @classmethod
    def parse(cls, entries: Sequence[str]) -> Timetable:
        """Read entries such as `mon-fri 07:00-19:30`. Raises ValueError, which shows how to write one."""
        return cls(tuple(_span(entry) for entry in entries))

    def is_on(self, now: datetime) -> bool:
        """Return whether a span holds this local time; seconds are ignored."""
        return not self.spans or any(
            span.holds(now.weekday(), now.hour * HOUR_MINUTES + now.minute) for span in self.spans
        )


@dataclass(frozen=True, slots=True)
class _Span:
    """Minutes of the day on these weekdays; a span that ends before it begins runs into the next day."""

    days: frozenset[int]
    start: int
    end: int

    def holds(self, weekday: int, minute: int) -> bool:
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        is_evening = weekday in self.days and minute >= self.start
        return is_evening or ((weekday - 1) % 7 in self.days and minute < self.end)


def _span(entry: str) -> _Span:
    found = ENTRY.fullmatch(entry.strip().lower())
    if found is None:
        raise ValueError(f"{entry!r} is not a time: write `mon-fri 07:00-19:30`, `sat 10:00-24:00` or `22:00-06:00`")
    first, last, *clock = found.groups()
    for day in (first, last):
        if day is not None and day not in DAYS:
            raise ValueError(f"{day!r} is not a day: {', '.join(DAYS)}")
    start, end = (int(clock[at]) * HOUR_MINUTES + int(clock[at + 1]) for at in (0, 2))
    if start >= DAY_MINUTES or end > DAY_MINUTES or max(int(clock[1]), int(clock[3])) >= HOUR_MINUTES or start == end:
        raise ValueError(f"{entry!r} is not a time of day")
    if first is None:
        return _Span(frozenset(range(7)), start, end)
    begin = DAYS.index(first)
    count = (DAYS.index(last or first) - begin) % 7 + 1
    return _Span(frozenset((begin + step) % 7 for step in range(count)), start, end)
