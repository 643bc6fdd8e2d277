"""Networks on the CPU by OpenVINO: the default there, because it uses bf16 units (AMX, AVX-512) where there are any.

A batch runs as several asynchronous requests, one thread each, and the caller waits for all of them without the GIL.
On two cores with AMX that took 0-13% less CPU time an item than one request on two threads. Every request is bound to
rows of fixed output arrays, so results are written in place; input rows are read in place.

Networks are compiled for fixed shapes, which is about 10% faster than dynamic ones: per picture size one for a single
picture and one for a chunk. Both are compiled when a size is first seen (about 0.1 s); the sizes used last are kept, so
memory is bounded whatever the videos' sizes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np

from stages.backends.base import HostTensor
from stages.backends.telemetry import import_openvino
from stages.buffers import Stream
from stages.errors import BackendError, BackendUnavailable, ModelMismatch

if TYPE_CHECKING:
    import openvino  # type: ignore[import-untyped]

__all__ = ["MAX_CHUNK", "OpenVINOBackend", "Precision"]

Precision = Literal["auto", "fp32", "bf16"]

MAX_CHUNK = 4
"""Pictures a request takes at most. SFace: 4 take 12% less time each than 1; 8 take as long each as 4."""

_SIZES_KEPT = 8
"""Picture sizes whose networks stay compiled."""

_HINTS = {"fp32": "f32", "bf16": "bf16"}
"""Our names of precisions, and OpenVINO's."""

_core_lock = threading.Lock()
_cores: list[openvino.Core] = []


