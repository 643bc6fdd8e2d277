"""The tracks of one source: detections in, the same faces with ids out; between detections they are followed.

Strong detections come first; weak ones, below the score threshold, may only continue a track that no strong one
continues, and are dropped otherwise (after ByteTrack: Zhang et al., ECCV 2022). So every track begins strong, and has
seen at least one face that would have been reported without tracking.

Invariant: ids grow from 1 and are never used again; a face has at most one track and a track one face. A looked-at
frame's faces stay as the detector found them. Followed faces move by optical flow from the middle between where flow
had brought them and where they were detected, so that a detector's jitter is smoothed without lag. Where flow fails,
the last movement carries a face for as long as what is there resembles it. State is bounded: at most `MAX_TRACKS`,
each forgotten when it has been out of sight for about two seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stages.frames import Faces, FloatArray, Frame
from stages.imaging.patches import PatchReader
from stages.track.appearance import Appearance
from stages.track.association import associate
from stages.track.following import MIN_CONFIDENCE, Camera, Follower
from stages.track.quality import quality, sharpness, shown_pose
from stages.track.recognition import candidates, recognise
from stages.track.shots import Shot
from stages.track.track import DOUBT_SECONDS, Track, TrackState, View

__all__ = ["Tracker"]

SURVIVAL_SECONDS = 1.6
"""Longest time out of sight: an occlusion of a second, and before and after it the time in which a face is found by no
detector since too much of it is hidden. The time until the next look is added."""
SURVIVED_LOOKS = 2.5
"""And at least so many intervals between looks."""

MAX_TRACKS = 128
"""Of one source; the longest unseen go first."""

DETECTION_GAIN = 0.5
"""Weight of a detection against where flow had brought the face. Less smooths more, and keeps errors longer."""


def _still() -> tuple[float, float]:
    return 0.0, 0.0


class Tracker:
    """State of one source, used by one thread."""

    def __init__(
        self, patch_reader: PatchReader, *, follows: bool, chooses: bool, score_threshold: float = 0.0
    ) -> None:
        """
        Args:
            patch_reader: reads the pictures.
            follows: frames between looks will be asked for.
            chooses: mark the faces worth an embedding; otherwise all strong ones are.
            score_threshold: detections below it are weak.
        """
        self._follower = Follower(patch_reader)
        self._follows = follows
        self._chooses = chooses
        self._score_threshold = np.float32(score_threshold)
        self._tracks: list[Track] = []
        self._last_id = 0
        self._looked_seconds: float | None = None
        self._look_interval = 0.0

    def __repr__(self) -> str:
        seen = sum(track.state is TrackState.SEEN for track in self._tracks)
        return f"<Tracker {seen} seen, {len(self._tracks) - seen} lost, {self._last_id} so far>"

    @property
    def tracks(self) -> Sequence[Track]:
        """The tracks that have not ended."""
        return self._tracks

    def cut(self) -> tuple[int, ...]:
        """End every track, because a new shot starts. Returns their ids."""
        ended, self._tracks = _ids(self._tracks), []
        self._looked_seconds = None
        return ended

    def observe(
        self,
        frame: Frame,
        faces: Faces,
        views: Sequence[View],
        appearances: Sequence[Appearance | None],
        camera: Camera = _still,
    ) -> tuple[Faces, tuple[int, ...]]:
        """A frame that was looked at, what it shows around each of its faces, and what each looks like.

        Returns its faces, as they were found, with their tracks, and the ids of the tracks that have ended. Weak faces
        that continue no track are not among them, and no weak one is worth an embedding.
        """
        seconds = frame.pts_seconds
        if self._looked_seconds is not None:
            self._look_interval = max(0.0, seconds - self._looked_seconds)
        self._looked_seconds = seconds
        ended = self._end(seconds)  # before anybody can be found to be one of them
        if self._follows:
            self._follower.advance(frame, self._tracks, camera)
        owners = self._associate(faces, appearances, seconds)
        rows = [row for row, track in enumerate(owners) if track is not None or self._is_strong(faces, row)]
        if len(rows) < len(faces):
            faces = faces.select(np.array(rows, np.intp))
            owners = [owners[row] for row in rows]
            views = [views[row] for row in rows]
            appearances = [appearances[row] for row in rows]
        for track in self._tracks:
            if track not in owners:
                track.state = TrackState.LOST
                track.is_blinking &= not len(faces)  # a look that finds nobody at all may be one into a flash
        known = [self._resolve(track, faces, row, appearances[row], seconds) for row, track in enumerate(owners)]
        return self._take(frame, faces, known, views, appearances), ended

    def follow(self, frame: Frame, camera: Camera = _still) -> tuple[Faces, tuple[int, ...]]:
        """Return the visible faces of a frame without detections, best score first, and the ids of ended tracks.

        Boxes are float32 (N, 4), in pixels.
        """
        self._follower.advance(frame, self._tracks, camera)
        ended = self._end(frame.pts_seconds)
        seen = [track for track in self._tracks if track.state is TrackState.SEEN]
        seen.sort(key=lambda track: -track.score)
        aspect = frame.picture.pixel_aspect
        if not seen:
            return _with_tracks(Faces.none(), [], np.empty(0, np.float32), True, aspect), ended
        with_landmarks = all(track.landmarks is not None for track in seen)
        faces = Faces(
            boxes_xyxy=np.stack([track.box_xyxy for track in seen]),
            scores=np.array([track.score for track in seen], np.float32),
            landmarks=np.stack([track.landmarks for track in seen if track.landmarks is not None])
            if with_landmarks
            else None,
        )
        qualities = [_quality(faces, row, track.sharpness, aspect) for row, track in enumerate(seen)]
        return _with_tracks(faces, seen, np.array(qualities, np.float32), True, aspect), ended

    def _is_strong(self, faces: Faces, row: int) -> bool:
        return bool(faces.scores[row] >= self._score_threshold)

    def _associate(self, faces: Faces, appearances: Sequence[Appearance | None], seconds: float) -> list[Track | None]:
        """The track of each face: strong faces choose first, weak ones among the tracks that are left."""
        owners: list[Track | None] = [None] * len(faces)
        is_strong = faces.scores >= self._score_threshold
        tracks: Sequence[Track] = self._tracks
        for rows in (np.flatnonzero(is_strong), np.flatnonzero(~is_strong)):
            own = [appearances[row] for row in rows.tolist()]
            for track, place in associate(tracks, faces.boxes_xyxy[rows], own, seconds):
                owners[rows[place]] = track
            tracks = [track for track in tracks if track.track_id and track not in owners]
        return owners

    def _resolve(
        self, track: Track | None, faces: Faces, row: int, appearance: Appearance | None, seconds: float
    ) -> Track:
        """Whose face it is, if it has no track or one in doubt: that of a lost one which it resembles, or a new one."""
        if track is not None and track.track_id:
            return track
        lost = candidates(self._tracks, faces.boxes_xyxy[row], seconds)
        known = recognise(lost, appearance)
        if known is not None:
            if track is not None:
                self._tracks.remove(track)
            known.state = TrackState.SEEN  # nobody else may be it
            return known
        if track is None:
            landmarks = None if faces.landmarks is None else faces.landmarks[row]
            track = Track(0, faces.boxes_xyxy[row].copy(), landmarks, float(faces.scores[row]), seconds, seconds)
            self._tracks.append(track)
        if not lost or seconds - track.began_seconds >= DOUBT_SECONDS:
            track.track_id = self._next_id()
        return track

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _end(self, seconds: float) -> tuple[int, ...]:
        patience = max(SURVIVAL_SECONDS + self._look_interval, SURVIVED_LOOKS * self._look_interval)
        kept = [track for track in self._tracks if seconds - track.seen_seconds <= patience]
        if len(kept) > MAX_TRACKS:
            kept.sort(key=lambda track: -track.seen_seconds)
            del kept[MAX_TRACKS:]
        ended = _ids([track for track in self._tracks if track not in kept])
        self._tracks = kept
        return ended

    def _take(
        self,
        frame: Frame,
        faces: Faces,
        owners: Sequence[Track],
        views: Sequence[View],
        appearances: Sequence[Appearance | None],
    ) -> Faces:
        """Bring the tracks to their detections."""
        qualities = np.empty(len(faces), np.float32)
        is_chosen = faces.scores >= self._score_threshold
        is_hidden = _is_hidden(faces.boxes_xyxy)
        aspect = frame.picture.pixel_aspect
        for row, (track, view) in enumerate(zip(owners, views, strict=True)):
            track.sharpness = sharpness(view.patch)
            qualities[row] = _quality(faces, row, track.sharpness, aspect)
            if self._chooses and is_chosen[row]:
                is_chosen[row] = track.shots.offer(Shot(float(qualities[row]), frame.pts_seconds))
            box = faces.boxes_xyxy[row]
            landmarks = None if faces.landmarks is None else faces.landmarks[row]
            if track.seconds == frame.pts_seconds and track.confidence >= MIN_CONFIDENCE:  # flow has brought it here
                box, landmarks = _fuse(track, box, landmarks)
            last_seen = track.seen_seconds
            track.find(box, landmarks, frame.pts_seconds)
            track.score = float(faces.scores[row])
            track.view = view if self._follows else None
            if not is_hidden[row]:
                track.learn_appearance(appearances[row], frame.pts_seconds - last_seen)
        marked = _with_tracks(faces, owners, qualities, False, aspect)
        return replace(marked, to_embed=is_chosen) if self._chooses or not is_chosen.all() else marked


def _ids(tracks: Sequence[Track]) -> tuple[int, ...]:
    """Of tracks that end; who was in doubt until the end had none."""
    return tuple(sorted(track.track_id for track in tracks if track.track_id))


def _with_tracks(
    faces: Faces, owners: Sequence[Track], qualities: FloatArray, is_propagated: bool, pixel_aspect: float
) -> Faces:
    points = [None] * len(faces) if faces.landmarks is None else list(faces.landmarks)
    return replace(
        faces,
        track_ids=np.array([track.track_id for track in owners], np.int64),
        quality=qualities,
        propagated=np.full(len(faces), is_propagated),
        sharpness=np.array([track.sharpness for track in owners], np.float32),
        pose=np.array([shown_pose(own, pixel_aspect) for own in points], np.float32),
    )


def _quality(faces: Faces, row: int, sharp: float, pixel_aspect: float) -> float:
    landmarks = None if faces.landmarks is None else faces.landmarks[row]
    return quality(faces.boxes_xyxy[row], float(faces.scores[row]), landmarks, sharp, pixel_aspect=pixel_aspect)


def _fuse(track: Track, box_xyxy: FloatArray, landmarks: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
    """Between where flow had brought a face and where it was found."""
    gain = np.float32(DETECTION_GAIN)
    box = gain * box_xyxy + (1 - gain) * track.box_xyxy
    if landmarks is None or track.landmarks is None:
        return box, landmarks
    return box, gain * landmarks + (1 - gain) * track.landmarks


def _is_hidden(boxes_xyxy: FloatArray) -> list[bool]:
    """Whether another face may cover a part of each: what it looks like then is not its own."""
    if len(boxes_xyxy) < 2:  # noqa: PLR2004 - nobody else there
        return [False] * len(boxes_xyxy)
    left, top, right, bottom = boxes_xyxy.T
    width = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    height = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    np.fill_diagonal(shared, 0)
    area = np.maximum((right - left) * (bottom - top), 1e-6)
    hidden: list[bool] = (shared.max(axis=1) > 0.1 * area).tolist()
    return hidden
