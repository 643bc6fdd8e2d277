"""One face over time, as the tracker holds it: where it is, how it moves, what it looks like.

A track is SEEN while every look finds it and flow can follow it. Otherwise it is LOST: it goes on as it last moved,
ever slower, and is reported to nobody until a detection that fits brings it back, or its time is over.

Where somebody comes into sight near a lost track but does not look like it, it is too early to tell: a face that is
still half hidden looks like nobody. Such a track is in doubt, and has the id 0, until it is seen to be the lost one or
has been another one for `DOUBT_SECONDS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from stages.frames import FloatArray
from stages.imaging.patches import Gray, PatchWindow
from stages.track.appearance import Appearance
from stages.track.shots import BestShots

__all__ = ["DOUBT_SECONDS", "SAME_RESEMBLANCE", "Track", "TrackState", "View"]

VELOCITY_SECONDS = 0.2
"""Movement older than this counts for less than 1/e: long enough that a detector's jitter does not throw a track."""

SLOWING_SECONDS = 1.0
"""A lost face's speed falls to 1/e in this time: nobody walks straight for long."""

DOUBT_SECONDS = 0.4

SAME_RESEMBLANCE = 0.5
"""What is where a face should be has to resemble it by as much: otherwise it is something else, or in front of it."""

SETTLED_SECONDS = 0.5
"""A face is known by what it looked like at least so long ago: before something came in front of it."""

MEMORY_SECONDS = 1.0
"""What a face looked like longer ago counts for less than 1/e: a turning head is learnt, a passing hand is not."""


class TrackState(Enum):
    """Whether the face is visible at present."""

    SEEN = "seen"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class View:
    """What a window showed of a face in the last frame, for comparison with the next one."""

    window: PatchWindow
    patch: Gray


