"""One camera and all cameras against plain models: connections fail, break and end, and wishes change, in any order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stages.contract import FrameSource
from stages.errors import OutputFailed, SourceBroken, SourceUnreadable
from stages.frames import Frame
from stages.sources import VideoInfo
from visage.config.service import CameraConfig
from visage.runtime import Outcome, OverflowPolicy, Pipeline, SourceState
from visage.service import camera_manager, camera_record
from visage.service.backoff import Backoff
from visage.service.camera_manager import CameraManager
from visage.service.cameras import CameraSource, CameraState, CameraStatus
from visage.service.errors import SourceTaken, SourceUnknown

NO_WAIT = Backoff(0.0, 0.0)
NAMES = ("door", "garden", "gate")

LONGEST_WAIT_SECONDS = 60.0
"""Of a camera whose stays keep failing."""


class Blank:
    """A picture that says whether it was released."""

    width, height, pixel_aspect = 64, 64, 1.0

    def __init__(self) -> None:
        self.is_released = False

    def release(self) -> None:
        self.is_released = True


@dataclass
class Connection:
    """Opens or not, delivers frames a tenth of a second apart, and ends or breaks."""

    frame_count: int
    opens: bool
    breaks: bool
    dropped: int
    clock: list[float]
    frames_decoded: int = 0
    frames_dropped: int = 0
    closes: int = 0
    pictures: list[Blank] = field(default_factory=list)

    def open(self) -> VideoInfo:
        if not self.opens:
            raise SourceUnreadable("rtsp://ada:secret@cam can't be opened")
        self.frames_dropped = self.dropped
        return VideoInfo("cam", "rtsp://cam", 64, 64, is_live=True)

    def frames(self) -> Iterator[Frame]:
        for index in range(self.frame_count):
            self.frames_decoded += 1
            self.clock[0] += 0.1
            self.pictures.append(Blank())
            yield Frame("cam", index, index * 0.1, self.pictures[-1])
        if self.breaks:
            raise SourceBroken("rtsp://ada:secret@cam breaks off", frame_index=0, pts_seconds=0.0)

    def interrupt(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        self.closes += 1


class Outages(RuleBasedStateMachine):
    """Connections are scripted ahead; the frames of one camera are taken one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = [1000.0]
        self.script: list[Connection] = []
        self.made: list[Connection] = []
        self.changes: list[CameraStatus] = []
        self.times: list[float] = []
        self.connections: list[int] = []
        self.indices: list[int] = []
        self.camera = CameraSource(
            "cam", self.connect, backoff=NO_WAIT, on_change=self.changes.append, now=lambda: self.clock[0]
        )
        self.stream: Iterator[Frame] | None = None
        self.is_over = False

    def connect(self) -> FrameSource:
        if not self.script:  # nothing more is to come: the camera is away, and somebody stops it
            self.camera.interrupt()
            raise SourceUnreadable("rtsp://ada:secret@cam is away")
        self.made.append(self.script.pop(0))
        return self.made[-1]

    @rule(frame_count=st.integers(0, 4), opens=st.booleans(), breaks=st.booleans(), dropped=st.integers(0, 2))
    def plan(self, frame_count: int, opens: bool, breaks: bool, dropped: int) -> None:
        self.script.append(Connection(frame_count, opens, breaks, dropped, self.clock))

    @precondition(lambda self: self.stream is None and any(item.opens for item in self.script))
    @rule()
    def open(self) -> None:
        assert self.camera.open().is_live
        self.stream = self.camera.frames()

    @rule(seconds=st.floats(0, 100))
    def time_passes(self, seconds: float) -> None:
        self.clock[0] += seconds

    @precondition(lambda self: self.stream is not None and not self.is_over)
    @rule()
    def take(self) -> None:
        assert self.stream is not None
        frame = next(self.stream, None)
        if frame is None:
            assert not self.script, "a camera does not end by itself"
            self.is_over = True
            return
        self.times.append(frame.pts_seconds)
        self.connections.append(frame.connection)
        self.indices.append(frame.index)

    @invariant()
    def it_is_one_camera_to_whoever_watches(self) -> None:
        held = [item for item in self.made if item.opens]
        taken = [number for number, item in enumerate(held, 1) for _ in range(item.frames_decoded)]
        assert self.connections == taken
        assert self.indices == list(range(len(taken)))
        assert self.times == sorted(set(self.times))
        assert self.camera.frames_decoded == len(taken)
        assert self.camera.frames_dropped == sum(item.frames_dropped for item in self.made)
        assert self.camera.status.reconnects == max(0, len(held) - 1)
        assert not any(picture.is_released for item in self.made for picture in item.pictures)
        assert all(item.closes == 1 for item in self.made[:-1])

    @invariant()
    def its_state_is_told_once_for_each_change_and_without_secrets(self) -> None:
        states = [change.state for change in self.changes]
        assert CameraState.STOPPED not in states
        told = [(change.state, change.reason) for change in self.changes]
        assert all(before != after for before, after in itertools.pairwise(told))
        assert not any("secret" in change.reason for change in self.changes)
        if self.stream is not None and not self.is_over:
            assert self.camera.status.state is CameraState.RUNNING

    def teardown(self) -> None:
        self.camera.interrupt()
        self.camera.close()
        assert self.camera.status.state is CameraState.STOPPED
        assert all(item.closes == 1 for item in self.made)


