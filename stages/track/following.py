"""Brings tracks to a frame without detections: by optical flow, else by how they last moved.

A face is searched where it would be if it went on as from the last frame to this one, so that it may move by more than
its patch shows. If flow can't be believed there, the camera may have turned: it is searched once more where the whole
picture has gone. Where that fails too, the last movement carries it for as long as what is there resembles it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from stages.frames import FloatArray, Frame
from stages.imaging.patches import FACE_SIDE, PatchReader, PatchWindow
from stages.track.appearance import Appearance, appearance, appearances
from stages.track.flow import Movement, follow
from stages.track.track import SAME_RESEMBLANCE, Track, TrackState, View

__all__ = ["MIN_CONFIDENCE", "Camera", "Follower", "appearances_of", "views_of"]

Camera = Callable[[], tuple[float, float]]
"""How far the whole picture has moved since the last frame, as parts of its width and height. Asked only if needed."""

MIN_CONFIDENCE = 0.4
"""Share of points that have to agree before flow is believed."""

BLINKED_SECONDS = 0.2
BLINKED_RESEMBLANCE = 0.85
"""So long a lost face is looked for where it should be, and so much it has to resemble itself there: after a flash it
does, while somebody passes in front of it it does not."""

MIN_AIM = FACE_SIDE / 16
"""Patch pixels: for less a patch is cut where the last one was, from which flow is exact."""


class Follower:
    """Moves tracks from frame to frame by the pixels around them."""

    def __init__(self, patch_reader: PatchReader) -> None:
        self._patch_reader = patch_reader

    def advance(self, frame: Frame, tracks: Sequence[Track], camera: Camera) -> None:
        """Move every track to this frame, except those that are there already.

        Does not keep the frame or release it.
        """
        seconds = frame.pts_seconds
        # Others were followed to this frame already, before somebody wanted to look.
        tracks = [track for track in tracks if track.seconds < seconds]
        for track, view in zip(tracks, self._aimed(frame, tracks), strict=True):
            movement = None if view is None else self._follow(track, view, frame, camera)
            if movement is not None:
                track.confidence = movement.confidence
            elif track.state is TrackState.SEEN or _may_be_back(track, seconds):
                track.confidence = 0.0
                track.drift(seconds)
                track.state = self._judge(track, frame)
                track.is_blinking = track.state is TrackState.LOST
            else:
                track.view, track.confidence = None, 0.0
                track.drift(seconds)
            if track.state is TrackState.SEEN and not _is_inside(track.box_xyxy, frame):
                track.state = TrackState.LOST
            if track.state is TrackState.SEEN:
                track.seen_seconds = seconds
        self._renew_views(frame, tracks)

    def _aimed(self, frame: Frame, tracks: Sequence[Track]) -> list[View | None]:
        """What is now to be seen where each face should be, of those that flow can follow."""
        windows = [
            _aim(track.view.window, *track.next_shift(frame.pts_seconds))
            if track.view is not None and track.state is TrackState.SEEN
            else None
            for track in tracks
        ]
        views = iter(self._see(frame, [window for window in windows if window is not None]))
        return [None if window is None else next(views) for window in windows]

    def _follow(self, track: Track, view: View, frame: Frame, camera: Camera) -> Movement | None:
        """Follow by flow, to where the face or else the whole picture has gone; None if neither can be believed."""
        assert track.view is not None
        movement = _move(track, track.view, view, frame.pts_seconds)
        if movement is not None:
            return movement
        across, down = camera()
        window = _aim(track.view.window, across * frame.picture.width, down * frame.picture.height)
        if _in_patch(window, window.left - view.window.left, window.top - view.window.top) < MIN_AIM:
            return None  # it was searched there already
        (view,) = self._see(frame, [window])
        return _move(track, track.view, view, frame.pts_seconds)

    def _renew_views(self, frame: Frame, tracks: Sequence[Track]) -> None:
        """Follow with them whose faces have left the middle of their windows."""
        strayed = [track for track in tracks if track.view and not track.view.window.holds(track.box_xyxy)]
        if strayed:
            boxes = np.stack([track.box_xyxy for track in strayed])
            (views,) = views_of(self._patch_reader, [frame], [boxes])
            for track, view in zip(strayed, views, strict=True):
                track.view = view

    def _judge(self, track: Track, frame: Frame) -> TrackState:
        """Whether a face that flow has lost is where it was guessed to be."""
        boxes = [track.box_xyxy[None]]
        views = views_of(self._patch_reader, [frame], boxes)
        (track.view,) = views[0]
        ((found,),) = appearances_of(views, boxes)
        alike = track.resemblance_to(found)
        needed = SAME_RESEMBLANCE if track.state is TrackState.SEEN else BLINKED_RESEMBLANCE
        return TrackState.SEEN if alike is not None and alike >= needed else TrackState.LOST

    def _see(self, frame: Frame, windows: Sequence[PatchWindow]) -> list[View]:
        (patches,) = self._patch_reader.patches([frame.picture], [windows])
        return [View(window, patch) for window, patch in zip(windows, patches, strict=True)]


def views_of(patch_reader: PatchReader, frames: Sequence[Frame], boxes_xyxy: Sequence[FloatArray]) -> list[list[View]]:
    """What is to be seen of each frame's boxes, float32 (N, 4)."""
    windows = [
        [PatchWindow.around(box, frame.picture.pixel_aspect) for box in boxes]
        for frame, boxes in zip(frames, boxes_xyxy, strict=True)
    ]
    patches = patch_reader.patches([frame.picture for frame in frames], windows)
    return [list(map(View, of_frame, shown)) for of_frame, shown in zip(windows, patches, strict=True)]


