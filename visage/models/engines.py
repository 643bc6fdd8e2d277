"""TensorRT engines, built once and kept in `<model_dir>/engines`.

An engine belongs to one network, arithmetic, range of shapes, TensorRT version and kind of card; its file's name says
all of them and ends in the digest of its contents, so that a damaged file is never loaded. Files appear whole. Of
several processes that want the same engine one builds it, and the others wait, but not for ever. An engine that
TensorRT refuses to load is thrown away and built again.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stages.backends.tensorrt_api import TensorRTApi
from stages.backends.tensorrt_builder import BuildProgress, EngineBuilder, ShapeRange
from stages.imaging.letterbox import DetectorInput
from visage.models.errors import ModelUnavailable
from visage.storage.atomic_write import atomic_write
from visage.storage.file_lock import file_lock

__all__ = ["EngineCache", "EngineRequest", "OnBuild", "detector_shapes", "embedder_shapes"]

logger = logging.getLogger(__name__)

DIGITS = 12  # of a SHA-256, in file names
READABLE = 0o666  # less the umask: several users may share a model folder

# Two engines took 110 s side by side on an H200 machine; a heavy detector takes tens of minutes on a small one.
LOCK_TIMEOUT_SECONDS = 3600.0

OnBuild = Callable[[str, BuildProgress], None]
"""Called with the network's name and its progress about once a second, on another thread."""


class EngineCache:
    """The engines of one TensorRT version for one kind of card."""

    def __init__(
        self,
        model_dir: Path,
        *,
        api: TensorRTApi,
        arch: str,
        optimization_level: int = 3,
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
    ) -> None:
        """
        Args:
            model_dir: engines go to its folder "engines", made at the first build.
            arch: of the card that engines are built on and for, for example "sm_90".
            optimization_level: see `EngineBuilder`.
        """
        self._folder = model_dir / "engines"
        self._api = api
        self._arch = arch
        self._optimization_level = optimization_level
        self._lock_timeout_seconds = lock_timeout_seconds

    def __repr__(self) -> str:
        return f"<EngineCache {self._folder}, {self._api.name} {self._arch}>"

    def find(self, request: EngineRequest) -> Path | None:
        """The engine's file, if it is there and undamaged."""
        for path in self._folder.glob(f"{self._stem(request)}-*.engine"):
            if path.stem.rpartition("-")[2] == _digest(path.read_bytes()):
                return path
            logger.warning("%s is damaged; building it again", path)
        return None

    def engine(self, request: EngineRequest, *, on_build: OnBuild | None = None) -> Path:
        """The engine's file, built if need be.

        Raises:
            ModelMismatch, BackendError: TensorRT can't build it.
            ModelUnavailable: the folder can't be written, or another process holds it too long.
        """
        found = self.find(request)
        if found is not None:
            return found
        with self._exclusive(request):
            return self.find(request) or self._build(request, on_build)

    def discard(self, path: Path) -> None:
        """Forget an engine that TensorRT does not load."""
        path.unlink(missing_ok=True)

    def _build(self, request: EngineRequest, on_build: OnBuild | None) -> Path:
        stem = self._stem(request)
        for stale in self._folder.glob(f"{stem}-*"):
            stale.unlink()
        timing = self._folder / f"{request.name}-timing-{self._arch}-{self._api.name}.cache"
        built = EngineBuilder(self._api, optimization_level=self._optimization_level).build(
            self._network(request),
            list(request.shapes),
            half=request.precision == "fp16",
            timing_cache=timing.read_bytes() if timing.exists() else b"",
            on_progress=None if on_build is None else lambda progress: on_build(request.name, progress),
        )
        if built.timing_cache:
            atomic_write(timing, built.timing_cache, mode=READABLE)
        path = self._folder / f"{stem}-{_digest(built.plan)}.engine"
        atomic_write(path, built.plan, mode=READABLE)
        return path

    def _network(self, request: EngineRequest) -> bytes:
        if request.precision == "fp32" or not self._api.is_strongly_typed:
            return request.model.read_bytes()
        import onnx  # noqa: PLC0415 - slow to import, and an engine is built once

        from visage.models.precision import to_half  # noqa: PLC0415

        network: bytes = to_half(onnx.load(request.model)).SerializeToString()
        return network

    def _stem(self, request: EngineRequest) -> str:
        facts = (_digest(request.model.read_bytes()), request.precision, request.shapes, self._optimization_level)
        key = hashlib.sha256(repr((*facts, self._api.name, self._arch)).encode()).hexdigest()[:DIGITS]
        largest = request.shapes[-1].maximum[0]
        return f"{request.name}-{request.precision}-b{largest}-{self._arch}-{self._api.name}-{key}"

    @contextmanager
    def _exclusive(self, request: EngineRequest) -> Iterator[None]:
        """Alone with this engine. Others may be built meanwhile."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with file_lock(self._folder / f"{self._stem(request)}.lock", timeout_seconds=self._lock_timeout_seconds):
                yield
        except TimeoutError as exc:
            raise ModelUnavailable(f"{exc}; it may be building the same engine: stop it, or try again later") from exc
        except OSError as exc:
            raise ModelUnavailable(
                f"can't keep engines in {self._folder}: {exc.strerror or exc}; choose a folder with --model-dir"
            ) from exc


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """What an engine is wanted for.

    Attributes:
        name: of the network, for people.
        model: the prepared ONNX file.
        precision: arithmetic; inputs and outputs are the model's.
        shapes: of the input, one optimisation profile each.
    """

    name: str
    model: Path
    precision: Literal["fp16", "fp32"]
    shapes: tuple[ShapeRange, ...]


def detector_shapes(wanted: DetectorInput, max_batch: int) -> tuple[ShapeRange, ...]:
    """uint8 (N, H, W, 3) for batches of 1 to max_batch; kernels are chosen for full batches.

    One profile for wide frames and one for all others, or only the square. With free height and width TensorRT 8.6 had
    not finished after 340 s what takes it 105 s for one shape.
    """
    sizes = {wanted.shape(*frame) for frame in ((16, 9), (1, 1))}
    return tuple(
        ShapeRange(minimum=(1, *size, 3), optimum=(max_batch, *size, 3), maximum=(max_batch, *size, 3))
        for size in sorted(sizes)
    )


def embedder_shapes(size: int, max_batch: int) -> tuple[ShapeRange, ...]:
    """uint8 (N, size, size, 3) for batches of 1 to max_batch; kernels are chosen for full batches."""
    full = (max_batch, size, size, 3)
    return (ShapeRange(minimum=(1, size, size, 3), optimum=full, maximum=full),)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]
