"""Live pictures: one encoder for many viewers, none of whom the pipeline waits for.

The sink thread asks `wants`, which is true for a watched source whose next picture is due, and leaves a small copy in
the source's one place (`offer`); a newer one replaces it. One thread encodes each picture once, however many watch it.
A viewer holds at most the newest picture of each source: a slow one sees fewer pictures, never older ones.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import Picture
from stages.sink.drawing import draw_faces
from stages.sink.preview import Preview, PreviewSink
from visage.config.web import WebSettings
from visage.observe.fields import about
from visage.runtime.wake import Wake
from visage.web.errors import TooMany, Unavailable

__all__ = ["LiveHub", "LivePicture", "Viewer"]

JPEG_QUALITY = 80
IDLE_SECONDS = 10.0
MAX_SOURCES = 1024

logger = logging.getLogger(__name__)


class LiveHub:
    """Implements `stages.sink.preview.PreviewGate`. Safe from any thread, apart from `watch`."""

    def __init__(self, settings: WebSettings) -> None:
        self._width = settings.live_width
        self._interval_seconds = 1.0 / settings.live_fps
        self._most_viewers = settings.viewers
        self._condition = threading.Condition()
        self._viewers: set[Viewer] = set()
        self._due_at: dict[str, float] = {}
        self._offered: dict[str, Preview] = {}
        self._counts: Counter[str] = Counter()
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<LiveHub {self.viewers} viewers, {dict(self._counts)}>"

    def sink(self, to_bgr: Callable[[Picture, int], NDArray[np.uint8]]) -> PreviewSink:
        """Return a new sink that lets a source be watched; the pipeline opens and closes it.

        Args:
            to_bgr: called with a picture and the greatest width in pixels; returns uint8 (H, W, 3), BGR.
        """
        return PreviewSink(self, to_bgr=to_bgr, width=self._width)

    @property
    def viewers(self) -> int:
        """The number of viewers at present."""
        return len(self._viewers)

    def statistics(self) -> dict[str, int]:
        """Return counters since the start: previews `wanted`, `encoded`, `failed` and `replaced`.

        `replaced` were dropped because a newer one came before they were encoded.
        """
        with self._condition:
            return {name: self._counts[name] for name in ("wanted", "encoded", "failed", "replaced")}

    def wants(self, source_id: str) -> bool:
        """Return whether a preview of the source is due.

        Called on the sink thread for every frame; never blocks for long.
        """
        if not self._viewers:
            return False
        now = time.monotonic()
        with self._condition:
            if now < self._due_at.get(source_id, 0.0) or not any(viewer.sees(source_id) for viewer in self._viewers):
                return False
            if len(self._due_at) > MAX_SOURCES:  # files come and go for months
                self._due_at.clear()
            self._due_at[source_id] = now + self._interval_seconds
            self._counts["wanted"] += 1
            return not self._is_closed

    def offer(self, preview: Preview) -> None:
        """Hand in a preview that `wants` asked for. Called on the sink thread; replaces one that still waits."""
        with self._condition:
            self._counts["replaced"] += preview.source_id in self._offered
            self._offered[preview.source_id] = preview
            self._condition.notify()

    @contextlib.contextmanager
    def watch(self, source_ids: Collection[str] | None, *, annotated: bool) -> Iterator[Viewer]:
        """Look at these sources, or at all. Raises TooMany, Unavailable. In an event loop only."""
        viewer = Viewer(source_ids, annotated=annotated)
        with self._condition:
            if self._is_closed:
                raise Unavailable("the daemon is stopping")
            if len(self._viewers) >= self._most_viewers:
                raise TooMany(f"{self._most_viewers} live views are open already", retry_after_seconds=5)
            self._viewers.add(viewer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._encode, name="live-encode")
                self._thread.start()
        try:
            yield viewer
        finally:
            with self._condition:
                self._viewers.discard(viewer)

    def close(self) -> None:
        """End every view and wait for the encoder to stop, at most IDLE_SECONDS. Safe to call more than once."""
        with self._condition:
            self._is_closed = True
            viewers, thread = list(self._viewers), self._thread
            self._condition.notify()
        for viewer in viewers:
            viewer.close()
        if thread is not None:
            thread.join(IDLE_SECONDS)

    def _encode(self) -> None:
        while True:
            with self._condition:
                while not self._offered and not self._is_closed:
                    self._condition.wait(IDLE_SECONDS)
                if self._is_closed:
                    return
                preview = self._offered.pop(next(iter(self._offered)))  # first come, first served: no source starves
                viewers = [viewer for viewer in self._viewers if viewer.sees(preview.source_id)]
            try:
                self._show(preview, viewers)
                outcome = "encoded"
            except Exception:  # the thread's edge: one picture is lost, the views go on
                logger.exception(
                    "a picture of %s could not be shown",
                    preview.source_id,
                    extra=about("picture.failed", preview.source_id),
                )
                outcome = "failed"
            with self._condition:
                self._counts[outcome] += 1

    def _show(self, preview: Preview, viewers: Collection[Viewer]) -> None:
        for annotated in {viewer.annotated for viewer in viewers}:
            picture = LivePicture(preview, _jpeg(preview, annotated=annotated))
            for viewer in viewers:
                if viewer.annotated == annotated:
                    viewer.put(picture)


@dataclass(frozen=True, slots=True, eq=False)
class LivePicture:
    """A preview and its JPEG, with or without its faces drawn."""

    preview: Preview
    jpeg: bytes


class Viewer:
    """A viewer of live pictures. `pictures` is for the event loop that created it; the rest for any thread."""

    def __init__(self, source_ids: Collection[str] | None, *, annotated: bool) -> None:
        self.annotated = annotated
        self._source_ids = None if source_ids is None else frozenset(source_ids)
        self._wake = Wake()
        self._lock = threading.Lock()
        self._newest: dict[str, LivePicture] = {}
        self._is_closed = False

    def sees(self, source_id: str) -> bool:
        """Return whether it watches this source."""
        return self._source_ids is None or source_id in self._source_ids

    def put(self, picture: LivePicture) -> None:
        """From any thread; replaces what was not fetched in time."""
        with self._lock:
            self._newest[picture.preview.source_id] = picture
        self._wake.set()

    def close(self) -> None:
        """From any thread: `pictures` ends."""
        self._is_closed = True
        self._wake.set()

    async def pictures(self) -> AsyncIterator[LivePicture]:
        """The newest pictures as they come, until the hub closes."""
        while not self._is_closed:
            with self._lock:
                newest, self._newest = self._newest, {}
            for picture in newest.values():
                yield picture
            if not newest:
                await self._wake.wait(IDLE_SECONDS)


def _jpeg(preview: Preview, *, annotated: bool) -> bytes:
    image = preview.image
    if annotated:
        image = image.copy()
        draw_faces(image, preview.faces)
    encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise Unavailable(f"a picture of {preview.source_id} could not be encoded")
    return data.tobytes()
