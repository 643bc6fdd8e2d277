"""One source in a pipeline: its decode thread, its inbox, its state and its counters."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TypeAlias

from stages.contract import FrameSource, SkippingSource
from stages.frames import Frame, Observation
from stages.sources import SourceEnded, SourceStarted, VideoInfo
from stages.tracks.log import TrackLog, TrackStatistics
from visage.runtime.errors import QueueAborted, QueueClosed
from visage.runtime.inboxes import Inbox
from visage.runtime.queue import QueueStatistics
from visage.runtime.source_counters import SourceCounters
from visage.runtime.state import SourceState, State

__all__ = ["Outcome", "RunningSource", "SourceItem", "SourceStatistics"]

logger = logging.getLogger(__name__)

SourceItem: TypeAlias = SourceStarted | Frame | SourceEnded


class RunningSource:
    """Decodes one source on a thread of its own.

    Attributes:
        info: None until the source is open.
        is_given_up: its thread hangs, and is no longer waited for.
    """

    def __init__(self, source_id: str, frames: FrameSource, inbox: Inbox[SourceItem]) -> None:
        self.source_id = source_id
        self.info: VideoInfo | None = None
        self.is_given_up = False
        self._frames = frames
        self._inbox = inbox
        self._state = State(SourceState.PENDING)
        self._thread = threading.Thread(target=self._run, name=f"decode-{source_id}")
        self._is_interrupted = threading.Event()
        self._started_at = 0.0
        self._ended_at: float | None = None
        self._tally = SourceCounters()

    def __repr__(self) -> str:
        return repr(self.statistics())

    @property
    def state(self) -> SourceState:
        """The present state. Safe from any thread."""
        return self._state.current

    @property
    def waits_for_room(self) -> bool:
        """Whether its thread waits for room in its full inbox."""
        return self._inbox.holds_up

    def start(self) -> None:
        """Start decoding, unless it was settled meanwhile. A source interrupted before does not open its input."""
        if self._state.advance_from(SourceState.OPENING, SourceState.PENDING):
            self._started_at = time.monotonic()
            self._thread.start()

    def interrupt(self) -> None:
        """From any thread: read no more. What was read goes on its way."""
        self._is_interrupted.set()
        try:
            self._frames.interrupt()
        except Exception:  # whoever stops a pipeline has others to stop, and queues to empty
            logger.exception("%s could not be interrupted", self.source_id)

    def join(self, timeout_seconds: float) -> bool:
        """Wait at most this many seconds for the decode thread; return whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def end(self, timeout_seconds: float) -> bool:
        """Wait at most `timeout_seconds` for the decode thread, then give it up.

        Returns False if it was given up by this call.
        """
        if self.is_given_up or self.join(timeout_seconds):
            return True
        self.give_up()
        return False

    def give_up(self) -> None:
        """End the source in place of a decode thread that hangs; no more frames come.

        The thread closes what it owns when it wakes.
        """
        if self._state.advance_from(SourceState.FINISHING, SourceState.OPENING, SourceState.RUNNING):
            self.is_given_up = True
            self._put_last(None)

    def count(self, observation: Observation, tracks: TrackLog) -> None:
        """Count a frame that has reached the sinks; called on one thread, the sinks'."""
        self._tally.count(observation, tracks)

    def settle(self, state: SourceState, error: BaseException | None = None) -> Outcome | None:
        """Give the source its last state, by whoever sees its end first; None for anybody later.

        One that was never started has no thread to free its input and its inbox: that is done here.
        """
        if self._state.advance_from(state, SourceState.PENDING):
            self._frames.close()
            self._inbox.finish()
        elif not self._state.advance_from(state, SourceState.OPENING, SourceState.RUNNING, SourceState.FINISHING):
            return None
        self._ended_at = time.monotonic()
        tally = self._tally
        return Outcome(self.source_id, state, self._frames.frames_decoded, tally.frames_done, tally.faces, error)

    def statistics(self) -> SourceStatistics:
        """Return the counters of this moment; times are in seconds."""
        now, tally, refused = self._ended_at or time.monotonic(), self._tally, self._frames.frames_dropped
        return SourceStatistics(
            source_id=self.source_id,
            state=self._state.current,
            frames_decoded=self._frames.frames_decoded,
            frames_done=tally.frames_done,
            frames_dropped=self._inbox.dropped + refused,
            faces=tally.faces,
            frame_count=self.info.frame_count if self.info else None,
            pts_seconds=tally.pts_seconds,
            seconds_running=now - self._started_at if self._started_at else 0.0,
            inbox=self._inbox.statistics(),
            frames_looked_at=tally.frames_looked_at,
            tracks=tally.tracks,
            frames_refused=refused,
        )

    def _run(self) -> None:
        error: Exception | None = None
        try:
            try:
                if not self._is_interrupted.is_set():
                    self._deliver()
            finally:
                self._frames.close()
        except (QueueClosed, QueueAborted):
            self._is_interrupted.set()
        except Exception as exc:  # the thread's edge: recorded as this source's failure
            # A source stopped while it was opening may not have read a picture yet; that is not a failure.
            was_stopped = self._is_interrupted.is_set() and self._state.current is SourceState.OPENING
            error = None if was_stopped else exc
        # Otherwise it was given up meanwhile, and nobody waits for its end.
        if self._state.advance_from(SourceState.FINISHING, SourceState.OPENING, SourceState.RUNNING):
            self._put_last(error)

    def _deliver(self) -> None:
        self.info = self._frames.open()
        self._inbox.put(SourceStarted(self.info), droppable=False)
        if not self._state.advance_from(SourceState.RUNNING, SourceState.OPENING):  # given up meanwhile
            return
        for frame in self._frames.frames():
            try:
                dropped = self._inbox.put(frame, droppable=True)
            except (QueueClosed, QueueAborted):
                frame.release()
                raise
            if isinstance(dropped, Frame):
                dropped.release()

    def _put_last(self, error: Exception | None) -> None:
        ended = SourceEnded(
            self.source_id,
            self._frames.frames_decoded,
            error=error,
            interrupted=error is None and self._is_interrupted.is_set(),
            frames_skipped=self._frames.frames_skipped if isinstance(self._frames, SkippingSource) else 0,
        )
        self._inbox.finish(ended)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a source ended.

    Attributes:
        state: DONE, FAILED or INTERRUPTED.
        error: why it failed; None otherwise.
    """

    source_id: str
    state: SourceState
    frames_decoded: int
    frames_done: int
    faces: int
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """A source at one moment.

    Attributes:
        frames_decoded: left the decoder, detected or not.
        frames_done: reached the sinks.
        frames_dropped: dropped because the pipeline was behind (live sources only): the oldest of a full inbox, or new
            ones for which no buffer was free.
        faces: seen so far.
        frames_looked_at: of those done, the ones that the detector has seen; in the rest faces were followed.
        tracks: started so far, how long they lasted, and how often one may have changed to another person.
        frame_count: number of frames in the whole source; None if unknown.
        pts_seconds: time of the last frame done.
        seconds_running: since it was opened, until now or its end.
        frames_refused: of those dropped, the ones for which no buffer was free.
    """

    source_id: str
    state: SourceState
    frames_decoded: int
    frames_done: int
    frames_dropped: int
    faces: int
    frame_count: int | None
    pts_seconds: float
    seconds_running: float
    inbox: QueueStatistics
    frames_looked_at: int = 0
    tracks: TrackStatistics = field(default_factory=TrackStatistics)
    frames_refused: int = 0

    @property
    def fps(self) -> float:
        """Frames decoded a second, over the source's whole time."""
        return self.frames_decoded / self.seconds_running if self.seconds_running > 0 else 0.0

    def __repr__(self) -> str:
        return f"<Source {self.source_id} {self.state.name} {self.fps:.1f} fps, {self.inbox.depth} in queue>"
