"""Writes the tracks that end into a gallery, on threads of its own, so that the pipeline never waits for a disk.

    sinks ──> bounded queue ──> writer (SQLite, clustering) ──> indexer (Edge or a server; optimizes now and then)

The writer commits what waits together. The indexer's calls may block for as long as a minute (`optimize`) or fail (a
server that is away): tracks are safe in SQLite by then and are caught up later. Under pressure beyond the queue a track
is dropped and counted, never silently.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass

from stages.identify.errors import FaceIndexError
from stages.track.summary import TrackSummary
from visage.people.gallery import Gallery

__all__ = ["RecorderStatistics", "SightingRecorder"]

CAPACITY = 4096
"""Tracks that may wait: a hundred cameras' for minutes. A few kilobytes each, more with crops."""

COMMIT_TRACKS = 256
INDEX_SECONDS = 2.0
"""Between two looks for what the index has not got yet, when nothing else wakes it."""

OPTIMIZE_POINTS = 20_000
"""New points after which the index is brought into its fast form."""

LEAST_WEIGHT = 0.05


@dataclass(frozen=True, slots=True)
class RecorderStatistics:
    """Counted since the start. `failure`: why the last attempt to write or index did not succeed; empty if it did."""

    recorded: int
    dropped: int
    waiting: int
    failure: str


@dataclass(frozen=True, slots=True)
class _Ended:
    track: TrackSummary
    uri: str
    crop: bytes | None


class SightingRecorder:
    """Owns both threads; the gallery stays the caller's, who closes it afterwards."""

    def __init__(self, gallery: Gallery, *, capacity: int = CAPACITY) -> None:
        """Open the gallery's index and start. Raises FaceIndexError, such as IndexInUse."""
        self._gallery = gallery
        with contextlib.suppress(ConnectionError):  # a server that is away is caught up
            gallery.sighting_store.index()
        self._queue: queue.Queue[_Ended | None] = queue.Queue(capacity + 1)  # one more for the end
        self._capacity = capacity
        self._lock = threading.Lock()
        self._recorded = 0
        self._dropped = 0
        self._failure = ""
        self._closed = False
        self._work = threading.Event()
        self._written = threading.Event()
        self._writer = threading.Thread(target=self._write, name="sightings-writer")
        self._indexer = threading.Thread(target=self._index, name="sightings-indexer")
        self._writer.start()
        self._indexer.start()

    def __repr__(self) -> str:
        return f"<SightingRecorder {self._recorded} recorded, {self._queue.qsize()} waiting, {self._dropped} dropped>"

    def record(self, track: TrackSummary, *, uri: str, crop: bytes | None = None) -> bool:
        """Take a track that has ended. Never waits; False if it had to be dropped."""
        with self._lock:
            if self._closed or self._queue.qsize() >= self._capacity:
                self._dropped += 1
                return False
            self._queue.put_nowait(_Ended(track, uri, crop))
            return True

    def statistics(self) -> RecorderStatistics:
        with self._lock:
            return RecorderStatistics(self._recorded, self._dropped, self._queue.qsize(), self._failure)

    def close(self) -> None:
        """Write what waits, bring the index up to it, and end both threads. Safe to call twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put_nowait(None)
        self._writer.join()
        self._written.set()
        self._work.set()
        self._indexer.join()

    def _write(self) -> None:
        is_open = True
        while is_open:
            batch = [self._queue.get()]
            with contextlib.suppress(queue.Empty):
                while len(batch) < COMMIT_TRACKS:
                    batch.append(self._queue.get_nowait())
            is_open = None not in batch
            ended = [item for item in batch if item is not None]
            try:
                self._store(ended)
                self._tell(recorded=len(ended))
            except Exception as error:  # the thread's edge: a full disk must not end the recording of what comes later
                self._gallery.unknown_store.reload()  # its clusters may hold what was rolled back
                self._tell(dropped=len(ended), failure=f"{len(ended)} tracks could not be written: {error}")
            self._work.set()

    def _store(self, batch: list[_Ended]) -> None:
        gallery = self._gallery
        roster = gallery.roster()
        with gallery.database.transaction():
            for item in batch:
                track, person, similarity, unknown = item.track, None, None, None
                identity = track.identity
                if identity is not None and identity.person_id is not None:
                    number = int(identity.person_id[1:])
                    if gallery.database.row("SELECT 1 FROM people WHERE id = ?", [number]) is not None:
                        person, similarity = number, identity.similarity
                elif track.embedding is not None:
                    found = roster.closest(track.embedding[None])
                    if found.similarity[0] >= gallery.threshold:
                        number = int((roster.people[found.best[0]].person_id or "p0")[1:])
                        if gallery.database.row("SELECT 1 FROM people WHERE id = ?", [number]) is not None:
                            person, similarity = number, float(found.similarity[0])
                if person is None and track.embedding is not None:
                    seconds = track.end_seconds - track.start_seconds
                    weight = max(track.best_quality, LEAST_WEIGHT) * max(seconds, LEAST_WEIGHT)
                    unknown = gallery.unknown_store.assign(track.embedding, weight)
                gallery.sighting_store.add(
                    track, uri=item.uri, person=person, unknown=unknown, similarity=similarity, crop=item.crop
                )

    def _index(self) -> None:
        added = 0
        while True:
            self._work.wait(INDEX_SECONDS)
            self._work.clear()
            is_last = self._written.is_set()
            try:
                added += self._gallery.sighting_store.index_waiting()
                if added >= OPTIMIZE_POINTS and not is_last:
                    added = 0
                    self._gallery.sighting_store.index().optimize()
            except FaceIndexError as error:
                self._tell(failure=str(error))
            except Exception as error:  # the thread's edge
                self._tell(failure=f"the index of sightings: {error}")
            if is_last:
                return

    def _tell(self, *, recorded: int = 0, dropped: int = 0, failure: str = "") -> None:
        with self._lock:
            self._recorded += recorded
            self._dropped += dropped
            self._failure = failure or self._failure
