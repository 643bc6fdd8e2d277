"""Cameras start, pause, follow their hours and their configuration, each without disturbing the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from stages.buffers import BufferPool
from stages.contract import FrameSource
from stages.errors import OutputFailed, SourceUnreadable
from stages.frames import Frame
from stages.sources import VideoInfo
from tests.runtime.latches import BOUND_SECONDS
from tests.runtime.scripted import RecordingSink, ScriptedDetect, ScriptedSource
from visage.config.service import CameraConfig
from visage.config.sources import SourceSpec
from visage.runtime import Outcome, Pipeline, PipelineLimits
from visage.service.camera_manager import CameraManager
from visage.service.errors import SourceTaken, SourceUnknown

CONFIG = CameraConfig(address="rtsp://ada:secret@cam/1", retry_first_seconds=0.001, retry_most_seconds=0.002)


class Silent(ScriptedSource):
    """A camera whose server holds FFmpeg after three frames, until it `answers`."""

    def __init__(self, pool: BufferPool[bytearray], source_id: str, answers: threading.Event) -> None:
        super().__init__(pool, source_id, 3)
        self._answers = answers

    def frames(self) -> Iterator[Frame]:
        yield from super().frames()
        assert self._answers.wait(BOUND_SECONDS)


class Rig:
    """A desk over a pipeline of scripted parts; endless cameras whose opening can be made to fail."""

    def __init__(self) -> None:
        self.pool = BufferPool(64, lambda: bytearray(1))
        self.detect = ScriptedDetect()
        self.detect.gate.set()
        self.sink_error: Exception | None = None
        self.open_error: Exception | None = None
        self.answers: threading.Event | None = None
        self.opened: list[str] = []
        self.configs: list[tuple[str, bool]] = []
        self.states: list[tuple[str, str]] = []
        self.lost: list[tuple[str, int]] = []
        self.ends_after: int | None = None
        self.on_gone: Callable[[], None] | None = None
        self.told_gone = threading.Event()
        self._changed = threading.Condition()
        self.pipeline = Pipeline(
            detect=self.detect,
            embed=None,
            open_sinks=self._sinks,
            limits=PipelineLimits(batch_deadline_seconds=0.0, concurrent_sources=16),
            on_ended=self._ended,
        )
        self.manager = CameraManager(
            self.pipeline, self._open, on_state=self._state, on_config=self._config, on_lost=self._lost
        )

    def wait(self, what: Callable[[], bool]) -> None:
        """Until a camera's state has changed so that it is so."""
        with self._changed:
            assert self._changed.wait_for(what, BOUND_SECONDS), self.manager.readings()

    def state(self, name: str) -> str:
        return {reading.source_id: reading.state for reading in self.manager.readings()}.get(name, "gone")

    def _open(self, spec: SourceSpec) -> FrameSource:
        with self._changed:
            self.opened.append(spec.uri)
            self._changed.notify_all()
        if self.answers is not None:
            return Silent(self.pool, spec.source_id, self.answers)
        if self.ends_after is not None:
            return ScriptedSource(self.pool, spec.source_id, self.ends_after)
        return ScriptedSource(self.pool, spec.source_id, 0, endless=True, open_error=self.open_error)

    def _sinks(self, info: VideoInfo) -> list[RecordingSink]:
        if self.sink_error is not None:
            raise self.sink_error
        return [RecordingSink()]

    def _ended(self, outcome: Outcome) -> None:
        assert self.manager.ended(outcome)
        with self._changed:
            self._changed.notify_all()

    def _state(self, name: str, state: str, reason: str) -> None:
        with self._changed:
            self.states.append((name, state))
            self._changed.notify_all()

    def _lost(self, name: str, connection: int) -> None:
        with self._changed:
            self.lost.append((name, connection))
            self._changed.notify_all()

    def _config(self, name: str, config: CameraConfig | None) -> None:
        self.configs.append((name, config is not None))
        if config is None and self.on_gone is not None:
            self.on_gone()


