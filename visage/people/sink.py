"""A sink that hands the ended tracks of one source to the gallery's recorder.

Reads pictures only where the gallery keeps crops; then it cuts the best shot so far of each track, one JPEG a track in
view, renewed when a clearly better one comes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.addresses import is_address
from stages.frames import Frame, Observation, Picture
from stages.sink.base import Sink
from stages.sources import SourceEnded, VideoInfo
from stages.tracks.summary import TrackSummary
from visage.people.reader import crop_around
from visage.people.recording_time import RecordingTime, recording_time
from visage.runtime.job import JobPlace, TrackRecorder

__all__ = ["SightingOutputs", "SightingSink", "gallery_uri"]

CLEARLY_BETTER = 1.1


class SightingSink(Sink):
    """Owns the crops of the tracks in view, but not the recorder."""

    def __init__(
        self,
        recorder: TrackRecorder,
        *,
        to_bgr: Callable[[Picture], NDArray[np.uint8]] | None = None,
        keeps_crops: Callable[[], bool] = lambda: True,
    ) -> None:
        """
        Args:
            to_bgr: reads pictures for crops; None keeps none.
            keeps_crops: whether they are wanted now; quick.
        """
        self._recorder = recorder
        self._keeps_crops = keeps_crops
        self._to_bgr = to_bgr
        self._crops: dict[int, tuple[tuple[bool, float], bytes]] = {}
        self._info: VideoInfo | None = None
        self._uri = ""
        self._recorded: RecordingTime | None = None
        self._first: Frame | None = None
        self._last: Frame | None = None
        self._is_closed = False

    def open(self, info: VideoInfo) -> None:
        self._info = info
        self._uri = gallery_uri(info)
        if not info.is_live and not is_address(info.uri):
            self._recorded = recording_time(Path(info.uri), info.metadata, duration_seconds=info.duration_seconds)

    def end_tracks(self, tracks: Sequence[TrackSummary]) -> None:
        """Hand ended tracks to the recorder, without waiting for it."""
        is_live = self._info is not None and self._info.is_live
        is_still = self._info is not None and self._info.frame_count == 1
        session = None if self._first is None else self._first.captured_at
        for track in tracks:
            crop = self._crops.pop(track.track_id, None)
            self._recorder.record(
                track,
                uri=self._uri,
                is_live=is_live,
                is_still=is_still,
                session=session,
                crop=None if crop is None else crop[1],
                recorded=self._recorded,
            )

    def write(self, observation: Observation) -> None:
        """Note the stretch that was seen, and cut crops if the gallery keeps them. Does not keep the pixels."""
        self._first = self._first or observation.frame
        self._last = observation.frame
        if self._to_bgr is not None and observation.faces and self._keeps_crops():
            self._cut(observation, self._to_bgr)

    def close(self, ended: SourceEnded) -> None:
        """Remove what an earlier run saw in the same stretch of a file. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        info, first, last = self._info, self._first, self._last
        if info is not None and first is not None and last is not None and not info.is_live:
            self._recorder.seen_again(
                info.source_id,
                uri=self._uri,
                first_seconds=first.pts_seconds,
                last_seconds=last.pts_seconds,
                before=first.captured_at,
            )

    def abandon(self) -> None:
        """Drop the tracks in view; those that have ended are recorded already."""
        self._is_closed = True
        self._crops.clear()

    def _cut(self, observation: Observation, to_bgr: Callable[[Picture], NDArray[np.uint8]]) -> None:
        faces = observation.faces
        if faces.track_ids is None or faces.quality is None:
            return
        image: NDArray[np.uint8] | None = None
        height, width = observation.frame.picture.height, observation.frame.picture.width
        for row, number in enumerate(faces.track_ids.tolist()):
            left, top, right, bottom = faces.boxes_xyxy[row].tolist()
            quality = float(faces.quality[row])
            is_inside = min(right, width) - max(left, 0) >= 1 and min(bottom, height) - max(top, 0) >= 1
            is_embedded = faces.embeddings is not None and bool(faces.embeddings[row].any())
            before = self._crops.get(number)
            if number and is_inside and (before is None or _is_better((is_embedded, quality), before[0])):
                image = to_bgr(observation.frame.picture) if image is None else image
                self._crops[number] = ((is_embedded, quality), crop_around(image, faces.boxes_xyxy[row]))


def _is_better(shot: tuple[bool, float], before: tuple[bool, float]) -> bool:
    """Of two faces, whether they are embedded, and their quality: that of an embedded one is of another measure."""
    return shot[0] if shot[0] != before[0] else shot[1] > CLEARLY_BETTER * before[1]


@dataclass(frozen=True, slots=True)
class SightingOutputs:
    """Makes each source's sink of sightings. Implements `visage.runtime.job.JobOutputs`.

    Attributes:
        needs_pixels: crops are kept.
    """

    needs_pixels: bool

    def sinks_for(self, info: VideoInfo, place: JobPlace) -> list[SightingSink]:
        """Return the sink, not yet opened; none if no recorder takes the tracks. The caller opens and closes it."""
        if place.recorder is None:
            return []
        return [SightingSink(place.recorder, to_bgr=place.pictures.to_bgr if self.needs_pixels else None)]


def gallery_uri(info: VideoInfo) -> str:
    """A file has one path, from wherever and through whatever links it is named; its name alone is many files'."""
    return info.uri if info.is_live or is_address(info.uri) else os.path.realpath(info.uri)
