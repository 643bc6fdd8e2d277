"""Frames in, observations with tracks out: runs around detection, as tracking decides which frames are detected.

The detector sees every frame marked `detect`, and the first of every shot, of every connection to a camera and of every
size of the picture; through the rest, faces are followed. With `adaptive` the tracks' state asks for more detections.
All that is decided from the source's own frames in their order, never from what shares a batch: results do not depend
on timing. Frames known beforehand (marks, cuts) go to the detector in one call; those that only following asks for, one
by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from stages.contract import Stage
from stages.frames import Faces, Frame, Observation
from stages.imaging.patches import Gray, PatchReader
from stages.meter import metered
from stages.track.appearance import Appearance
from stages.track.camera import camera_shift
from stages.track.dissolves import DissolveDetector
from stages.track.following import appearances_of, views_of
from stages.track.scheduling import DetectionScheduler
from stages.track.shot_boundaries import ShotBoundaryDetector
from stages.track.track import Track, View
from stages.track.tracker import Tracker

__all__ = ["TrackStage"]


class TrackStage:
    """Gives every face a track. Owns the detecting stage and the patch reader; a source's state ends with
    `end_source`."""

    name = "track"

    def __init__(
        self,
        detect: Stage[Frame, Observation],
        *,
        patch_reader: PatchReader,
        follows: bool = False,
        adaptive: bool = False,
        chooses: bool = False,
        score_threshold: float = 0.0,
        release_pixels: bool = False,
    ) -> None:
        """
        Args:
            detect: finds faces and leaves the frames their pixels.
            patch_reader: reads the pictures.
            follows: frames that are not marked `detect` will come.
            adaptive: look at more than the marked ones; needs `follows`.
            chooses: mark the best shots as worth an embedding; otherwise every detected face is.
            score_threshold: weaker detections only continue tracks; those that continue none are dropped.
            release_pixels: this is the last stage that needs them. False leaves that to whoever comes next.
        """
        self._detect = metered(detect)
        self._patch_reader = patch_reader
        self._follows = follows
        self._adaptive = adaptive
        self._chooses = chooses
        self._score_threshold = score_threshold
        self._release_pixels = release_pixels
        self._sources: dict[str, _Source] = {}
        self.inner_counters = self._detect.counters

    def open(self) -> None:
        """Open the detecting stage. Raises BackendError."""
        self._detect.open()

    def process(self, batch: Sequence[Frame]) -> list[Observation]:
        """Detect or follow in every frame; returns one observation for each, in order. Raises BackendError."""
        sources = [self._source(frame.source_id) for frame in batch]
        thumbnails = self._patch_reader.thumbnails([frame.picture for frame in batch])
        glances = [
            source.glance(frame, thumbnail) for source, frame, thumbnail in zip(sources, batch, thumbnails, strict=True)
        ]
        rows = [row for row, frame in enumerate(batch) if frame.detect or glances[row].is_cut or not self._follows]
        found = dict(zip(rows, self._look([batch[row] for row in rows]), strict=True))
        results = [self._handle(frame, sources[row], glances[row], found.get(row)) for row, frame in enumerate(batch)]
        if self._release_pixels:
            for frame in batch:
                frame.release()
        return results

    def end_source(self, source_id: str) -> None:
        """Forget the tracks of a source that has ended."""
        self._sources.pop(source_id, None)
        self._detect.end_source(source_id)

    def close(self) -> None:
        """Close the detecting stage and the patch reader."""
        try:
            self._detect.close()
        finally:
            self._patch_reader.close()

    def _handle(self, frame: Frame, source: _Source, glance: _Glance, found: _Found | None) -> Observation:
        tracker = source.tracker
        ended = tracker.cut() if glance.is_cut else ()
        if found is None:
            faces, gone = tracker.follow(frame, glance.camera)
            if not self._adaptive or not source.wants_look(frame, glance.thumbnail):
                return Observation(frame, faces, ended + gone, detected=False)
            ended += gone
            (found,) = self._look([frame])
        faces, gone = tracker.observe(frame, found.faces, found.views, found.appearances, glance.camera)
        if self._adaptive:
            source.detected(frame, glance.thumbnail)
        return Observation(frame, faces, ended + gone)

    def _look(self, frames: Sequence[Frame]) -> list[_Found]:
        if not frames:
            return []
        faces = [observation.faces for observation in self._detect.process(frames)]
        boxes = [some.boxes_xyxy for some in faces]
        views = views_of(self._patch_reader, frames, boxes)
        return list(map(_Found, faces, views, appearances_of(views, boxes)))

    def _source(self, source_id: str) -> _Source:
        source = self._sources.get(source_id)
        if source is None:
            tracker = Tracker(
                self._patch_reader,
                follows=self._follows,
                chooses=self._chooses,
                score_threshold=self._score_threshold,
            )
            source = self._sources[source_id] = _Source(tracker)
        return source


@dataclass(frozen=True, slots=True)
class _Found:
    """A looked-at frame's faces, what is to be seen around each, and what each looks like."""

    faces: Faces
    views: list[View]
    appearances: list[Appearance | None]


@dataclass(frozen=True, slots=True)
class _Glance:
    """What a frame's thumbnail says."""

    thumbnail: Gray
    before: Gray | None
    is_cut: bool

    def camera(self) -> tuple[float, float]:
        """See `stages.track.following.Camera`."""
        if self.before is None or self.is_cut:
            return 0.0, 0.0
        return camera_shift(self.before, self.thumbnail)


@dataclass(slots=True)
class _Source:
    """What is kept of one source."""

    tracker: Tracker
    scene: ShotBoundaryDetector = field(default_factory=ShotBoundaryDetector)
    dissolves: DissolveDetector = field(default_factory=DissolveDetector)
    scheduler: DetectionScheduler = field(default_factory=DetectionScheduler)
    thumbnail: Gray | None = None
    connection: int | None = None
    size: tuple[int, int] | None = None

    def glance(self, frame: Frame, thumbnail: Gray) -> _Glance:
        """To be called for every frame, in their order."""
        is_found_again = self.connection not in (None, frame.connection)
        self.connection = frame.connection
        size = frame.picture.width, frame.picture.height
        is_resized = self.size not in (None, size)  # what is followed has pixels of the old size
        self.size = size
        is_cut = self.scene.is_cut(thumbnail) or is_found_again or is_resized
        if is_cut:
            self.dissolves.forget()
        is_cut |= self.dissolves.is_over(thumbnail, frame.pts_seconds)
        before, self.thumbnail = self.thumbnail, thumbnail
        return _Glance(thumbnail, before, is_cut)

    def wants_look(self, frame: Frame, thumbnail: Gray) -> bool:
        size = np.array([frame.picture.width, frame.picture.height] * 2, np.float32)

        def change(tracks: Sequence[Track]) -> float:
            return self.scene.change(thumbnail, [track.box_xyxy / size for track in tracks])

        return self.scheduler.wants(frame.index, self.tracker.tracks, change)

    def detected(self, frame: Frame, thumbnail: Gray) -> None:
        self.scheduler.detected(frame.index, self.tracker.tracks)
        self.scene.detected(thumbnail)
