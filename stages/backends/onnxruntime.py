"""Networks by ONNX Runtime: the reference on the CPU, and what runs where OpenVINO has no build.

On a card it runs where there is no TensorRT; pictures then stay in host memory, and it copies each batch.

A batch is one call on `threads` threads. They block when they have nothing to do instead of spinning, because the
decoders need the cores.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from stages.backends.base import HostTensor
from stages.backends.telemetry import import_onnxruntime
from stages.buffers import Stream
from stages.errors import BackendError, BackendUnavailable, ModelMismatch

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OnnxRuntimeBackend"]

CUDA_PROVIDER = "CUDAExecutionProvider"

_ERRORS_ONLY = 3  # ONNX Runtime's severities: 0 verbose .. 4 fatal


class OnnxRuntimeBackend:
    """A `Backend` of host arrays in fp32: uint8 (N, H, W, 3) in, float32 out."""

    def __init__(self, onnx_path: Path, *, max_batch: int, threads: int, cuda_ordinal: int | None = None) -> None:
        """Read and optimise the network.

        Args:
            onnx_path: a network prepared for uint8 (N, H, W, 3).
            max_batch: most pictures that `infer` takes at once.
            threads: that one call uses.
            cuda_ordinal: the card that is to compute; None for the CPU.

        Raises:
            BackendUnavailable: ONNX Runtime is not installed, or can't use the card.
            BackendError: the network can't be read.
            ModelMismatch: its input is another one.
        """
        if max_batch < 1 or threads < 1:
            raise ValueError(f"max_batch and threads are at least 1, not {max_batch} and {threads}")
        self._ort = _import_onnxruntime()
        self._network = onnx_path.name
        self._max_batch = max_batch
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers: list[str | tuple[str, dict[str, str]]] = ["CPUExecutionProvider"]
        self.name = "onnxruntime cpu fp32"
        if cuda_ordinal is not None:
            if CUDA_PROVIDER not in self._ort.get_available_providers():
                raise BackendUnavailable("this ONNX Runtime has no CUDA provider: pip install onnxruntime-gpu")
            providers.insert(0, (CUDA_PROVIDER, {"device_id": str(cuda_ordinal)}))
            self.name = f"onnxruntime cuda:{cuda_ordinal} fp32"
        try:
            self._session: onnxruntime.InferenceSession | None = self._ort.InferenceSession(
                str(onnx_path), options, providers=providers
            )
        except self._failures as exc:
            raise BackendError(f"ONNX Runtime can't read {onnx_path}: {exc}") from exc
        if cuda_ordinal is not None and CUDA_PROVIDER not in self._session.get_providers():
            # It goes on by itself with the CPU, which is not what was asked for.
            raise BackendUnavailable(
                f"ONNX Runtime can't use cuda:{cuda_ordinal}: its CUDA libraries are missing or of another version; "
                "see the requirements of onnxruntime-gpu, or choose --device cpu"
            )
        self._input = self._check_input(self._session)
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __repr__(self) -> str:
        return f"<OnnxRuntimeBackend {self._network}, {'closed' if self._session is None else 'open'}>"

    @property
    def max_batch(self) -> int:
        """The largest N of a batch that `infer` accepts; a larger one raises ValueError."""
        return self._max_batch

    def infer(self, batch: HostTensor, *, stream: Stream) -> dict[str, HostTensor]:
        """See `Backend.infer`. `batch` is uint8 (N, H, W, 3)."""
        if self._session is None:
            raise BackendError(f"the backend of {self._network} is closed")
        if batch.dtype != np.uint8 or batch.ndim != 4 or not 1 <= len(batch) <= self._max_batch:  # noqa: PLR2004 - N, H, W, C
            raise ValueError(f"expected uint8 (1..{self._max_batch}, H, W, 3), got {batch.dtype} {batch.shape}")
        stream.synchronize()
        try:
            results = self._session.run(self._outputs, {self._input: np.ascontiguousarray(batch)})
        except self._failures as exc:
            raise BackendError(f"{self._network} failed in ONNX Runtime: {exc}") from exc
        return dict(zip(self._outputs, results, strict=True))

    def close(self) -> None:
        """Release the network. Idempotent."""
        self._session = None

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        """What ONNX Runtime raises; its exceptions have no base class of their own."""
        names = vars(self._ort.capi.onnxruntime_pybind11_state).values()
        return tuple(kind for kind in names if isinstance(kind, type) and issubclass(kind, Exception))

    def _check_input(self, session: onnxruntime.InferenceSession) -> str:
        """The input's name. Raises ModelMismatch."""
        inputs = session.get_inputs()
        found = [(value.type, value.shape) for value in inputs]
        if len(found) != 1 or found[0][0] != "tensor(uint8)" or len(found[0][1]) != 4 or found[0][1][3] != 3:  # noqa: PLR2004 - N, H, W, C
            raise ModelMismatch(f"{self._network} should have one input, uint8 (N, H, W, 3), found {found}")
        name: str = inputs[0].name
        return name


def _import_onnxruntime() -> ModuleType:
    try:
        return import_onnxruntime()
    except ImportError as exc:
        raise BackendUnavailable("ONNX Runtime is not installed here: pip install onnxruntime") from exc
