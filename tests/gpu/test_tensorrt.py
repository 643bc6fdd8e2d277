"""Engines on a card: the same numbers as on the CPU, replayed or queued, without allocating, and clear refusals."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from stages.backends.availability import nvidia_status, tensorrt_status
from stages.backends.base import Backend
from stages.backends.tensorrt import TensorRTBackend
from stages.backends.tensorrt_api import TensorRTApi
from stages.backends.tensorrt_builder import ShapeRange
from stages.buffers import HostStream
from stages.buffers.cuda import CudaDevice
from stages.buffers.cuda_stream import CudaStream
from stages.buffers.device import DeviceArray
from stages.errors import EngineRejected, ModelMismatch
from stages.imaging.letterbox import DetectorInput
from tests.media import Media
from tests.unit.stages.backends.test_tensorrt_builder import SHAPES, convolution
from visage.models import ModelStore
from visage.models.engines import EngineCache, EngineRequest, detector_shapes, embedder_shapes
from visage.models.tensorrt import open_backend

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]
Outputs = dict[str, Values]

BUILD_SECONDS = 900


@pytest.fixture(scope="module")
def api() -> TensorRTApi:
    return TensorRTApi.load()


@pytest.fixture(scope="module")
def tiny_request(tmp_path_factory: pytest.TempPathFactory) -> EngineRequest:
    model = tmp_path_factory.mktemp("tiny") / "tiny.onnx"
    model.write_bytes(convolution().SerializeToString())
    return EngineRequest("tiny", model, "fp32", tuple(SHAPES))


@pytest.fixture(scope="module")
def tiny_cache(device: CudaDevice, api: TensorRTApi, tmp_path_factory: pytest.TempPathFactory) -> EngineCache:
    return EngineCache(tmp_path_factory.mktemp("engines"), api=api, arch=device.arch, optimization_level=0)


@pytest.fixture
def tiny(
    tiny_request: EngineRequest, tiny_cache: EngineCache, device: CudaDevice, api: TensorRTApi
) -> Iterator[TensorRTBackend]:
    backend = open_backend(tiny_request, cache=tiny_cache, api=api, device=device)
    yield backend
    backend.close()


class Card:
    """Puts batches on the card and fetches results."""

    def __init__(self, device: CudaDevice, stream: CudaStream) -> None:
        self._device = device
        self._stream = stream
        self._arrays: list[DeviceArray] = []

    def put(self, batch: Pixels) -> DeviceArray:
        pinned = self._device.allocate_pinned(batch.shape)
        pinned.array[...] = batch
        array = self._device.allocate(batch.shape)
        self._arrays.append(array)
        self._stream.upload(pinned, array)
        self._stream.synchronize()
        self._device.free_pinned(pinned)
        return array

    def fetch(self, array: DeviceArray) -> Values:
        pinned = self._device.allocate_pinned(array.shape, array.dtype)
        self._stream.download(array, pinned)
        self._stream.synchronize()
        values = np.array(pinned.array, np.float32)
        self._device.free_pinned(pinned)
        return values

    def run(self, backend: Backend[DeviceArray], batch: DeviceArray) -> Outputs:
        return {name: self.fetch(array) for name, array in backend.infer(batch, stream=self._stream).items()}

    def close(self) -> None:
        for array in self._arrays:
            self._device.free(array)


@pytest.fixture
def card(device: CudaDevice, stream: CudaStream) -> Iterator[Card]:
    card = Card(device, stream)
    yield card
    card.close()


def noise(*shape: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def on_the_cpu(model: Path, batch: Pixels) -> Outputs:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: batch}), strict=True))


def test_what_is_here_is_found_without_loading_it(device: CudaDevice, api: TensorRTApi) -> None:
    assert nvidia_status().ok
    assert device.name in nvidia_status().detail
    assert device.arch in tensorrt_status().detail
    assert tensorrt_status().ok, tensorrt_status()


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (3, 32, 64, 3), (8, 64, 64, 3)])
def test_every_shape_of_the_profile_gives_the_cpu_s_numbers(
    tiny: TensorRTBackend, tiny_request: EngineRequest, card: Card, shape: tuple[int, ...]
) -> None:
    batch = noise(*shape)
    expected = on_the_cpu(tiny_request.model, batch)["features"]
    found = card.run(tiny, card.put(batch))["features"]
    assert found.shape == expected.shape
    # TF32 products keep 11 bits; sums of 27 of them.
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()


def test_a_shape_that_comes_again_is_replayed_with_the_same_result(tiny: TensorRTBackend, card: Card) -> None:
    batch = card.put(noise(3, 32, 64, 3))
    results = [card.run(tiny, batch)["features"] for _ in range(5)]
    assert tiny.graph_count == 1
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_a_replay_reads_what_the_memory_holds_then(tiny: TensorRTBackend, card: Card, stream: CudaStream) -> None:
    batch = card.put(noise(2, 32, 32, 3))
    for _ in range(3):
        before = card.run(tiny, batch)["features"]
    stream.fill(batch, 0)
    assert (card.run(tiny, batch)["features"] == 0).all()
    assert before.any()


def test_graphs_of_several_shapes_don_t_disturb_each_other(
    tiny: TensorRTBackend, tiny_request: EngineRequest, card: Card
) -> None:
    shapes = [(count, 32, width, 3) for count in (1, 2, 5, 8) for width in (32, 64)]
    batches = [card.put(noise(*shape, seed=seed)) for seed, shape in enumerate(shapes)]
    queued = [card.run(tiny, batch)["features"] for batch in batches]
    for _ in range(3):
        for batch, expected in zip(batches, queued, strict=True):
            np.testing.assert_array_equal(card.run(tiny, batch)["features"], expected)
    assert tiny.graph_count == len(shapes)


def test_batches_with_room_behind_them_share_a_graph_and_keep_their_rows(
    tiny: TensorRTBackend, tiny_request: EngineRequest, card: Card
) -> None:
    """5 rows are computed as 6; what lies in the sixth changes nothing."""
    whole = noise(8, 32, 32, 3)
    array = card.put(whole)
    expected = on_the_cpu(tiny_request.model, whole)["features"]
    for count in (5, 6, 5, 6):
        found = card.run(tiny, array.view((count, 32, 32, 3)))["features"]
        assert found.shape == (count, *expected.shape[1:])
        assert np.abs(found - expected[:count]).max() < 2e-3 * np.abs(expected).max()
    assert tiny.graph_count == 1


def test_without_graphs_everything_is_queued(
    tiny_request: EngineRequest, tiny_cache: EngineCache, device: CudaDevice, api: TensorRTApi, card: Card
) -> None:
    backend = open_backend(tiny_request, cache=tiny_cache, api=api, device=device, use_graphs=False)
    batch = card.put(noise(2, 32, 32, 3))
    results = [card.run(backend, batch)["features"] for _ in range(3)]
    np.testing.assert_array_equal(results[0], results[2])
    assert backend.graph_count == 0
    backend.close()


def test_the_steady_state_allocates_nothing(
    tiny: TensorRTBackend, device: CudaDevice, card: Card, stream: CudaStream
) -> None:
    batches = [card.put(noise(count, 32, 32, 3)) for count in (1, 4)]
    for _ in range(3):
        for batch in batches:
            tiny.infer(batch, stream=stream)
    stream.synchronize()
    before, (used, _) = device.statistics(), device.memory_bytes()
    for _ in range(100):
        for batch in batches:
            tiny.infer(batch, stream=stream)
    stream.synchronize()
    assert device.statistics() == before
    assert device.memory_bytes()[0] == used


def test_closing_gives_everything_back(
    tiny_request: EngineRequest, tiny_cache: EngineCache, device: CudaDevice, api: TensorRTApi, card: Card
) -> None:
    batch = card.put(noise(2, 32, 32, 3))
    before = device.statistics().bytes_allocated
    backend = open_backend(tiny_request, cache=tiny_cache, api=api, device=device)
    card.run(backend, batch)
    assert device.statistics().bytes_allocated > before
    backend.close()
    backend.close()
    assert device.statistics().bytes_allocated == before


def test_a_second_profile_serves_what_the_first_does_not_cover(
    tiny_request: EngineRequest, tiny_cache: EngineCache, device: CudaDevice, api: TensorRTApi, card: Card
) -> None:
    one = (1, 32, 64, 3)
    request = replace(tiny_request, shapes=(ShapeRange(one, one, one), *SHAPES))
    backend = open_backend(request, cache=tiny_cache, api=api, device=device)
    assert backend.max_batch == 8
    for shape in (one, (4, 64, 64, 3), one, (4, 64, 64, 3)):
        batch = noise(*shape)
        expected = on_the_cpu(tiny_request.model, batch)["features"]
        found = card.run(backend, card.put(batch))["features"]
        assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()
    backend.close()


def test_inputs_that_the_engine_does_not_take_are_refused(
    tiny: TensorRTBackend, device: CudaDevice, card: Card, stream: CudaStream
) -> None:
    with pytest.raises(ModelMismatch, match="no profile"):
        tiny.infer(card.put(noise(9, 32, 32, 3)), stream=stream)
    with pytest.raises(ModelMismatch, match="takes uint8"):
        tiny.infer(card.put(noise(1, 32, 32, 3)).view((1, 32, 8, 3), np.dtype(np.float32)), stream=stream)
    with pytest.raises(TypeError):
        tiny.infer(card.put(noise(1, 32, 32, 3)), stream=HostStream())


def test_what_is_no_engine_is_rejected_in_one_line(device: CudaDevice, api: TensorRTApi) -> None:
    with pytest.raises(EngineRejected, match=r"tiny: .* can't load this engine: .+") as caught:
        TensorRTBackend(b"not an engine" * 1000, api=api, device=device, name="tiny")
    assert "\n" not in str(caught.value)


def test_an_engine_that_does_not_load_is_built_again(
    tiny_request: EngineRequest, tmp_path: Path, device: CudaDevice, api: TensorRTApi, card: Card
) -> None:
    """As after an update of TensorRT under the same name: the digest is right, the contents are not loadable."""
    cache = EngineCache(tmp_path, api=api, arch=device.arch, optimization_level=0)
    good = cache.engine(tiny_request)
    stem, content = good.stem.rpartition("-")[0], b"an engine of another world"
    bad = good.with_name(f"{stem}-{hashlib.sha256(content).hexdigest()[:12]}.engine")
    bad.write_bytes(content)
    good.unlink()
    assert cache.find(tiny_request) == bad
    builds: list[str] = []
    backend = open_backend(
        tiny_request, cache=cache, api=api, device=device, on_build=lambda name, progress: builds.append(name)
    )
    assert builds
    assert card.run(backend, card.put(noise(1, 32, 32, 3)))["features"].any()
    assert not bad.exists()
    backend.close()


@pytest.mark.slow
@pytest.mark.timeout(BUILD_SECONDS)
@pytest.mark.parametrize("name", ["yunet", "sface"])
def test_real_networks_agree_with_the_cpu_in_half_precision(
    name: str, models: ModelStore, media: Media, device: CudaDevice, api: TensorRTApi, card: Card
) -> None:
    """Cosine of each output >= 0.999, for a full batch, a single item and an odd number."""
    shapes = {"yunet": detector_shapes(DetectorInput(coarse=True), 32), "sface": embedder_shapes(112, 64)}[name]
    request = EngineRequest(name, models.prepared(name), "fp16", shapes)
    cache = EngineCache(models.model_dir, api=api, arch=device.arch)
    backend = open_backend(request, cache=cache, api=api, device=device)
    photograph = cv2.imread(str(media.path("obama.jpg")))
    assert photograph is not None
    height, width = shapes[0].optimum[1:3]
    for count in (1, 7, 32):
        picture = cv2.resize(photograph, (width, height), interpolation=cv2.INTER_AREA)
        batch = np.stack([np.roll(picture, 3 * number, axis=1) for number in range(count)]).astype(np.uint8)
        expected = on_the_cpu(request.model, batch)
        found = card.run(backend, card.put(batch))
        assert found.keys() == expected.keys()
        for output, values in expected.items():
            a, b = (np.asarray(v, np.float64).reshape(count, -1) for v in (values, found[output]))
            cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
            assert cosines.min() > 0.999, (output, count)
    backend.close()
