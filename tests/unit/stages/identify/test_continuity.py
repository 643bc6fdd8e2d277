"""Tracks that are divided where their embeddings change person: ids, returns, ends, poor samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stages.frames import Faces, FloatArray, Frame, Observation
from stages.identify.continuity import RETURN_SECONDS, SURE_QUALITY, ContinuityStage
from tests.unit.stages.pictures import TaggedPicture

ADA, BOB, EVE, NOBODY = np.eye(4, dtype=np.float32)
NOTHING = np.zeros(4, np.float32)
POOR = SURE_QUALITY / 2
FPS = 10


def observation(
    number: int,
    looks: Sequence[tuple[int, FloatArray]],
    *,
    quality: float = 0.8,
    ended: tuple[int, ...] = (),
    source: str = "a",
) -> Observation:
    count = len(looks)
    faces = Faces(
        boxes_xyxy=np.zeros((count, 4), np.float32),
        scores=np.ones(count, np.float32),
        embeddings=np.array([look for _, look in looks], np.float32).reshape(count, 4),
        track_ids=np.array([track for track, _ in looks], np.int64),
        quality=np.full(count, quality, np.float32),
        propagated=np.zeros(count, np.bool_),
    )
    return Observation(Frame(source, number, number / FPS, TaggedPicture(0)), faces, ended)


def ids(results: Sequence[Observation]) -> list[list[int]]:
    found = []
    for result in results:
        assert result.faces.track_ids is not None
        found.append(result.faces.track_ids.tolist())
    return found


def one_track(looks: Sequence[FloatArray], quality: float = 0.8) -> list[int]:
    """The ids of one track's looks."""
    stage = ContinuityStage()
    return [
        number
        for (number,) in ids(
            stage.process([observation(n, [(1, look)], quality=quality) for n, look in enumerate(looks)])
        )
    ]


def test_a_good_look_of_somebody_else_has_another_id_at_once() -> None:
    assert one_track([ADA, ADA, BOB, BOB, EVE]) == [1, 1, 2, 2, 3]


def test_poor_looks_have_it_after_three_that_resemble_each_other() -> None:
    assert one_track([*[ADA] * 5, *[BOB] * 4], POOR) == [1] * 7 + [2] * 2
    assert one_track([*[ADA] * 5, BOB, EVE, BOB, NOBODY, EVE, ADA], POOR) == [1] * 11


def test_two_who_look_alike_are_told_apart_where_looks_of_one_are_alike_as_usual() -> None:
    """Two people in the tracking benchmark have a cosine of 0.46; a head that turns is always like its last look."""
    alike = np.asarray(0.46 * ADA + np.sqrt(1 - 0.46**2) * BOB, np.float32)
    assert one_track([*[ADA] * 20, *[alike] * 4]) == [1] * 22 + [2] * 2
    angles = np.linspace(0, np.pi / 2, 12)
    turning = [np.asarray(np.cos(angle) * ADA + np.sin(angle) * BOB, np.float32) for angle in angles]
    assert set(one_track([*[ADA] * 20, *turning, *[BOB] * 5])) == {1}


def test_whoever_comes_back_soon_has_the_old_id() -> None:
    """A hand with a photograph before the face; after a longer time it is somebody new."""
    away = round(RETURN_SECONDS * FPS)
    assert one_track([ADA, *[BOB] * 5, ADA, BOB]) == [1, *[2] * 5, 1, 2]
    assert one_track([ADA, *[BOB] * (away + 2), ADA])[-1] == 3


def test_faces_that_were_not_embedded_have_the_id_of_the_moment() -> None:
    assert one_track([ADA, NOTHING, BOB, NOTHING, NOTHING]) == [1, 1, 2, 2, 2]


def test_an_id_ends_with_its_track_or_when_it_was_left_for_long() -> None:
    stage = ContinuityStage()
    (first, second) = stage.process([observation(0, [(1, ADA)]), observation(1, [(1, BOB)])])
    assert (first.ended_tracks, second.ended_tracks) == ((), ())
    later = 2 + round(RETURN_SECONDS * FPS)
    (left, ended) = stage.process([observation(later, [(1, BOB)]), observation(later + 1, [(2, EVE)], ended=(1,))])
    assert (left.ended_tracks, ended.ended_tracks) == ((1,), (2,))
    assert ids([ended]) == [[3]], "an id is never used twice"


def test_what_is_never_divided_passes_as_it_is() -> None:
    batch = [observation(0, [(1, ADA), (2, BOB)]), observation(1, [(2, BOB)], ended=(1,)), observation(2, [(3, ADA)])]
    assert ContinuityStage().process(batch) == batch


def test_sources_are_kept_apart() -> None:
    stage = ContinuityStage()
    found = stage.process([observation(0, [(1, ADA)]), observation(0, [(1, BOB)], source="b")])
    assert ids(found) == [[1], [1]]
    stage.end_source("a")
    assert ids(stage.process([observation(1, [(1, BOB)])])) == [[1]]


@given(
    st.lists(
        st.dictionaries(st.integers(1, 3), st.tuples(st.integers(0, 3), st.sampled_from([POOR, 0.8])), max_size=3),
        max_size=20,
    )
)
def test_ids_are_unique_in_a_frame_and_never_come_back_once_ended(
    frames: list[dict[int, tuple[int, float]]],
) -> None:
    stage, ended = ContinuityStage(), set[int]()
    known = 0
    for number, faces in enumerate(frames):
        # The tracker's ids grow in the order in which they begin.
        looks = [
            (track, np.eye(4, dtype=np.float32)[who]) for track, (who, _) in sorted(faces.items()) if track <= known + 1
        ]
        known = max([known, *(track for track, _ in looks)])
        (found,) = stage.process([observation(number, looks)])
        (shown,) = ids([found])
        ended |= set(found.ended_tracks)
        assert len(set(shown)) == len(shown)
        assert not ended & set(shown)
