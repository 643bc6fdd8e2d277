from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import pytest

from stages.buffers import BufferPool
from stages.errors import NotAVideo, OutputFailed, SourceBroken
from stages.frames import Frame, Observation, Picture
from stages.imaging.patches import Gray
from stages.sources import VideoInfo
from stages.track.stage import TrackStage
from tests.runtime.latches import BOUND_SECONDS, Background, announce_wait
from tests.runtime.scripted import RecordingSink, ScriptedDetect, ScriptedEmbed, ScriptedLuma, ScriptedSource
from visage.runtime import (
    BoundedQueue,
    OverflowPolicy,
    Pipeline,
    PipelineLimits,
    PipelineState,
    QueueClosed,
    SourceState,
    StageFailed,
)
from visage.runtime.inboxes import Inbox, Inboxes
from visage.runtime.source import RunningSource
from visage.runtime.source_table import SourceTable


class Rig:
    """A pipeline of scripted parts, and the one pool that all its frames come from."""

    def __init__(self) -> None:
        self.pool = BufferPool(64, lambda: bytearray(1))
        self.detect = ScriptedDetect()
        self.tracked: TrackStage | None = None
        self.embed = ScriptedEmbed()
        self.sinks: defaultdict[str, RecordingSink] = defaultdict(RecordingSink)
        self.limits = PipelineLimits(detect_batch=4, inbox_capacity=4, queue_capacity=4, batch_deadline_seconds=0.0)

    def build(self) -> Pipeline:
        detect = self.tracked or self.detect
        return Pipeline(detect=detect, embed=self.embed, open_sinks=self._open_sinks, limits=self.limits)

    def source(self, source_id: str, count: int, **script: object) -> ScriptedSource:
        return ScriptedSource(self.pool, source_id, count, **script)  # type: ignore[arg-type]  # a test's script

    def _open_sinks(self, info: VideoInfo) -> list[RecordingSink]:
        return [self.sinks[info.source_id]]


@pytest.fixture
def rig() -> Iterator[Rig]:
    """After the test no lease is out and no thread is left."""
    before = set(threading.enumerate())
    rig = Rig()
    yield rig
    assert rig.pool.statistics().leased == 0
    assert set(threading.enumerate()) == before


def test_every_frame_reaches_its_own_sink_in_order(rig: Rig) -> None:
    rig.detect.gate.set()
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 30))
        pipeline.add("b", rig.source("b", 50))
        pipeline.start()
        pipeline.finish()
        assert pipeline.wait(BOUND_SECONDS)
        statistics = pipeline.statistics()
        assert pipeline.state is statistics.state is PipelineState.STOPPED
    assert rig.sinks["a"].rows == list(range(30))
    assert rig.sinks["b"].rows == list(range(50))
    assert {o.state for o in pipeline.outcomes.values()} == {SourceState.DONE}
    assert pipeline.outcomes["b"].faces == pipeline.outcomes["b"].frames_done == 50
    assert {s.name: s.items for s in statistics.stages} == {"detect": 80, "embed": 80}


def test_statistics_tell_of_tracks_and_how_long_they_lasted(rig: Rig) -> None:
    rig.detect.gate.set()
    rig.tracked = TrackStage(rig.detect, patch_reader=ScriptedLuma())
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 30))
        pipeline.start()
        pipeline.finish()
        assert pipeline.wait(BOUND_SECONDS)
        (source,) = pipeline.statistics().sources
    last = rig.sinks["a"].rows[-1]
    assert (source.tracks.tracks, source.tracks.ended, source.tracks.suspected_switches) == (1, 1, 0)
    assert source.tracks.mean_seconds == pytest.approx(last / 25)


def test_sources_fill_each_others_batches(rig: Rig) -> None:
    """Both sources fill their inboxes while detect is held in its first batch; the next batch takes from both."""
    with rig.build() as pipeline:
        sources = [rig.source(name, 4) for name in ("a", "b")]
        for name, source in zip(("a", "b"), sources, strict=True):
            pipeline.add(name, source)
        pipeline.start()
        pipeline.finish()
        assert rig.detect.entered.wait(BOUND_SECONDS)
        assert all(source.delivered_all.wait(BOUND_SECONDS) for source in sources)
        rig.detect.gate.set()
        assert pipeline.wait(BOUND_SECONDS)
    assert any({source_id for source_id, _ in batch} == {"a", "b"} for batch in rig.detect.batches)


