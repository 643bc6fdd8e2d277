"""Constrained clustering of tracks: who is seen together is never one person, the rest by their likeness."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.visage.people.scenes import near, person
from visage.people.clustering import (
    Scene,
    Span,
    TrackPoint,
    cluster,
    conflicts,
    keep_numbers,
    seen_with,
    visible_together,
)

FILM: Scene = ("film.mp4", 100.0)


def point(who: int, start: float, *, look: int = 0, seconds: float = 1.0, scene: Scene | None = FILM) -> TrackPoint:
    return TrackPoint(Span(scene, start, start + seconds), near(person(who), look), 1.0)


def test_the_tracks_of_each_person_come_together_whatever_their_order() -> None:
    people = [1, 2, 1, 3, 2, 1, 3]
    points = [point(who, 10.0 * number, look=number) for number, who in enumerate(people)]
    assert cluster(points, 0.5) == [[0, 2, 5], [1, 4], [3, 6]]
    order = [6, 2, 0, 5, 1, 3, 4]
    groups = cluster([points[row] for row in order], 0.5)
    assert sorted(sorted(order[row] for row in group) for group in groups) == [[0, 2, 5], [1, 4], [3, 6]]
    assert cluster([], 0.5) == []


def test_twins_who_are_visible_together_are_two() -> None:
    """However alike: also through a third track that could be of either."""
    twins = [point(1, 0.0, look=1), point(1, 0.5, look=2), point(1, 5.0, look=3)]
    groups = cluster(twins, 0.5)
    assert len(groups) == 2
    assert not any({0, 1} <= set(group) for group in groups)
    elsewhere = [point(1, 0.0, look=1), point(1, 0.5, look=2, scene=("film.mp4", 200.0))]
    assert cluster(elsewhere, 0.5) == [[0, 1]], "another run of the film"
    unknown = [point(1, 0.0, look=1, scene=None), point(1, 0.5, look=2, scene=None)]
    assert cluster(unknown, 0.5) == [[0, 1]], "nothing is known of when they were visible"


def test_good_tracks_outvote_a_poor_one() -> None:
    """By itself a poor one lies between two people, and would chain them."""
    between = TrackPoint(Span(FILM, 50, 51), np.asarray((person(1) + person(2)) / np.sqrt(2), np.float32), 0.01)
    points = [*(point(1, number, seconds=0.5) for number in range(3)), between]
    points += [point(2, 10 + number, seconds=0.5) for number in range(3)]
    groups = cluster(points, 0.5)
    assert [set(group) - {3} for group in groups if group != [3]] == [{0, 1, 2}, {4, 5, 6}]


def test_numbers_stay_with_most_of_their_tracks() -> None:
    points = [point(1, 10.0 * number) for number in range(6)]
    assert keep_numbers([[0, 1, 2], [3, 4], [5]], points, [7, 7, 3, 3, 3, None]) == [7, 3, None]
    assert keep_numbers([[0, 1, 2, 3]], points, [9, 9, 9, 4]) == [4], "of two that come together the older"
    assert keep_numbers([[0, 1], [2]], points, [5, 5, 5]) == [5, None]


spans = st.builds(
    lambda scene, first, seconds: Span(scene, first, first + seconds),
    st.sampled_from([FILM, ("film.mp4", 200.0), ("rtsp://door/1", None), None]),
    st.floats(0, 30),
    st.floats(0, 10),
)


@given(st.lists(st.tuples(spans, st.integers(1, 3), st.integers(0, 5), st.floats(0.01, 5)), max_size=24))
def test_no_group_holds_two_tracks_that_are_visible_together(tracks: list[tuple[Span, int, int, float]]) -> None:
    points = [TrackPoint(span, near(person(who), look, 0.7), weight) for span, who, look, weight in tracks]
    groups = cluster(points, 0.4)
    assert sorted(row for group in groups for row in group) == list(range(len(points)))
    for group in groups:
        for row in group:
            assert not any(visible_together(points[row].span, points[other].span) for other in group if other != row)
    expected = [[one is not two and visible_together(one.span, two.span) for two in points] for one in points]
    assert conflicts(points).tolist() == expected if points else True


@given(st.lists(spans, max_size=12), st.lists(spans, max_size=12))
def test_who_is_seen_with_somebody_is_found_as_by_comparing_all(mine: list[Span], others: list[Span]) -> None:
    assert seen_with(mine, others) == [any(visible_together(span, other) for other in others) for span in mine]
