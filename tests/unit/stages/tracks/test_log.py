from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.frames import Faces, Frame, Identity, Observation
from stages.tracks.log import TrackLog
from tests.unit.stages.sink.scenes import PlainPicture


def seen(
    index: int,
    tracks: Sequence[int],
    *,
    ended: tuple[int, ...] = (),
    quality: float = 0.5,
    propagated: bool = False,
    embedding: Sequence[float] | None = None,
    identity: Identity | None = None,
) -> Observation:
    """Faces of these tracks in frame `index`, of 25 a second."""
    count = len(tracks)
    faces = Faces(
        boxes_xyxy=np.tile(np.array([index, 0, index + 10, 10], np.float32), (count, 1)),
        scores=np.ones(count, np.float32),
        landmarks=np.full((count, 5, 2), index, np.float32),
        embeddings=None if embedding is None else np.tile(np.array(embedding, np.float32), (count, 1)),
        track_ids=np.array(tracks, np.int64),
        quality=np.full(count, quality, np.float32),
        propagated=np.full(count, propagated),
        identities=(identity,) * count,
    )
    return Observation(Frame("clip", index, index / 25, PlainPicture(), 1000 + index), faces, ended)


def test_a_track_is_told_of_when_it_has_ended() -> None:
    log = TrackLog()
    assert log.add(seen(0, [1])) == []
    assert log.add(seen(1, [1, 2])) == []
    (one,) = log.add(seen(2, [2], ended=(1,)))
    assert (one.source_id, one.track_id, one.first_frame, one.last_frame, one.frames) == ("clip", 1, 0, 1, 2)
    assert (one.start_seconds, one.end_seconds, one.started_at) == (0.0, 1 / 25, 1000)
    (two,) = log.close()
    assert (two.track_id, two.first_frame, two.last_frame) == (2, 1, 2)
    assert log.close() == []
    assert repr(log) == "<TrackLog 0 in view, 2 ended>"


def test_the_best_shot_is_the_best_detected_one() -> None:
    log = TrackLog()
    log.add(seen(0, [1], quality=0.4))
    log.add(seen(1, [1], quality=0.6))
    log.add(seen(2, [1], quality=0.9, propagated=True))
    (track,) = log.close()
    assert track.best_frame == 1
    assert track.best_seconds == 1 / 25
    assert track.best_quality == np.float32(0.6)
    np.testing.assert_array_equal(track.best_box_xyxy, [1, 0, 11, 10])
    assert track.best_landmarks is not None
    assert track.best_landmarks[0, 0] == 1
    assert track.frames == 3


def test_the_embedding_is_the_mean_weighted_by_quality() -> None:
    log = TrackLog()
    log.add(seen(0, [1], quality=0.8, embedding=[1, 0]))
    log.add(seen(1, [1], quality=0.6, embedding=[0.6, 0.8]))
    log.add(seen(2, [1], quality=0.9, embedding=[0, 0]))  # was not embedded
    (track,) = log.close()
    assert track.embeddings == 2
    assert track.embedding is not None
    np.testing.assert_allclose(track.embedding, np.array([1.16, 0.48]) / np.hypot(1.16, 0.48), atol=1e-6)


def test_the_first_faces_of_whoever_comes_next_do_not_count_in_the_mean() -> None:
    log = TrackLog()
    means: list[list[float]] = [[1, 0], [1, 0], [0.2, 0.98], [0.2, 0.98]]
    for number, embedding in enumerate(means):
        log.add(seen(number, [1], quality=0.5, embedding=embedding))
    (track,) = log.close()
    assert track.embeddings == 2
    assert track.embedding is not None
    np.testing.assert_allclose(track.embedding, [1, 0], atol=1e-6)


def test_without_embeddings_and_identities_there_are_none() -> None:
    log = TrackLog()
    log.add(seen(0, [1]))
    (track,) = log.close()
    assert track.embedding is None
    assert track.embeddings == 0
    assert track.identity is None


def test_the_last_decision_about_who_it_is_counts() -> None:
    ada, bob = Identity("a", "Ada", 0.5, 0.0), Identity("b", "Bob", 0.7, 0.1)
    log = TrackLog()
    for index, identity in enumerate([None, ada, bob, None]):
        log.add(seen(index, [1], identity=identity))
    (track,) = log.close()
    assert track.identity is bob


def test_faces_of_no_track_are_passed_over() -> None:
    log = TrackLog()
    log.add(seen(0, [0]))
    log.add(Observation(seen(1, []).frame, Faces.none()))
    assert log.close() == []


def test_statistics_count_tracks_lifetimes_and_contradictions() -> None:
    log = TrackLog()
    log.add(seen(0, [1], embedding=[1, 0]))
    log.add(seen(5, [1], embedding=[0.9, 0.1]))
    log.add(seen(10, [1], embedding=[0, 1]))
    log.add(seen(11, [2], ended=(1,)))
    found = log.statistics()
    assert (found.tracks, found.ended, found.suspected_switches) == (2, 1, 1)
    assert found.mean_seconds == 10 / 25
