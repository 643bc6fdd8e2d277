"""Writes ended tracks into a gallery, on threads of its own, so that the pipeline never waits for a disk.

    sinks ──> bounded queue ──> writer (SQLite, clustering) ──> indexer (clustering again; Edge or a server)

The writer commits each track by itself: a crash loses at most the one being written, and what waits. The indexer's
calls may take long or fail (a server that is away): tracks are safe in SQLite by then and are caught up later. Edge's
graph is never made: searches are exact, see docs/people.md. Under pressure beyond the queue a track is dropped, counted
and logged. What could not be stored is told to whoever settles its source, who can have it analysed again.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from dataclasses import dataclass

from stages.tracks.summary import TrackSummary
from visage.people.gallery import Gallery
from visage.people.index.errors import FaceIndexError
from visage.people.recording_time import RecordingTime

__all__ = ["RecorderStatistics", "SightingRecorder"]

CAPACITY = 4096
"""Tracks that may wait: a hundred cameras' for minutes. A few kilobytes each, more with crops."""

INDEX_SECONDS = 2.0
"""Between two looks for what the index has not got yet, when nothing else wakes it."""

CLUSTER_SECONDS = 10.0
"""Between two times at which the unknowns that have changed are clustered again."""

PRUNE_SECONDS = 3600.0
"""Between two looks for what is too old."""

logger = logging.getLogger(__name__)


