"""A file to be analysed, as the ledger knows it."""

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
    """The states of a job; DONE, FAILED, MISSING and SET_ASIDE are final until its file changes or is found again."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    MISSING = "missing"
    SET_ASIDE = "set aside"


@dataclass(frozen=True, slots=True)
class Job:
    """A file to be analysed.

    Attributes:
        content: see `content_key`.
        folder: name of the watched folder it was found in.
        attempts: how often it was started, this attempt included.
        deaths, faults: how often the process died while it was running, and how often by a crash of its own.
        is_suspect: the process died while it was running, and no trial has acquitted it.
        error: the last failure; None if there was none.
        completions: how often it was completed: at most 1.
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
        """Return the job in a row of the columns `FIELDS`. Raises ValueError for an unknown state."""
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