class OpenVINOBackend:
    """A `Backend` of host arrays.

    Two batches that share a picture may give it slightly different results, within the tolerance of the precision:
    chunks run another kernel than single pictures.
    """

    def __init__(
        self,
        onnx_path: Path,
        *,
        max_batch: int,
        threads: int,
        precision: Precision = "auto",
        max_chunk: int = MAX_CHUNK,
    ) -> None:
        """Read the network, and compile it if its picture size is fixed.

        Args:
            onnx_path: a network prepared for uint8 (N, H, W, 3).
            max_batch: most pictures that `infer` takes at once.
            threads: requests that run at once, each on one thread.
            precision: of the arithmetic. "auto" is bf16 where OpenVINO would choose it itself, that is where the
                processor has units for it, else fp32.
            max_chunk: most pictures a request takes; 1 spares a second copy of the network.

        Raises:
            BackendUnavailable: OpenVINO is not installed, or the processor has no bf16 and it was asked for.
            BackendError: the network can't be read or compiled.
            ModelMismatch: its input is another one.
        """
        if max_batch < 1 or threads < 1:
            raise ValueError(f"max_batch and threads are at least 1, not {max_batch} and {threads}")
        self._ov = _import_openvino()
        self._network = onnx_path.name
        self._max_batch = max_batch
        self._threads = threads
        self._chunk = max(1, min(max_chunk, max_batch // threads))
        self._sizes: OrderedDict[tuple[int, int], _Requests] = OrderedDict()
        self._core = _shared_core(self._ov)
        self._precision = self._choose(precision)
        try:
            self._model: openvino.Model | None = self._core.read_model(onnx_path)
        except RuntimeError as exc:
            raise BackendError(f"OpenVINO can't read {onnx_path}: {_last_line(exc)}") from exc
        # Compiled networks forget the names of outputs that they fuse with the layer before.
        self._names = [port.get_any_name() for port in self._model.outputs]
        self._fixed_size = self._check_input(self._model)
        if self._fixed_size is not None:
            self._requests_for(self._fixed_size)
            if self._chunk == 1:
                self._model = None  # the compiled network has weights of its own

    def __repr__(self) -> str:
        return (
            f"<OpenVINOBackend {self._network}, {self._precision}, {self._threads} threads, sizes {list(self._sizes)}>"
        )

    @property
    def name(self) -> str:
        return f"openvino cpu {self._precision}"

    @property
    def max_batch(self) -> int:
        return self._max_batch

    def infer(self, batch: HostTensor, *, stream: Stream) -> dict[str, HostTensor]:
        """See `Backend.infer`. `batch` is uint8 (N, H, W, 3); not contiguous, it is copied."""
        count = len(batch)
        if batch.dtype != np.uint8 or batch.ndim != 4 or not 1 <= count <= self._max_batch:  # noqa: PLR2004 - N, H, W, C
            raise ValueError(f"expected uint8 (1..{self._max_batch}, H, W, 3), got {batch.dtype} {batch.shape}")
        stream.synchronize()
        pictures = np.ascontiguousarray(batch)
        requests = self._requests_for((batch.shape[1], batch.shape[2]))
        for wave in self._waves(count):
            self._run(requests, pictures, wave)
        return {name: output[:count] for name, output in requests.outputs.items()}

    def close(self) -> None:
        """Release the networks. Idempotent."""
        self._sizes.clear()
        self._model = None

    def _waves(self, count: int) -> Iterator[list[slice]]:
        """Full chunks, as long as every thread gets one; then single pictures.

        One after the other: the two networks have threads of their own, and together they would use twice as many.
        """
        in_chunks = count - count % (self._chunk * self._threads)
        if in_chunks:
            yield [slice(start, start + self._chunk) for start in range(0, in_chunks, self._chunk)]
        if in_chunks < count:
            yield [slice(row, row + 1) for row in range(in_chunks, count)]

    def _run(self, requests: _Requests, pictures: HostTensor, wave: list[slice]) -> None:
        """Start every request, then wait for every one, also after a failure: they read and write arrays of ours."""
        running: list[openvino.InferRequest] = []
        failures: list[RuntimeError] = []
        try:
            for rows in wave:
                request = requests.bound_to(rows)
                request.set_input_tensor(self._ov.Tensor(pictures[rows], shared_memory=True))
                request.start_async()
                running.append(request)
        except RuntimeError as exc:
            failures.append(exc)
        for request in running:
            try:
                request.wait()
            except RuntimeError as exc:
                failures.append(exc)
        if failures:
            raise BackendError(f"{self._network} failed in OpenVINO: {_last_line(failures[0])}") from failures[0]

    def _requests_for(self, size: tuple[int, int]) -> _Requests:
        if size in self._sizes:
            self._sizes.move_to_end(size)
            return self._sizes[size]
        single = self._compile((1, *size, 3))
        requests = _Requests(
            self._ov, single, lambda: self._compile((self._chunk, *size, 3)), self._names, self._max_batch
        )
        self._sizes[size] = requests
        if len(self._sizes) > _SIZES_KEPT:
            self._sizes.popitem(last=False)
        return requests

    def _compile(self, shape: tuple[int, ...]) -> openvino.CompiledModel:
        if self._fixed_size not in (None, shape[1:3]):  # OpenVINO would reshape it, to a network that was never trained
            raise BackendError(f"{self._network} takes pictures of {self._fixed_size}, not of {shape[1:3]}")
        if self._model is None:
            raise BackendError(f"the backend of {self._network} is closed")
        model = self._model.clone()
        try:
            model.reshape(list(shape))
            return self._core.compile_model(
                model,
                "CPU",
                {
                    "INFERENCE_PRECISION_HINT": _HINTS[self._precision],
                    "INFERENCE_NUM_THREADS": self._threads,
                    "NUM_STREAMS": self._threads,
                    # The decoders share these cores: a pinned thread would wait for its own while another is idle.
                    "ENABLE_CPU_PINNING": False,
                },
            )
        except RuntimeError as exc:
            raise BackendError(f"OpenVINO can't compile {self._network} for {shape}: {_last_line(exc)}") from exc

    def _choose(self, precision: Precision) -> str:
        if precision == "auto":
            default: str = self._core.get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name()
            return "bf16" if default == _HINTS["bf16"] else "fp32"
        if precision == "bf16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise BackendUnavailable("this processor has no bf16 arithmetic; use precision fp32 or auto")
        return precision

    def _check_input(self, model: openvino.Model) -> tuple[int, int] | None:
        """Height and width of the input, None where they are free."""
        inputs = model.inputs
        shape = inputs[0].get_partial_shape() if len(inputs) == 1 else None
        is_picture = (
            shape is not None
            and inputs[0].get_element_type() == self._ov.Type.u8
            and shape.rank.get_max_length() == 4  # noqa: PLR2004 - N, H, W, C
            and shape[3].get_max_length() == 3  # noqa: PLR2004 - B, G, R
        )
        if shape is None or not is_picture:
            raise ModelMismatch(f"{self._network} should have one input, uint8 (N, H, W, 3), found {inputs}")
        if shape[1].is_dynamic or shape[2].is_dynamic:
            return None
        return shape[1].get_length(), shape[2].get_length()


class _Requests:
    """The requests of one picture size, and the arrays of `max_batch` rows that they write to."""

    def __init__(
        self,
        ov: ModuleType,
        single: openvino.CompiledModel,
        compile_chunk: Callable[[], openvino.CompiledModel],
        names: list[str],
        max_batch: int,
    ) -> None:
        self._ov = ov
        self._single = single
        self._compile_chunk = compile_chunk
        self._chunk: openvino.CompiledModel | None = None
        self._requests: dict[tuple[int, int], openvino.InferRequest] = {}
        self.outputs: dict[str, HostTensor] = {
            name: np.empty((max_batch, *port.get_shape()[1:]), np.float32)
            for name, port in zip(names, single.outputs, strict=True)
        }

    def bound_to(self, rows: slice) -> openvino.InferRequest:
        """The request that writes its results to these rows."""
        key = (rows.start, rows.stop)
        request = self._requests.get(key)
        if request is None:
            network = self._single
            if rows.stop - rows.start > 1:
                self._chunk = network = self._chunk or self._compile_chunk()
            request = network.create_infer_request()
            for index, array in enumerate(self.outputs.values()):
                request.set_output_tensor(index, self._ov.Tensor(array[rows], shared_memory=True))
            self._requests[key] = request
        return request


def _shared_core(ov: ModuleType) -> openvino.Core:
    """The process's one core, never freed.

    On processors with AMX its CPU plugin gives the thread that loads it an alternate signal stack and frees that memory
    with itself, maybe on another thread: the first one is left with a dangling stack, and its next signal (Ctrl-C)
    ends the process with SIGSEGV. Seen with 2026.4.
    """
    with _core_lock:
        if not _cores:
            _cores.append(ov.Core())
        return _cores[0]


def _import_openvino() -> ModuleType:
    try:
        return import_openvino()
    except ImportError as exc:
        raise BackendUnavailable("OpenVINO is not installed here: pip install openvino") from exc


def _last_line(error: RuntimeError) -> str:
    """OpenVINO's messages lead through its source files; what went wrong stands last."""
    return str(error).strip().rpartition("\n")[2]
