from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.backends.base import HostTensor
from stages.backends.scripted import ScriptedBackend
from stages.embed.align import ARCFACE_112, box_transforms, landmark_transforms
from stages.embed.stage import EmbedStage, host_readback
from stages.errors import ModelMismatch
from stages.frames import Faces, FloatArray, Observation
from tests.unit.stages.pictures import TaggedImaging, TaggedPicture, tagged_frame


def directions(batch: HostTensor) -> dict[str, HostTensor]:
    """An embedding of length 5 in the direction (tag, 1)."""
    tag = batch[:, 0, 0, 0].astype(np.float32)
    return {"embedding": np.stack([tag, np.ones_like(tag)], axis=1) * 5}


def make_stage(
    backend: ScriptedBackend,
    *,
    imaging: TaggedImaging | None = None,
    template: FloatArray | None = ARCFACE_112,
    release_pixels: bool = True,
    min_norm: float = 0.0,
    full_norm: float = 0.0,
) -> EmbedStage[HostTensor]:
    return EmbedStage[HostTensor](
        imaging=imaging or TaggedImaging(),
        backend=backend,
        readback=host_readback,
        crop_size=112,
        template=template,
        dimension=2,
        min_norm=min_norm,
        full_norm=full_norm,
        release_pixels=release_pixels,
    )


def observation(tag: int, faces: int, *, seed: int = 0) -> Observation:
    rng = np.random.default_rng(seed)
    boxes = np.tile(np.array([10, 10, 60, 70], np.float32), (faces, 1))
    landmarks = rng.uniform(0, 200, (faces, 5, 2)).astype(np.float32)
    return Observation(tagged_frame(tag), Faces(boxes, np.ones(faces, np.float32), landmarks))


@given(counts=st.lists(st.integers(0, 9), min_size=1, max_size=6), limit=st.integers(1, 8))
def test_every_face_gets_the_embedding_of_its_own_frame(counts: list[int], limit: int) -> None:
    backend = ScriptedBackend(directions, max_batch=limit)
    batch = [observation(tag, count) for tag, count in enumerate(counts)]
    found = make_stage(backend).process(batch)
    for tag, (item, count) in enumerate(zip(found, counts, strict=True)):
        expected = np.array([tag, 1]) / np.hypot(tag, 1)
        assert item.faces.embeddings is not None
        assert item.faces.embeddings.shape == (count, 2)
        np.testing.assert_allclose(item.faces.embeddings, np.tile(expected, (count, 1)), rtol=1e-6)
    total = sum(counts)
    assert sum(backend.batch_sizes) == total
    assert len(backend.batch_sizes) == -(-total // limit), "batches are full but for the last"


def test_only_faces_worth_it_are_embedded() -> None:
    """Those chosen where somebody chose, else those detected here; the rest gets zeros."""
    chosen, followed, none = (observation(tag, 3) for tag in range(3))
    is_propagated = np.array([True, False, True])
    to_embed = np.array([True, False, False])
    batch = [
        replace(chosen, faces=replace(chosen.faces, propagated=is_propagated, to_embed=to_embed)),
        replace(followed, faces=replace(followed.faces, propagated=is_propagated)),
        replace(none, faces=replace(none.faces, propagated=np.ones(3, bool))),
    ]
    backend = ScriptedBackend(directions)
    found = make_stage(backend).process(batch)
    is_embedded = [item.faces.embeddings.any(axis=1).tolist() for item in found if item.faces.embeddings is not None]
    assert is_embedded == [[True, False, False], [False, True, False], [False, False, False]]
    assert sum(backend.batch_sizes) == 2


def test_faces_are_aligned_by_their_landmarks_where_there_are_any() -> None:
    imaging, item = TaggedImaging(), observation(1, 2)
    make_stage(ScriptedBackend(directions), imaging=imaging).process([item])
    assert item.faces.landmarks is not None
    np.testing.assert_array_equal(imaging.transforms[0], landmark_transforms(item.faces.landmarks, ARCFACE_112))


def test_faces_without_landmarks_or_template_are_cut_by_their_boxes() -> None:
    item = observation(1, 2)
    bare = Observation(item.frame, Faces(item.faces.boxes_xyxy, item.faces.scores))
    for observed, template in ((bare, ARCFACE_112), (item, None)):
        imaging = TaggedImaging()
        make_stage(ScriptedBackend(directions), imaging=imaging, template=template).process([observed])
        np.testing.assert_array_equal(imaging.transforms[0], box_transforms(item.faces.boxes_xyxy, 112))


@pytest.mark.parametrize("release", [True, False])
def test_pixels_are_released_by_the_last_stage_that_needs_them(release: bool) -> None:
    items = [observation(1, 0), observation(2, 1)]
    make_stage(ScriptedBackend(directions), release_pixels=release).process(items)
    for item in items:
        assert isinstance(item.frame.picture, TaggedPicture)
        assert item.frame.picture.releases == release


def test_a_network_with_another_output_is_refused() -> None:
    wrong = ScriptedBackend(lambda batch: {"embedding": np.ones((len(batch), 3), np.float32)})
    with pytest.raises(ModelMismatch, match=r"should have shape \(1, 2\), found \(1, 3\)"):
        make_stage(wrong).process([observation(1, 1)])


def test_faces_whose_embeddings_are_short_get_zeros() -> None:
    """The network's outputs are (5 tag, 5) long: 5 for tag 0, 11.2 for tag 2."""
    found = make_stage(ScriptedBackend(directions), min_norm=8).process([observation(0, 1), observation(2, 2)])
    first, second = (item.faces.embeddings for item in found)
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first, np.zeros((1, 2)))
    np.testing.assert_allclose(np.linalg.norm(second, axis=1), 1, rtol=1e-6)


def test_an_embedded_face_is_as_good_as_its_embedding_is_long() -> None:
    """The network's outputs are (5 tag, 5) long: 5 for tag 0, 11.2 for tag 2. The others keep what they had."""
    seen = observation(0, 1), observation(2, 2), observation(40, 1)
    found = make_stage(ScriptedBackend(directions), min_norm=8, full_norm=20).process(seen)
    qualities = [item.faces.quality for item in found]
    expected = [[25 / 400], [125 / 400] * 2, [1.0]]
    for quality, known in zip(qualities, expected, strict=True):
        assert quality is not None
        np.testing.assert_allclose(quality, known, rtol=1e-5)
    item = observation(2, 2)
    geometric = np.array([0.25, 0.75], np.float32)
    chosen = replace(item.faces, quality=geometric, to_embed=np.array([False, True]))
    (mixed,) = make_stage(ScriptedBackend(directions), full_norm=20).process([item.with_faces(chosen)])
    assert mixed.faces.quality is not None
    np.testing.assert_allclose(mixed.faces.quality, [0.25, 125 / 400], rtol=1e-5)
    (plain,) = make_stage(ScriptedBackend(directions)).process([item.with_faces(chosen)])
    assert plain.faces.quality is geometric