def test_a_broken_source_keeps_its_rows_and_harms_no_other(rig: Rig) -> None:
    rig.detect.gate.set()
    error = SourceBroken("a.mp4 broke at frame 10 (0.4 s)", frame_index=10, pts_seconds=0.4)
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 10, error=error))
        pipeline.add("b", rig.source("b", 20))
        pipeline.start()
        pipeline.finish()
        assert pipeline.wait(BOUND_SECONDS)
    assert rig.sinks["a"].rows == list(range(10))
    assert rig.sinks["a"].ended is not None
    assert rig.sinks["a"].ended.error is error
    assert pipeline.outcomes["a"].error is error
    assert pipeline.outcomes["b"].state is SourceState.DONE


def test_a_source_that_does_not_open_fails_alone(rig: Rig) -> None:
    rig.detect.gate.set()
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 0, open_error=NotAVideo("a.mp4 is empty")))
        pipeline.add("b", rig.source("b", 5))
        pipeline.start()
        pipeline.finish()
        assert pipeline.wait(BOUND_SECONDS)
    assert pipeline.outcomes["a"].state is SourceState.FAILED
    assert "a" not in rig.sinks
    assert rig.sinks["b"].rows == list(range(5))


def test_a_failing_sink_takes_only_its_own_source(rig: Rig) -> None:
    rig.detect.gate.set()
    error = OutputFailed("disk full")
    rig.sinks["a"] = RecordingSink(error=error, fails_at=3)
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 0, endless=True))
        pipeline.add("b", rig.source("b", 40))
        pipeline.start()
        pipeline.finish()
        assert pipeline.wait(BOUND_SECONDS)
    assert rig.sinks["a"].was_abandoned
    assert rig.sinks["a"].ended is None
    assert pipeline.outcomes["a"].error is error
    assert rig.sinks["b"].rows == list(range(40))


@pytest.mark.parametrize("stage", ["detect", "embed"])
def test_a_failing_stage_stops_the_pipeline_and_keeps_what_was_seen(rig: Rig, stage: str) -> None:
    rig.detect.gate.set()
    broken = rig.detect if stage == "detect" else rig.embed
    broken.error, broken.fails_at = RuntimeError("lost the device"), 2
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 0, endless=True))
        pipeline.start()
        assert pipeline.wait(BOUND_SECONDS)
    assert isinstance(pipeline.failure, StageFailed)
    assert str(pipeline.failure) == f"the {stage} stage failed: lost the device"
    assert pipeline.outcomes["a"].error is pipeline.failure
    sink = rig.sinks["a"]
    assert sink.ended is not None
    assert sink.ended.error is pipeline.failure
    assert sink.rows == list(range(len(sink.rows)))
    assert rig.detect.is_closed


def test_drain_writes_what_was_read(rig: Rig) -> None:
    """Detect is held with frames in its hands and in the inbox; drain(); detect goes on; all of them are written."""
    with rig.build() as pipeline:
        source = rig.source("a", 0, endless=True)
        pipeline.add("a", source)
        pipeline.start()
        assert rig.detect.entered.wait(BOUND_SECONDS)
        pipeline.drain()
        pipeline.drain()
        rig.detect.gate.set()
        assert pipeline.wait(BOUND_SECONDS)
    assert pipeline.outcomes["a"].state is SourceState.INTERRUPTED
    assert rig.sinks["a"].rows == list(range(source.frames_decoded))
    assert rig.sinks["a"].ended is not None
    assert rig.sinks["a"].ended.interrupted


def test_abort_while_draining_drops_what_was_read(rig: Rig) -> None:
    """Detect is held; drain(); abort(); detect goes on; the sink is abandoned, the leases come back."""
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 0, endless=True))
        pipeline.start()
        assert rig.detect.entered.wait(BOUND_SECONDS)
        pipeline.drain()
        pipeline.abort()
        rig.detect.gate.set()
        assert pipeline.wait(BOUND_SECONDS)
    assert pipeline.outcomes["a"].state is SourceState.INTERRUPTED
    assert rig.sinks["a"].ended is None


