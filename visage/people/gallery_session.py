"""A gallery during a run: opened as the settings require, given every track, closed with all of it written."""

from __future__ import annotations

import time

from stages.closing import Closing
from stages.sink.base import Sink
from stages.sources import VideoInfo
from visage.config import Settings
from visage.people.gallery import Gallery, open_gallery
from visage.people.recorder import SightingRecorder
from visage.people.sink import SightingOutputs, SightingSink
from visage.runtime.job import JobOutputs, Pictures

__all__ = ["GallerySession", "gallery_of"]


def gallery_of(settings: Settings, *, model: str | None = None, create: bool = True) -> Gallery:
    """The gallery that the settings name, with its index where they say.

    Args:
        model: the embedder it has to belong to; None for whichever it does.
        create: False refuses a folder that holds none.

    Raises PeopleError; ValueError where the settings name no gallery.
    """
    if settings.gallery is None:
        raise ValueError("no gallery is set")
    key = settings.index_api_key
    return open_gallery(
        settings.gallery,
        model=model,
        model_dir=settings.model_dir,
        key_file=settings.gallery_key,
        index_url=settings.index_url,
        index_grpc_port=settings.index_grpc_port,
        api_key=None if key is None else key.get_secret_value(),
        create=create,
    )


SECONDS_A_DAY = 86_400

SETTLE_SECONDS = 5.0
CROPS_SECONDS = 1.0


class GallerySession(Closing):
    """Owns the gallery and its recorder for a run. To be closed after the pipeline."""

    def __init__(self, settings: Settings, *, is_daemon: bool = False) -> None:
        """
        Args:
            is_daemon: it goes on until it is stopped; pictures are held, as crops may be switched on meanwhile.

        Raises PeopleError; FaceIndexError, such as IndexInUse where another process records into this gallery.
        """
        self.gallery = gallery_of(settings, model=settings.embedder)
        self.recorder: SightingRecorder | None = None
        try:
            if settings.track:
                days = settings.retention_days
                self.recorder = SightingRecorder(
                    self.gallery, retention_seconds=None if days is None else days * SECONDS_A_DAY
                )
        except BaseException:
            self.gallery.close()
            raise
        self.needs_pixels = self.recorder is not None and (is_daemon or self.gallery.keeps_crops)
        self._crops_at, self._keeps_crops = -CROPS_SECONDS, False

    @property
    def outputs(self) -> list[JobOutputs]:
        """Return the outputs that every source of a run needs for the gallery; empty if nothing is recorded."""
        return [] if self.recorder is None else [SightingOutputs(needs_pixels=self.needs_pixels)]

    def sinks_for(self, info: VideoInfo, pictures: Pictures) -> list[Sink]:
        """Return the sinks that a source needs for the gallery, not yet opened; the caller opens and closes them."""
        if self.recorder is None:
            return []
        to_bgr = pictures.to_bgr if self.needs_pixels else None
        return [SightingSink(self.recorder, to_bgr=to_bgr, keeps_crops=self._wants_crops)]

    def _wants_crops(self) -> bool:
        """Whether crops are kept; asked for every frame, and of the gallery once a second."""
        now = time.monotonic()
        if now - self._crops_at >= CROPS_SECONDS:
            self._crops_at, self._keeps_crops = now, self.gallery.keeps_crops
        return self._keeps_crops

    def settle(self, source_id: str) -> Exception | None:
        """Why some of what was seen in a source is not stored; TimeoutError where it still waits after a while."""
        return None if self.recorder is None else self.recorder.settle(source_id, SETTLE_SECONDS)

    @property
    def lost(self) -> str:
        """What of a run was not stored in the gallery, and why; empty if nothing was lost. To be read after `close`."""
        told = None if self.recorder is None else self.recorder.statistics()
        if told is None or not (told.dropped or told.unreplaced):
            return ""
        what = f"what was seen in {told.unreplaced} video{'s' * (told.unreplaced > 1)} before could not be removed"
        if told.dropped:
            what = f"{told.dropped} track{'s' * (told.dropped > 1)} could not be stored"
        return f"{self.gallery.folder}: {what} ({told.failure})"

    def close(self) -> None:
        """Write what waits, then close the gallery. Idempotent."""
        if self.recorder is not None:
            self.recorder.close()
        self.gallery.close()
