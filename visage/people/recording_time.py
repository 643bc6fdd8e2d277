"""When a file was recorded, so that what is seen in it has the time of the recording, not of the analysis.

In this order: what the container states (`com.apple.quicktime.creationdate`, `creation_time`), a date and time in the
file's name as recorders write them, the file's last change less its length. Each can be wrong: cameras without a clock
state 1970, some write local time as UTC, a copy may have the time of copying. So every sighting says which it was.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, Literal, TypeAlias

__all__ = ["RecordingTime", "TimeOrigin", "recording_time"]

TimeOrigin: TypeAlias = Literal["metadata", "file name", "last change"]

FIRST_YEAR: Final = 1990
"""Earlier than any digital recorder: 1904 and 1970 are clocks that were never set."""

LATEST_SECONDS: Final = 86_400.0
"""How far ahead a recording may be: a clock in the wrong time zone."""

STATED: Final = ("com.apple.quicktime.creationdate", "creation_time")
IN_NAME: Final = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?:[-_. T]{0,2}|_at_)"
    r"([01]\d|2[0-3])[-_.:h]?([0-5]\d)[-_.:m]?([0-5]\d)(?!\d{1,2}(?!\d))"
)
"""20241130_143022, 2024-11-30 14.30.22, 20241130143022, 20241130T143022, with milliseconds or without."""


@dataclass(frozen=True, slots=True)
class RecordingTime:
    """When the first frame was recorded, seconds since the epoch, and where that is known from."""

    at: float
    origin: TimeOrigin


def recording_time(
    path: Path, metadata: Mapping[str, str], *, duration_seconds: float | None, now: float | None = None
) -> RecordingTime | None:
    """The best that is known of a file; None where nothing is.

    Args:
        metadata: what the container states, by FFmpeg's names.
        duration_seconds: of the whole file: its last change is taken for the recording's end.
        now: seconds since the epoch.
    """
    latest = (time.time() if now is None else now) + LATEST_SECONDS
    for name in STATED:
        at = _stated(metadata.get(name, ""))
        if at is not None and _is_likely(at, latest):
            return RecordingTime(at, "metadata")
    at = _named(path.stem)
    if at is not None and _is_likely(at, latest):
        return RecordingTime(at, "file name")
    try:
        at = os.stat(path).st_mtime - (duration_seconds or 0.0)
    except OSError:
        return None
    return RecordingTime(at, "last change") if _is_likely(at, latest) else None


def _stated(text: str) -> float | None:
    """ISO 8601; without a zone it is UTC, as containers have it."""
    written = re.sub(r"Z$", "+00:00", text.strip())
    written = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", written)
    written = re.sub(r"\.(\d+)", lambda digits: f".{digits[1][:6]:0<6}", written)
    try:
        moment = datetime.fromisoformat(written)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _named(stem: str) -> float | None:
    """Of this machine's local time."""
    for found in IN_NAME.finditer(stem):
        try:
            return datetime(*map(int, found.groups())).timestamp()  # type: ignore[arg-type]  # six numbers
        except (ValueError, OverflowError, OSError):  # the 31st of June
            continue
    return None


def _is_likely(at: float, latest: float) -> bool:
    return datetime(FIRST_YEAR, 1, 1, tzinfo=timezone.utc).timestamp() <= at <= latest
