from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.clips import write_clip
from tests.unit.visage.redaction.films import SIDE, WIDTH
from visage.redaction.errors import ResultsRefused
from visage.redaction.observed import ObservedFace, ObservedFilm, ObservedTrack
from visage.redaction.plan import Plan
from visage.redaction.planner import PlanOptions, plan_redaction

FPS = 24
PAD = 12
"""Frames of half a second."""


def scene(number: int, frames: int) -> list[NDArray[np.uint8]]:
    """Pictures of one shot: blocks of gray, others in each scene."""
    rng = np.random.default_rng(number)
    image = rng.integers(0, 256, (9, 16), np.uint8).repeat(20, 0).repeat(20, 1)
    return [np.repeat(image[..., None], 3, axis=2)] * frames


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred frames with a cut before frame 60."""
    return write_clip(tmp_path_factory.mktemp("film") / "film.mp4", images=[*scene(1, 60), *scene(2, 40)], fps=FPS)


def track(frames: Sequence[int], left: float = 140, *, step: float = 0.0, score: float = 0.9) -> ObservedTrack:
    return ObservedTrack(
        [
            ObservedFace(frame, (left + step * frame, 70, left + step * frame + SIDE, 70 + SIDE), score)
            for frame in frames
        ]
    )


def planned(film: Path, *tracks: ObservedTrack, **given: object) -> Plan:
    return plan_redaction(ObservedFilm(film, list(tracks), **given))  # type: ignore[arg-type]


def stretches(plan: Plan) -> list[tuple[int, int, list[str]]]:
    return [(one.first, one.last, list(one.reasons)) for one in plan.uncertain]


def test_a_face_of_a_whole_shot_is_certain(film: Path) -> None:
    plan = planned(film, track(range(60)), track(range(60, 100), 30))
    assert plan.uncertain == []
    assert [(one.first, one.last) for one in plan.tracks] == [(0, 60 + PAD - 1), (60 - PAD, 99)]
    assert plan.analysed == [(0, 99)]
    assert plan.source.frames == 100
    assert plan.seconds_at(48) == pytest.approx(2.0, abs=0.002)


def test_a_face_that_begins_and_ends_within_the_picture_is_uncertain_there(film: Path) -> None:
    plan = planned(film, track(range(20, 40)))
    assert stretches(plan) == [(20 - PAD, 19, ["begins"]), (40, 39 + PAD, ["ends"])]
    assert all(one.picture and one.picture.startswith("data:image/jpeg;base64,") for one in plan.uncertain)
    assert [one.tracks for one in plan.uncertain] == [[1], [1]]


def test_uncertainty_ends_with_the_shot(film: Path) -> None:
    assert stretches(planned(film, track(range(56)), track(range(64, 100)))) == [(56, 63, ["begins", "ends"])]


def test_faces_come_and_go_at_the_border(film: Path) -> None:
    assert planned(film, track(range(20, 40), 0), track(range(20, 40), WIDTH - SIDE)).uncertain == []


def test_a_gap_is_bridged_in_a_straight_line(film: Path) -> None:
    plan = planned(film, track([*range(20), *range(30, 60)], 60, step=1))
    (one,) = plan.tracks
    assert one.box_at(25) == pytest.approx((85, 70, 85 + SIDE, 70 + SIDE), abs=1)


def test_a_face_that_goes_on_under_another_number_is_bridged_within_its_shot(film: Path) -> None:
    plan = planned(film, track(range(20), 100), track(range(30, 60), 110))
    assert len(plan.tracks) == 1
    assert len(planned(film, track(range(58), 100), track(range(62, 100), 110)).tracks) == 2
    assert len(planned(film, track(range(20), 10), track(range(30, 60), 250)).tracks) == 2


def test_people_of_two_names_are_not_one_track(film: Path) -> None:
    ada, bob = track(range(20), 100), track(range(30, 60), 100)
    ada.faces = [ObservedFace(one.frame, one.box_xyxy, one.score, True, "Ada") for one in ada.faces]
    bob.faces = [ObservedFace(one.frame, one.box_xyxy, one.score, True, "Bob") for one in bob.faces]
    assert [one.person for one in planned(film, ada, bob).tracks] == ["Ada", "Bob"]


def test_weak_scores_jumps_and_flicker_are_uncertain(film: Path) -> None:
    weak = track(range(60))
    weak.faces[30:40] = [ObservedFace(one.frame, one.box_xyxy, 0.31) for one in weak.faces[30:40]]
    assert stretches(planned(film, weak)) == [(30, 39, ["weak"])]
    jump = track(range(60), 20)
    jump.faces[30:] = track(range(30, 60), 200).faces
    assert stretches(planned(film, jump)) == [(29, 30, ["motion"])]
    blinking = track([frame for frame in range(60) if not 20 <= frame < 30 or frame % 3 == 0])
    assert [reasons for _, _, reasons in stretches(planned(film, blinking))] == [["flicker"]]
    short = stretches(planned(film, track([30, 31], 140)))
    assert short == [(31 - PAD - 1, 31 + PAD, ["begins", "ends", "flicker"])]


def test_padding_reaches_to_the_detectors_next_look(film: Path) -> None:
    plan = planned(film, track(range(30, 60)), interval=24)
    assert plan.tracks[0].first == 6
    assert plan.tracks[0].last == 59 + 24


def test_boxes_grow_in_the_padding(film: Path) -> None:
    (one,) = planned(film, track(range(30, 60))).tracks
    assert one.box_at(30) == (140, 70, 140 + SIDE, 70 + SIDE)
    left, top, right, bottom = one.box_at(one.first) or (0, 0, 0, 0)
    assert (left, top) < (130, 60)
    assert right - left == pytest.approx(1.6 * SIDE)
    assert bottom - top == pytest.approx(1.6 * SIDE)


def test_only_what_was_analysed_counts(film: Path) -> None:
    plan = planned(film, track(range(24, 48)), seconds=(1.0, 2.0))
    assert plan.analysed == [(24, 47)]
    assert plan.uncertain == []
    assert plan.is_covered_whole(23)
    assert plan.is_covered_whole(48)


def test_the_results_of_another_film_are_refused(film: Path) -> None:
    with pytest.raises(ResultsRefused, match="has 100 frames, the results are of one that has 99"):
        planned(film, track(range(60)), frames=99)


def test_a_line_is_thinned_but_stays_close(film: Path) -> None:
    plan = planned(film, track(range(60), 10, step=3))
    assert len(plan.tracks[0].boxes) < 6
    for frame in range(60):
        box = plan.tracks[0].box_at(frame)
        assert box is not None
        assert box[0] == pytest.approx(10 + 3 * frame, abs=1)


def test_paths_are_told_from_the_plans_folder(film: Path) -> None:
    plan = plan_redaction(ObservedFilm(film, []), PlanOptions(), base=film.parent / "plans")
    assert plan.source.path == "../film.mp4"
