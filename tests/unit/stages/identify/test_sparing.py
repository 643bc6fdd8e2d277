"""What `--embed auto` embeds: until a name is settled, then checks; the same names as with every face embedded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from stages.chain import Chain
from stages.frames import Faces, FloatArray, Frame, Observation
from stages.identify.continuity import ContinuityStage
from stages.identify.roster import Person, Roster
from stages.identify.sparing import CHECK_SECONDS, SparingStage
from stages.identify.stage import IdentifyStage
from tests.unit.stages.pictures import TaggedPicture

ADA, BOB, STRANGER, NOBODY = np.eye(4, dtype=np.float32)
ROSTER = Roster([Person("p1", "Ada"), Person("p2", "Bob")], np.stack([ADA, BOB]), np.array([0, 1]))
THRESHOLD = 0.4
FPS = 24

Look = Callable[[int], FloatArray]


class KnownEmbeddings:
    """An embedder of faces whose embeddings are known: those of `look`, by frame; counts the frames it embeds."""

    name = "embed"

    def __init__(self, looks: Sequence[Look]) -> None:
        self.looks = looks
        self.embedded: list[list[int]] = [[] for _ in looks]

    def open(self) -> None:
        pass

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        results = []
        for item in batch:
            embeddings = np.zeros((len(item.faces), 4), np.float32)
            for row in item.faces.worth_embedding.tolist():
                embeddings[row] = self.looks[row](item.frame.index)
                self.embedded[row].append(item.frame.index)
            results.append(item.with_faces(item.faces.with_embeddings(embeddings)))
        return results

    def end_source(self, source_id: str) -> None:
        pass

    def close(self) -> None:
        pass


def frame(index: int, faces: int, *, tracks: bool = True) -> Observation:
    boxes = np.array([[300 * row, 0, 300 * row + 100, 100] for row in range(faces)], np.float32)
    found = Faces(
        boxes_xyxy=boxes,
        scores=np.ones(faces, np.float32),
        track_ids=np.arange(1, faces + 1) if tracks else None,
        quality=np.full(faces, 0.5, np.float32) if tracks else None,
        propagated=np.zeros(faces, np.bool_) if tracks else None,
    )
    return Observation(Frame("film", index, index / FPS, TaggedPicture(0)), found)


def run(
    looks: Sequence[Look], frames: int, *, batch: int = 7, spares: bool = True, tracks: bool = True
) -> tuple[list[list[int]], list[list[str | None]]]:
    """The frames in which each face was embedded, and the names by frame and face."""
    embedder = KnownEmbeddings(looks)
    named = Chain(Chain(embedder, ContinuityStage()), IdentifyStage(lambda: ROSTER, threshold=THRESHOLD, margin=0.05))
    stage = SparingStage(named, threshold=THRESHOLD) if spares else named
    items = [frame(index, len(looks), tracks=tracks) for index in range(frames)]
    results = [one for start in range(0, frames, batch) for one in stage.process(items[start : start + batch])]
    assert [one.frame.index for one in results] == list(range(frames))
    names = [[None if own is None else own.name for own in one.faces.identities or ()] for one in results]
    return embedder.embedded, names


def toward(person: FloatArray, cosine: float) -> FloatArray:
    return np.asarray(cosine * person + np.sqrt(1 - cosine**2) * NOBODY, np.float32)


@pytest.mark.parametrize(("look", "name"), [(ADA, "Ada"), (STRANGER, "unknown"), (toward(BOB, 0.7), "Bob")])
def test_a_settled_face_is_embedded_twice_a_second(look: FloatArray, name: str) -> None:
    (embedded,), names = run([lambda _: look], 10 * FPS)
    assert names == [[name]] * 240
    assert embedded[:3] == [0, 1, 2]
    assert set(np.diff(embedded[5:])) == {round(CHECK_SECONDS * FPS)}
    assert len(embedded) <= 5 + 20


def test_a_face_near_the_threshold_is_embedded_until_its_mean_rests_on_many() -> None:
    rng = np.random.default_rng(1)
    cosines = rng.normal(THRESHOLD + 0.02, 0.05, 240)
    look: Look = lambda index: toward(ADA, float(cosines[index]))  # noqa: E731
    (embedded,), names = run([look], 240)
    _, all_names = run([look], 240, spares=False)
    assert embedded[:24] == list(range(24))
    assert sum(one == other for one, other in zip(names, all_names, strict=True)) >= 0.99 * 240


def test_a_track_that_goes_over_to_another_person_is_embedded_again() -> None:
    (embedded,), names = run([lambda index: ADA if index < 100 else BOB], 240)
    noticed = min(index for index in embedded if index >= 100)
    assert noticed <= 100 + CHECK_SECONDS * FPS
    close = [index for index in embedded if noticed <= index < noticed + 12]
    assert len(close) >= 6  # no longer twice a second
    assert names[-1] == ["Bob"]


def test_what_is_embedded_does_not_depend_on_batches() -> None:
    rng = np.random.default_rng(2)
    cosines = rng.uniform(0.2, 1.0, (3, 200))
    looks: list[Look] = [
        lambda index: toward(ADA, float(cosines[0, index])),
        lambda index: toward(BOB if index > 90 else STRANGER, float(cosines[1, index])),
        lambda index: ADA if index % 50 else STRANGER,
    ]
    one = run(looks, 200, batch=1)
    assert run(looks, 200, batch=3) == one
    assert run(looks, 200, batch=200) == one


def test_faces_that_are_not_recognisable_are_not_looked_at_for_ever() -> None:
    (embedded,), _ = run([lambda _: np.zeros(4, np.float32)], 240)
    assert embedded[:24] == list(range(24))
    assert len(embedded) < 60


def test_without_tracks_every_face_is_embedded() -> None:
    (embedded,), names = run([lambda index: ADA if index % 2 else BOB], 20, tracks=False)
    assert embedded == list(range(20))
    assert names == [["Bob"], ["Ada"]] * 10
