"""The tracker over painted pictures, whose faces stand exactly where they are said to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from stages.frames import Faces, FloatArray, Frame
from stages.imaging.patches import Gray
from stages.track.following import appearances_of, views_of
from stages.track.quality import FULL_SIZE, pose
from stages.track.tracker import MAX_TRACKS, Tracker
from tests.unit.stages.track.scenes import FPS, GrayLuma, detected, frame, paint, texture

Place = tuple[int, float, float]  # seed, x, y


def make(*, follows: bool = False, chooses: bool = False, score_threshold: float = 0.0) -> Tracker:
    return Tracker(GrayLuma(), follows=follows, chooses=chooses, score_threshold=score_threshold)


def look_at(tracker: Tracker, seen: Frame, faces: Faces) -> tuple[Faces, tuple[int, ...]]:
    """Look, with what the frame shows around the faces."""
    boxes = [faces.boxes_xyxy]
    views = views_of(GrayLuma(), [seen], boxes)
    (appearances,) = appearances_of(views, boxes)
    return tracker.observe(seen, faces, views[0], appearances)


def look(
    tracker: Tracker,
    index: int,
    places: Sequence[Place],
    *,
    seen: Iterable[int] | None = None,
    post: tuple[int, int] = (0, 0),
) -> dict[int, int]:
    """Look at painted faces, of which the detector finds those with these seeds; returns their track by seed."""
    found = [place for place in places if seen is None or place[0] in set(seen)]
    image = behind(paint(places), post)
    faces, _ = look_at(tracker, frame(index, image), detected([(x, y) for _, x, y in found]))
    assert faces.track_ids is not None
    return dict(zip([seed for seed, _, _ in found], faces.track_ids.tolist(), strict=True))


def follow(tracker: Tracker, index: int, places: Sequence[Place]) -> Faces:
    faces, _ = tracker.follow(frame(index, paint(places), detect=False))
    return faces


def behind(image: Gray, post: tuple[int, int]) -> Gray:
    """The picture, and a post before these columns."""
    left, right = post
    image[:, left:right] = texture(77, *image.shape)[:, left:right]
    return image


def middles(faces: Faces) -> FloatArray:
    return np.asarray((faces.boxes_xyxy[:, :2] + faces.boxes_xyxy[:, 2:]) / 2, np.float32)


@pytest.mark.smoke
def test_faces_keep_their_numbers_and_the_detectors_geometry() -> None:
    tracker = make()
    for index in range(10):
        places = [(1, 150.0 + 4 * index, 180.0), (2, 450.0 - 4 * index, 200.0)]
        assert look(tracker, index, places) == {1: 1, 2: 2}
    faces, _ = look_at(tracker, frame(10, paint(places)), detected([(x, y) for _, x, y in places]))
    np.testing.assert_array_equal(faces.boxes_xyxy, detected([(x, y) for _, x, y in places]).boxes_xyxy)
    assert faces.propagated is not None
    assert not faces.propagated.any()
    assert repr(tracker) == "<Tracker 2 seen, 0 lost, 2 so far>"


def test_geometry_has_columns_of_its_own_and_quality_is_their_product() -> None:
    """A followed face has the sharpness of its last detection."""
    tracker = make(follows=True)
    places = [(1, 200.0, 150.0)]
    seen, _ = look_at(tracker, frame(0, paint(places)), detected([(x, y) for _, x, y in places]))
    followed = follow(tracker, 1, places)
    for faces in (seen, followed):
        assert faces.sharpness is not None
        assert faces.pose is not None
        assert faces.quality is not None
        assert faces.landmarks is not None
        assert faces.pose[0] == pytest.approx(pose(faces.landmarks[0]))
        size = min(1.0, float((faces.boxes_xyxy[0, 2:] - faces.boxes_xyxy[0, :2]).min()) / FULL_SIZE)
        product = size * faces.sharpness[0] * faces.pose[0] * faces.scores[0]
        assert faces.quality[0] == pytest.approx(product, rel=1e-4)
    np.testing.assert_array_equal(followed.sharpness, seen.sharpness)


@pytest.mark.parametrize("path", [lambda i: (0, 0), lambda i: (3.3 * i, 0), lambda i: (8 * np.sin(i / 3), 5 * i / 2)])
def test_between_looks_boxes_and_landmarks_follow_the_face(path: Callable[[int], tuple[float, float]]) -> None:
    """Standing, going and swaying: after seven frames the eyes are within 3% of their distance."""
    tracker = make(follows=True)
    look(tracker, 0, [(1, 200, 150)])
    for index in range(1, 8):
        across, down = path(index)
        places = [(1, 200.0 + across, 150.0 + down)]
        faces = follow(tracker, index, places)
        expected = detected([(x, y) for _, x, y in places])
        assert faces.track_ids is not None
        assert faces.propagated is not None
        assert faces.landmarks is not None
        assert expected.landmarks is not None
        assert faces.track_ids.tolist() == [1]
        assert faces.propagated.all()
        np.testing.assert_allclose(faces.boxes_xyxy, expected.boxes_xyxy, atol=1.0)
        np.testing.assert_allclose(faces.landmarks, expected.landmarks, atol=0.03 * 0.4 * 80)


@pytest.mark.parametrize("speed", [36, -44])
def test_a_face_is_followed_through_a_pan_that_carries_it_out_of_its_patch(speed: int) -> None:
    """By half a face a frame, all at once: the camera says where to search, then the face's own way does."""
    tracker = make(follows=True)
    wide = paint([(1, 700, 150)], size=(1400, 360))
    start = 380 if speed > 0 else 620
    asked = 0

    def camera() -> tuple[float, float]:
        nonlocal asked
        asked += 1
        return -speed / 640, 0.0

    look_at(tracker, frame(0, wide[:, start : start + 640]), detected([(700.0 - start, 150)]))
    for index in range(1, 8):
        left = start + speed * index
        faces, _ = tracker.follow(frame(index, wide[:, left : left + 640], detect=False), camera)
        np.testing.assert_allclose(middles(faces), [[700 - left, 150]], atol=1)
    assert asked == 1