@pytest.fixture
def rig() -> Iterator[Rig]:
    """After the test no lease is out."""
    rig = Rig()
    rig.pipeline.start()
    yield rig
    rig.manager.close()
    rig.pipeline.close()
    assert rig.pool.statistics().leased == 0


def test_each_connection_that_is_lost_is_reported(rig: Rig) -> None:
    """The server closes two connections after three frames each."""
    rig.ends_after = 3
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: ("a", 2) in rig.lost)
    assert rig.lost[:2] == [("a", 1), ("a", 2)]


def test_a_camera_runs_pauses_and_runs_again(rig: Rig) -> None:
    rig.manager.add("a", CONFIG)
    rig.manager.add("b", CONFIG)
    rig.wait(lambda: ("a", "running") in rig.states and ("b", "running") in rig.states)
    rig.manager.pause("a")
    assert rig.state("a") == "paused"
    rig.wait(lambda: len(rig.pipeline.statistics().sources) == 1)
    rig.manager.resume("a")
    rig.wait(lambda: rig.states.count(("a", "running")) == 2)
    assert rig.states.count(("b", "running")) == 1
    assert "secret" not in repr(rig.manager.readings())


def test_counts_go_on_over_a_pause(rig: Rig) -> None:
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: ("a", "running") in rig.states)
    rig.manager.pause("a")
    rig.wait(lambda: not rig.pipeline.statistics().sources)
    before = rig.manager.readings()[0].frames
    rig.manager.resume("a")
    rig.wait(lambda: rig.states.count(("a", "running")) == 2)
    assert rig.manager.readings()[0].frames >= before


def test_a_removed_camera_is_forgotten_and_its_name_is_free(rig: Rig) -> None:
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: ("a", "running") in rig.states)
    with pytest.raises(SourceTaken):
        rig.manager.add("a", CONFIG)
    rig.manager.remove("a")
    with pytest.raises(SourceUnknown):
        rig.manager.pause("a")
    assert not rig.manager.names()
    rig.wait(lambda: rig.configs == [("a", True), ("a", False)])
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: rig.states.count(("a", "running")) == 2)


@pytest.mark.parametrize("is_running", [False, True])
def test_what_is_told_of_a_removed_camera_holds_no_one_up(rig: Rig, is_running: bool) -> None:
    """Whoever is told that a camera is gone writes to disk: another thread asks the desk meanwhile, and is answered."""
    answered: list[list[str]] = []
    was_held: list[bool] = []

    def ask() -> None:
        asking = threading.Thread(target=lambda: answered.append(rig.manager.names()))
        asking.start()
        asking.join(BOUND_SECONDS / 10)  # runs out only where the desk holds its lock
        was_held.append(asking.is_alive())
        rig.told_gone.set()

    rig.on_gone = ask
    if not is_running:
        rig.manager.close()
    rig.manager.add("a", CONFIG)
    if is_running:
        rig.wait(lambda: ("a", "running") in rig.states)
    rig.manager.remove("a")
    assert rig.told_gone.wait(BOUND_SECONDS)
    assert (was_held, answered) == ([False], [[]])


def test_a_camera_that_is_on_its_way_out_can_be_added_again(rig: Rig) -> None:
    """Its last frames are held in the detector; removed, added; they go on; it is opened anew, at the new address."""
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: ("a", "running") in rig.states)
    rig.detect.gate.clear()
    rig.manager.remove("a")
    assert ("a" in rig.manager, rig.manager.readings()) == (False, [])
    rig.manager.add("a", CameraConfig(address="rtsp://cam/other"))
    rig.detect.gate.set()
    rig.wait(lambda: not rig.pipeline.statistics().sources)
    rig.manager.reconcile()
    rig.wait(lambda: rig.opened[-1] == "rtsp://cam/other")


