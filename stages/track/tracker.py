"""The tracks of one source: detections in, the same faces with ids out; between detections they are followed.

Invariant: ids grow from 1 and are never used again; a face has at most one track and a track one face. A looked-at
frame's faces stay as the detector found them. Followed faces move by optical flow from the middle between where flow
had brought them and where they were detected, so that a detector's jitter is smoothed without lag. Where flow fails,
the last movement carries a face for as long as what is there resembles it. State is bounded: at most `MOST_TRACKS`,
each forgotten after a second out of sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stages.frames import Faces, FloatArray, Frame
from stages.imaging.window import Gray, Luma, Window
from stages.track.appearance import Appearance, appearance
from stages.track.association import associate, is_within_reach
from stages.track.flow import Movement, follow
from stages.track.quality import quality, sharpness
from stages.track.shots import Shot
from stages.track.track import DOUBT_SECONDS, Track, TrackState, View

__all__ = ["Tracker"]

SURVIVAL_SECONDS = 1.2
"""Longest time out of sight: an occlusion of a second and the detector's delay in finding the face again."""
SURVIVED_LOOKS = 2.5
"""And at least so many intervals between looks."""

MOST_TRACKS = 128
"""Of one source; the longest unseen go first."""

LEAST_CONFIDENCE = 0.4
"""Share of points that have to agree before flow is believed."""

SAME_RESEMBLANCE = 0.5
"""What is where a face should be has to resemble it by as much: otherwise something is in front of it."""

DETECTION_GAIN = 0.5
"""Weight of a detection against where flow had brought the face. Less smooths more, and keeps errors longer."""