def appearances_of(views: Sequence[Sequence[View]], boxes_xyxy: Sequence[FloatArray]) -> list[list[Appearance | None]]:
    """The appearances of what each frame's boxes hold, float32 (N, 4); None where a view does not show its box."""
    shown = [
        (view.patch, view.window.to_patch(box.reshape(2, 2)).ravel())
        for of_frame, boxes in zip(views, boxes_xyxy, strict=True)
        for view, box in zip(of_frame, boxes, strict=True)
    ]
    remaining = iter(appearances(shown))
    return [[next(remaining) for _ in of_frame] for of_frame in views]


def _move(track: Track, before: View, after: View, seconds: float) -> Movement | None:
    """Move the track as its face has moved between two views, if that can be believed. It then has the second view."""
    corners = track.box_xyxy.reshape(2, 2)
    points = corners if track.landmarks is None else np.concatenate([corners, track.landmarks])
    points = before.window.to_patch(points)
    box, landmarks = points[:2].ravel(), None if track.landmarks is None else points[2:]
    movement = follow(before.patch, after.patch, box, landmarks)
    if movement.confidence < MIN_CONFIDENCE:
        return None
    moved = _move_box(box, movement)
    alike = track.resemblance_to(appearance(after.patch, moved.ravel()))
    if alike is not None and alike < SAME_RESEMBLANCE:
        return None
    points = after.window.to_frame(moved if landmarks is None else np.concatenate([moved, movement.apply(landmarks)]))
    track.move(points[:2].ravel(), None if landmarks is None else points[2:], seconds)
    track.view = after
    return movement


def _aim(window: PatchWindow, across: float, down: float) -> PatchWindow:
    """The window moved by so many pixels of the frame; the same if that is little."""
    if _in_patch(window, across, down) < MIN_AIM:
        return window
    return replace(window, left=window.left + across, top=window.top + down)


def _in_patch(window: PatchWindow, across: float, down: float) -> float:
    """The longer part of a way in the frame, in pixels of the window's patch."""
    return max(abs(across) / window.step_x, abs(down) / window.step_y)


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


def _may_be_back(track: Track, seconds: float) -> bool:
    return track.is_blinking and seconds - track.seen_seconds <= BLINKED_SECONDS


def _is_inside(box_xyxy: FloatArray, frame: Frame) -> bool:
    x1, y1, x2, y2 = box_xyxy.tolist()
    return bool(0 <= x1 + x2 < 2 * frame.picture.width and 0 <= y1 + y2 < 2 * frame.picture.height)
