"""The record of a frame's faces: whatever is chosen of them, all that is known of a face stays together."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.frames import FACE_ARRAYS, Faces, Identity


def numbered(count: int, missing: set[str]) -> Faces:
    """Faces of which every array says which row it belongs to."""
    rows = np.arange(count)
    everything = Faces(
        boxes_xyxy=np.tile(rows[:, None], 4).astype(np.float32),
        scores=rows.astype(np.float32),
        landmarks=np.tile(rows[:, None, None], (1, 5, 2)).astype(np.float32),
        embeddings=np.tile(rows[:, None], 3).astype(np.float32),
        track_ids=rows.astype(np.int64),
        quality=rows.astype(np.float32),
        propagated=rows % 2 == 0,
        to_embed=rows % 3 == 0,
        sharpness=rows.astype(np.float32),
        pose=rows.astype(np.float32),
        identities=tuple(Identity(f"p{row}", f"{row}", 0.5, 0.0) for row in rows),
    )
    nothing: dict[str, Any] = dict.fromkeys(missing)
    return replace(everything, **nothing)


optional = st.sets(
    st.sampled_from([field.name for field in fields(Faces) if field.name not in ("boxes_xyxy", "scores")])
)


@given(st.integers(0, 6), optional, st.data())
def test_a_selection_keeps_every_face_together(count: int, missing: set[str], data: st.DataObject) -> None:
    """By a mask, or by indices in any order and with repeats."""
    faces = numbered(count, missing)
    if data.draw(st.booleans(), label="by mask"):
        mask = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool)
        chosen, rows = faces.select(mask), np.flatnonzero(mask)
    else:
        indices = data.draw(st.lists(st.integers(0, count - 1), max_size=8)) if count else []
        rows = np.array(indices, np.intp)
        chosen = faces.select(rows)
    assert len(chosen) == len(rows)
    for name in FACE_ARRAYS:
        before, after = getattr(faces, name), getattr(chosen, name)
        assert (after is None) == (name in missing)
        if after is not None:
            np.testing.assert_array_equal(after, before[rows])
            assert after.dtype == before.dtype
    if chosen.identities is not None:
        assert [identity and identity.name for identity in chosen.identities] == [str(row) for row in rows]


@given(st.integers(0, 6), optional)
def test_what_is_worth_an_embedding_is_chosen_or_detected(count: int, missing: set[str]) -> None:
    faces = numbered(count, missing)
    rows = faces.worth_embedding.tolist()
    if "to_embed" not in missing:
        assert rows == [row for row in range(count) if row % 3 == 0]
    elif "propagated" not in missing:
        assert rows == [row for row in range(count) if row % 2]
    else:
        assert rows == list(range(count))


@given(st.integers(0, 5), optional)
def test_embeddings_are_added_and_all_else_stays(count: int, missing: set[str]) -> None:
    faces = numbered(count, missing)
    embeddings = np.full((count, 7), 0.5, np.float32)
    after = faces.with_embeddings(embeddings)
    assert after.embeddings is embeddings
    for field in fields(Faces):
        if field.name != "embeddings":
            assert getattr(after, field.name) is getattr(faces, field.name)


@pytest.mark.parametrize("name", [field.name for field in fields(Faces) if field.name != "scores"])
def test_an_array_of_another_length_is_refused(name: str) -> None:
    faces, longer = numbered(2, set()), numbered(3, set())
    with pytest.raises(ValueError, match=r"shape|identities"):
        replace(faces, **{name: getattr(longer, name)})