class SightingRecorder:
    """Owns both threads; the gallery stays the caller's, who closes it afterwards."""

    def __init__(self, gallery: Gallery, *, capacity: int = CAPACITY, retention_seconds: float | None = None) -> None:
        """Open the gallery's index and start. Raises FaceIndexError, such as IndexInUse.

        `retention_seconds`: remove sightings that began longer ago, now and every hour; None keeps all.
        """
        self._gallery = gallery
        with contextlib.suppress(ConnectionError):  # a server that is away is caught up
            gallery.open_index()
        self._queue: queue.Queue[_Ended | _SeenAgain | None] = queue.Queue()  # `record` and `seen_again` bound it
        self._retention_seconds = retention_seconds
        self._capacity = capacity
        self._lock = threading.Lock()
        self._item_done = threading.Condition(self._lock)
        self._handed_in = 0
        self._done = 0
        self._newest: dict[str, int] = {}  # number of the last item of each source that waits
        self._errors: dict[str, Exception] = {}  # of each source, until it is settled
        self._recorded = 0
        self._dropped = 0
        self._unreplaced = 0
        self._write_failure = ""
        self._index_failure = ""
        self._is_closed = False
        self._work = threading.Event()
        self._written = threading.Event()
        self._writer = threading.Thread(target=self._write, name="sightings-writer")
        self._indexer = threading.Thread(target=self._index, name="sightings-indexer")
        self._writer.start()
        self._indexer.start()

    def __repr__(self) -> str:
        return f"<SightingRecorder {self._recorded} recorded, {self._queue.qsize()} waiting, {self._dropped} dropped>"

    def record(
        self,
        track: TrackSummary,
        *,
        uri: str,
        is_live: bool = False,
        is_still: bool = False,
        session: float | None = None,
        crop: bytes | None = None,
        recorded: RecordingTime | None = None,
    ) -> bool:
        """Take a track that has ended; see `Gallery.record`. Never waits; False if it had to be dropped."""
        with self._lock:
            if not self._is_closed and self._queue.qsize() < self._capacity:
                self._hand_in(_Ended(track, uri, is_live, is_still, session, crop, recorded))
                return True
        self._fail(track.source_id, queue.Full(f"more than {self._capacity} tracks wait to be written"))
        return False

    def seen_again(self, source: str, *, uri: str, first_seconds: float, last_seconds: float, before: float) -> None:
        """Note that a stretch of a file was analysed: what an earlier run saw in it is removed.

        Args:
            first_seconds, last_seconds: of the file's time.
            before: when the analysis began, in seconds since the epoch.
        """
        with self._lock:
            if not self._is_closed:  # one a source: few
                self._hand_in(_SeenAgain(source, uri, first_seconds, last_seconds, before))

    def settle(self, source_id: str, timeout_seconds: float) -> Exception | None:
        """Wait until all of a source that was handed in so far is committed. From any thread.

        Returns None, or why some of it could not be stored, which is told once; TimeoutError if it still waits then.
        """
        with self._item_done:
            newest = self._newest.get(source_id, 0)
            if not self._item_done.wait_for(lambda: self._done >= newest, timeout_seconds):
                return TimeoutError(f"what was seen in {source_id} is not stored after {timeout_seconds:g} s")
            return self._errors.pop(source_id, None)

    def statistics(self) -> RecorderStatistics:
        """Return the counters at present. Safe from any thread."""
        with self._lock:
            failure = self._write_failure or self._index_failure
            return RecorderStatistics(self._recorded, self._dropped, self._unreplaced, self._queue.qsize(), failure)

    def close(self) -> None:
        """Write what waits, update the index, and end both threads. Idempotent."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._queue.put_nowait(None)
        self._writer.join()
        self._written.set()
        self._work.set()
        self._indexer.join()

    def _hand_in(self, item: _Ended | _SeenAgain) -> None:
        """Under the lock, which makes the numbers those of the queue."""
        self._handed_in += 1
        self._newest[item.source_id] = self._handed_in
        self._queue.put_nowait(item)

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                if isinstance(item, _SeenAgain):
                    self._gallery.replace_sightings(
                        item.source_id, item.uri, (item.first_seconds, item.last_seconds), before=item.before
                    )
                else:
                    self._gallery.record(
                        item.track,
                        uri=item.uri,
                        is_live=item.is_live,
                        is_still=item.is_still,
                        session=item.session,
                        crop=item.crop,
                        recorded=item.recorded,
                    )
                    with self._lock:
                        self._recorded += 1
            except Exception as error:  # the thread's edge: a full disk must not end the recording of what comes later
                self._fail(item.source_id, error, is_track=isinstance(item, _Ended))
            with self._item_done:
                self._done += 1
                if self._newest[item.source_id] == self._done:
                    del self._newest[item.source_id]
                self._item_done.notify_all()
            self._work.set()

    def _index(self) -> None:
        prune_at = cluster_at = time.monotonic()
        while True:
            self._work.wait(INDEX_SECONDS)
            self._work.clear()
            is_last = self._written.is_set()
            failure = ""
            try:
                if self._retention_seconds is not None and time.monotonic() >= prune_at:
                    prune_at = time.monotonic() + PRUNE_SECONDS
                    self._gallery.prune(older_than_seconds=self._retention_seconds)
                if is_last or time.monotonic() >= cluster_at:
                    self._gallery.cluster_again()
                    cluster_at = time.monotonic() + CLUSTER_SECONDS
                self._gallery.index_waiting()
            except FaceIndexError as error:
                failure = str(error)
            except Exception as error:  # the thread's edge
                failure = f"the index of sightings: {error}"
            if failure and failure != self._index_failure:
                logger.warning("sightings are stored, and indexed later: %s", failure)
            self._index_failure = failure
            if is_last:
                return

    def _fail(self, source_id: str, error: Exception, *, is_track: bool = True) -> None:
        reason = str(error)
        with self._lock:
            self._errors[source_id] = error.with_traceback(None)  # whose frames hold the track
            is_new = reason != self._write_failure
            self._dropped += is_track
            self._unreplaced += not is_track
            self._write_failure = reason
        if is_new and is_track:
            logger.error("a track could not be stored: %s", reason)
        elif is_new:
            logger.error("what was seen in %s before could not be removed: %s", source_id, reason)


@dataclass(frozen=True, slots=True)
class RecorderStatistics:
    """Counters since the start.

    Attributes:
        recorded, dropped: tracks.
        unreplaced: videos analysed again of which an earlier run's tracks are still stored.
        waiting: tracks, and videos analysed again.
        failure: why a track was last dropped or a video not replaced, or why the index lags; empty if neither.
    """

    recorded: int
    dropped: int
    unreplaced: int
    waiting: int
    failure: str


@dataclass(frozen=True, slots=True)
class _Ended:
    track: TrackSummary
    uri: str
    is_live: bool
    is_still: bool
    session: float | None
    crop: bytes | None
    recorded: RecordingTime | None

    @property
    def source_id(self) -> str:
        return self.track.source_id


@dataclass(frozen=True, slots=True)
class _SeenAgain:
    source_id: str
    uri: str
    first_seconds: float
    last_seconds: float
    before: float
