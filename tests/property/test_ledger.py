"""The ledger against a plain model: files come, are worked on, fail, vanish, and the process dies, in any order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from visage.service.ledger import FAULTS_UNTIL_SET_ASIDE, Job, JobState, Ledger

PATHS = ("a.mp4", "b.mp4", "c.mp4")
CONTENTS = ("x", "y", "z")
FOLDERS = ("films", "clips")
ENDED = (JobState.DONE, JobState.FAILED, JobState.SET_ASIDE)


@dataclass
class Expected:
    """What a job should be."""

    number: int
    path: Path
    folder: str
    priority: int
    queued_at: float
    state: JobState = JobState.QUEUED
    attempts: int = 0
    deaths: int = 0
    faults: int = 0
    is_suspect: bool = False
    not_before: float = 0.0
    error: str | None = None
    completions: int = 0


class Files(RuleBasedStateMachine):
    """One clock for both of the ledger's, moved by the rules alone."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1000.0
        self.ledger = Ledger(Path(":memory:"), now=lambda: self.seconds, monotonic=lambda: self.seconds)
        self.jobs: dict[tuple[str, str], Expected] = {}
        self.contents: dict[tuple[Path, int], str] = {}

    def running(self) -> list[Expected]:
        return [job for job in self.jobs.values() if job.state is JobState.RUNNING]

    def draw_running(self, data: st.DataObject) -> Expected:
        return data.draw(st.sampled_from(self.running()), label="job")

    @rule(seconds=st.floats(0.5, 20))
    def time_passes(self, seconds: float) -> None:
        self.seconds += seconds

    @rule(
        name=st.sampled_from(PATHS),
        content=st.sampled_from(CONTENTS),
        analysis=st.sampled_from("st"),
        folder=st.sampled_from(FOLDERS),
        priority=st.integers(0, 2),
        size=st.integers(1, 3),
    )
    def find(self, name: str, content: str, analysis: str, folder: str, priority: int, size: int) -> None:
        path = Path("/films") / name
        found = self.ledger.enqueue(
            path, size=size, modified_ns=7, content=content, settings=analysis, folder=folder, priority=priority
        )
        self.contents = {key: value for key, value in self.contents.items() if key[0] != path}
        self.contents[path, size] = content
        job = self.jobs.get((content, analysis))
        if job is None:
            highest = max((other.number for other in self.jobs.values()), default=0)
            job = self.jobs[content, analysis] = Expected(highest + 1, path, folder, priority, self.seconds)
        elif job.state in (JobState.QUEUED, JobState.MISSING):
            job.path, job.folder, job.priority = path, folder, priority
            job.attempts = 0 if job.state is JobState.MISSING else job.attempts
            job.state = JobState.QUEUED
        self.check(found, job)

    @rule(
        analysis=st.sampled_from("st"),
        except_folders=st.sets(st.sampled_from(FOLDERS), max_size=1),
        except_suspects=st.booleans(),
    )
    def claim(self, analysis: str, except_folders: set[str], except_suspects: bool) -> None:
        in_work = {job.path for job in self.running()}
        free = [
            job
            for (_, own), job in self.jobs.items()
            if own == analysis and job.state is JobState.QUEUED and job.not_before <= self.seconds
            if job.folder not in except_folders and job.path not in in_work
            if not (except_suspects and job.is_suspect)
        ]
        claimed = self.ledger.claim(analysis, except_folders=except_folders, except_suspects=except_suspects)
        if not free:
            assert claimed is None
            return
        job = min(free, key=lambda job: (job.is_suspect, -job.priority, job.queued_at, job.number))
        job.state = JobState.RUNNING
        job.attempts += 1
        assert claimed is not None
        self.check(claimed, job)

    @precondition(lambda self: self.running())
    @rule(data=st.data(), kind=st.sampled_from(["complete", "fail", "miss", "set_aside", "retry", "release", "drop"]))
    def end(self, data: st.DataObject, kind: str) -> None:
        job = self.draw_running(data)
        if kind == "complete":
            self.ledger.complete(job.number, frames=3, faces=1)
            job.state, job.error = JobState.DONE, None
            job.completions += 1
        elif kind == "retry":
            self.ledger.retry(job.number, "later", wait_seconds=10)
            job.state, job.error, job.not_before = JobState.QUEUED, "later", self.seconds + 10
        elif kind == "release":
            self.ledger.release(job.number)
            job.state = JobState.QUEUED
            job.attempts -= 1
        elif kind == "drop":
            self.ledger.drop(job.number)
            self.jobs = {key: other for key, other in self.jobs.items() if other is not job}
        else:
            {"fail": self.ledger.fail, "miss": self.ledger.miss, "set_aside": self.ledger.set_aside}[kind](
                job.number, kind
            )
            state = {"fail": JobState.FAILED, "miss": JobState.MISSING, "set_aside": JobState.SET_ASIDE}[kind]
            job.state, job.error = state, kind

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def acquit(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(list(self.jobs.values())), label="job")
        self.ledger.acquit(job.number)
        job.is_suspect = False

    @precondition(lambda self: any(job.state in ENDED for job in self.jobs.values()))
    @rule(data=st.data())
    def what_has_ended_is_not_ended_again(self, data: st.DataObject) -> None:
        """A worker's late word about a job that another one has settled changes nothing."""
        ended = [job for job in self.jobs.values() if job.state is not JobState.RUNNING]
        number = data.draw(st.sampled_from(ended), label="job").number
        self.ledger.complete(number, frames=9, faces=9)
        self.ledger.fail(number, "late")
        self.ledger.retry(number, "late", wait_seconds=99)
        self.ledger.release(number)
        self.ledger.drop(number)

    @rule(by_own_fault=st.booleans())
    def die(self, by_own_fault: bool) -> None:
        in_work = self.running()
        recovered = {job.number: job for job in self.ledger.recover(by_own_fault=by_own_fault)}
        assert recovered.keys() == {job.number for job in in_work}
        for job in in_work:
            job.state, job.is_suspect, job.not_before = JobState.QUEUED, True, 0.0
            job.deaths += 1
            job.faults += by_own_fault
            if job.faults >= FAULTS_UNTIL_SET_ASIDE:
                job.state, job.error = JobState.SET_ASIDE, recovered[job.number].error
                assert job.error
            self.check(recovered[job.number], job)

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        found = {(job.content, job.settings): job for job in self.ledger.jobs()}
        assert found.keys() == self.jobs.keys()
        for key, job in self.jobs.items():
            self.check(found[key], job)
        states = [job.state for job in self.jobs.values()]
        assert self.ledger.counts() == {state: states.count(state) for state in JobState}
        in_work = [job.path for job in self.running()]
        assert len(set(in_work)) == len(in_work), "one file was in work twice"

    @invariant()
    def waits_and_contents_are_known(self) -> None:
        for analysis in "st":
            waits = [
                max(0.0, job.not_before - self.seconds)
                for (_, own), job in self.jobs.items()
                if own == analysis and job.state is JobState.QUEUED
            ]
            due = self.ledger.seconds_until_due(analysis)
            assert due is None if not waits else due is not None and abs(due - min(waits)) < 1e-6
        for (path, size), content in self.contents.items():
            assert self.ledger.known_content(path, size, 7) == content
            assert self.ledger.known_content(path, size, 8) is None
            assert self.ledger.last_content(path) == content

    def check(self, found: Job, job: Expected) -> None:
        assert (found.number, found.path, found.folder, found.priority, found.state) == (
            job.number,
            job.path,
            job.folder,
            job.priority,
            job.state,
        )
        assert (found.attempts, found.deaths, found.faults, found.is_suspect, found.error, found.completions) == (
            job.attempts,
            job.deaths,
            job.faults,
            job.is_suspect,
            job.error,
            job.completions,
        )
        assert found.completions == (found.state is JobState.DONE)

    def teardown(self) -> None:
        self.ledger.close()


TestFiles = Files.TestCase
TestFiles.settings = settings(max_examples=120, stateful_step_count=40)
