"""A closer look at faces whose landmarks are not to be trusted, in their own part of the source picture.

A detector sees a whole picture small. Where a face is small there or tilted, its landmarks lie beside eyes and mouth,
and the embedding is almost that of somebody else. So the detector sees such a face again, by itself, as large as it
finds faces best, and turned until it is upright. A face that is not found again keeps its first landmarks.

How far a face is tilted has to be searched for. YuNet's landmarks tilt much less than the face does: by 5 degrees for
15, by 8 for 30 and for 45, and not at all upside down. Their side is right up to there, and the score is highest where
the face is upright: 0.93, tilted by 30 degrees 0.91, by 45 0.86, by 60 0.72 (medians of 24 faces of 100 pixels).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from stages.detect.crops import CropDetector, crop_transform, map_points
from stages.frames import Faces, FloatArray, Frame, Picture

__all__ = ["SECOND_LOOK_SIDE", "SecondLook", "rolls_degrees"]

TensorT = TypeVar("TensorT")

SECOND_LOOK_SIDE = 160
"""Pixels of the input's side."""

FACE_SHARE = 0.6
"""Of the input's side that the longer side of the face's box takes."""

MAX_SHARE = 0.1
"""Of the picture's longer side: larger faces were seen well enough at first. 64 pixels of an input of 640."""

SURE_SCORE = 0.9
"""From here on a large face is taken to be upright and well seen."""

MIN_ROLL_DEGREES = 4.0
"""Of landmarks, from where on the face is turned further."""

ROLL_GAIN = 3.0
"""How far to turn for a roll of the landmarks, in rolls."""

MAX_TURN_DEGREES = 45.0

MAX_LOOKS = 3
"""At a face, each turned further than the one before."""

MAX_DISTANCE = 0.25
"""From the input's middle to the face found again, as a part of its side: those farther off are neighbours."""

MIN_TURNED_SCORE = 0.5
"""Of a face that is found turned by a quarter or a half."""

TURNS_DEGREES = (0.0, 90.0, 180.0, 270.0)


