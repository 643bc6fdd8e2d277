"""Searches against every comparison made one by one: the roster of people, and the index in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from stages.frames import FloatArray
from stages.identify import roster as roster_module
from stages.identify.roster import Person, Roster
from visage.people.index.base import Condition, IndexPoint, IndexValue
from visage.people.index.errors import IndexMismatch
from visage.people.index.memory import MemoryIndex

DIMENSION = 6
SOURCES = ("door", "garden")
ENDS = st.one_of(st.none(), st.floats(0, 10))


def directions(seed: int, count: int) -> FloatArray:
    """Random vectors of norm 1, float32 (count, DIMENSION); no two alike."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@given(
    st.lists(st.integers(0, 4), max_size=24),
    st.integers(0, 5),
    st.integers(0, 99),
    st.sampled_from([1, 3, 1000]),
)
def test_the_closest_two_people_are_found_however_their_pictures_are_spread(
    owners: list[int], query_count: int, seed: int, chunk_rows: int
) -> None:
    """In chunks of any size; a person may have pictures in several."""
    vectors, queries = directions(seed, len(owners)), directions(seed + 1000, query_count)
    roster = Roster([Person(f"p{n}", f"{n}") for n in range(5)], vectors, np.array(owners, np.intp))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(roster_module, "CHUNK_ROWS", chunk_rows)
        found = roster.closest(queries)
    for row, query in enumerate(queries):
        by_person = {
            owner: max(float(vector @ query) for vector, other in zip(vectors, owners, strict=True) if other == owner)
            for owner in set(owners)
        }
        ranked = sorted(by_person.items(), key=lambda item: -item[1])
        assert found.best[row] == (ranked[0][0] if ranked else -1)
        assert found.similarity[row] == pytest.approx(ranked[0][1] if ranked else -1, abs=1e-5)
        assert found.runner_up[row] == pytest.approx(ranked[1][1] if len(ranked) > 1 else -1, abs=1e-5)
        for owner, similarity in by_person.items():
            assert roster.similarity(owner, query) == pytest.approx(similarity, abs=1e-5)


def test_a_roster_whose_vectors_have_no_owners_is_refused() -> None:
    with pytest.raises(ValueError, match="3 vectors have 2 owners"):
        Roster([Person("p1", "Ada")], directions(1, 3), np.zeros(2, np.intp))


class Faces(RuleBasedStateMachine):
    """An index is a dictionary of points, and a search looks at all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.index = MemoryIndex(DIMENSION)
        self.points: dict[int, tuple[FloatArray, dict[str, IndexValue]]] = {}
        self.seed = 0

    @rule(
        numbers=st.lists(st.integers(1, 90), min_size=1, max_size=40, unique=True),
        source=st.sampled_from(SOURCES),
        at=st.one_of(st.none(), st.floats(0, 10)),
    )
    def upsert(self, numbers: list[int], source: str, at: float | None) -> None:
        """New points and replaced ones; a point need not have every field."""
        self.seed += 1
        fields: dict[str, IndexValue] = {"source": source} if at is None else {"source": source, "at": at}
        added = dict(zip(numbers, directions(self.seed, len(numbers)), strict=True))
        self.index.upsert([IndexPoint(number, vector, fields) for number, vector in added.items()])
        self.points |= {number: (vector, fields) for number, vector in added.items()}

    @rule(numbers=st.lists(st.integers(1, 95), max_size=30))
    def delete(self, numbers: list[int]) -> None:
        """Some of them are not there, or named twice."""
        self.index.delete(numbers)
        self.points = {number: point for number, point in self.points.items() if number not in numbers}

    @rule(
        limit=st.integers(0, 100),
        sources=st.one_of(st.none(), st.sets(st.sampled_from(SOURCES), max_size=2)),
        ends=st.one_of(
            st.none(), st.tuples(st.one_of(st.none(), st.floats(0, 10)), st.one_of(st.none(), st.floats(0, 10)))
        ),
    )
    def search(self, limit: int, sources: set[str] | None, ends: tuple[float | None, float | None] | None) -> None:
        condition = Condition(
            among={} if sources is None else {"source": sorted(sources)}, ranges={} if ends is None else {"at": ends}
        )
        (query,) = directions(self.seed + 500, 1)
        expected = []
        for number, (vector, fields) in self.points.items():
            at = fields.get("at")
            is_in_time = ends is None or (
                isinstance(at, float) and (ends[0] is None or at >= ends[0]) and (ends[1] is None or at < ends[1])
            )
            if (sources is None or fields["source"] in sources) and is_in_time:
                expected.append((float(vector @ query), number))
        expected = sorted(expected, reverse=True)[:limit]
        (found,) = self.index.search(query[None], limit=limit, condition=condition)
        assert [hit.point_id for hit in found] == [number for _, number in expected]
        assert [hit.similarity for hit in found] == pytest.approx([value for value, _ in expected], abs=1e-5)

    @rule()
    def vectors_of_another_length_are_refused_and_change_nothing(self) -> None:
        good = IndexPoint(1, directions(1, 1)[0])
        with pytest.raises(IndexMismatch, match="embeddings of length 6"):
            self.index.upsert([good, IndexPoint(2, np.ones(5, np.float32))])
        with pytest.raises(IndexMismatch):
            self.index.search(np.ones((1, 5), np.float32), limit=1)

    @invariant()
    def it_holds_what_was_put_in(self) -> None:
        assert self.index.count() == len(self.points)
        assert repr(self.index) == f"<MemoryIndex {len(self.points)} faces, 6-D>"

    def teardown(self) -> None:
        self.index.close()
        assert self.index.count() == 0


TestFaces = Faces.TestCase
TestFaces.settings = settings(max_examples=40, stateful_step_count=20)