def test_an_aborted_detector_keeps_its_luma_until_it_is_through(rig: Rig) -> None:
    """Detect is held; abort(); all else has stopped, and still only detect's own thread closes what it reads with."""
    luma = ScriptedLuma()
    rig.tracked = TrackStage(rig.detect, patch_reader=luma)
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 0, endless=True))
        pipeline.start()
        assert rig.detect.entered.wait(BOUND_SECONDS)
        pipeline.abort()
        assert pipeline.wait(BOUND_SECONDS)
        assert luma.closed_on is None
        rig.detect.gate.set()
    assert luma.closed_on == "detect"


def test_tracking_has_a_row_of_its_own_and_its_failure_stops_the_right_queues(rig: Rig) -> None:
    """Tracking fails on detect's thread; the frames before it are written, and the failure has tracking's name."""

    class Blind(ScriptedLuma):
        batches = 0

        def thumbnails(self, pictures: Sequence[Picture]) -> list[Gray]:
            self.batches += 1
            if self.batches > 2:
                raise RuntimeError("lost the device")
            return super().thumbnails(pictures)

    rig.detect.gate.set()
    rig.tracked = TrackStage(rig.detect, patch_reader=Blind())
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 0, endless=True))
        pipeline.start()
        assert pipeline.wait(BOUND_SECONDS)
        statistics = pipeline.statistics()
    assert str(pipeline.failure) == "the track stage failed: lost the device"
    assert [(stage.name, stage.batches) for stage in statistics.stages][:2] == [("detect", 2), ("track", 2)]
    assert len(rig.sinks["a"].rows) == statistics.stages[1].items


def test_sources_beyond_the_limit_wait_their_turn(rig: Rig) -> None:
    rig.limits = PipelineLimits(concurrent_sources=1, batch_deadline_seconds=0.0)
    with rig.build() as pipeline:
        for name in ("a", "b", "c"):
            pipeline.add(name, rig.source(name, 3))
        pipeline.start()
        pipeline.finish()
        assert rig.detect.entered.wait(BOUND_SECONDS)
        states = {s.source_id: s.state for s in pipeline.statistics().sources}
        assert states["b"] is states["c"] is SourceState.PENDING
        rig.detect.gate.set()
        assert pipeline.wait(BOUND_SECONDS)
    assert [o.state for o in pipeline.outcomes.values()] == [SourceState.DONE] * 3


@pytest.mark.parametrize("stop", [Pipeline.drain, Pipeline.abort])
def test_stopping_settles_and_closes_sources_that_never_started(rig: Rig, stop: Callable[[Pipeline], None]) -> None:
    """Source b waits for a's decoder; the pipeline is stopped; b ends as interrupted, without having been opened."""
    rig.limits = PipelineLimits(concurrent_sources=1, batch_deadline_seconds=0.0)
    waiting = rig.source("b", 0, open_error=AssertionError("opened"))
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 3))
        pipeline.add("b", waiting)
        pipeline.start()
        assert rig.detect.entered.wait(BOUND_SECONDS)
        stop(pipeline)
        rig.detect.gate.set()
        assert pipeline.wait(BOUND_SECONDS)
    assert pipeline.outcomes["b"].state is SourceState.INTERRUPTED
    assert pipeline.outcomes["b"].error is None
    assert waiting.is_closed


@pytest.mark.parametrize(("policy", "expected"), [(OverflowPolicy.WAIT, 0.25), (OverflowPolicy.DROP_OLDEST, 0.125)])
def test_batches_of_files_may_fill_for_longer_than_those_with_a_camera(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, policy: OverflowPolicy, expected: float
) -> None:
    asked: list[float] = []
    take = Inboxes.take

    def noted(inboxes: Inboxes[object], limit: int, *, deadline_seconds: float) -> list[object]:
        asked.append(deadline_seconds)
        return take(inboxes, limit, deadline_seconds=0.0)

    monkeypatch.setattr(Inboxes, "take", noted)
    rig.detect.gate.set()
    rig.limits = PipelineLimits(batch_deadline_seconds=0.25, live_deadline_seconds=0.125)
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 3), policy)
        pipeline.start()
        pipeline.finish()
        assert pipeline.wait(BOUND_SECONDS)
    assert asked[0] == expected


