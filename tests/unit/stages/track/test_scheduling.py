from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from stages.track.scheduling import MAX_CHANGE, SEARCHING, SHORTEST, DetectionScheduler
from stages.track.track import Track, TrackState


def track(track_id: int = 1, *, state: TrackState = TrackState.SEEN, confidence: float = 1.0, gone: float = 0) -> Track:
    made = Track(track_id, np.array([0, 0, 50, 60], np.float32), None, 0.9, 0.0, 0.0, state)
    made.confidence, made.travelled = confidence, gone
    return made


def still(tracks: Sequence[Track]) -> float:
    return 0.0


def test_the_first_frame_deserves_a_look() -> None:
    assert DetectionScheduler().wants(0, [], still)


def test_where_all_is_calm_nobody_looks() -> None:
    looking = DetectionScheduler()
    looking.detected(0, [track()])
    assert not any(looking.wants(index, [track()], still) for index in range(1, 100))


@pytest.mark.parametrize("now", [[track(confidence=0.5)], [track(gone=0.7)], [track(state=TrackState.LOST)], []])
def test_doubt_distance_and_loss_ask_for_a_look_but_not_at_once(now: list[Track]) -> None:
    looking = DetectionScheduler()
    looking.detected(10, [track()])
    wants = [looking.wants(index, now, still) for index in range(11, 16)]
    assert wants == [False] * (SHORTEST - 1) + [True] * (6 - SHORTEST)


def test_for_a_face_lost_before_the_look_others_are_looked_at_now_and_then() -> None:
    looking = DetectionScheduler()
    looking.detected(0, [track(state=TrackState.LOST)])
    wants = [looking.wants(index, [track(state=TrackState.LOST)], still) for index in range(1, SEARCHING + 2)]
    assert wants == [False] * (SEARCHING - 1) + [True] * 2


def test_as_long_as_it_is_in_doubt_who_a_face_is_it_is_looked_at_again_soon() -> None:
    looking = DetectionScheduler()
    looking.detected(0, [track(), track(0)])
    assert [looking.wants(index, [track(), track(0)], still) for index in range(1, 5)] == [False, False, True, True]
    looking.detected(3, [track(), track(2)])
    assert not looking.wants(8, [track(), track(2)], still)


def test_change_beside_the_seen_faces_asks_for_a_look() -> None:
    looking = DetectionScheduler()
    seen, lost = track(), track(2, state=TrackState.LOST)
    looking.detected(0, [seen, lost])
    asked: list[int] = []

    def changed(tracks: Sequence[Track]) -> float:
        asked.extend(known.track_id for known in tracks)
        return MAX_CHANGE + 1

    assert looking.wants(5, [seen, lost], changed)
    assert asked == [1], "what is lost hides nobody"
