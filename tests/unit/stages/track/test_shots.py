from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from stages.track.shots import APART_SECONDS, MAX_SHOTS, BestShots, Shot


def test_the_first_face_is_a_shot_and_a_better_one_takes_its_place() -> None:
    shots = BestShots()
    assert shots.offer(Shot(0.4, 0.0))
    assert not shots.offer(Shot(0.41, 0.04)), "hardly better"
    assert shots.offer(Shot(0.6, 0.08))
    assert shots.shots == [Shot(0.6, 0.08)]


def test_later_moments_have_shots_of_their_own_until_there_are_enough() -> None:
    shots = BestShots()
    for number in range(MAX_SHOTS):
        assert shots.offer(Shot(0.5 + 0.02 * number, float(number)))
    assert not shots.offer(Shot(0.5, 100.0))
    assert shots.offer(Shot(0.9, 101.0))
    assert [shot.pts_seconds for shot in shots.shots] == [101, 4, 3, 2, 1], "the worst one went"


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 20)), max_size=60))
def test_shots_are_few_apart_and_hold_the_best(offers: list[tuple[float, float]]) -> None:
    shots = BestShots()
    for quality, seconds in offers:
        shots.offer(Shot(quality, seconds))
    kept = shots.shots
    assert len(kept) <= MAX_SHOTS
    times = sorted(shot.pts_seconds for shot in kept)
    assert all(later - earlier >= APART_SECONDS for earlier, later in itertools.pairwise(times))
    if offers:
        assert kept[0].quality * 1.05 >= max(quality for quality, _ in offers)
