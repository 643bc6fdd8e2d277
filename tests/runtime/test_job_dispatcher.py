"""Files go from the ledger into the pipeline and are completed once; what fails is tried again or set aside."""

from __future__ import annotations

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from stages.buffers import BufferPool
from stages.contract import FrameSource
from stages.errors import NotAVideo, SourceNotFound
from stages.sink.base import Sink
from stages.sink.metadata import RunDescription
from stages.sources import SourceEnded, VideoInfo
from tests.bells import Bell
from tests.runtime.latches import BOUND_SECONDS
from tests.runtime.scripted import RecordingSink, ScriptedDetect, ScriptedSource
from visage.config import Settings
from visage.config.service import FilesConfig
from visage.config.sources import SourceSpec
from visage.runtime import Outcome, Pipeline, PipelineLimits
from visage.service.backoff import Backoff
from visage.service.folders import FoundFile
from visage.service.job_dispatcher import JobDispatcher
from visage.service.ledger import Job, JobState, Ledger
from visage.service.settings_key import settings_key
from visage.service.supervision import keep_running
from visage.service.trial import Trial
from visage.service.whole_only import WholeOnly


class ScriptedTrial(Trial):
    """Says what it is told; remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self.deaths: dict[str, str] = {}
        self.asked: list[str] = []

    async def death_of(self, path: Path) -> str | None:
        self.asked.append(path.name)
        return self.deaths.get(path.name)


class Rig:
    """A desk over a pipeline of scripted parts; `errors` and `endless` say how a file of that name goes."""

    def __init__(self, folder: Path, *, concurrent: int = 2) -> None:
        self.folder = folder
        self.pool = BufferPool(64, lambda: bytearray(1))
        self.detect = ScriptedDetect()
        self.detect.gate.set()
        self.errors: dict[str, Exception] = {}
        self.unstartable: dict[str, Exception] = {}
        self.endless: set[str] = set()
        self.opened: list[str] = []
        self.most_at_once = 0
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.trial = ScriptedTrial()
        self.not_stored: list[Exception] = []
        self.pipeline = Pipeline(
            detect=self.detect,
            embed=None,
            open_sinks=self._sinks,
            limits=PipelineLimits(batch_deadline_seconds=0.0, concurrent_sources=16),
            on_ended=self._ended,
        )
        self.dispatcher = JobDispatcher(
            self.pipeline,
            self.ledger,
            self._open,
            settings=Settings(),
            config=FilesConfig(attempts=2, retry_first_seconds=0.01, retry_most_seconds=0.02),
            run=RunDescription("yunet"),
            concurrent=concurrent,
            place=lambda job: folder / "out" / job.path.name,
            trial=self.trial,
            stored=self._stored,
        )

    def find(self, name: str, content: str | None = None) -> Job:
        path = self.folder / name
        path.write_text(content or name)
        status = path.stat()
        return self.dispatcher.found(FoundFile(path, status.st_size, status.st_mtime_ns), folder="films", priority=0)

    def dispatch_until(self, what: Callable[[], bool]) -> None:
        """Dispatch until it is so: asked whenever the dispatcher has nothing more to do, and at each line it logs."""
        self._run_until(self.dispatcher.dispatch, what)

    def dispatch_through(self, what: Callable[[], bool]) -> None:
        """As the daemon does it: through what passes."""
        self._run_until(
            keep_running("files", self.dispatcher.dispatch, after=(sqlite3.Error,), backoff=Backoff(0.01, 0.02)), what
        )

    def refuse(self, state: str) -> Callable[[], object]:
        """Let the ledger's disk take no change to this state, until what this returns is called."""
        database = sqlite3.connect(self.folder / "ledger.sqlite", isolation_level=None, check_same_thread=False)
        database.execute(
            f"CREATE TRIGGER refused BEFORE UPDATE ON jobs WHEN new.state = '{state}'"
            " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )

        def accept() -> None:
            database.execute("DROP TRIGGER refused")
            database.close()

        return accept

    def _run_until(self, dispatch: Callable[[], Coroutine[object, object, None]], what: Callable[[], bool]) -> None:
        bell, wake = Bell(), self.dispatcher._wake

        async def run() -> None:
            with pytest.MonkeyPatch.context() as patch, bell.at_log_lines(), anyio.fail_after(BOUND_SECONDS):
                patch.setattr(wake, "wait", bell.before(wake.wait))
                async with anyio.create_task_group() as group:
                    group.start_soon(dispatch)
                    await bell.until(what)
                    group.cancel_scope.cancel()

        anyio.run(run)

    def states(self) -> dict[str, JobState]:
        return {job.path.name: job.state for job in self.ledger.jobs()}

    def _open(self, spec: SourceSpec) -> FrameSource:
        name = Path(spec.uri).name
        if name in self.unstartable:
            raise self.unstartable[name]
        self.opened.append(name)
        return ScriptedSource(self.pool, spec.source_id, 3, error=self.errors.get(name), endless=name in self.endless)

    def _sinks(self, info: VideoInfo) -> list[Sink]:
        self.most_at_once = max(self.most_at_once, len(self.pipeline.statistics().sources))
        return [WholeOnly(RecordingSink())]

    def _stored(self, _: str) -> Exception | None:
        return self.not_stored.pop(0) if self.not_stored else None

    def _ended(self, outcome: Outcome) -> None:
        assert self.dispatcher.ended(outcome)


@pytest.fixture
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    """With room for two files, or as many as a test asks for."""
    rig = Rig(tmp_path, concurrent=getattr(request, "param", 2))
    rig.pipeline.start()
    yield rig
    rig.pipeline.close()
    rig.ledger.close()
    assert rig.pool.statistics().leased == 0


def test_every_file_is_completed_once(rig: Rig) -> None:
    for number in range(6):
        rig.find(f"{number}.mp4")
    rig.find("copy.mp4", content="0.mp4")
    rig.dispatch_until(lambda: rig.ledger.counts()[JobState.DONE] == 6)
    assert [job.completions for job in rig.ledger.jobs()] == [1] * 6
    assert len(rig.opened) == 6
    assert rig.most_at_once <= 2
    assert rig.dispatcher.readings() == []
    assert rig.pipeline.statistics().forgotten.frames_done == 18


def test_what_fails_is_tried_again_and_then_given_up(rig: Rig) -> None:
    rig.errors["bad.mp4"] = NotAVideo("bad.mp4 is not a video")
    rig.find("bad.mp4")
    rig.find("good.mp4")
    rig.dispatch_until(lambda: len([s for s in rig.states().values() if s in (JobState.FAILED, JobState.DONE)]) == 2)
    assert rig.states() == {"bad.mp4": JobState.FAILED, "good.mp4": JobState.DONE}
    assert rig.opened.count("bad.mp4") == 2
    assert rig.ledger.jobs(JobState.FAILED)[0].error == "bad.mp4 is not a video"


def test_an_interrupted_file_is_queued_again(rig: Rig) -> None:
    """The daemon stops in the midst of it: cancelled, drained."""
    rig.endless.add("long.mp4")
    rig.find("long.mp4")
    rig.dispatch_until(lambda: bool(rig.dispatcher.readings()))
    rig.pipeline.drain()
    assert rig.pipeline.wait(BOUND_SECONDS)
    rig.dispatcher.close()
    (job,) = rig.ledger.jobs()
    assert (job.state, job.attempts) == (JobState.QUEUED, 0)


def test_a_full_disk_stops_nothing_for_good(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """First nothing can be begun, then nothing can be noted as done."""
    accept = rig.refuse("running")
    rig.find("a.mp4")
    rig.dispatch_through(lambda: "disk is full; trying again" in caplog.text)
    accept()
    accept = rig.refuse("done")
    caplog.clear()
    rig.dispatch_through(lambda: "disk is full; trying again" in caplog.text)
    assert rig.states() == {"a.mp4": JobState.RUNNING}
    accept()
    rig.dispatch_through(lambda: rig.states() == {"a.mp4": JobState.DONE})
    assert rig.opened == ["a.mp4"]


def test_suspects_are_tried_after_a_full_disk_too(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("one.mp4", "two.mp4"):
        rig.find(name)
        rig.ledger.claim(settings_key(Settings()))
    rig.ledger.recover(by_own_fault=False)
    accept = rig.refuse("queued")
    rig.dispatch_through(lambda: "disk is full; trying again" in caplog.text)
    accept()
    rig.dispatch_through(lambda: rig.ledger.counts()[JobState.DONE] == 2)


@pytest.mark.parametrize("rig", [3], indirect=True)
def test_what_ends_is_noted_while_somebody_waits_to_work_alone(rig: Rig) -> None:
    rig.find("bad.mp4")
    rig.ledger.claim(settings_key(Settings()))
    rig.ledger.recover(by_own_fault=True)
    rig.endless.add("long.mp4")
    rig.detect.gate.clear()
    for name in ("long.mp4", "short.mp4"):
        rig.find(name)

    def has_ended() -> bool:
        if rig.states()["bad.mp4"] is JobState.RUNNING and rig.trial.asked and len(rig.dispatcher.readings()) == 2:
            rig.detect.gate.set()
        return rig.states()["short.mp4"] is JobState.DONE

    rig.dispatch_through(has_ended)
    assert rig.states()["long.mp4"] is JobState.RUNNING
    assert "bad.mp4" not in rig.opened


def test_who_works_alone_and_can_t_be_started_lets_the_others_go_on(rig: Rig) -> None:
    rig.find("bad.mp4")
    rig.ledger.claim(settings_key(Settings()))
    rig.ledger.recover(by_own_fault=True)
    rig.unstartable["bad.mp4"] = MemoryError("the card is full")
    rig.find("good.mp4")
    rig.dispatch_until(
        lambda: rig.states() == {"bad.mp4": JobState.FAILED, "good.mp4": JobState.DONE},
    )


def test_a_file_that_is_replaced_while_it_waits_is_not_taken_for_the_old_one(rig: Rig) -> None:
    rig.find("x.mp4", "first")
    rig.find("x.mp4", "second and longer")
    rig.dispatch_until(lambda: set(rig.states().values()) == {JobState.DONE})
    assert rig.opened == ["x.mp4"]
    assert rig.find("restored.mp4", "first").state is JobState.QUEUED


def test_a_file_that_grows_while_it_is_in_work_is_read_again(rig: Rig) -> None:
    rig.detect.gate.clear()
    rig.find("x.mp4", "half")
    rig.dispatch_until(lambda: bool(rig.opened))
    rig.find("x.mp4", "half and the rest")
    rig.dispatch_until(lambda: bool(rig.dispatcher.readings()))
    assert rig.opened == ["x.mp4"]  # one place for both results
    rig.detect.gate.set()
    rig.dispatch_until(lambda: set(rig.states().values()) == {JobState.DONE})
    assert rig.opened == ["x.mp4", "x.mp4"]
    assert rig.find("copy.mp4", "half").state is JobState.QUEUED


def write_results(rig: Rig, job: Job) -> Path:
    """What the service's own sink leaves of a file without frames."""
    sink = rig.dispatcher.sink_for(job)
    sink.open(VideoInfo("x", str(job.path), 4, 3))
    sink.close(SourceEnded("x", 0))
    results = rig.folder / "out" / job.path.name
    assert (results / "metadata.json").exists()
    return results


def test_what_was_left_of_half_a_copy_goes_when_the_whole_is_known_already(rig: Rig) -> None:
    rig.find("a.ts", "the whole film")
    half = rig.find("copy.ts", "the whole")
    rig.dispatch_until(lambda: set(rig.states().values()) == {JobState.DONE})
    results = write_results(rig, half)
    kept = write_results(rig, rig.ledger.jobs()[0])
    assert rig.find("copy.ts", "the whole film").path.name == "a.ts"
    assert not results.exists()
    rig.find("a.ts", "the whole film")
    assert (kept / "metadata.json").exists()


def test_results_are_left_alone_where_the_file_has_not_changed(rig: Rig) -> None:
    rig.find("a.ts", "the whole film")
    copy = rig.find("copy.ts", "the whole film")
    rig.dispatch_until(lambda: set(rig.states().values()) == {JobState.DONE})
    results = write_results(rig, replace(copy, path=rig.folder / "copy.ts"))
    rig.find("copy.ts", "the whole film")
    assert (results / "metadata.json").exists()


def test_results_of_a_file_that_changed_while_it_was_read_go(rig: Rig) -> None:
    """The whole becomes known while half of it is in work: nothing would replace what that leaves."""
    rig.find("a.ts", "the whole film")
    rig.dispatch_until(lambda: set(rig.states().values()) == {JobState.DONE})
    rig.detect.gate.clear()
    half = rig.find("copy.ts", "the whole")
    rig.dispatch_until(lambda: "copy.ts" in rig.opened)
    rig.find("copy.ts", "the whole film")
    results = write_results(rig, half)
    (results / "notes.txt").write_text("mine")
    rig.detect.gate.set()
    rig.dispatch_until(lambda: "copy.ts" not in rig.states())
    rig.dispatch_until(lambda: not (results / "metadata.json").exists())
    assert [path.name for path in results.iterdir()] == ["notes.txt"]


def test_what_was_not_there_is_queued_again_when_it_is_found_again(rig: Rig) -> None:
    rig.errors["x.mp4"] = SourceNotFound("x.mp4 does not exist")
    rig.find("x.mp4")
    rig.dispatch_until(lambda: rig.states()["x.mp4"] is JobState.MISSING)
    rig.errors.clear()
    assert rig.find("x.mp4").attempts == 0
    rig.dispatch_until(lambda: rig.states()["x.mp4"] is JobState.DONE)


def test_a_file_is_done_when_what_was_seen_is_stored(rig: Rig) -> None:
    rig.not_stored = [TimeoutError("the gallery is locked"), OSError("the gallery's disk is full")]
    rig.find("x.mp4")
    rig.dispatch_until(lambda: rig.states()["x.mp4"] is JobState.DONE)
    assert rig.opened == ["x.mp4", "x.mp4"]
    assert rig.ledger.jobs()[0].completions == 1


def test_a_job_whose_time_comes_while_it_is_asked_for_is_begun_at_once(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """claim() finds nothing due; a second passes; the dispatcher does not wait until it would look by itself."""
    rig.find("x.mp4")
    job = rig.ledger.claim(settings_key(Settings()))
    assert job is not None
    now = rig.ledger._steady_now()
    passed_seconds = 0.0
    monkeypatch.setattr(rig.ledger, "_steady_now", lambda: now + passed_seconds)
    claim = rig.ledger.claim

    def claim_slowly(settings: str, *, except_folders: Collection[str], except_suspects: bool) -> Job | None:
        nonlocal passed_seconds
        found = claim(settings, except_folders=except_folders, except_suspects=except_suspects)
        passed_seconds += 1.0
        return found

    monkeypatch.setattr(rig.ledger, "claim", claim_slowly)
    rig.ledger.retry(job.number, "later", wait_seconds=0.5)
    rig.dispatch_until(lambda: rig.states()["x.mp4"] is JobState.DONE)


def test_a_suspect_is_tried_first_while_others_go_on(rig: Rig) -> None:
    for name in ("innocent.mp4", "poison.mp4"):
        rig.find(name)
    for _ in range(2):
        rig.ledger.claim(settings_key(Settings()))
    rig.ledger.recover(by_own_fault=False)
    rig.find("new.mp4")
    rig.trial.deaths["poison.mp4"] = "killed by SIGSEGV"
    rig.dispatch_until(
        lambda: (
            JobState.QUEUED not in rig.states().values()
            and not rig.dispatcher.readings()
            and rig.ledger.counts()[JobState.DONE] == 2
        )
    )
    assert rig.states() == {
        "innocent.mp4": JobState.DONE,
        "poison.mp4": JobState.SET_ASIDE,
        "new.mp4": JobState.DONE,
    }
    assert rig.opened[0] == "new.mp4"
    assert "poison.mp4" not in rig.opened
    assert sorted(rig.trial.asked) == ["innocent.mp4", "poison.mp4"]


def test_the_event_loop_never_waits_for_the_ledger_s_disk(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """One suspect is set aside, one acquitted; this waits to work alone while a long file goes on; cancelled."""
    loop, on_loop = threading.get_ident(), set()
    called = Counter[str]()

    def watched(name: str, call: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **named: object) -> object:
            called[name] += 1
            if threading.get_ident() == loop:
                on_loop.add(name)
            return call(*arguments, **named)

        return run

    for name in ("poison.mp4", "innocent.mp4"):
        rig.find(name)
        rig.ledger.claim(settings_key(Settings()))
    rig.ledger.recover(by_own_fault=True)
    rig.trial.deaths["poison.mp4"] = "killed by SIGSEGV"
    rig.endless.add("long.mp4")
    rig.find("long.mp4")
    for name in ("claim", "acquit", "set_aside", "release", "seconds_until_due"):
        monkeypatch.setattr(rig.ledger, name, watched(name, getattr(rig.ledger, name)))
    rig.dispatch_until(lambda: called["release"] == 1 and rig.states()["innocent.mp4"] is JobState.RUNNING)
    assert on_loop == set()
    rig.pipeline.drain()
    assert rig.pipeline.wait(BOUND_SECONDS)
    rig.dispatcher.close()
    assert (called["set_aside"], called["acquit"], called["release"]) == (1, 1, 3)
    assert rig.states() == {
        "innocent.mp4": JobState.QUEUED,
        "poison.mp4": JobState.SET_ASIDE,
        "long.mp4": JobState.QUEUED,
    }


def test_a_held_folder_gives_no_new_files(rig: Rig) -> None:
    rig.dispatcher.hold("films", held=True)
    rig.find("a.mp4")
    rig.dispatch_until(lambda: True)
    assert rig.opened == []
    rig.dispatcher.hold("films", held=False)
    rig.dispatch_until(lambda: rig.ledger.counts()[JobState.DONE] == 1)


def test_an_interrupted_source_leaves_no_output() -> None:
    inner = RecordingSink()
    sink = WholeOnly(inner)
    sink.close(SourceEnded("a", 3, interrupted=True))
    assert (inner.was_abandoned, inner.ended) == (True, None)
    whole = RecordingSink()
    WholeOnly(whole).close(SourceEnded("a", 3))
    assert whole.ended is not None


def test_speed_settings_do_not_make_work_again() -> None:
    assert settings_key(Settings()) == settings_key(Settings(threads=3, device="cpu", inbox_capacity=2, workers=2))
    assert settings_key(Settings()) != settings_key(Settings(min_face_pixels=40))


def test_a_renamed_setting_does_not_make_work_again() -> None:
    """The key of files that were analysed before `min_face` was renamed."""
    assert settings_key(Settings(min_face_pixels=40)) == "fdab2619eadd7dbc"
