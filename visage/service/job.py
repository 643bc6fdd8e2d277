"""A file to be worked on, as the ledger knows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

__all__ = ["FIELDS", "Job", "JobState"]

FIELDS = (
    "number, content, settings, path, folder, priority, state, attempts, deaths, faults, is_suspect, error, completions"
)
"""The ledger's columns that make a `Job`."""


class JobState(Enum):
    """A job's life."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    MISSING = "missing"
    SET_ASIDE = "set aside"


@dataclass(frozen=True, slots=True)
class Job:
    """A file to be worked on.

    Attributes:
        content: see `content_key`.
        folder: name of the watched folder it was found in.
        attempts: how often it was begun, this time included.
        is_suspect: the process died while it was running.
        completions: how often it was completed: never more than once.
    """

    number: int
    content: str
    settings: str
    path: Path
    folder: str
    priority: int
    state: JobState
    attempts: int
    deaths: int
    faults: int
    is_suspect: bool
    error: str | None
    completions: int

    @classmethod
    def of(cls, row: tuple[object, ...]) -> Job:
        """From a row of `FIELDS`."""
        (
            number,
            content,
            settings,
            path,
            folder,
            priority,
            state,
            attempts,
            deaths,
            faults,
            suspect,
            error,
            completions,
        ) = row
        return cls(
            number=int(str(number)),
            content=str(content),
            settings=str(settings),
            path=Path(str(path)),
            folder=str(folder),
            priority=int(str(priority)),
            state=JobState(state),
            attempts=int(str(attempts)),
            deaths=int(str(deaths)),
            faults=int(str(faults)),
            is_suspect=bool(suspect),
            error=None if error is None else str(error),
            completions=int(str(completions)),
        )
