"""Every file once, whatever happens to the process."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from visage.service.ledger import Job, JobState, Ledger
from visage.storage.content import SAMPLE_BYTES, WHOLE_BYTES, content_key


class Clock:
    """A time that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with contextlib.closing(Ledger(tmp_path / "ledger.sqlite", now=clock, monotonic=clock)) as ledger:
        yield ledger


def enqueue(ledger: Ledger, name: str, *, content: str | None = None, priority: int = 0, settings: str = "s") -> Job:
    return ledger.enqueue(
        Path("/films") / name,
        size=1,
        modified_ns=1,
        content=content or name,
        settings=settings,
        folder="films",
        priority=priority,
    )


def claimed(ledger: Ledger) -> Job:
    job = ledger.claim("s")
    assert job is not None
    return job


@pytest.mark.smoke
def test_a_file_is_done_once_for_its_content_and_settings(ledger: Ledger) -> None:
    enqueue(ledger, "a.mp4", content="x")
    assert enqueue(ledger, "copy of a.mp4", content="x").number == 1
    ledger.complete(claimed(ledger).number, frames=3, faces=1)
    assert enqueue(ledger, "a.mp4", content="x").state is JobState.DONE
    assert ledger.claim("s") is None
    enqueue(ledger, "a.mp4", content="x", settings="other")
    assert ledger.claim("other") is not None


def test_priority_goes_before_age_and_suspects_come_last(ledger: Ledger) -> None:
    enqueue(ledger, "old.mp4")
    enqueue(ledger, "urgent.mp4", priority=5)
    assert claimed(ledger).path.name == "urgent.mp4"
    ledger.recover(by_own_fault=False)
    assert [claimed(ledger).path.name for _ in range(2)] == ["old.mp4", "urgent.mp4"]


def test_what_fails_waits_before_its_next_attempt(ledger: Ledger, clock: Clock) -> None:
    enqueue(ledger, "a.mp4")
    ledger.retry(claimed(ledger).number, "not yet whole", wait_seconds=30)
    assert ledger.claim("s") is None
    assert ledger.seconds_until_due("s") == 30
    clock.seconds += 30
    job = claimed(ledger)
    assert (job.attempts, job.error) == (2, "not yet whole")
    ledger.fail(job.number, "never whole")
    clock.seconds += 3600
    assert ledger.claim("s") is None


def test_a_clock_that_is_set_back_prolongs_no_wait(tmp_path: Path) -> None:
    wall, steady = Clock(), Clock()
    wall.seconds = 1e9
    path = tmp_path / "ledger.sqlite"
    with closing(Ledger(path, now=wall, monotonic=steady)) as ledger:
        enqueue(ledger, "a.mp4")
        ledger.retry(claimed(ledger).number, "not yet whole", wait_seconds=30)
        wall.seconds -= 86_400
        steady.seconds += 30
        assert ledger.seconds_until_due("s") == 0
        ledger.retry(claimed(ledger).number, "not yet whole", wait_seconds=30)
    with closing(Ledger(path, now=wall, monotonic=steady)) as ledger:
        assert ledger.seconds_until_due("s") == 3600  # a day without the limit


def test_a_kill_makes_suspects_but_blames_nobody(ledger: Ledger) -> None:
    """Killed from outside ten times with the same file in flight: it is still worked on."""
    enqueue(ledger, "a.mp4")
    for _ in range(10):
        claimed(ledger)
        (job,) = ledger.recover(by_own_fault=False)
        assert (job.state, job.is_suspect) == (JobState.QUEUED, True)
    assert job.deaths == 10


def test_the_second_crash_sets_a_file_aside(ledger: Ledger) -> None:
    enqueue(ledger, "poison.mp4")
    enqueue(ledger, "good.mp4", priority=-1)
    claimed(ledger)
    assert ledger.recover(by_own_fault=True)[0].state is JobState.QUEUED
    ledger.complete(claimed(ledger).number, frames=1, faces=0)  # the good one comes before a suspect
    assert claimed(ledger).path.name == "poison.mp4"
    assert ledger.recover(by_own_fault=True)[0].state is JobState.SET_ASIDE
    assert ledger.claim("s") is None
    assert ledger.counts()[JobState.SET_ASIDE] == 1


def test_an_interrupted_file_keeps_its_attempts(ledger: Ledger) -> None:
    enqueue(ledger, "a.mp4")
    for _ in range(9):
        ledger.release(claimed(ledger).number)
    assert claimed(ledger).attempts == 1


@pytest.mark.smoke
def test_it_outlives_its_process(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    first = Ledger(path)
    enqueue(first, "a.mp4")
    claimed(first)
    first.close()
    second = Ledger(path)
    assert [job.path.name for job in second.recover(by_own_fault=False)] == ["a.mp4"]
    second.close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_content_is_known_while_size_and_time_stay(ledger: Ledger) -> None:
    enqueue(ledger, "a.mp4", content="x")
    assert ledger.known_content(Path("/films/a.mp4"), 1, 1) == "x"
    assert ledger.known_content(Path("/films/a.mp4"), 1, 2) is None


def test_content_keys_tell_files_apart(tmp_path: Path) -> None:
    small, same, other, large = (tmp_path / name for name in "abcd")
    small.write_bytes(b"one")
    same.write_bytes(b"one")
    other.write_bytes(b"two")
    assert content_key(small) == content_key(same) != content_key(other)
    with large.open("wb") as file:
        file.truncate(WHOLE_BYTES + SAMPLE_BYTES)
    before = content_key(large)
    with large.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"x")
    assert content_key(large) != before
