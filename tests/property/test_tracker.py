"""Whatever is detected, and whenever: an id is one face's in a frame, one track's for ever, and ends once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.frames import Faces, Frame
from stages.track.following import appearances_of, views_of
from stages.track.tracker import MAX_TRACKS, Tracker
from tests.unit.stages.track.scenes import GrayLuma, GrayPicture, detected, paint

WIDTH, HEIGHT = 160, 96
SIDE = 24
THRESHOLD = 0.5


@dataclass(frozen=True)
class Look:
    """One frame: who stands where, and what becomes of it."""

    faces: list[tuple[int, float, float, float]]  # seed, x, y, score
    elapsed_seconds: float
    kind: str


places = st.tuples(
    st.integers(1, 4),
    st.floats(-10, WIDTH + 10, width=32),
    st.floats(-10, HEIGHT + 10, width=32),
    st.sampled_from([0.2, 0.4, 0.6, 0.9]),
)
looks = st.builds(
    Look,
    st.lists(places, max_size=4),
    st.sampled_from([0.04, 0.04, 0.04, 0.5, 3.0]),
    st.sampled_from(["look", "look", "follow", "follow", "cut"]),
)


@settings(max_examples=40)
@given(st.lists(looks, min_size=2, max_size=12), st.booleans())
def test_an_id_is_one_face_of_a_frame_and_is_never_used_again(steps: list[Look], chooses: bool) -> None:
    luma = GrayLuma()
    tracker = Tracker(luma, follows=True, chooses=chooses, score_threshold=THRESHOLD)
    known: set[int] = set()
    over: set[int] = set()
    seconds = 0.0
    for index, step in enumerate(steps):
        seconds += step.elapsed_seconds
        ended = tracker.cut() if step.kind == "cut" else ()
        image = paint([(seed, x, y) for seed, x, y, _ in step.faces], side=SIDE, size=(WIDTH, HEIGHT))
        frame = Frame("clip", index, seconds, GrayPicture(image))
        if step.kind == "follow":
            faces, gone = tracker.follow(frame)
            check_followed(faces)
        else:
            found = sorted_by_score(step)
            boxes = [found.boxes_xyxy]
            views = views_of(luma, [frame], boxes)
            (appearances,) = appearances_of(views, boxes)
            faces, gone = tracker.observe(frame, found, views[0], appearances)
            check_observed(found, faces)
        for some in (ended, gone):
            assert list(some) == sorted(set(some))
            assert set(some) <= known
            assert not set(some) & over
            over |= set(some)
        assert faces.track_ids is not None
        ids = [number for number in faces.track_ids.tolist() if number]
        assert len(set(ids)) == len(ids)
        assert not set(ids) & over
        fresh = sorted(set(ids) - known)
        assert all(number > max(known, default=0) for number in fresh)
        known |= set(ids)
        assert {track.track_id for track in tracker.tracks if track.track_id} == known - over
        assert len(tracker.tracks) <= MAX_TRACKS
    assert sorted(known) == list(range(1, len(known) + 1))


def sorted_by_score(step: Look) -> Faces:
    faces = sorted(step.faces, key=lambda face: -face[3])
    found = detected([(x, y) for _, x, y, _ in faces], side=SIDE)
    return replace(found, scores=np.array([score for *_, score in faces], np.float32))


def check_observed(found: Faces, faces: Faces) -> None:
    """A detector's faces stay where it found them, in its order; none that is strong is lost, none weak is begun."""
    rows = [row for row in range(len(found)) if any((box == found.boxes_xyxy[row]).all() for box in faces.boxes_xyxy)]
    strong = found.boxes_xyxy[found.scores >= np.float32(THRESHOLD)]
    assert all(any((box == kept).all() for kept in faces.boxes_xyxy) for box in strong)
    assert len(faces) <= len(found)
    assert list(faces.scores) == sorted(faces.scores, reverse=True)
    assert len(rows) >= len(faces)
    assert faces.propagated is not None
    assert not faces.propagated.any()
    assert faces.track_ids is not None
    assert faces.quality is not None
    assert ((faces.quality >= 0) & (faces.quality <= 1)).all()
    if faces.to_embed is not None:
        assert (faces.scores[faces.to_embed] >= np.float32(THRESHOLD)).all()


def check_followed(faces: Faces) -> None:
    """What is followed has its middle in the picture and a box that is one."""
    assert faces.propagated is not None
    assert faces.propagated.all()
    assert list(faces.scores) == sorted(faces.scores, reverse=True)
    assert np.isfinite(faces.boxes_xyxy).all()
    start, end = faces.boxes_xyxy[:, :2], faces.boxes_xyxy[:, 2:]
    assert (end > start).all()
    middle = (start + end) / 2
    assert ((middle >= 0) & (middle <= (WIDTH, HEIGHT))).all()
