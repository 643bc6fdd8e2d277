from __future__ import annotations

import numpy as np

from stages.frames import FloatArray
from stages.track.recognition import CONTESTED_RESEMBLANCE, MARGIN, candidates, recognise
from stages.track.track import SAME_RESEMBLANCE, Track, TrackState

BOX = np.array([100, 100, 180, 190], np.float32)


def appearance(*alike: float) -> FloatArray:
    """Something that correlates by so much with each of the faces in turn."""
    rest = max(0.0, 1 - sum(part * part for part in alike))
    return np.array([*alike, *[0.0] * (4 - len(alike)), rest**0.5], np.float32)


def lost(number: int, *, seconds: float = 1.0, shift: float = 0.0, state: TrackState = TrackState.LOST) -> Track:
    """Last seen at 0 s, now expected at BOX plus the shift."""
    track = Track(number, BOX + np.float32(shift), None, 0.9, 0.0, 0.0, state)
    face = np.zeros(5, np.float32)
    face[number - 1] = 1
    track.learn_appearance(face, 0.0)
    track.seconds = seconds
    return track


def test_who_resembles_one_lost_face_is_it() -> None:
    one = lost(1)
    assert recognise([one], appearance(SAME_RESEMBLANCE + 0.01)) is one
    assert recognise([one], appearance(SAME_RESEMBLANCE - 0.01)) is None
    assert recognise([], appearance(1.0)) is None


def test_where_two_may_be_it_the_other_one_has_to_be_much_less_like_it() -> None:
    one, two = lost(1), lost(2)
    clear = CONTESTED_RESEMBLANCE + 0.01
    assert recognise([one, two], appearance(clear, clear - MARGIN - 0.01)) is one
    assert recognise([one, two], appearance(clear - MARGIN - 0.01, clear)) is two
    assert recognise([one, two], appearance(clear, clear - MARGIN + 0.01)) is None
    assert recognise([one, two], appearance(CONTESTED_RESEMBLANCE - 0.01, 0.0)) is None


def test_what_nobody_can_see_is_nobody() -> None:
    assert recognise([lost(1)], None) is None


def test_only_lost_faces_within_reach_may_be_it() -> None:
    near, far = lost(1, shift=60), lost(2, shift=600)
    seen, just_lost = lost(3, state=TrackState.SEEN), lost(4)
    just_lost.seen_seconds = 0.95
    assert candidates([near, far, seen, just_lost], BOX, 1.0) == [near]


def test_a_face_is_settled_appearance_what_it_looked_like_before_something_came_in_front_of_it() -> None:
    """The detector goes on finding it for half a second while it vanishes behind a post."""
    track = lost(1)
    whole, half = appearance(1.0), appearance(0.3, 0.0, 0.0, 0.9)
    for index in range(50):
        track.seconds = 1 + index / 25
        track.learn_appearance(whole if index < 38 else half, 1 / 25)
    assert recognise([track], whole) is track
    assert track.last_appearance is half
    assert track.settled_appearance is not None
    assert float(track.settled_appearance @ whole) > 0.99