def test_a_live_source_drops_and_counts_while_detect_is_slow(rig: Rig) -> None:
    """Detect is held in its first batch; the camera delivers 30 frames meanwhile; its inbox keeps the newest."""
    with rig.build() as pipeline:
        source = rig.source("cam", 30)
        pipeline.add("cam", source, OverflowPolicy.DROP_OLDEST)
        pipeline.start()
        pipeline.finish()
        assert source.delivered_all.wait(BOUND_SECONDS)
        rig.detect.gate.set()
        assert pipeline.wait(BOUND_SECONDS)
        (statistics,) = pipeline.statistics().sources
    rows = rig.sinks["cam"].rows
    assert rows[-3:] == [27, 28, 29]
    assert statistics.frames_dropped == 30 - len(rows) > 0


def test_frames_that_found_no_buffer_are_counted_as_dropped(rig: Rig) -> None:
    rig.detect.gate.set()
    with rig.build() as pipeline:
        source = rig.source("cam", 3)
        source.frames_dropped = 5
        pipeline.add("cam", source)
        pipeline.start()
        pipeline.finish()
        assert pipeline.wait(BOUND_SECONDS)
        (statistics,) = pipeline.statistics().sources
        pipeline.forget("cam")
        forgotten = pipeline.statistics().forgotten
    assert (statistics.frames_dropped, statistics.frames_refused) == (5, 5)
    assert (forgotten.frames_dropped, forgotten.frames_refused) == (5, 5)


