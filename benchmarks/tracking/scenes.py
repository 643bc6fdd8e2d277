"""The benchmark's clips: who goes where."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from benchmarks.tracking.clips import FPS, Actor, Clip, Path
from benchmarks.tracking.films import Dissolve, Film, Pan
from benchmarks.tracking.people import Person, Pose

__all__ = ["all_clips"]

PAIRS = [(one, other) for one in range(5) for other in range(5) if one < other]
POST = (440, 540)
"""Columns: whoever passes at 5 pixels a frame is out of the detector's sight for a second."""


def all_clips(people: Sequence[Person]) -> list[Film]:
    """The benchmark."""
    a, b, c, d, e = people[:5]
    sway = _sway(480, 270, 30, 12)
    clips: list[Film] = [
        Clip("one, calm", "calm", [Actor(0, a, sway)], 125),
        Clip(
            "two, calm",
            "calm",
            [Actor(0, b, _sway(300, 250, 40, 10)), Actor(1, c, _sway(650, 290, 25, 20))],
            125,
            _is(1),
        ),
        Clip(
            "walking", "moving", [Actor(0, d, _line(150, 260, 5.0)), Actor(1, e, _sway(700, 300, 60, 40))], 100, _is(2)
        ),
        Clip(
            "coming nearer, tilting",
            "moving",
            [Actor(0, a, _nearer(400, 270)), Actor(1, c, _tilt(720, 260))],
            100,
            _is(3),
        ),
        Clip(
            "blur and noise",
            "moving",
            [Actor(0, b, _sway(350, 270, 120, 20)), Actor(1, d, _sway(650, 270, 80, 30))],
            100,
            _is(2),
            blur=7,
            noise=8,
        ),
        Clip(
            "coming in and leaving",
            "moving",
            [Actor(0, a, _line(-120, 200, 9.0)), Actor(1, e, _line(1080, 380, -9.0))],
            150,
            _is(1),
        ),
        Clip(
            "five people",
            "moving",
            [
                Actor(k, person, _sway(120 + 180 * k, 200 + 70 * (k % 2), 25, 18, phase=k))
                for k, person in enumerate(people[:5])
            ],
            100,
            _is(2),
        ),
        Clip("cuts", "cuts", _cut_actors(people), 120, lambda frame: frame // 40),
        Clip("behind a post", "occluded", [Actor(0, c, _line(150, 270, 5.5))], 120, _is(1), post=(440, 590)),
        Clip(
            "two behind a post",
            "occluded",
            [Actor(0, a, _line(150, 170, 6.0)), Actor(1, b, _line(830, 390, -6.0))],
            120,
            _is(2),
            post=(430, 570),
        ),
    ]
    return clips + pans_and_dissolves(people) + crossings(people) + posts(people)


def crossings(people: Sequence[Person]) -> list[Film]:
    """Everybody meets everybody, at two speeds, at heights from full to partial cover."""
    clips: list[Film] = []
    for number, (one, other) in enumerate(PAIRS):
        for speed in (5.0, 9.0):
            drop = (0, 30, 60)[number % 3]
            frames = round(700 / speed) + 10
            actors = [
                Actor(0, people[one], _line(130, 260 + drop, speed)),
                Actor(1, people[other], _line(830, 260, -speed)),
            ]
            clips.append(Clip(f"crossing {one}-{other} at {speed:g}", "crossing", actors, frames, _is(number % 3)))
    return clips


def posts(people: Sequence[Person]) -> list[Film]:
    """Two meet behind a post at the same height, and pass each other or turn round."""
    clips: list[Film] = []
    for number, (one, other) in enumerate(PAIRS):
        speed = (5.5, 7.0, 9.0)[number % 3]
        passing = [Actor(0, people[one], _line(150, 270, speed)), Actor(1, people[other], _line(830, 270, -speed))]
        clips.append(Clip(f"post {one}-{other}", "posts", passing, round(700 / speed), _is(2), post=POST))
    for one, other in PAIRS[::2]:
        turning = [
            Actor(0, people[one], _there_and_back(350, 130)),
            Actor(1, people[other], _there_and_back(630, -130)),
        ]
        clips.append(Clip(f"post {one}-{other}, turning round", "posts", turning, 90, _is(2), post=POST))
    return clips


def pans_and_dissolves(people: Sequence[Person]) -> list[Film]:
    two = [Actor(0, people[0], _sway(300, 250, 40, 10)), Actor(1, people[1], _sway(650, 290, 25, 20))]
    others = [Actor(2, people[2], _sway(310, 255, 40, 10)), Actor(3, people[3], _sway(645, 285, 25, 20))]
    shots = Clip("", "", two, 100, _is(2)), Clip("", "", others, 100, _is(1))
    return [
        Pan("pan of 45 pixels a frame", shots[0], lambda frame: 200 * math.sin(frame * 45 / 200)),
        Dissolve("dissolve of 0.4 s", *shots, start=40, length=10),
        Dissolve("dissolve of 1 s", *shots, start=40, length=25),
    ]


def _is(number: int) -> Callable[[int], int]:
    return lambda frame: number


def _sway(x: float, y: float, across: float, down: float, *, phase: float = 0) -> Path:
    def pose(frame: int) -> Pose:
        angle = frame / FPS * 1.8 + phase
        return Pose(x + across * math.sin(angle), y + down * math.sin(1.7 * angle), 1 + 0.05 * math.sin(0.7 * angle))

    return pose


def _line(x: float, y: float, speed: float) -> Path:
    return lambda frame: Pose(x + speed * frame, y + 6 * math.sin(frame / 4), 1.0, 3 * math.sin(frame / 7))


def _there_and_back(x: float, way: float) -> Path:
    def pose(frame: int) -> Pose:
        part = min(1.0, max(0.0, (frame - 15) / 50))
        return Pose(x + way * math.sin(part * math.pi), 270 + 4 * math.sin(frame / 4))

    return pose


def _nearer(x: float, y: float) -> Path:
    return lambda frame: Pose(x - 0.8 * frame, y, 0.6 * math.exp(frame / 100), 2 * math.sin(frame / 9))


def _tilt(x: float, y: float) -> Path:
    return lambda frame: Pose(x, y + 15 * math.sin(frame / 10), 0.9, 18 * math.sin(frame / 12))


def _cut_actors(people: Sequence[Person]) -> list[Actor]:
    """Three shots of 40 frames; two people stand where somebody else stood before."""

    def during(shot: int, path: Path) -> Path:
        return lambda frame: path(frame) if frame // 40 == shot else None

    return [
        Actor(0, people[0], during(0, _sway(400, 270, 30, 10))),
        Actor(1, people[1], during(1, _sway(400, 270, 30, 10))),
        Actor(2, people[2], during(2, _sway(420, 260, 30, 10))),
        Actor(3, people[3], during(2, _sway(700, 260, 30, 10))),
    ]
