"""INT8 by post-training quantisation: one ONNX file with its types written in, for every runtime.

Static, with ranges measured on real pictures (Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018). Weights are int8, a scale a channel; activations int8 and symmetric,
because TensorRT takes no others. Convolutions and matrix products are quantised; inputs and outputs keep their types.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from stages.backends.telemetry import import_onnxruntime
from visage.models.errors import ModelDamaged

__all__ = ["quantize"]

WARNINGS, ERRORS = 2, 3  # ONNX Runtime's severities; the first is its default, which it does not tell


def quantize(prepared: Path, pictures: Sequence[NDArray[np.uint8]]) -> onnx.ModelProto:
    """The prepared network in int8.

    Args:
        prepared: as `ModelStore.prepared` gives it.
        pictures: inputs like those it will see, uint8 (H, W, 3), BGR; some hundred.

    Raises:
        ValueError: there are no pictures.
        ModelDamaged: ONNX Runtime can't quantise it.
    """
    if not pictures:
        raise ValueError("calibration needs pictures; none with a face was found")
    runtime = import_onnxruntime()
    from onnxruntime import quantization  # noqa: PLC0415 - the runtime's way in is the line above
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    name = onnx.load(prepared).graph.input[0].name
    with tempfile.TemporaryDirectory() as folder, _quiet(runtime):
        folded, quantised = Path(folder) / "folded.onnx", Path(folder) / "int8.onnx"
        try:
            quant_pre_process(str(prepared), str(folded), skip_symbolic_shape=True)
            quantization.quantize_static(
                str(folded),
                str(quantised),
                _reader(quantization.CalibrationDataReader, name, pictures),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "Gemm", "MatMul"],
                per_channel=True,
                # Processors without VNNI add pairs of products in 16 bits: weights of 8 bits overflow there.
                reduce_range=True,
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                extra_options={"ActivationSymmetric": True, "WeightSymmetric": True},
            )
        except Exception as error:  # ONNX Runtime's quantiser raises whatever comes
            raise ModelDamaged(f"{prepared.name} can't be quantised: {error}") from error
        return onnx.load(quantised)


def _reader(base: type[Any], name: str, pictures: Sequence[NDArray[np.uint8]]) -> Any:
    """ONNX Runtime wants its own class, which asks for an input at a time, None after the last."""

    class Pictures(base):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left: Iterator[NDArray[np.uint8]] = iter(pictures)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            picture = next(self._left, None)
            return None if picture is None else {name: picture[None]}

    return Pictures()


@contextmanager
def _quiet(runtime: ModuleType) -> Iterator[None]:
    """Without the quantiser's advice and its sessions' warnings, which are not for the user of this."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    runtime.set_default_logger_severity(ERRORS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
        runtime.set_default_logger_severity(WARNINGS)
