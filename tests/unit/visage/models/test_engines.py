"""The engine cache, with engines built for real by TensorRT for RTX, which needs no card."""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from stages.backends.tensorrt_api import TensorRTApi
from stages.backends.tensorrt_builder import BuildProgress
from stages.imaging.letterbox import DetectorInput
from tests.unit.stages.backends.test_tensorrt_builder import SHAPES, convolution
from visage.models import ModelUnavailable
from visage.models.engines import EngineCache, EngineRequest, detector_shapes, embedder_shapes
from visage.models.precision import to_half
from visage.storage.file_lock import file_lock


@pytest.fixture
def request_(tmp_path: Path) -> EngineRequest:
    model = tmp_path / "tiny.onnx"
    model.write_bytes(convolution().SerializeToString())
    return EngineRequest("tiny", model, "fp16", tuple(SHAPES))


def cache_in(folder: Path, *, arch: str = "sm_89", lock_timeout_seconds: float = 60.0) -> EngineCache:
    return EngineCache(folder, api=TensorRTApi.load(), arch=arch, lock_timeout_seconds=lock_timeout_seconds)


def build(folder: Path, request: EngineRequest, counts: multiprocessing.Queue[tuple[int, str]]) -> None:
    """One of several processes: how many builds it did, and where the engine is."""
    built: list[BuildProgress] = []
    path = cache_in(folder).engine(request, on_build=lambda name, progress: built.append(progress))
    counts.put((int(bool(built)), str(path)))


def test_an_engine_is_built_once_and_found_afterwards(tmp_path: Path, request_: EngineRequest) -> None:
    builds: list[str] = []
    cache = cache_in(tmp_path)
    assert cache.find(request_) is None
    path = cache.engine(request_, on_build=lambda name, progress: builds.append(name))
    assert set(builds) == {"tiny"}
    builds.clear()
    assert cache.engine(request_, on_build=lambda name, progress: builds.append(name)) == path
    assert not builds
    assert path.parent == tmp_path / "engines"


def test_its_name_tells_what_it_is_for(tmp_path: Path, request_: EngineRequest) -> None:
    name = cache_in(tmp_path).engine(request_).name
    assert name.startswith(f"tiny-fp16-b8-sm_89-{TensorRTApi.load().name}-")


def test_other_arithmetic_shapes_weights_or_cards_want_another_engine(tmp_path: Path, request_: EngineRequest) -> None:
    cache = cache_in(tmp_path)
    cache.engine(request_)
    other_model = tmp_path / "other.onnx"
    other_model.write_bytes(convolution(channels=5).SerializeToString())
    narrower = replace(SHAPES[0], maximum=(4, 64, 64, 3))
    for other in (
        replace(request_, precision="fp32"),
        replace(request_, model=other_model),
        replace(request_, shapes=(narrower,)),
    ):
        assert cache.find(other) is None
    assert cache_in(tmp_path, arch="sm_120").find(request_) is None


def test_a_damaged_engine_is_never_returned_but_built_again(
    tmp_path: Path, request_: EngineRequest, caplog: pytest.LogCaptureFixture
) -> None:
    cache = cache_in(tmp_path)
    path = cache.engine(request_)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert cache.find(request_) is None
    assert "damaged" in caplog.text
    rebuilt = cache.engine(request_)
    assert cache.find(request_) == rebuilt
    assert [found.name for found in rebuilt.parent.glob("*.engine")] == [rebuilt.name]


def test_a_discarded_engine_is_built_again(tmp_path: Path, request_: EngineRequest) -> None:
    cache = cache_in(tmp_path)
    cache.discard(cache.engine(request_))
    assert cache.find(request_) is None
    assert cache.engine(request_).exists()


def test_leftovers_of_a_killed_build_are_cleared(tmp_path: Path, request_: EngineRequest) -> None:
    cache = cache_in(tmp_path)
    path = cache.engine(request_)
    leftover = path.with_name(f"{path.name}.4711.part")
    leftover.write_bytes(b"half an engine")
    cache.discard(path)
    cache.engine(request_)
    assert not leftover.exists()


def test_processes_that_want_the_same_engine_build_it_once(tmp_path: Path, request_: EngineRequest) -> None:
    context = multiprocessing.get_context("spawn")
    counts: multiprocessing.Queue[tuple[int, str]] = context.Queue()
    processes = [context.Process(target=build, args=(tmp_path, request_, counts)) for _ in range(2)]
    for process in processes:
        process.start()
    results = [counts.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sum(built for built, _ in results) == 1
    assert len({path for _, path in results}) == 1


def test_waiting_for_another_process_ends(tmp_path: Path, request_: EngineRequest) -> None:
    cache = cache_in(tmp_path, lock_timeout_seconds=0.1)
    path = cache.engine(request_)
    cache.discard(path)
    (lock,) = (tmp_path / "engines").glob("*.lock")
    with file_lock(lock, timeout_seconds=0), pytest.raises(ModelUnavailable, match="try again later"):
        cache.engine(request_)


def test_a_folder_that_can_t_be_made_is_one_clear_error(tmp_path: Path, request_: EngineRequest) -> None:
    (tmp_path / "engines").write_text("a file")
    with pytest.raises(ModelUnavailable, match="--model-dir"):
        cache_in(tmp_path).engine(request_)


def test_strongly_typed_versions_get_a_half_precision_model(tmp_path: Path, request_: EngineRequest) -> None:
    model = convolution(channels=2048)
    request_.model.write_bytes(model.SerializeToString())
    half, full = (cache_in(tmp_path).engine(replace(request_, precision=p)) for p in ("fp16", "fp32"))
    weights = len(model.SerializeToString()) - len(to_half(model).SerializeToString())
    assert full.stat().st_size - half.stat().st_size > weights / 2
    assert onnx.load(request_.model) == model


@pytest.mark.parametrize("size", [320, 640, 1280])
def test_a_detector_s_shapes_cover_every_frame_that_is_letterboxed(size: int) -> None:
    wanted = DetectorInput(longest=size, multiple=32, coarse=True)
    shapes = detector_shapes(wanted, 8)
    assert len(shapes) == 2
    for width, height in ((1920, 1080), (1080, 1920), (640, 480), (4000, 10), (10, 4000), (64, 64)):
        assert any(covered.covers((8, *wanted.shape(width, height), 3)) for covered in shapes)
    assert len(detector_shapes(DetectorInput(longest=size, square=True, coarse=True), 8)) == 1


def test_an_embedder_s_shapes_are_crops_of_one_size() -> None:
    (covered,) = embedder_shapes(112, 32)
    assert covered.covers((1, 112, 112, 3))
    assert covered.covers((32, 112, 112, 3))
    assert not covered.covers((1, 96, 112, 3))
