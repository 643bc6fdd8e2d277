"""Sources, stages and sinks that do as they are told, for tests of threads and lifecycles."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from stages.buffers import BufferPool, Lease
from stages.frames import Faces, Frame, Observation, Picture
from stages.imaging.patches import PATCH_SIDE, THUMBNAIL_SIZE, Gray, PatchWindow
from stages.sink.base import Sink
from stages.sources import SourceEnded, VideoInfo
from tests.runtime.latches import BOUND_SECONDS


class LeasedPicture:
    """A picture that is nothing but a lease."""

    width = height = 64
    pixel_aspect = 1.0

    def __init__(self, lease: Lease[bytearray]) -> None:
        self._lease = lease

    def release(self) -> None:
        self._lease.release()


class ScriptedSource:
    """Delivers `count` frames; then ends, raises `error`, or goes on until it is interrupted (`endless`)."""

    def __init__(
        self,
        pool: BufferPool[bytearray],
        source_id: str,
        count: int,
        *,
        error: Exception | None = None,
        open_error: Exception | None = None,
        endless: bool = False,
    ) -> None:
        self.frames_decoded = 0
        self.frames_dropped = 0
        self.is_closed = False
        self.delivered_all = threading.Event()
        self._pool = pool
        self._source_id = source_id
        self._count = count
        self._error = error
        self._open_error = open_error
        self._endless = endless
        self._interrupted = threading.Event()

    def open(self) -> VideoInfo:
        if self._open_error:
            raise self._open_error
        return VideoInfo(self._source_id, f"{self._source_id}.mp4", 64, 64, frame_count=self._count)

    def frames(self) -> Iterator[Frame]:
        while self._endless or self.frames_decoded < self._count:
            if self._interrupted.is_set():
                return
            lease = self._pool.lease(timeout_seconds=BOUND_SECONDS)
            index = self.frames_decoded
            self.frames_decoded += 1
            if self.frames_decoded == self._count:
                self.delivered_all.set()
            yield Frame(self._source_id, index, index / 25, LeasedPicture(lease))
        if self._error:
            raise self._error

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self.is_closed = True


@dataclass
class ScriptedDetect:
    """One face in every frame; waits for `gate` before each batch, raises `error` at batch number `fails_at`."""

    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None
    fails_at: int = 0
    name: str = "detect"
    batches: list[list[tuple[str, int]]] = field(default_factory=list)
    is_closed: bool = False
    end_error: Exception | None = None

    def open(self) -> None:
        pass

    def process(self, batch: Sequence[Frame]) -> list[Observation]:
        self.entered.set()
        assert self.gate.wait(BOUND_SECONDS)
        if self.error and len(self.batches) == self.fails_at:
            raise self.error
        self.batches.append([(frame.source_id, frame.index) for frame in batch])
        face = Faces(np.zeros((1, 4), np.float32), np.ones(1, np.float32))
        return [Observation(frame, face) for frame in batch]

    def end_source(self, source_id: str) -> None:
        if self.end_error is not None:
            raise self.end_error

    def close(self) -> None:
        self.is_closed = True


class ScriptedLuma:
    """Sees nothing but black. Implements `stages.imaging.patches.PatchReader`."""

    closed_on: str | None = None

    def patches(self, pictures: Sequence[Picture], windows: Sequence[Sequence[PatchWindow]]) -> list[list[Gray]]:
        return [[np.zeros((PATCH_SIDE, PATCH_SIDE), np.uint8) for _ in some] for some in windows]

    def thumbnails(self, pictures: Sequence[Picture]) -> list[Gray]:
        return [np.zeros(THUMBNAIL_SIZE[::-1], np.uint8) for _ in pictures]

    def close(self) -> None:
        self.closed_on = threading.current_thread().name


@dataclass
class ScriptedEmbed:
    """Passes observations on, releasing their pixels unless told not to; raises `error` at batch number `fails_at`."""

    error: Exception | None = None
    fails_at: int = 0
    keeps_pixels: bool = False
    name: str = "embed"
    batches: int = 0
    end_error: Exception | None = None

    def open(self) -> None:
        pass

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        if self.error and self.batches == self.fails_at:
            raise self.error
        self.batches += 1
        if not self.keeps_pixels:
            for item in batch:
                item.release()
        return list(batch)

    def end_source(self, source_id: str) -> None:
        if self.end_error is not None:
            raise self.end_error

    def close(self) -> None:
        pass


@dataclass
class RecordingSink(Sink):
    """Remembers what it was told; raises `error` at frame `fails_at`."""

    error: Exception | None = None
    fails_at: int = 0
    rows: list[int] = field(default_factory=list)
    ended: SourceEnded | None = None
    was_abandoned: bool = False

    def write(self, observation: Observation) -> None:
        if self.error and observation.frame.index == self.fails_at:
            raise self.error
        self.rows.append(observation.frame.index)

    def close(self, ended: SourceEnded) -> None:
        self.ended = ended

    def abandon(self) -> None:
        self.was_abandoned = True