class SecondLook(Generic[TensorT]):
    """Finds better landmarks. For one thread."""

    def __init__(self, detector: CropDetector[TensorT]) -> None:
        self._detector = detector

    def refined(self, seen: Sequence[tuple[Frame, Faces]]) -> list[FloatArray]:
        """The landmarks of each record's faces, float32 (n, 5, 2): new ones of doubtful faces that are found again."""
        refined = [_landmarks(faces).copy() for _, faces in seen]
        doubtful = [
            (record, row, _Place.of(frame.picture, faces, row))
            for record, (frame, faces) in enumerate(seen)
            for row in np.flatnonzero(_is_doubtful(frame.picture, faces)).tolist()
        ]
        found = self._search([(place, place.straightened) for _, _, place in doubtful])
        for (record, row, _), again in zip(doubtful, found, strict=True):
            if again.landmarks is not None:
                refined[record][row] = again.landmarks
        return refined

    def turned(
        self, seen: Sequence[tuple[Frame, Faces]], rows: Sequence[NDArray[np.intp]]
    ) -> list[tuple[int, int, FloatArray]]:
        """Of these rows of each record, those that are found more surely when turned by a quarter or a half.

        Returns the record's number, the row, and the landmarks in that turn, float32 (5, 2).
        """
        places = [
            (record, row, _Place.of(frame.picture, faces, row))
            for record, ((frame, faces), some) in enumerate(zip(seen, rows, strict=True))
            for row in some.tolist()
        ]
        looks = [self._look([(place, place.down_degrees + turn) for _, _, place in places]) for turn in TURNS_DEGREES]
        chosen: list[tuple[int, int, _Place]] = []
        directions: list[float] = []
        for (record, row, place), as_it_was, *others in zip(places, *looks, strict=True):
            best = max(others, key=lambda look: look.score)
            if best.score >= max(MIN_TURNED_SCORE, as_it_was.score):
                chosen.append((record, row, place))
                directions.append(place.down_degrees + TURNS_DEGREES[1 + others.index(best)] + best.turn_degrees)
        found = self._search([(place, down) for (_, _, place), down in zip(chosen, directions, strict=True)])
        return [
            (record, row, look.landmarks)
            for (record, row, _), look in zip(chosen, found, strict=True)
            if look.landmarks is not None
        ]

    def _search(self, views: Sequence[tuple[_Place, float]]) -> list[_Look]:
        """The surest look at each face, from this direction on and turned on by what the landmarks say."""
        best = [_Look() for _ in views]
        active = [(number, place, degrees) for number, (place, degrees) in enumerate(views)]
        for _ in range(MAX_LOOKS):
            looks = self._look([(place, degrees) for _, place, degrees in active])
            following = []
            for (number, place, degrees), look in zip(active, looks, strict=True):
                is_better = look.score > best[number].score
                if is_better:
                    best[number] = look
                if is_better and look.turn_degrees:
                    following.append((number, place, degrees + look.turn_degrees))
            active = following
        return best

    def _look(self, views: Sequence[tuple[_Place, float]]) -> list[_Look]:
        size = self._detector.size
        transforms = [place.transform(degrees, size) for place, degrees in views]
        found = self._detector.detect(
            [(place.picture, transform) for (place, _), transform in zip(views, transforms, strict=True)]
        )
        return [_Look.central(faces, one, size) for faces, one in zip(found, transforms, strict=True)]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a face is in its picture.

    Attributes:
        middle_x, middle_y: of the box, pixels of the picture.
        side: the box's longer one as seen, in pixels as high as the picture's.
        down_degrees: direction from the eyes to the mouth by the first landmarks; 0 is straight down, 90 to the left.
    """

    picture: Picture
    middle_x: float
    middle_y: float
    side: float
    down_degrees: float

    @classmethod
    def of(cls, picture: Picture, faces: Faces, row: int) -> _Place:
        left, top, right, bottom = faces.boxes_xyxy[row].tolist()
        aspect = picture.pixel_aspect
        return cls(
            picture,
            (left + right) / 2,
            (top + bottom) / 2,
            max((right - left) * aspect, bottom - top, 1.0),
            rolls_degrees(_landmarks(faces)[row : row + 1], aspect)[0],
        )

    @property
    def straightened(self) -> float:
        """The direction in which the face is likely to be upright, degrees: YuNet shows no larger tilt as too small."""
        if abs(self.down_degrees) > MAX_TURN_DEGREES:
            return self.down_degrees
        return self.down_degrees + _turn(self.down_degrees) * (1 - 1 / ROLL_GAIN)

    def transform(self, down_degrees: float, size: int) -> FloatArray:
        """float32 (2, 3), see `Imaging.crop`: the face in the middle, this direction pointing down."""
        middle = self.middle_x, self.middle_y
        scale = self.side / (FACE_SHARE * size)
        return crop_transform(middle, scale, down_degrees, size, pixel_aspect=self.picture.pixel_aspect)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What was seen of a face in one crop.

    Attributes:
        landmarks: float32 (5, 2), in the picture; None for a face that was not found.
        turn_degrees: how much further to turn it; 0 where it is upright.
    """

    landmarks: FloatArray | None = None
    score: float = 0.0
    turn_degrees: float = 0.0

    @classmethod
    def central(cls, faces: Faces, transform: FloatArray, size: int) -> _Look:
        """The best face near the middle of a crop."""
        middles = faces.boxes_xyxy.reshape(-1, 2, 2).mean(axis=1)
        near = np.flatnonzero(np.abs(middles - size / 2).max(axis=1, initial=0.0) <= MAX_DISTANCE * size)
        if not len(near):
            return cls()
        landmarks = _landmarks(faces)[near[0]]
        roll = rolls_degrees(landmarks[None], 1.0)[0]
        turn = _turn(roll) if abs(roll) >= MIN_ROLL_DEGREES else 0.0
        return cls(map_points(landmarks, transform), float(faces.scores[near[0]]), turn)


def _landmarks(faces: Faces) -> FloatArray:
    if faces.landmarks is None:
        raise ValueError("a second look needs a detector that gives landmarks")
    return faces.landmarks


def _is_doubtful(picture: Picture, faces: Faces) -> NDArray[np.bool_]:
    """bool (N,): faces that were small, tilted or unsure when they were first seen."""
    aspect = picture.pixel_aspect
    sides = ((faces.boxes_xyxy[:, 2:] - faces.boxes_xyxy[:, :2]) * (aspect, 1.0)).max(axis=1, initial=0.0)
    is_small = sides < MAX_SHARE * max(picture.width * aspect, picture.height)
    is_tilted = np.abs(rolls_degrees(_landmarks(faces), aspect)) >= MIN_ROLL_DEGREES
    return np.asarray(is_small | is_tilted | (faces.scores < SURE_SCORE), np.bool_)


def rolls_degrees(landmarks: FloatArray, pixel_aspect: float) -> list[float]:
    """Of each face, (N, 5, 2), the direction from the eyes to the mouth in degrees; 0 is straight down, 90 to the left.

    The eyes' and the mouth's own lines, turned by a quarter, say the same; together they are steadier.
    """
    points = landmarks * np.array([pixel_aspect, 1.0])
    down = points[:, 3:].mean(axis=1) - points[:, :2].mean(axis=1)
    across = points[:, 1] - points[:, 0] + points[:, 4] - points[:, 3]
    x, y = down[:, 0] - across[:, 1] / 2, down[:, 1] + across[:, 0] / 2
    rolls: list[float] = np.degrees(np.arctan2(-x, y)).tolist()
    return rolls


def _turn(roll_degrees: float) -> float:
    return max(-MAX_TURN_DEGREES, min(MAX_TURN_DEGREES, ROLL_GAIN * roll_degrees))
