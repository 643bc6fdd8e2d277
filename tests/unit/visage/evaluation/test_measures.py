"""Tiny sets whose answers were worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from visage.evaluation import evaluate_detection, evaluate_identification, evaluate_verification
from visage.evaluation.detection import TrueFaces
from visage.evaluation.verification import wilson


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.array(rows, np.float32).reshape(-1, 4)


def truth(*rows: tuple[float, float, float, float], ignored: tuple[int, ...] = ()) -> TrueFaces:
    return TrueFaces(boxes(*rows), np.isin(np.arange(len(rows)), ignored))


SMALL, LARGE = (0.0, 0.0, 20.0, 20.0), (100.0, 100.0, 300.0, 300.0)


def test_average_precision_of_right_wrong_right() -> None:
    found = boxes(SMALL, (500, 0, 520, 20), LARGE)

    report = evaluate_detection([(truth(SMALL, LARGE), found, np.array([0.9, 0.8, 0.7], np.float32))])

    assert report.average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert (report.recall, report.false_positives, report.faces) == (1.0, 1, 2)
    assert report.precision == pytest.approx(2 / 3)
    assert report.recall_by_size == {"16 to 32": (1.0, 1), "128 and more": (1.0, 1)}


def test_precision_is_made_monotonous() -> None:
    """Wrong, then right: the only step of recall has precision 1/2."""
    found = boxes((500, 0, 520, 20), LARGE)

    report = evaluate_detection([(truth(LARGE), found, np.array([0.9, 0.8], np.float32))])

    assert report.average_precision == pytest.approx(0.5)


def test_a_second_box_on_a_face_is_wrong_and_a_missed_face_costs_recall() -> None:
    found = boxes(LARGE, LARGE)

    report = evaluate_detection([(truth(SMALL, LARGE), found, np.array([0.9, 0.8], np.float32))])

    assert (report.recall, report.false_positives) == (0.5, 1)
    assert report.average_precision == pytest.approx(0.5)
    assert report.recall_by_size["16 to 32"] == (0.0, 1)


def test_the_best_box_takes_the_face_whatever_the_order() -> None:
    near, exact = (110.0, 110.0, 310.0, 310.0), LARGE

    report = evaluate_detection([(truth(LARGE), boxes(near, exact), np.array([0.5, 0.9], np.float32))])

    assert report.average_precision == 1.0


def test_ignored_faces_are_neither_wanted_nor_wrong() -> None:
    pictures = [(truth(SMALL, LARGE, ignored=(0,)), boxes(SMALL, LARGE), np.array([0.9, 0.8], np.float32))]

    report = evaluate_detection(pictures)

    assert (report.faces, report.recall, report.false_positives, report.average_precision) == (1, 1.0, 0, 1.0)


def test_half_an_overlap_is_needed() -> None:
    face = (0.0, 0.0, 100.0, 100.0)
    enough, too_little = (0.0, 0.0, 100.0, 50.0), (0.0, 0.0, 100.0, 49.0)

    for found, recall in ((enough, 1.0), (too_little, 0.0)):
        report = evaluate_detection([(truth(face), boxes(found), np.array([0.9], np.float32))])
        assert report.recall == recall


def test_no_pictures_and_no_faces_are_no_division_by_nothing() -> None:
    empty = (truth(), boxes(), np.empty(0, np.float32))

    assert evaluate_detection([]).average_precision == 0.0
    assert evaluate_detection([empty]).recall == 0.0


def test_verification_of_pairs_that_part_clearly() -> None:
    similarities = np.array([0.9, 0.8, 0.3, 0.1], np.float32)

    report = evaluate_verification(similarities, np.array([True, True, False, False]))

    assert report.balanced_accuracy == 1.0
    assert report.balanced_threshold == pytest.approx(0.55)
    assert report.equal_error_rate == 0.0
    assert report.points == ()  # two different pairs can't show a rate of one in ten


def test_rates_at_a_false_accept_rate_counted_by_hand() -> None:
    """100 different pairs at 0.00 .. 0.99, same ones at 0.85, 0.905, 0.925 .. 1.065: one in 10 is 0.90 and above."""
    different = np.arange(100) / 100
    same = np.concatenate([[0.85], 0.905 + 0.02 * np.arange(9)])
    similarities = np.concatenate([different, same]).astype(np.float32)

    report = evaluate_verification(similarities, np.arange(110) >= 100)

    tenth, hundredth = report.points
    assert (tenth.far, tenth.tar) == (0.1, 0.9)
    assert tenth.threshold == pytest.approx(0.90, abs=1e-6)
    assert hundredth.far == 0.01
    assert hundredth.threshold == pytest.approx(0.985, abs=1e-3)  # one different pair, 0.99, is accepted
    assert hundredth.tar == pytest.approx(0.5)
    assert (tenth.tar_low, tenth.tar_high) == pytest.approx(wilson(9, 10))
    assert report.roc[0] == (0.0, 0.0)
    assert report.roc[-1] == (1.0, 1.0)


def test_where_strangers_are_the_most_alike_nothing_is_accepted() -> None:
    similarities = np.array([0.5, *[0.9] * 100], np.float32)

    report = evaluate_verification(similarities, np.arange(101) < 1)

    assert [point.tar for point in report.points] == [0.0, 0.0]
    assert all(point.threshold > float(np.float32(0.9)) for point in report.points)


@pytest.mark.parametrize("is_same", [True, False])
def test_both_kinds_of_pairs_are_needed(is_same: bool) -> None:
    with pytest.raises(ValueError, match="both needed"):
        evaluate_verification(np.array([0.5], np.float32), np.array([is_same]))


def test_wilsons_interval() -> None:
    """8 of 10: 0.490 to 0.943 (Newcombe 1998, table I's method 3)."""
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == pytest.approx(1.0)


def direction(degrees: float) -> tuple[float, float]:
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))


def test_rank_1_and_the_open_set_on_a_circle() -> None:
    """Ada at 0 degrees, Bob at 90; probes at 10 (Ada), 50 (Ada's, nearer to Bob), 95 (Bob); strangers from 180 on."""
    gallery = np.array([direction(0), direction(90)], np.float32)
    angles = [10, 50, 95, *[180 + 5 * k for k in range(9)], 20]
    people = ["ada", "ada", "bob", *["nobody"] * 10]

    report = evaluate_identification(
        gallery, ["ada", "bob"], np.array([direction(angle) for angle in angles], np.float32), people
    )

    assert report.rank_1 == pytest.approx(2 / 3)
    assert (report.gallery_people, report.probes, report.strangers) == (2, 3, 10)
    # One stranger of ten may pass: the one at 20 degrees; the threshold lies just above the next, at 180 - 90.
    threshold, identified = report.open_set[0.1]
    assert threshold == pytest.approx(0.0, abs=1e-6)
    assert identified == pytest.approx(2 / 3)
    assert 0.01 not in report.open_set


def test_a_probe_without_a_face_is_like_nobody() -> None:
    gallery = np.array([direction(0)], np.float32)

    report = evaluate_identification(gallery, ["ada"], np.zeros((1, 2), np.float32), ["ada"])

    assert report.rank_1 == 0.0


def test_a_gallery_and_its_people_are_needed() -> None:
    one = np.array([direction(0)], np.float32)
    with pytest.raises(ValueError, match="needed"):
        evaluate_identification(one, ["ada"], one, ["bob"])
