"""The sinks that `--dst`, `--annotate` and `--show` need for each source, in the process that reads it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stages.sink.annotate import AnnotatedVideoSink
from stages.sink.base import Sink
from stages.sink.destination import JobDestination, Places
from stages.sink.window import WindowSink
from stages.sources import VideoInfo
from visage.runtime.job import JobPlace

__all__ = ["FileOutputs"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FileOutputs:
    """Implements `visage.runtime.job.JobOutputs`.

    Attributes:
        tables: of the destination; None where none is written.
        videos: the annotated video of each source that gets one.
        audio_uris: where its sound comes from, of each source.
        is_among_others: the run has several sources; a still then gets no video.
        blur, boxes, show, force: see `visage.cli.outputs.OutputOptions`.
    """

    tables: JobDestination | None
    videos: Mapping[str, Path]
    audio_uris: Mapping[str, str]
    is_among_others: bool = False
    blur: str | None = None
    boxes: bool = True
    show: bool = False
    force: bool = False

    @property
    def needs_pixels(self) -> bool:
        """Whether any sink reads pixels, so that frames must reach the sinks with theirs."""
        return self.show or bool(self.videos)

    def moved(self, source_id: str, places: Places, uri: str) -> FileOutputs:
        """Return what writes this source, and no other, where `places` says; its sound is at `uri`."""
        video = self.videos.get(source_id)
        return replace(
            self,
            tables=None if self.tables is None else self.tables.moved(source_id, places),
            videos={} if video is None else {source_id: places.file(video)},
            audio_uris={source_id: uri},
            force=True,
        )

    def sinks_for(self, info: VideoInfo, place: JobPlace) -> list[Sink]:
        """Return the sinks of a source that has started, not yet opened; the pipeline opens and closes them."""
        sinks = [] if self.tables is None else self.tables.sinks_for(info, again=place.again)
        video = self.videos.get(info.source_id)
        is_still_among_others = info.frame_count == 1 and self.is_among_others
        if video is not None and not is_still_among_others:
            sinks.append(
                AnnotatedVideoSink(
                    video,
                    to_bgr=place.pictures.to_bgr,
                    audio_uri=None if info.is_live else self.audio_uris[info.source_id],
                    on_sound_lost=logger.warning,
                    blur=self.blur,
                    with_boxes=self.boxes,
                    force=self.force or place.again,
                )
            )
        if self.show:
            sinks.append(WindowSink(to_bgr=place.pictures.to_bgr))
        return sinks
