"""One pass over a film's pictures before it is redacted: times, cuts, damage, and pictures of what is uncertain."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from stages.imaging.colour import Encoding
from stages.imaging.host.planes import TURNS, packed_bgr
from stages.imaging.patches import THUMBNAIL_SIZE
from stages.redact.film import Film, FilmFrame
from stages.redact.lines import corners
from stages.track.shot_boundaries import ShotBoundaryDetector

__all__ = ["PICTURE_WIDTH", "Survey", "survey_film"]

PICTURE_WIDTH = 480
PICTURE_QUALITY = 75
CLOCK_TOLERANCE_SECONDS = 0.001
"""Times in Matroska are whole milliseconds."""
BOX_BGR = (40, 90, 255)

Box = tuple[float, float, float, float]


@dataclass(slots=True)
class Survey:
    """What the pass found.

    Attributes:
        width, height: of the upright picture, in pixels.
        rotation: clockwise turn that makes coded pictures upright.
        frames: one more than the last frame's number.
        seconds: of each frame that is there, by number.
        cuts: first frames of shots, but for the film's first.
        damaged: first and last frames of stretches that can't be trusted, and where frames are missing.
        pictures: data URIs of JPEGs, by frame.
    """

    width: int
    height: int
    rotation: int
    frames: int = 0
    seconds: dict[int, float] = field(default_factory=dict)
    cuts: set[int] = field(default_factory=set)
    damaged: list[tuple[int, int]] = field(default_factory=list)
    pictures: dict[int, str] = field(default_factory=dict)

    @property
    def clock(self) -> list[tuple[int, float]]:
        """Frames and seconds between which time goes evenly, to a millisecond."""
        frames = sorted(self.seconds)
        times = np.array([self.seconds[frame] for frame in frames])
        kept = corners(frames, times[:, None], np.full(len(frames), CLOCK_TOLERANCE_SECONDS))
        return [(frames[row], round(float(times[row]), 6)) for row in kept]

    @property
    def frame_seconds(self) -> float:
        """The mean time from frame to frame."""
        return (max(self.seconds.values()) - min(self.seconds.values())) / max(1, len(self.seconds) - 1)


def survey_film(
    path: str,
    *,
    rotation: int | None,
    boxes_at: Callable[[int], Sequence[Box]],
    wanted: Callable[[int, bool], bool],
    on_frame: Callable[[int], None] | None = None,
) -> Survey:
    """Decode the film once.

    Args:
        rotation: the whole clockwise turn that makes its pictures upright; None as the file asks for.
        boxes_at: the boxes to draw into a frame's picture.
        wanted: whether a picture of this frame is wanted; the second argument says that the next frame is of another
            shot.
        on_frame: called with each frame's number.

    Raises:
        SourceError: the film can't be opened.
    """
    film = Film(path, upright_turn_degrees=rotation)
    try:
        survey = Survey(film.info.width, film.info.height, film.info.rotation_degrees)
        painter = _Painter()
        for frame, is_last_of_shot in _with_cuts(film.frames(), survey):
            survey.seconds[frame.index] = frame.seconds
            if not frame.is_trusted:
                _add_damage(survey, survey.frames, frame.index)
            elif frame.index > survey.frames:  # the numbers between belong to frames that were lost
                _add_damage(survey, survey.frames, frame.index - 1)
            survey.frames = frame.index + 1
            is_new = not frame.is_trusted and survey.damaged[-1][0] == frame.index
            if is_new or wanted(frame.index, is_last_of_shot):
                survey.pictures[frame.index] = painter.picture(frame, boxes_at(frame.index))
            if on_frame is not None:
                on_frame(frame.index)
    finally:
        film.close()
    return survey


def _add_damage(survey: Survey, first: int, last: int) -> None:
    first = min(first, last)
    if survey.damaged and survey.damaged[-1][1] >= first - 1:
        survey.damaged[-1] = survey.damaged[-1][0], last
    else:
        survey.damaged.append((first, last))


def _with_cuts(frames: Iterator[FilmFrame], survey: Survey) -> Iterator[tuple[FilmFrame, bool]]:
    """Each frame with whether the next one begins a shot: one frame late."""
    boundaries, reformatter = ShotBoundaryDetector(), VideoReformatter()
    waiting: FilmFrame | None = None
    for frame in frames:
        small = reformatter.reformat(frame.coded, *THUMBNAIL_SIZE, "gray")
        is_cut = boundaries.is_cut(np.asarray(small.to_ndarray(), np.uint8))
        if is_cut and waiting is not None:
            survey.cuts.add(frame.index)
        if waiting is not None:
            yield waiting, is_cut
        waiting = frame
    if waiting is not None:
        yield waiting, True


class _Painter:
    """Makes small pictures with boxes for people to look at."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def picture(self, frame: FilmFrame, boxes: Sequence[Box]) -> str:
        coded, orientation = frame.coded, frame.orientation
        width, height = orientation.upright_size(coded.width, coded.height)
        scale = min(1.0, PICTURE_WIDTH / width)
        size = max(2, round(width * scale)), max(2, round(height * scale))
        bgr = packed_bgr(self._reformatter, coded, Encoding.of(coded), orientation.upright_size(*size))
        if orientation.rotation_degrees:
            bgr = np.asarray(cv2.rotate(bgr, TURNS[orientation.rotation_degrees]), np.uint8)
        image = np.ascontiguousarray(bgr)
        for box in boxes:
            left, top, right, bottom = (round(side * scale) for side in box)
            cv2.rectangle(image, (left, top), (right, bottom), BOX_BGR, 2)
        return _data_uri(image)


def _data_uri(image: NDArray[np.uint8]) -> str:
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, PICTURE_QUALITY])[1].tobytes()
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
