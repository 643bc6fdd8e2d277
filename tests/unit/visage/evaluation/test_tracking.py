from __future__ import annotations

import numpy as np
import pytest

from visage.evaluation.clustering import ClusteredTrack, evaluate_clusters
from visage.evaluation.tracking import FrameIds, evaluate_tracking


def frame(people: list[int], tracks: list[int], iou: list[list[float]]) -> FrameIds:
    return FrameIds(
        np.array(people, np.intp), np.array(tracks, np.intp), np.array(iou, float).reshape(len(people), len(tracks))
    )


def test_perfect_tracks() -> None:
    found = evaluate_tracking([frame([0, 1], [1, 0], [[0, 1.0], [1.0, 0]])] * 4)

    assert (found.hota, found.idf1, found.purity) == (1, 1, 1)
    assert (found.switches, found.mixed_tracks, found.tracks) == (0, 0, 2)


def test_a_track_that_breaks_half_way() -> None:
    """Ten frames, the track changes after five: IDF1 is 5 / 10, association 0.5, and HOTA its root."""
    found = evaluate_tracking([frame([0], [0], [[1.0]])] * 5 + [frame([0], [1], [[1.0]])] * 5)

    assert found.detection_accuracy == pytest.approx(1)
    assert found.association_accuracy == pytest.approx(0.5)
    assert found.hota == pytest.approx(0.5**0.5)
    assert found.idf1 == pytest.approx(0.5)
    assert (found.switches, found.purity) == (1, 1)


def test_a_track_that_goes_from_one_person_to_another() -> None:
    found = evaluate_tracking([frame([0], [0], [[1.0]])] * 6 + [frame([1], [0], [[1.0]])] * 4)

    assert (found.mixed_tracks, found.switches) == (1, 0)
    assert found.purity == pytest.approx(0.6)
    assert found.idf1 == pytest.approx(0.6)


def test_missed_and_false_faces() -> None:
    """Of two people one is found, and a box shows no one: 1 of 3 at thresholds up to the IoU of 0.72, 14 of 19."""
    found = evaluate_tracking([frame([0, 1], [0, 1], [[0.72, 0], [0, 0]])] * 3)

    assert found.detection_accuracy == pytest.approx(14 / 19 / 3)
    assert found.idf1 == pytest.approx(0.5)


def test_what_was_found_stays_with_its_track_as_long_as_they_overlap() -> None:
    """A second track that lies closer from the second frame on is no switch: CLEAR MOT."""
    found = evaluate_tracking([frame([0], [0], [[0.8]])] + [frame([0], [0, 1], [[0.6, 0.9]])] * 3)

    assert found.switches == 0


def test_as_trackeval_says() -> None:
    """TrackEval 1.3.0's HOTA, DetA, AssA, IDF1 and switches for the same random boxes."""
    rng = np.random.default_rng(20)
    frames = []
    for _ in range(60):
        people = np.flatnonzero(rng.random(6) < 0.7)
        tracks = np.flatnonzero(rng.random(9) < 0.6)
        iou = rng.random((len(people), len(tracks))) ** 3
        for row, person in enumerate(people):
            iou[row, tracks == person] = 0.5 + 0.5 * rng.random()
        frames.append(FrameIds(people, tracks, iou))

    found = evaluate_tracking(frames)

    assert found.hota == pytest.approx(0.28839278571691573)
    assert found.detection_accuracy == pytest.approx(0.36898303953280986)
    assert found.association_accuracy == pytest.approx(0.22680654504614975)
    assert found.idf1 == pytest.approx(0.48928571428571427)
    assert found.switches == 114


def test_no_faces_at_all() -> None:
    found = evaluate_tracking([frame([], [], [])])

    assert (found.hota, found.idf1, found.purity, found.tracks) == (0, 0, 0, 0)


def seen(person: str, cluster: str | None, *frames: int) -> ClusteredTrack:
    return ClusteredTrack(person, cluster, frozenset((0, number) for number in frames))


def test_clusters_by_pairs() -> None:
    """Ada's four tracks in u1 (3) and alone, Bob's in u1 and u2: 3 of 6 pairs are right, 3 of 6 + 1 are together."""
    found = evaluate_clusters(
        [
            *(seen("Ada", cluster, frame) for frame, cluster in enumerate(["u1", "u1", "u1", None])),
            *(seen("Bob", "u1", 5), seen("Bob", "u2", 6), seen("", "u2", 7)),
        ]
    )

    assert (found.tracks, found.people, found.clusters, found.mixed_clusters, found.together) == (6, 2, 2, 1, 0)
    assert found.precision == pytest.approx(3 / 6)
    assert found.recall == pytest.approx(3 / 7)
    assert found.purity == pytest.approx(4 / 5)


def test_a_cluster_with_two_tracks_in_one_frame_is_reported() -> None:
    found = evaluate_clusters([seen("Ada", "u1", 1, 2), seen("", "u1", 2, 3), seen("Bob", "u2", 2)])

    assert (found.together, found.mixed_clusters) == (1, 0)
