"""Decisions on scripted faces: means of looks, hysteresis, margin, one face a name, tracks that end, no embeddings."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.frames import Faces, FloatArray, Frame, Identity, Observation
from stages.identify.evidence import Candidate, TrackEvidence, TrackSample
from stages.identify.roster import Person, Roster
from stages.identify.rule import NamingRule
from stages.identify.stage import IdentifyStage
from tests.unit.stages.pictures import TaggedPicture

ADA, BOB, STRANGER = np.eye(4, dtype=np.float32)[:3]
ROSTER = Roster([Person("p1", "Ada"), Person("p2", "Bob")], np.stack([ADA, BOB]), np.array([0, 1]))


def observation(
    number: int,
    embeddings: Sequence[FloatArray],
    tracks: Sequence[int] | None = None,
    *,
    ended: tuple[int, ...] = (),
    source: str = "a",
    boxes: FloatArray | None = None,
) -> Observation:
    count = len(embeddings)
    faces = Faces(
        boxes_xyxy=np.zeros((count, 4), np.float32) if boxes is None else boxes,
        scores=np.ones(count, np.float32),
        embeddings=np.array(embeddings, np.float32).reshape(count, 4),
        track_ids=None if tracks is None else np.array(tracks, np.int64),
        quality=None if tracks is None else np.full(count, 0.8, np.float32),
        propagated=None if tracks is None else np.zeros(count, np.bool_),
    )
    return Observation(Frame(source, number, number / 10, TaggedPicture(0)), faces, ended)


def many(number: int, embedding: FloatArray, track: int | None = None) -> Observation:
    faces = Faces(
        boxes_xyxy=np.zeros((1, 4), np.float32),
        scores=np.ones(1, np.float32),
        embeddings=np.asarray(embedding, np.float32)[None],
        track_ids=None if track is None else np.array([track], np.int64),
        quality=None if track is None else np.full(1, 0.8, np.float32),
        propagated=None if track is None else np.zeros(1, np.bool_),
    )
    return Observation(Frame("a", number, number / 10, TaggedPicture(0)), faces)


def stage(roster: Roster = ROSTER) -> IdentifyStage:
    return IdentifyStage(lambda: roster, threshold=0.4, margin=0.05)


def names(results: Sequence[Observation]) -> list[list[str | None]]:
    found = []
    for result in results:
        assert result.faces.identities is not None
        found.append([identity.name if identity else None for identity in result.faces.identities])
    return found


def test_every_face_is_decided_by_itself_without_tracks() -> None:
    results = stage().process([observation(0, [ADA, STRANGER]), observation(1, []), observation(2, [BOB])])
    assert names(results) == [["Ada", "unknown"], [], ["Bob"]]
    assert results[0].faces.identities is not None
    assert results[0].faces.identities[0] == Identity("p1", "Ada", 1.0, 0.0)


def test_looks_unlike_the_others_do_not_change_a_tracks_name_but_a_mixture_does() -> None:
    """Whoever is somebody else has another id by now; a track whose looks come nearer to another one is that one."""
    between = (ADA + BOB) / np.float32(np.sqrt(2))
    looks = [ADA, ADA, ADA, BOB, ADA, *[between] * 3, *[BOB] * 40]
    found = names(stage().process([observation(n, [look], [7]) for n, look in enumerate(looks)]))
    assert found[:5] == [["Ada"]] * 5
    assert found[-1] == ["Bob"]
    changes = [name for name, _ in itertools.groupby(name for (name,) in found)]
    assert changes in (["Ada", "Bob"], ["Ada", "unknown", "Bob"])


def near(one: FloatArray, cosine: float) -> FloatArray:
    """A look with that cosine to one of the people."""
    return np.asarray(cosine * one + np.sqrt(1 - cosine**2) * np.array([0, 0, 0, 1]), np.float32)


def test_two_faces_in_one_frame_never_have_one_name() -> None:
    """The one more like the person keeps it, whichever comes first; also once it has left."""
    better, worse = near(ADA, 0.9), near(ADA, 0.7)
    tested = stage()
    assert names(tested.process([observation(0, [worse], [1])])) == [["Ada"]]
    assert names(tested.process([observation(1, [worse, better], [1, 2])])) == [["unknown", "Ada"]]
    alone = [observation(n, [worse], [1], ended=(2,)) for n in range(2, 6)]
    assert names(tested.process(alone)) == [["unknown"]] * 4
    assert names(tested.process([observation(6, [near(ADA, 0.99)], [1])])) == [["unknown"]], "its mean is not yet"


def test_one_face_that_was_found_twice_keeps_its_name() -> None:
    boxes = np.array([[10, 10, 50, 60], [11, 9, 50, 61]], np.float32)
    found = stage().process([observation(0, [near(ADA, 0.9), near(ADA, 0.8)], [1, 2], boxes=boxes)])
    assert names(found) == [["Ada", "Ada"]]


@given(
    looks=st.lists(
        st.lists(st.tuples(st.integers(1, 4), st.sampled_from([0.45, 0.6, 0.7, 0.8, 0.95])), max_size=4), max_size=12
    )
)
def test_whatever_comes_no_name_is_twice_in_a_frame(looks: list[list[tuple[int, float]]]) -> None:
    tested = stage()
    for number, faces in enumerate(looks):
        rows = dict(faces)
        (found,) = names(
            tested.process([observation(number, [near(ADA, alike) for alike in rows.values()], list(rows))])
        )
        assert found.count("Ada") <= 1


def test_bad_looks_that_are_like_nobody_do_not_take_a_name() -> None:
    away = np.array([0, 0, 0, 1], np.float32)
    looks = [*[ADA] * 20, *[STRANGER, away] * 4, ADA]
    assert names(stage().process([observation(n, [look], [7]) for n, look in enumerate(looks)])) == [["Ada"]] * 29


def test_a_face_between_two_people_is_neither() -> None:
    between = (ADA + BOB) / np.float32(np.sqrt(2))
    assert names(stage().process([observation(0, [between])])) == [["unknown"]]


def test_a_face_that_was_not_embedded_has_its_tracks_name() -> None:
    nothing = np.zeros(4, np.float32)
    found = stage().process(
        [observation(0, [nothing], [1]), observation(1, [ADA], [1]), observation(2, [nothing], [1])]
    )
    assert names(found) == [[None], ["Ada"], ["Ada"]]


def test_sources_and_ended_tracks_are_kept_apart() -> None:
    tested = stage()
    tested.process([observation(0, [ADA], [1]), observation(0, [BOB], [1], source="b")])
    nothing = np.zeros(4, np.float32)
    later = [observation(1, [nothing], [1], ended=(1,)), observation(1, [nothing], [1], source="b")]
    assert names(tested.process(later)) == [[None], ["Bob"]]
    tested.end_source("b")
    assert names(tested.process([observation(2, [nothing], [1], source="b")])) == [[None]]


def test_a_track_in_view_is_decided_anew_when_the_people_change() -> None:
    """Somebody enrols, and then forgets, who stands before the camera and gets no further look."""
    rosters = iter([Roster([Person("p2", "Bob")], BOB[None], np.array([0])), ROSTER, ROSTER, Roster.empty(4)])
    identify = IdentifyStage(lambda: next(rosters), threshold=0.4, margin=0.05)
    not_embedded = np.zeros(4, np.float32)
    found = [identify.process([observation(n, [look], [7])]) for n, look in enumerate([ADA, *[not_embedded] * 3])]
    assert [names(results) for results in found] == [[["unknown"]], [["Ada"]], [["Ada"]], [["unknown"]]]


def test_a_batch_without_embeddings_passes_as_it_is() -> None:
    plain = Observation(Frame("a", 0, 0.0, TaggedPicture(0)), Faces.none())
    assert stage().process([plain]) == [plain]


def test_the_roster_of_the_moment_is_asked() -> None:
    rosters = [Roster.empty(4), ROSTER]
    tested = IdentifyStage(lambda: rosters.pop(0), threshold=0.4, margin=0.05)
    assert names(tested.process([observation(0, [ADA], [1])])) == [["unknown"]]
    assert names(tested.process([observation(1, [ADA], [1])])) == [["Ada"]]


@pytest.mark.parametrize("quality", [0.0, 0.2])
def test_a_good_look_outweighs_a_bad_one(quality: float) -> None:
    evidence = TrackEvidence()
    evidence.add(ADA, quality, 0.0)
    assert evidence.add(BOB, 1.0, 0.1).mean @ BOB > 0.97


def test_many_looks_tell_what_one_does_not() -> None:
    """Each is off in another direction, and none is alike enough by itself."""
    random = np.random.default_rng(0)
    roster = Roster([Person("p1", "Ada"), Person("p2", "Bob")], np.eye(64, dtype=np.float32)[:2], np.array([0, 1]))
    errors = random.standard_normal((20, 64))
    errors[:, :2] = 0
    looks = 0.38 * np.eye(64)[0] + np.sqrt(1 - 0.38**2) * errors / np.linalg.norm(errors, axis=1, keepdims=True)
    alone = IdentifyStage(lambda: roster, threshold=0.4, margin=0.05)
    assert not any(
        name != ["unknown"] for name in names(alone.process([many(n, look) for n, look in enumerate(looks)]))
    )
    tracked = IdentifyStage(lambda: roster, threshold=0.4, margin=0.05)
    assert names(tracked.process([many(n, look, 1) for n, look in enumerate(looks)]))[-1] == ["Ada"]


def test_one_look_has_to_be_more_alike_than_the_mean_of_many() -> None:
    rule = NamingRule(0.4, 0.05)
    assert [rule.names(0.4045, 0.0, samples=looks) for looks in (1, 2, 3, 100)] == [False, False, True, True]
    assert not rule.names(0.9, 0.86, samples=100)


def decided(cases: Sequence[tuple[float, float]]) -> list[str]:
    """The names of a track of many looks; the mean's cosine to Ada, and each look's by itself."""
    evidence, rule = TrackEvidence(), NamingRule(0.4, 0.05)
    return [
        evidence.decide(
            TrackSample(ADA, ADA, 1.0, 100 + number, float(number)),
            Candidate(Person("p1", "Ada"), mean, 0.0, alike),
            rule,
        ).name
        for number, (mean, alike) in enumerate(cases)
    ]


def test_a_name_is_kept_while_a_track_is_a_little_less_alike() -> None:
    cases = [(0.38, 0.5), (0.41, 0.5), (0.38, 0.5), (0.36, 0.5), (0.38, 0.5)]
    assert decided(cases) == ["unknown", "Ada", "Ada", "unknown", "unknown"]


def test_what_few_looks_say_by_themselves_is_no_name_however_alike_the_mean_is() -> None:
    assert set(decided([(0.6, alike) for alike in (0.3, 0.3, 0.5) * 20])) == {"unknown"}
    assert decided([(0.6, alike) for alike in (0.3, 0.5, 0.5) * 20])[-1] == "Ada"


def test_a_new_name_is_told_at_once() -> None:
    evidence, rule = TrackEvidence(), NamingRule(0.4, 0.05)
    told = []
    for name in ("Ada", "Ada Byron"):
        look = evidence.add(ADA, 0.8, 1.0)
        told.append(evidence.decide(look, Candidate(Person("p1", name), 0.9, 0.0, 0.9), rule).name)
    assert told == ["Ada", "Ada Byron"]