def test_a_wrong_detection_is_smoothed_but_reported_as_it_is() -> None:
    tracker = make(follows=True)
    look(tracker, 0, [(1, 200, 150)])
    follow(tracker, 1, [(1, 200, 150)])
    faces, _ = look_at(tracker, frame(2, paint([(1, 200, 150)])), detected([(206, 150)]))
    np.testing.assert_allclose(middles(faces), [[206, 150]])
    after = follow(tracker, 3, [(1, 200, 150)])
    np.testing.assert_allclose(middles(after), [[203, 150]], atol=0.3)


@pytest.mark.parametrize("follows", [False, True])
def test_two_who_cross_keep_their_numbers(follows: bool) -> None:
    """The one behind is hidden for eight frames."""
    tracker = make(follows=follows)
    tracks, numbers = {}, {2: 1, 1: 2}
    for index in range(45):
        places = [(2, 520.0 - 9 * index, 190.0), (1, 120.0 + 9 * index, 180.0)]
        is_hidden = abs(places[0][1] - places[1][1]) < 70
        if not follows or index % 4 == 0:
            tracks = look(tracker, index, places, seen=[1] if is_hidden else [1, 2])
            assert all(track in (0, numbers[seed]) for seed, track in tracks.items())
        else:
            follow(tracker, index, places)
    assert tracks == numbers


def test_a_face_that_jumps_and_looks_like_another_is_another() -> None:
    """A cut inside an inset: most of the picture stays as it is, and nearly in the same place there is a face."""
    tracker = make()
    for index in range(8):
        look(tracker, index, [(1, 200, 180)])
    for index in range(8, 8 + FPS):
        tracks = look(tracker, index, [(2, 232, 192)])
        assert tracks[2] != 1
    assert tracks == {2: 2}


def test_a_face_is_followed_on_after_a_flash() -> None:
    """Nobody looks again soon, and the face is where it was."""
    tracker = make(follows=True)
    look(tracker, 0, [(1, 200, 180)])
    for index in range(1, 4):
        follow(tracker, index, [(1, 200, 180)])
    burnt, _ = tracker.follow(frame(4, np.full_like(paint([]), 250), detect=False))
    assert len(burnt) == 0
    for index in range(5, 8):
        faces = follow(tracker, index, [(1, 200, 180)])
        assert faces.track_ids is not None
        assert faces.track_ids.tolist() == [1]
        np.testing.assert_allclose(middles(faces), [[200, 180]], atol=1)