def test_no_more_pictures_of_a_source_are_out_than_the_limits_say(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each row the sink waits until all queues and the inbox are full, or the source has nothing more."""
    changed = threading.Semaphore(0)

    def announce(owner: type, name: str) -> None:
        """Each put, and each wait for room, which begins where something is full."""
        call = getattr(owner, name)

        def announced(*arguments: object, **named: object) -> object:
            changed.release()
            try:
                return call(*arguments, **named)
            finally:
                changed.release()

        monkeypatch.setattr(owner, name, announced)

    for owner in (BoundedQueue, Inbox):
        announce(owner, "put")
        announce(owner, "_wait_for_room")

    class Held(RecordingSink):
        def write(self, observation: Observation) -> None:
            while not (is_full() or source.delivered_all.is_set()):
                assert changed.acquire(timeout=BOUND_SECONDS)
            super().write(observation)

    def is_full() -> bool:
        told = pipeline.statistics()
        return all(queue.depth == queue.capacity for queue in (*told.queues.values(), told.sources[0].inbox))

    rig.limits = PipelineLimits(detect_batch=4, embed_batch=32, inbox_capacity=4, queue_capacity=16)
    rig.pool = BufferPool(256, lambda: bytearray(1))
    rig.detect.gate.set()
    rig.embed.keeps_pixels = True
    rig.sinks["a"] = Held()
    source = rig.source("a", 200)
    with rig.build() as pipeline:
        pipeline.add("a", source)
        pipeline.start()
        pipeline.finish()
        assert pipeline.wait(BOUND_SECONDS)
    most = rig.limits.most_pictures(OverflowPolicy.WAIT)
    assert most - rig.limits.queue_capacity - rig.limits.detect_batch <= rig.pool.statistics().high_water <= most


def test_close_without_start_leaves_nothing(rig: Rig) -> None:
    source, stopped = rig.source("a", 3), threading.Event()
    pipeline = rig.build()
    pipeline.add("a", source)
    pipeline.on_stopped(stopped.set)
    pipeline.close()
    assert source.is_closed
    assert stopped.is_set()
    assert pipeline.outcomes["a"].state is SourceState.INTERRUPTED
    assert repr(pipeline) == "<Pipeline STOPPED, 1 sources, 1 ended>"


def test_close_in_mid_run_joins_every_thread(rig: Rig) -> None:
    """Detect is held while frames are in flight; the gate opens; close() without draining; nothing is left."""
    pipeline = rig.build()
    pipeline.add("a", rig.source("a", 0, endless=True))
    pipeline.start()
    assert rig.detect.entered.wait(BOUND_SECONDS)
    rig.detect.gate.set()
    pipeline.close()
    assert pipeline.outcomes["a"].state is SourceState.INTERRUPTED


def test_a_source_that_hangs_in_a_library_holds_up_no_stop(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """b waits in `open` for a server, deaf to interrupts; abort(); all is settled, b too; later its thread ends."""
    monkeypatch.setattr("visage.runtime.settlement.SETTLE_SECONDS", 0.05)
    answers = threading.Event()
    hanging = rig.source("b", 1)
    opened = hanging.open

    def wait() -> VideoInfo:
        assert answers.wait(BOUND_SECONDS)
        return opened()

    monkeypatch.setattr(hanging, "open", wait)
    rig.detect.gate.set()
    pipeline = rig.build()
    pipeline.add("a", rig.source("a", 0, endless=True))
    pipeline.add("b", hanging)
    pipeline.start()
    assert rig.detect.entered.wait(BOUND_SECONDS)
    pipeline.abort()
    assert pipeline.wait(BOUND_SECONDS)
    assert pipeline.outcomes["b"].state is SourceState.INTERRUPTED
    pipeline.close(join_seconds=0.05)
    assert caplog.messages == ["b did not answer: its decode thread hangs and was abandoned"]
    answers.set()
    pipeline.close()
    assert hanging.is_closed


@pytest.mark.parametrize("policy", OverflowPolicy)
def test_what_was_read_of_a_source_that_hangs_is_whole_after_a_drain(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, policy: OverflowPolicy
) -> None:
    """Its server falls silent after three frames; drain(); they are written; then one more comes, for nobody."""
    monkeypatch.setattr("visage.runtime.stuck_decoders.ANSWER_SECONDS", 0.05)
    is_silent, answers = threading.Event(), threading.Event()

    class Silent(ScriptedSource):
        def frames(self) -> Iterator[Frame]:
            for frame in super().frames():
                if frame.index == 3:
                    is_silent.set()
                    assert answers.wait(BOUND_SECONDS)
                yield frame

    rig.detect.gate.set()
    pipeline = rig.build()
    pipeline.add("a", Silent(rig.pool, "a", 9), policy)
    pipeline.start()
    assert is_silent.wait(BOUND_SECONDS)
    pipeline.drain()
    assert pipeline.wait(BOUND_SECONDS)
    assert pipeline.outcomes["a"].state is SourceState.INTERRUPTED
    assert pipeline.outcomes["a"].error is None
    ended = rig.sinks["a"].ended
    assert ended is not None
    assert (rig.sinks["a"].rows, ended.interrupted) == ([0, 1, 2], True)
    pipeline.close(join_seconds=0.05)
    assert caplog.messages == ["a did not answer: its decode thread hangs and was abandoned"]
    answers.set()
    pipeline.close()
    assert rig.sinks["a"].rows == [0, 1, 2]


def test_a_source_that_is_held_up_by_the_detector_is_not_given_up_in_a_drain(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Detect is held with frame 0, four wait, the source waits with frame 5; drain(); long after, detect goes on."""
    monkeypatch.setattr("visage.runtime.stuck_decoders.ANSWER_SECONDS", 0.05)
    rounds = threading.Semaphore(0)
    unsettled = SourceTable.unsettled

    def noted(table: SourceTable) -> list[RunningSource]:
        rounds.release()
        return unsettled(table)

    monkeypatch.setattr(SourceTable, "unsettled", noted)

    class Waiting(ScriptedSource):
        def frames(self) -> Iterator[Frame]:
            for frame in super().frames():
                if frame.index == 1:
                    assert rig.detect.entered.wait(BOUND_SECONDS)
                yield frame

    rig.limits = PipelineLimits(detect_batch=1, inbox_capacity=4, batch_deadline_seconds=0.0)
    with rig.build() as pipeline:
        pipeline.add("a", Waiting(rig.pool, "a", 6))
        is_held_up = announce_wait(monkeypatch, pipeline._sources["a"]._inbox.has_room)
        pipeline.start()
        assert is_held_up.wait(BOUND_SECONDS)
        pipeline.drain()
        for _ in range(2):  # the first is over when the second begins
            assert rounds.acquire(timeout=BOUND_SECONDS)
        rig.detect.gate.set()
        assert pipeline.wait(BOUND_SECONDS)
    assert pipeline.outcomes["a"].state is SourceState.INTERRUPTED
    assert rig.sinks["a"].rows == list(range(6))


def test_a_finished_pipeline_takes_no_source(rig: Rig) -> None:
    with rig.build() as pipeline:
        pipeline.add("a", rig.source("a", 1))
        with pytest.raises(ValueError, match="already"):
            pipeline.add("a", rig.source("a", 1))
        pipeline.finish()
        with pytest.raises(QueueClosed):
            pipeline.add("b", rig.source("b", 1))


def test_a_source_that_can_t_be_interrupted_keeps_nobody_from_stopping(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    class Stubborn(ScriptedSource):
        def interrupt(self) -> None:
            super().interrupt()
            raise RuntimeError("the card has gone")

    rig.detect.gate.set()
    with rig.build() as pipeline:
        for name in ("a", "b"):
            pipeline.add(name, Stubborn(rig.pool, name, 0, endless=True))
        pipeline.start()
        pipeline.abort()
        assert pipeline.wait(BOUND_SECONDS)
    assert {outcome.state for outcome in pipeline.outcomes.values()} == {SourceState.INTERRUPTED}
    assert "a could not be interrupted" in caplog.text


def test_close_without_start_frees_the_stages_and_takes_no_more(rig: Rig) -> None:
    pipeline = rig.build()
    pipeline.close()
    assert rig.detect.is_closed
    with pytest.raises(QueueClosed):
        pipeline.add("a", rig.source("a", 3))


def test_a_source_that_is_settled_twice_at_once_has_one_outcome(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """`interrupt` is closing a waiting source when an abort ends the sink thread: that waits, and all is told."""
    rig.limits = PipelineLimits(concurrent_sources=1)
    is_closing, may_close, stopped = threading.Event(), threading.Event(), threading.Event()
    waiting = rig.source("waiting", 3)

    def close() -> None:
        is_closing.set()
        assert may_close.wait(BOUND_SECONDS)

    monkeypatch.setattr(waiting, "close", close)
    with rig.build() as pipeline:
        pipeline.on_stopped(stopped.set)
        pipeline.add("first", rig.source("first", 3, endless=True))
        pipeline.add("waiting", waiting)
        pipeline.start()
        interrupting = Background(lambda: pipeline.interrupt("waiting"))
        assert is_closing.wait(BOUND_SECONDS)
        rig.detect.gate.set()
        pipeline.abort()
        may_close.set()
        interrupting.result()
        assert stopped.wait(BOUND_SECONDS)
    assert {name: outcome.state for name, outcome in pipeline.outcomes.items()} == dict.fromkeys(
        ("first", "waiting"), SourceState.INTERRUPTED
    )


def test_a_source_that_is_stopped_while_it_opens_has_not_failed(rig: Rig) -> None:
    """Its open is interrupted, finds no picture and says so; nobody is to be told of a broken video."""
    source, is_opening, is_interrupted = rig.source("a", 3), threading.Event(), threading.Event()

    def open_interrupted() -> VideoInfo:
        is_opening.set()
        assert is_interrupted.wait(BOUND_SECONDS)
        raise NotAVideo("a.mp4 holds no picture")

    source.open = open_interrupted  # type: ignore[method-assign]
    source.interrupt = is_interrupted.set  # type: ignore[method-assign]
    with rig.build() as pipeline:
        pipeline.add("a", source)
        pipeline.start()
        assert is_opening.wait(BOUND_SECONDS)
        pipeline.drain()
        assert pipeline.wait(BOUND_SECONDS)
    outcome = pipeline.outcomes["a"]
    assert (outcome.state, outcome.error) == (SourceState.INTERRUPTED, None)
