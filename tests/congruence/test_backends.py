"""OpenVINO in fp32 and bf16 against ONNX Runtime, on real faces.

Measured with the default models on a processor with AMX, 13 photographs and 17 faces: OpenVINO fp32 differs from ONNX
Runtime by 7e-6 at most in YuNet's raw outputs; bf16 moves a box's side by 0.7% of the face at most, a landmark by 0.4%,
a score by 4e-4; SFace's embeddings in bf16 keep a cosine of 0.99988 at least to fp32. The tests ask for less.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from stages.backends.base import Backend, HostTensor
from stages.backends.onnxruntime import OnnxRuntimeBackend
from stages.backends.openvino import OpenVINOBackend
from stages.buffers import HostStream
from stages.errors import BackendUnavailable
from stages.frames import FloatArray
from stages.imaging.letterbox import DetectorInput
from tests.congruence.portraits import Photograph, Pixels, crops, faces_in
from tests.media import Media
from visage.models import ModelStore

Make = Callable[..., Backend[HostTensor]]

PHOTOGRAPHS = (
    "obama.jpg",
    "biden.jpg",
    "obama_partial_face2.jpg",
    "person_a_1.jpg",
    "person_b_2.jpg",
    "multi_face.jpg",
)
FACES = 10

openvino_fp32 = pytest.param(partial(OpenVINOBackend, precision="fp32"), id="openvino-fp32")
openvino_auto = pytest.param(partial(OpenVINOBackend, precision="auto"), id="openvino-auto")
openvino_bf16 = pytest.param(partial(OpenVINOBackend, precision="bf16"), id="openvino-bf16")
onnxruntime_fp32 = pytest.param(OnnxRuntimeBackend, id="onnxruntime")


def make_or_skip(make: Make, models: ModelStore, name: str, max_batch: int) -> Backend[HostTensor]:
    try:
        return make(models.prepared(name), max_batch=max_batch, threads=2)
    except BackendUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def photographs(media: Media) -> list[Photograph]:
    return [Photograph.read(media.path(name)) for name in PHOTOGRAPHS]


@pytest.fixture(scope="module")
def reference_detector(models: ModelStore) -> Backend[HostTensor]:
    return OnnxRuntimeBackend(models.prepared("yunet"), max_batch=4, threads=2)


@pytest.fixture(scope="module")
def portraits(photographs: list[Photograph], reference_detector: Backend[HostTensor]) -> Pixels:
    found = [crops(photo, faces_in(photo, reference_detector, DetectorInput())) for photo in photographs]
    return np.concatenate(found)


def embed(backend: Backend[HostTensor], pictures: Pixels, batch: int) -> FloatArray:
    """Embeddings of norm 1."""
    parts = [
        np.array(backend.infer(pictures[start : start + batch], stream=HostStream())["fc1"], np.float32)
        for start in range(0, len(pictures), batch)
    ]
    raw = np.concatenate(parts)
    normalised: FloatArray = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    return normalised


def test_detectors_in_fp32_give_the_same_numbers(
    models: ModelStore, photographs: list[Photograph], reference_detector: Backend[HostTensor]
) -> None:
    backend = OpenVINOBackend(models.prepared("yunet"), max_batch=4, threads=2, precision="fp32")

    for photograph in photographs:
        picture = photograph.letterboxed(DetectorInput())[None]
        expected = reference_detector.infer(picture, stream=HostStream())
        found = backend.infer(picture, stream=HostStream())
        assert sorted(found) == sorted(expected)
        for name, values in expected.items():
            difference = np.asarray(found[name], np.float32) - np.asarray(values, np.float32)
            assert np.abs(difference).max() < 1e-4, name


@pytest.mark.parametrize("make", [openvino_bf16, openvino_auto])
def test_the_fast_detector_finds_the_same_faces(
    make: Make, models: ModelStore, photographs: list[Photograph], reference_detector: Backend[HostTensor]
) -> None:
    backend = make_or_skip(make, models, "yunet", 4)

    for photograph in photographs:
        expected = faces_in(photograph, reference_detector, DetectorInput())
        found = faces_in(photograph, backend, DetectorInput())
        assert len(found) == len(expected) > 0
        order = np.argsort(expected.boxes_xyxy[:, 0]), np.argsort(found.boxes_xyxy[:, 0])
        wanted, got = expected.select(order[0]), found.select(order[1])
        sides = (wanted.boxes_xyxy[:, 2:] - wanted.boxes_xyxy[:, :2]).max(axis=1)
        assert (np.abs(got.boxes_xyxy - wanted.boxes_xyxy).max(axis=1) < 0.02 * sides).all()
        assert got.landmarks is not None
        assert wanted.landmarks is not None
        assert (np.abs(got.landmarks - wanted.landmarks).max(axis=(1, 2)) < 0.01 * sides).all()
        np.testing.assert_allclose(got.scores, wanted.scores, atol=0.005)


@pytest.mark.parametrize(
    ("make", "least_cosine"),
    [
        pytest.param(*openvino_fp32.values, 0.999999, id="openvino-fp32"),
        pytest.param(*openvino_bf16.values, 0.999, id="openvino-bf16"),
        pytest.param(*openvino_auto.values, 0.999, id="openvino-auto"),
    ],
)
def test_embeddings_keep_their_direction(
    make: Make, least_cosine: float, models: ModelStore, portraits: Pixels
) -> None:
    expected = embed(OnnxRuntimeBackend(models.prepared("sface"), max_batch=8, threads=2), portraits, 8)

    found = embed(make_or_skip(make, models, "sface", 8), portraits, 8)

    assert len(portraits) == FACES
    assert (found * expected).sum(axis=1).min() >= least_cosine


@pytest.mark.parametrize("make", [openvino_fp32, openvino_bf16, onnxruntime_fp32])
def test_an_embedding_does_not_depend_on_its_batch(make: Make, models: ModelStore, portraits: Pixels) -> None:
    """Alone, in part-filled and full batches, and with the neighbours in another order. Tolerance: cosine 0.99999."""
    backend = make_or_skip(make, models, "sface", 8)
    alone = embed(backend, portraits, 1)

    for batch in (3, 8):
        assert (embed(backend, portraits, batch) * alone).sum(axis=1).min() > 0.99999
    assert (embed(backend, portraits[::-1], 8)[::-1] * alone).sum(axis=1).min() > 0.99999


@pytest.mark.parametrize("make", [openvino_fp32, openvino_bf16, onnxruntime_fp32])
def test_detections_do_not_depend_on_the_batch(make: Make, models: ModelStore, photographs: list[Photograph]) -> None:
    """Four different pictures together and each alone. Tolerance: 1e-3 of raw outputs in fp32, 0.05 in bf16."""
    backend = make_or_skip(make, models, "yunet", 4)
    square = DetectorInput(square=True)
    pictures = np.stack([photograph.letterboxed(square) for photograph in photographs[:4]])

    together = {name: np.array(values) for name, values in backend.infer(pictures, stream=HostStream()).items()}

    tolerance = 0.05 if "bf16" in backend.name else 1e-3
    for row, picture in enumerate(pictures):
        for name, values in backend.infer(picture[None], stream=HostStream()).items():
            np.testing.assert_allclose(values[0], together[name][row], atol=tolerance, err_msg=name)


def test_embeddings_tell_people_apart(
    models: ModelStore, media: Media, reference_detector: Backend[HostTensor]
) -> None:
    """The whole chain is right, not only alike everywhere: the same person is above the threshold, others below."""
    names = ("obama.jpg", "obama2.jpg", "biden.jpg")
    photos = [Photograph.read(media.path(name)) for name in names]
    cut = np.concatenate([crops(photo, faces_in(photo, reference_detector, DetectorInput())) for photo in photos])

    backend = OpenVINOBackend(models.prepared("sface"), max_batch=8, threads=2)
    cosines = (embeddings := embed(backend, cut, 8)) @ embeddings.T

    assert cosines[0, 1] > 0.6
    assert max(cosines[0, 2], cosines[1, 2]) < 0.3