class StoodInPipeline:
    """Takes sources and lets them go when the test says so: the order of things is the test's alone."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.interrupted: set[str] = set()

    def add(self, source_id: str, source: FrameSource, policy: OverflowPolicy) -> None:
        assert source_id not in self.running, "a camera was begun twice"
        assert policy is OverflowPolicy.DROP_OLDEST
        self.running.add(source_id)

    def interrupt(self, source_id: str) -> None:
        if source_id not in self.running:
            raise KeyError(source_id)
        assert source_id not in self.interrupted, "a camera was stopped twice"
        self.interrupted.add(source_id)

    def give_up(self, source_id: str) -> None:
        assert source_id in self.interrupted

    def forget(self, source_id: str) -> None:
        assert source_id not in self.running

    def statistics(self) -> SimpleNamespace:
        return SimpleNamespace(sources=())


@dataclass
class Wish:
    """What is wanted of a camera, and where it is."""

    address: str
    is_paused: bool = False
    is_removed: bool = False
    is_outdated: bool = False
    is_in: bool = False
    is_ending: bool = False


class Wishes(RuleBasedStateMachine):
    """Cameras are added, changed, paused, removed; their stays end when they were stopped, or by a failure."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1000.0
        self.patch = pytest.MonkeyPatch()
        for module in (camera_manager, camera_record):
            self.patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.seconds))
        self.pipeline = StoodInPipeline()
        self.configs: dict[str, str] = {}
        self.manager = CameraManager(
            cast("Pipeline", self.pipeline), self.unreachable, on_state=lambda *_: None, on_config=self.announced
        )
        self.wishes: dict[str, Wish] = {}
        self.changes = 0

    def unreachable(self, spec: object) -> FrameSource:
        raise AssertionError("the pipeline of this test opens nothing")

    def announced(self, name: str, config: CameraConfig | None) -> None:
        if config is None:
            self.configs.pop(name, None)
        else:
            self.configs[name] = config.address

    def fresh(self) -> CameraConfig:
        self.changes += 1
        return CameraConfig(address=f"rtsp://cam/{self.changes}")

    def known(self, name: str) -> Wish | None:
        wish = self.wishes.get(name)
        return None if wish is None or wish.is_removed else wish

    def reconciled(self) -> None:
        for wish in self.wishes.values():
            is_wanted = not wish.is_paused and not wish.is_removed
            if wish.is_in:
                wish.is_ending = wish.is_ending or wish.is_outdated or not is_wanted
            elif is_wanted:
                wish.is_in, wish.is_outdated = True, False

    @rule(name=st.sampled_from(NAMES))
    def add(self, name: str) -> None:
        config = self.fresh()
        if self.known(name):
            with pytest.raises(SourceTaken):
                self.manager.add(name, config)
            return
        self.manager.add(name, config)
        leaving = self.wishes.get(name)
        if leaving is None:
            self.wishes[name] = Wish(config.address)
        else:  # it follows the one that is still ending
            leaving.address, leaving.is_outdated = config.address, True
            leaving.is_removed = leaving.is_paused = False
        self.reconciled()

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from(["change", "pause", "resume", "remove"]))
    def ask(self, name: str, kind: str) -> None:
        wish, config = self.known(name), self.fresh()
        calls: dict[str, Callable[[], None]] = {
            "change": lambda: self.manager.change(name, config),
            "pause": lambda: self.manager.pause(name),
            "resume": lambda: self.manager.resume(name),
            "remove": lambda: self.manager.remove(name),
        }
        if wish is None:
            with pytest.raises(SourceUnknown):
                calls[kind]()
            return
        calls[kind]()
        if kind == "change":
            wish.address, wish.is_outdated = config.address, True
        elif kind == "pause":
            wish.is_paused = True
        elif kind == "resume":
            wish.is_paused = False
        elif wish.is_in:
            wish.is_removed = True
        else:
            del self.wishes[name]
        self.reconciled()

    @rule(seconds=st.floats(1, 200))
    def time_passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.manager.reconcile()
        self.reconciled()

    @precondition(lambda self: self.pipeline.running)
    @rule(data=st.data(), fails=st.booleans())
    def a_stay_ends(self, data: st.DataObject, fails: bool) -> None:
        """Those that were interrupted end; others only by a failure of their outputs."""
        name = data.draw(st.sampled_from(sorted(self.pipeline.running)), label="camera")
        wish = self.wishes[name]
        error = OutputFailed("the disk is full") if fails or not wish.is_ending else None
        self.pipeline.running.discard(name)
        self.pipeline.interrupted.discard(name)
        state = SourceState.INTERRUPTED if error is None else SourceState.FAILED
        assert self.manager.ended(Outcome(name, state, 0, 0, 0, error))
        wish.is_in = wish.is_ending = False
        if wish.is_removed:
            del self.wishes[name]
        elif error is not None:  # it waits at random, never less than half the shortest wait
            self.manager.reconcile()
            assert name not in self.pipeline.running
            self.seconds += LONGEST_WAIT_SECONDS
        self.manager.reconcile()
        self.reconciled()

    @rule()
    def a_stranger_ends(self) -> None:
        assert not self.manager.ended(Outcome("film.mp4", SourceState.DONE, 1, 1, 0))

    @invariant()
    def what_is_so_is_what_is_wanted(self) -> None:
        assert self.pipeline.running == {name for name, wish in self.wishes.items() if wish.is_in}
        assert self.pipeline.interrupted == {name for name, wish in self.wishes.items() if wish.is_ending}
        shown = [name for name in self.wishes if self.known(name)]
        assert sorted(self.manager.names()) == sorted(shown)
        assert {reading.source_id for reading in self.manager.readings()} == set(shown)
        for name in NAMES:
            assert (name in self.manager) == (name in shown)
        for name in shown:
            assert self.manager.config(name).address == self.configs[name] == self.wishes[name].address

    def teardown(self) -> None:
        self.patch.undo()


TestOutages = Outages.TestCase
TestOutages.settings = settings(max_examples=60, stateful_step_count=25)
TestWishes = Wishes.TestCase
TestWishes.settings = settings(max_examples=60, stateful_step_count=30)
