"""The matrix product against a plain loop, also where a person's pictures lie in two chunks."""

from __future__ import annotations

import numpy as np
import pytest

from stages.identify import roster as roster_module
from stages.identify.roster import Person, Roster


@pytest.mark.parametrize("chunk", [1, 2, 7, 10_000])
def test_the_best_two_people_are_those_of_a_plain_loop(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster_module, "CHUNK_ROWS", chunk)
    random = np.random.default_rng(chunk)
    vectors = random.standard_normal((60, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owners = random.integers(0, 9, 60).astype(np.intp)
    queries = vectors[:20] + 0.3 * random.standard_normal((20, 8)).astype(np.float32)
    found = Roster([Person(f"p{n}", str(n)) for n in range(9)], vectors, owners).closest(queries)
    for row, query in enumerate(queries):
        by_person = sorted(((vectors[owners == n] @ query).max(), n) for n in set(owners.tolist()))
        assert found.best[row] == by_person[-1][1]
        assert found.similarity[row] == pytest.approx(by_person[-1][0], abs=1e-5)
        assert found.runner_up[row] == pytest.approx(by_person[-2][0], abs=1e-5)


def test_nobody_and_nobody_else() -> None:
    query = np.eye(4, dtype=np.float32)[:1]
    nobody = Roster.empty(4).closest(query)
    assert (nobody.best[0], nobody.similarity[0], nobody.runner_up[0]) == (-1, -1.0, -1.0)
    alone = Roster([Person("p1", "Ada")], query, np.zeros(1, np.intp)).closest(query)
    assert (alone.best[0], alone.similarity[0], alone.runner_up[0]) == (0, 1.0, -1.0)
    assert len(Roster.empty(4).closest(query[:0]).best) == 0