def test_outside_its_hours_a_camera_is_not_opened(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    is_on = False
    monkeypatch.setattr("visage.config.timetable.Timetable.is_on", lambda *_: is_on)
    rig.manager.add("a", CONFIG)
    assert (rig.state("a"), rig.opened) == ("scheduled_off", [])
    is_on = True
    rig.manager.reconcile()
    rig.wait(lambda: ("a", "running") in rig.states)
    is_on = False
    rig.manager.reconcile()
    rig.wait(lambda: not rig.pipeline.statistics().sources)
    assert rig.state("a") == "scheduled_off"


def test_a_changed_camera_is_opened_anew(rig: Rig) -> None:
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: ("a", "running") in rig.states)
    rig.manager.change("a", CONFIG.model_copy(update={"address": "rtsp://other/2"}))
    rig.wait(lambda: not rig.pipeline.statistics().sources)
    rig.manager.reconcile()
    rig.wait(lambda: rig.opened[-1] == "rtsp://other/2")


def test_a_camera_that_is_away_says_why(rig: Rig) -> None:
    rig.open_error = SourceUnreadable("rtsp://ada:secret@cam/1 can't be opened: Connection refused")
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: ("a", "connecting") in rig.states)
    rig.open_error = None
    rig.wait(lambda: ("a", "running") in rig.states)
    assert "secret" not in repr(rig.manager.readings())


def test_a_camera_whose_sink_failed_is_started_again(rig: Rig) -> None:
    rig.sink_error = OutputFailed("/out: the disk is full")
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: "failed" in rig.state("a"))
    assert rig.manager.readings()[0].reason == "/out: the disk is full"
    rig.sink_error = None
    rig.manager._cameras["a"].retry_at = 0.0
    rig.manager.reconcile()
    rig.wait(lambda: rig.states[-1] == ("a", "running"))


def test_after_close_none_is_started(rig: Rig) -> None:
    rig.manager.close()
    rig.manager.add("a", CONFIG)
    assert rig.opened == []


def fail_again(rig: Rig) -> None:
    """Let its wait be over, and it fail once more."""
    opened = len(rig.opened)
    rig.manager._cameras["a"].retry_at = 0.0
    rig.manager.reconcile()
    rig.wait(lambda: len(rig.opened) == opened + 1 and rig.state("a") == "failed")


def test_the_waits_for_a_camera_whose_sink_fails_grow_until_a_stay_was_long(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs each time for a moment before its sink is opened: that alone is no sign that all is well."""
    rig.sink_error = OutputFailed("/out: the disk is full")
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: rig.state("a") == "failed")
    for failures in (2, 3, 4):
        fail_again(rig)
        assert rig.manager._cameras["a"].backoff.failures == failures
    monkeypatch.setattr("visage.service.camera_record.STABLE_SECONDS", 0.0)
    fail_again(rig)
    assert rig.manager._cameras["a"].backoff.failures == 1


@pytest.mark.parametrize("what", ["pause", "remove"])
def test_a_camera_that_hangs_is_waited_for_no_longer(rig: Rig, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr("visage.service.camera_record.ANSWER_SECONDS", 0.0)
    rig.answers = answers = threading.Event()
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: ("a", "running") in rig.states)
    getattr(rig.manager, what)("a")
    rig.manager.reconcile()  # as every second
    rig.wait(lambda: not rig.pipeline.statistics().sources)
    rig.answers = None
    if what == "remove":
        rig.manager.add("a", CONFIG)
    else:
        rig.manager.resume("a")
    rig.wait(lambda: rig.states.count(("a", "running")) == 2)
    answers.set()


@pytest.mark.parametrize("mend", ["change", "resume"])
def test_a_camera_that_somebody_has_mended_is_not_waited_for(rig: Rig, mend: str) -> None:
    rig.sink_error = OutputFailed("/out: the disk is full")
    rig.manager.add("a", CONFIG)
    rig.wait(lambda: rig.state("a") == "failed")
    rig.manager._cameras["a"].retry_at = float("inf")
    rig.sink_error = None
    if mend == "change":
        rig.manager.change("a", CONFIG)
    else:
        rig.manager.pause("a")
        rig.manager.resume("a")
    rig.wait(lambda: rig.states[-1] == ("a", "running"))