@dataclass(slots=True, eq=False)
class Track:
    """A face.

    Attributes:
        track_id: 0 while it is in doubt.
        began_seconds: time of its first frame.
        box_xyxy, landmarks: float32 (4,) and (5, 2), source pixels, in the last frame.
        score: the detector's, of the last detection.
        seconds: time of the last frame.
        seen_seconds: the last time at which it was seen.
        velocity: of the box's middle, x and y, source pixels a second.
        step: the same, from the last frame to this one alone; 0 if it was not followed.
        sharpness: of the last detection, see `stages.track.quality`.
        travelled: way and growth since the last detection, in sides of the box.
        confidence: of the last following; 1 after a detection.
        appearance, last_appearance: over `MEMORY_SECONDS`, and in the last look.
        settled_appearance: some time before; to recognise it by when it has been out of sight.
        is_blinking: flow has lost it, and no look has found others instead.
        view: of the last frame, where flow is to follow it from.
        shots: its best ones so far.
    """

    track_id: int
    box_xyxy: FloatArray
    landmarks: FloatArray | None
    score: float
    seconds: float
    seen_seconds: float
    state: TrackState = TrackState.SEEN
    velocity: tuple[float, float] = (0.0, 0.0)
    step: tuple[float, float] = (0.0, 0.0)
    appearance: Appearance | None = None
    last_appearance: Appearance | None = None
    settled_appearance: Appearance | None = None
    is_blinking: bool = False
    view: View | None = None
    sharpness: float = 1.0
    travelled: float = 0.0
    confidence: float = 1.0
    shots: BestShots = field(default_factory=BestShots)
    _found_middle: tuple[float, float] = field(init=False)
    _found_seconds: float = field(init=False)
    _settling: Appearance | None = field(init=False, default=None)
    _settling_since: float = field(init=False, default=0.0)
    began_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self._found_middle = _middle(self.box_xyxy)
        self._found_seconds = self.began_seconds = self.seconds

    def __repr__(self) -> str:
        return f"<Track {self.track_id} {self.state.name}, last seen at {self.seen_seconds:.2f} s>"

    @property
    def side(self) -> float:
        """Longer side of the box in pixels, at least 1."""
        x1, y1, x2, y2 = self.box_xyxy.tolist()
        longer: float = max(x2 - x1, y2 - y1, 1.0)
        return longer

    def expected_xyxy(self, seconds: float) -> FloatArray:
        """float32 (4,): the box at that time if the face goes on as it did."""
        return (self.box_xyxy.reshape(2, 2) + self._coast(seconds)).ravel()

    def next_shift(self, seconds: float) -> tuple[float, float]:
        """Return the shift in pixels, right and down, by the time `seconds` if it moves on as in the last frame."""
        elapsed = max(0.0, seconds - self.seconds)
        return self.step[0] * elapsed, self.step[1] * elapsed

    def move(self, box_xyxy: FloatArray, landmarks: FloatArray | None, seconds: float) -> None:
        """Move to where it was followed: box (4,) and landmarks (5, 2) or None in pixels, at the time `seconds`."""
        (x, y), (last_x, last_y) = _middle(box_xyxy), _middle(self.box_xyxy)
        growth = abs(math.log(_area(box_xyxy) / _area(self.box_xyxy)))
        self.travelled += max(abs(x - last_x), abs(y - last_y)) / self.side + growth / 2
        elapsed = seconds - self.seconds
        self.step = ((x - last_x) / elapsed, (y - last_y) / elapsed) if elapsed > 0 else (0.0, 0.0)
        self._learn_velocity(x - last_x, y - last_y, elapsed)
        self._place(box_xyxy, landmarks, seconds)

    def find(self, box_xyxy: FloatArray, landmarks: FloatArray | None, seconds: float) -> None:
        """Move to where it was detected: box (4,) and landmarks (5, 2) or None in pixels, at the time `seconds`."""
        (x, y), (last_x, last_y) = _middle(box_xyxy), self._found_middle
        self._learn_velocity(x - last_x, y - last_y, seconds - self._found_seconds)
        self._found_middle, self._found_seconds = (x, y), seconds
        self.travelled, self.confidence = 0.0, 1.0
        self.state, self.seen_seconds = TrackState.SEEN, seconds
        self._place(box_xyxy, landmarks, seconds)

    def drift(self, seconds: float) -> None:
        """Move to where it is expected at the time `seconds`, slowing down."""
        way = self._coast(seconds)
        self.step = (0.0, 0.0)
        slowing = math.exp(-max(0.0, seconds - self.seconds) / SLOWING_SECONDS)
        box = (self.box_xyxy.reshape(2, 2) + way).ravel()
        self.velocity = (self.velocity[0] * slowing, self.velocity[1] * slowing)
        self._place(box, None if self.landmarks is None else self.landmarks + way, seconds)

    def learn_appearance(self, found: Appearance | None, elapsed_seconds: float) -> None:
        """Take in what it looks like now, so long after the last look; None where that is unknown."""
        if found is None:
            return
        self.last_appearance = found
        if self.appearance is None:
            self.appearance = self.settled_appearance = self._settling = found
            self._settling_since = self.seconds
            return
        gain = 1 - math.exp(-elapsed_seconds / MEMORY_SECONDS)
        mixed = (1 - gain) * self.appearance + gain * found
        self.appearance = np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-6), np.float32)
        if self.seconds - self._settling_since >= SETTLED_SECONDS:
            self.settled_appearance = self._settling
            self._settling, self._settling_since = self.appearance, self.seconds

    def resemblance_to(self, found: Appearance | None) -> float | None:
        """How much this looks like it, over some time or in the last look: in [-1, 1]; None if that is unknown."""
        if found is None or self.appearance is None or self.last_appearance is None:
            return None
        return max(float(self.appearance @ found), float(self.last_appearance @ found))

    def _coast(self, seconds: float) -> FloatArray:
        """float32 (2,): how far it will have gone at that time."""
        seconds_of_way = SLOWING_SECONDS * (1 - math.exp(-max(0.0, seconds - self.seconds) / SLOWING_SECONDS))
        return np.array([part * seconds_of_way for part in self.velocity], np.float32)

    def _learn_velocity(self, shift_x: float, shift_y: float, elapsed: float) -> None:
        if elapsed > 0:
            gain = 1 - math.exp(-elapsed / VELOCITY_SECONDS)
            x, y = self.velocity
            self.velocity = (x + gain * (shift_x / elapsed - x), y + gain * (shift_y / elapsed - y))

    def _place(self, box_xyxy: FloatArray, landmarks: FloatArray | None, seconds: float) -> None:
        self.box_xyxy = np.asarray(box_xyxy, np.float32)
        self.landmarks = landmarks
        self.seconds = seconds


def _middle(box_xyxy: FloatArray) -> tuple[float, float]:
    x1, y1, x2, y2 = box_xyxy.tolist()
    return (x1 + x2) / 2, (y1 + y2) / 2


def _area(box_xyxy: FloatArray) -> float:
    x1, y1, x2, y2 = box_xyxy.tolist()
    area: float = max((x2 - x1) * (y2 - y1), 1e-3)
    return area