def test_a_face_survives_a_second_out_of_sight() -> None:
    tracker = make()
    for index in range(8):
        look(tracker, index, [(1, 100.0 + 4 * index, 180)])
    for index in range(8, 8 + FPS):
        look(tracker, index, [])
    back = 8 + FPS
    assert look(tracker, back, [(1, 100.0 + 4 * back, 180)]) == {1: 1}


def test_a_face_is_forgotten_after_two_seconds_and_its_number_never_used_again() -> None:
    tracker = make()
    look(tracker, 0, [(1, 100, 180)])
    ended: list[int] = []
    for index in range(1, 2 * FPS):
        ended += look_at(tracker, frame(index, paint([])), detected([]))[1]
    assert ended == [1]
    assert look(tracker, 2 * FPS, [(1, 100, 180)]) == {1: 2}


def test_a_track_that_ends_in_a_look_is_nobodys_in_that_look() -> None:
    """Patience is shorter where looks are dense again. Two who cover each other have no appearance, only a place."""
    tracker = make()
    both: list[Place] = [(1, 100, 180), (1, 104, 180)]
    ended: list[int] = []
    for index, places in [(0, both), (3 * FPS, []), (3 * FPS + 1, both)]:
        faces, gone = look_at(tracker, frame(index, paint(places)), detected([(x, y) for _, x, y in places]))
        ended += gone
    assert ended == [1, 2]
    assert faces.track_ids is not None
    assert faces.track_ids.tolist() == [3, 4]


def test_somebody_else_in_the_same_place_is_somebody_else() -> None:
    """In doubt at first, with number 0; another track before half a second is over."""
    tracker = make()
    for index in range(5):
        look(tracker, index, [(1, 200, 180)])
    for index in range(5, 12):
        look(tracker, index, [])
    tracks = [look(tracker, index, [(2, 210, 180)])[2] for index in range(12, 30)]
    assert set(tracks) == {0, 2}
    assert tracks[-1] == 2
    assert tracks == sorted(tracks)


@pytest.mark.parametrize("turn_back", [False, True])
@pytest.mark.parametrize("follows", [False, True])
def test_two_behind_a_post_keep_their_numbers_or_have_none(follows: bool, turn_back: bool) -> None:
    """They meet behind it at the same height, and pass or turn round. The detector finds them while half is hidden."""
    tracker = make(follows=follows)
    numbers, tracks = {1: 1, 2: 2}, {}
    for index in range(60):
        way = 4.0 * (60 - index if turn_back and index > 30 else index)
        places = [(1, 200 + way, 180.0), (2, 440 - way, 180.0)]
        seen = [seed for seed, x, _ in places if abs(x - 320) > 60]
        if not follows or index % 4 == 0:
            tracks = look(tracker, index, places, seen=seen, post=(280, 360))
            assert all(track in (0, numbers[seed]) for seed, track in tracks.items())
        else:
            tracker.follow(frame(index, behind(paint(places), (280, 360)), detect=False))
    assert tracks == numbers


def test_a_hidden_face_is_not_reported_between_looks() -> None:
    tracker = make(follows=True)
    look(tracker, 0, [(1, 200, 150)])
    assert len(follow(tracker, 1, [(1, 200, 150)])) == 1
    assert len(follow(tracker, 2, [(1, 200, 150), (7, 200, 150)])) == 0
    assert look(tracker, 3, [(1, 200, 150)]) == {1: 1}


def test_a_face_that_leaves_the_picture_is_not_reported_outside() -> None:
    tracker = make(follows=True)
    look(tracker, 0, [(1, 580, 150)])
    reported = [len(follow(tracker, index, [(1, 580.0 + 12 * index, 150)])) for index in range(1, 10)]
    assert reported[0] == 1
    assert reported[-1] == 0
    assert reported == sorted(reported, reverse=True)


def test_a_face_that_comes_in_gets_a_number_of_its_own() -> None:
    tracker = make(follows=True)
    look(tracker, 0, [(1, 200, 150)])
    follow(tracker, 1, [(1, 200, 150), (2, 620, 250)])
    assert look(tracker, 2, [(1, 200, 150), (2, 600, 250)]) == {1: 1, 2: 2}