class Tracker:
    """State of one source, used by one thread."""

    def __init__(self, luma: Luma | None, *, follows: bool, chooses: bool) -> None:
        """
        Args:
            luma: None leaves out what needs pixels: flow, appearance, sharpness.
            follows: frames between looks will be asked for.
            chooses: mark the faces worth an embedding; otherwise all detected ones are.
        """
        self._luma = luma
        self._follows = follows
        self._chooses = chooses
        self._tracks: list[Track] = []
        self._last_id = 0
        self._looked_seconds: float | None = None
        self._look_interval = 0.0

    def __repr__(self) -> str:
        seen = sum(track.state is TrackState.SEEN for track in self._tracks)
        return f"<Tracker {seen} seen, {len(self._tracks) - seen} lost, {self._last_id} so far>"

    @property
    def tracks(self) -> Sequence[Track]:
        """Those that have not ended."""
        return self._tracks

    def cut(self) -> tuple[int, ...]:
        """A new shot begins: every track ends. Returns their ids."""
        ended, self._tracks = _ids(self._tracks), []
        self._looked_seconds = None
        return ended

    def look(self, frame: Frame, faces: Faces) -> tuple[Faces, tuple[int, ...]]:
        """A frame that was looked at.

        Returns its faces, as they were found, with their tracks, and the ids of the tracks that have ended.
        """
        seconds = frame.pts_seconds
        if self._looked_seconds is not None:
            self._look_interval = max(0.0, seconds - self._looked_seconds)
        self._looked_seconds = seconds
        if self._follows and self._luma is not None:
            self._advance(frame)
        predicted = [track.expected_xyxy(seconds) for track in self._tracks]
        views = self._views(frame, faces.boxes_xyxy)
        looks = [_looks(view, box) for view, box in zip(views, faces.boxes_xyxy, strict=True)]
        pairs = associate(
            self._tracks, np.array(predicted, np.float32).reshape(-1, 4), faces.boxes_xyxy, looks, seconds
        )
        owner: list[Track | None] = [None] * len(faces)
        for index, row in pairs:
            owner[row] = self._tracks[index]
        for track in self._tracks:
            if track not in owner:
                track.state = TrackState.LOST
        ended = self._end(seconds)
        known = [self._resolve(track, faces.boxes_xyxy[row], looks[row], seconds) for row, track in enumerate(owner)]
        owners = [track or self._begin(faces, row, seconds) for row, track in enumerate(known)]
        return self._take(frame, faces, owners, views, looks), ended

    def follow(self, frame: Frame) -> tuple[Faces, tuple[int, ...]]:
        """A frame that nobody looked at: where the seen faces are now, best score first; and the tracks that ended."""
        self._advance(frame)
        ended = self._end(frame.pts_seconds)
        seen = [track for track in self._tracks if track.state is TrackState.SEEN]
        seen.sort(key=lambda track: -track.score)
        if not seen:
            return _with_tracks(Faces.none(), [], np.empty(0, np.float32), True), ended
        with_landmarks = all(track.landmarks is not None for track in seen)
        faces = Faces(
            boxes_xyxy=np.stack([track.box_xyxy for track in seen]),
            scores=np.array([track.score for track in seen], np.float32),
            landmarks=np.stack([track.landmarks for track in seen if track.landmarks is not None])
            if with_landmarks
            else None,
        )
        aspect = frame.picture.pixel_aspect
        qualities = [_quality(faces, row, track.sharpness, aspect) for row, track in enumerate(seen)]
        return _with_tracks(faces, seen, np.array(qualities, np.float32), True), ended

    def _advance(self, frame: Frame) -> None:
        """Every track to this frame."""
        # Others were followed to this frame already, before somebody wanted to look.
        tracks = [track for track in self._tracks if track.seconds < frame.pts_seconds]
        for track, patch in zip(tracks, self._patches(frame, tracks), strict=True):
            movement = None if patch is None else self._movement(track, patch, frame.pts_seconds)
            if movement is not None:
                track.confidence = movement.confidence
            elif track.state is TrackState.SEEN:
                track.confidence = 0.0 if self._luma is not None else 1.0
                track.drift(frame.pts_seconds)
                track.state = self._judge(track, frame)
            else:
                track.view = None
                track.drift(frame.pts_seconds)
            if track.state is TrackState.SEEN and not _is_inside(track.box_xyxy, frame):
                track.state = TrackState.LOST
            if track.state is TrackState.SEEN:
                track.seen_seconds = frame.pts_seconds
        self._renew_views(frame, tracks)

    def _patches(self, frame: Frame, tracks: Sequence[Track]) -> list[Gray | None]:
        """What their windows show now, of those that flow can follow."""
        if self._luma is None:
            return [None] * len(tracks)
        views = [track.view if track.state is TrackState.SEEN else None for track in tracks]
        patches = iter(self._luma.patches(frame.picture, [view.window for view in views if view is not None]))
        return [None if view is None else next(patches) for view in views]

    def _movement(self, track: Track, patch: Gray, seconds: float) -> Movement | None:
        """Follow by flow; None if that can't be believed. Leaves a view of this frame behind."""
        assert track.view is not None
        window = track.view.window
        corners = track.box_xyxy.reshape(2, 2)
        points = window.to_patch(corners if track.landmarks is None else np.concatenate([corners, track.landmarks]))
        box, landmarks = points[:2].ravel(), None if track.landmarks is None else points[2:]
        movement = follow(track.view.patch, patch, box, landmarks)
        if movement.confidence < LEAST_CONFIDENCE:
            return None
        moved = _move_box(box, movement)
        alike = track.resembles(appearance(patch, moved.ravel()))
        if alike is not None and alike < SAME_RESEMBLANCE:
            return None
        points = window.to_frame(moved if landmarks is None else np.concatenate([moved, movement.apply(landmarks)]))
        track.move(points[:2].ravel(), None if landmarks is None else points[2:], seconds)
        track.view = View(window, patch)
        return movement

    def _renew_views(self, frame: Frame, tracks: Sequence[Track]) -> None:
        """Follow with them whose faces have left the middle of their windows."""
        strayed = [track for track in tracks if track.view and not track.view.window.holds(track.box_xyxy)]
        if strayed:
            boxes = np.stack([track.box_xyxy for track in strayed])
            for track, view in zip(strayed, self._views(frame, boxes), strict=True):
                track.view = view

    def _judge(self, track: Track, frame: Frame) -> TrackState:
        """Whether a face that flow has lost is where it was guessed to be."""
        if self._luma is None:
            return TrackState.SEEN  # nothing but the next look can tell
        (track.view,) = self._views(frame, track.box_xyxy[None])
        alike = track.resembles(_looks(track.view, track.box_xyxy))
        return TrackState.SEEN if alike is not None and alike >= SAME_RESEMBLANCE else TrackState.LOST

    def _begin(self, faces: Faces, row: int, seconds: float) -> Track:
        box = faces.boxes_xyxy[row].copy()
        landmarks = None if faces.landmarks is None else faces.landmarks[row]
        track = Track(0, box, landmarks, float(faces.scores[row]), seconds, seconds)
        if not any(self._may_be(lost, box, seconds) for lost in self._tracks):
            track.track_id = self._next_id()
        self._tracks.append(track)
        return track

    def _resolve(
        self, track: Track | None, box_xyxy: FloatArray, looks: Appearance | None, seconds: float
    ) -> Track | None:
        """End a track's doubt if it can be: it is the lost one that it now resembles, or a new one."""
        if track is None or track.track_id:
            return track
        candidates = [lost for lost in self._tracks if self._may_be(lost, box_xyxy, seconds)]
        alike = [(lost.resembles(looks) or 0.0, index) for index, lost in enumerate(candidates)]
        best, index = max(alike, default=(0.0, 0))
        if best >= SAME_RESEMBLANCE:
            self._tracks.remove(track)
            candidates[index].state = TrackState.SEEN  # nobody else may be it
            return candidates[index]
        if not candidates or seconds - track.began_seconds >= DOUBT_SECONDS:
            track.track_id = self._next_id()
        return track

    def _may_be(self, lost: Track, box_xyxy: FloatArray, seconds: float) -> bool:
        if lost.state is not TrackState.LOST or not lost.track_id or lost.looks_like is None:
            return False
        return is_within_reach(lost.expected_xyxy(seconds), box_xyxy, seconds - lost.seen_seconds)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _end(self, seconds: float) -> tuple[int, ...]:
        patience = max(SURVIVAL_SECONDS, SURVIVED_LOOKS * self._look_interval)
        kept = [track for track in self._tracks if seconds - track.seen_seconds <= patience]
        if len(kept) > MOST_TRACKS:
            kept.sort(key=lambda track: -track.seen_seconds)
            del kept[MOST_TRACKS:]
        ended = _ids([track for track in self._tracks if track not in kept])
        self._tracks = kept
        return ended

    def _take(
        self,
        frame: Frame,
        faces: Faces,
        owners: Sequence[Track],
        views: Sequence[View | None],
        looks: Sequence[Appearance | None],
    ) -> Faces:
        """Bring the tracks to their detections."""
        qualities = np.empty(len(faces), np.float32)
        is_chosen = np.ones(len(faces), bool)
        is_hidden = _is_hidden(faces.boxes_xyxy)
        aspect = frame.picture.pixel_aspect
        for row, (track, view) in enumerate(zip(owners, views, strict=True)):
            track.sharpness = 1.0 if view is None else sharpness(view.patch)
            qualities[row] = _quality(faces, row, track.sharpness, aspect)
            if self._chooses:
                is_chosen[row] = track.shots.offer(Shot(float(qualities[row]), frame.pts_seconds, None))
            box = faces.boxes_xyxy[row]
            landmarks = None if faces.landmarks is None else faces.landmarks[row]
            if track.seconds == frame.pts_seconds and track.confidence >= LEAST_CONFIDENCE:  # flow has brought it here
                box, landmarks = _fuse(track, box, landmarks)
            last_seen = track.seen_seconds
            track.find(box, landmarks, frame.pts_seconds)
            track.score = float(faces.scores[row])
            track.view = view if self._follows else None
            if not is_hidden[row]:
                track.learn(looks[row], frame.pts_seconds - last_seen)
        marked = _with_tracks(faces, owners, qualities, False)
        return replace(marked, to_embed=is_chosen) if self._chooses else marked

    def _views(self, frame: Frame, boxes_xyxy: FloatArray) -> list[View | None]:
        if self._luma is None:
            return [None] * len(boxes_xyxy)
        windows = [Window.around(box, frame.picture.pixel_aspect) for box in boxes_xyxy]
        patches = self._luma.patches(frame.picture, windows)
        return [View(window, patch) for window, patch in zip(windows, patches, strict=True)]