@pytest.mark.smoke
def test_a_cut_ends_every_track() -> None:
    tracker = make()
    look(tracker, 0, [(1, 200, 150), (2, 450, 150)])
    assert tracker.cut() == (1, 2)
    assert look(tracker, 1, [(1, 200, 150)]) == {1: 3}


def test_best_shots_alone_are_chosen_for_an_embedding() -> None:
    """A face that stays as it is needs one embedding each half second, up to five."""
    tracker = make(chooses=True)
    chosen = 0
    for index in range(10 * FPS):
        faces, _ = look_at(tracker, frame(index, paint([(1, 200, 150)])), detected([(200, 150)]))
        assert faces.to_embed is not None
        chosen += int(faces.to_embed.sum())
    assert chosen == 5


def test_detectors_without_landmarks_are_followed_as_well() -> None:
    tracker = make(follows=True)
    boxes = detected([(200, 150)])
    look_at(tracker, frame(0, paint([(1, 200, 150)])), Faces(boxes.boxes_xyxy, boxes.scores))
    faces = follow(tracker, 1, [(1, 205, 150)])
    assert faces.landmarks is None
    np.testing.assert_allclose(middles(faces), [[205, 150]], atol=0.5)


def test_the_number_of_tracks_is_bounded() -> None:
    tracker = make()
    for index in range(4):
        boxes = [(1000.0 * number, 5000.0 * index) for number in range(MAX_TRACKS)]
        look_at(tracker, frame(index, paint([])), detected(boxes))
    look_at(tracker, frame(4, paint([])), detected([]))
    assert len(tracker.tracks) == MAX_TRACKS


def scored(places: Sequence[Place], scores: Sequence[float]) -> Faces:
    return replace(detected([(x, y) for _, x, y in places]), scores=np.array(scores, np.float32))


def test_weak_detections_continue_a_track_and_begin_none() -> None:
    """A stranger is weak in every frame; the other face is strong only once."""
    tracker = make(score_threshold=0.6)
    seen = []
    for index, score in enumerate([0.5, 0.55, 0.61, 0.45, 0.41, 0.45]):
        places = [(1, 150.0 + 4 * index, 180.0), (2, 450.0, 200.0)]
        faces, _ = look_at(tracker, frame(index, paint(places)), scored(places, [score, 0.59]))
        assert faces.track_ids is not None
        seen.append(dict(zip(faces.track_ids.tolist(), (f"{s:.2f}" for s in faces.scores), strict=True)))
    assert seen == [{}, {}, {1: "0.61"}, {1: "0.45"}, {1: "0.41"}, {1: "0.45"}]
    assert repr(tracker) == "<Tracker 1 seen, 0 lost, 1 so far>"


@pytest.mark.parametrize("chooses", [False, True])
def test_weak_faces_are_not_embedded(chooses: bool) -> None:
    tracker = make(score_threshold=0.6, chooses=chooses)
    places: list[Place] = [(1, 150, 180), (2, 450, 200)]
    look_at(tracker, frame(0, paint(places)), scored(places, [0.9, 0.8]))
    faces, _ = look_at(tracker, frame(1, paint(places)), scored(places, [0.7, 0.5]))
    assert len(faces) == 2
    assert faces.worth_embedding.tolist() in ([0], [] if chooses else [0])
    assert 1 not in faces.worth_embedding


def test_a_strong_detection_is_preferred_to_a_weak_one_that_is_closer() -> None:
    tracker = make(score_threshold=0.6)
    look(tracker, 0, [(1, 200, 180)])
    places: list[Place] = [(1, 212, 180), (1, 200, 180)]
    faces, _ = look_at(tracker, frame(1, paint(places[:1])), scored(places, [0.7, 0.5]))
    assert faces.track_ids is not None
    assert faces.track_ids.tolist() == [1]
    np.testing.assert_allclose(middles(faces), [[212, 180]])


def test_a_face_that_takes_the_place_of_another_at_once_is_another() -> None:
    """A cut inside an inset: the place is the same to the pixel, what is to be seen there is not."""
    tracker = make()
    for index in range(8):
        look(tracker, index, [(1, 200, 180)])
    for index in range(8, 8 + FPS):
        tracks = look(tracker, index, [(3, 200, 180)])
        assert tracks[3] != 1
    assert tracks == {3: 2}