def _ids(tracks: Sequence[Track]) -> tuple[int, ...]:
    """Of tracks that end; who was in doubt until the end had none."""
    return tuple(sorted(track.track_id for track in tracks if track.track_id))


def _with_tracks(faces: Faces, owners: Sequence[Track], qualities: FloatArray, is_propagated: bool) -> Faces:
    return replace(
        faces,
        track_ids=np.array([track.track_id for track in owners], np.int64),
        quality=qualities,
        propagated=np.full(len(faces), is_propagated),
    )


def _quality(faces: Faces, row: int, sharp: float, pixel_aspect: float) -> float:
    landmarks = None if faces.landmarks is None else faces.landmarks[row]
    return quality(faces.boxes_xyxy[row], float(faces.scores[row]), landmarks, sharp, pixel_aspect=pixel_aspect)


def _looks(view: View | None, box_xyxy: FloatArray) -> Appearance | None:
    return None if view is None else appearance(view.patch, view.window.to_patch(box_xyxy.reshape(2, 2)).ravel())


def _move_box(box_xyxy: FloatArray, movement: Movement) -> FloatArray:
    """A box stays upright: its middle moves, its sides grow, and a turning head does not widen it. float32 (2, 2)."""
    x1, y1, x2, y2 = box_xyxy.tolist()
    middle = movement.turn * complex((x1 + x2) / 2, (y1 + y2) / 2) + movement.shift
    half_width, half_height = movement.scale * (x2 - x1) / 2, movement.scale * (y2 - y1) / 2
    return np.array(
        [
            [middle.real - half_width, middle.imag - half_height],
            [middle.real + half_width, middle.imag + half_height],
        ],
        np.float32,
    )


def _fuse(track: Track, box_xyxy: FloatArray, landmarks: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
    """Between where flow had brought a face and where it was found."""
    gain = np.float32(DETECTION_GAIN)
    box = gain * box_xyxy + (1 - gain) * track.box_xyxy
    if landmarks is None or track.landmarks is None:
        return box, landmarks
    return box, gain * landmarks + (1 - gain) * track.landmarks


def _is_inside(box_xyxy: FloatArray, frame: Frame) -> bool:
    x1, y1, x2, y2 = box_xyxy.tolist()
    return bool(0 <= x1 + x2 < 2 * frame.picture.width and 0 <= y1 + y2 < 2 * frame.picture.height)


def _is_hidden(boxes_xyxy: FloatArray) -> list[bool]:
    """Whether another face may cover a part of each: what it looks like then is not its own."""
    if len(boxes_xyxy) < 2:  # noqa: PLR2004 - nobody else there
        return [False] * len(boxes_xyxy)
    left, top, right, bottom = boxes_xyxy.T
    width = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    height = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    shared = width.clip(0) * height.clip(0)
    np.fill_diagonal(shared, 0)
    area = ((right - left) * (bottom - top)).clip(1e-6)
    hidden: list[bool] = (shared.max(axis=1) > 0.1 * area).tolist()
    return hidden
