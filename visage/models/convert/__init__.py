"""Networks published in other formats than ONNX, read without the frameworks they come from."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from visage.models.errors import ModelDamaged

if TYPE_CHECKING:
    import onnx

__all__ = ["NetworkFormat", "read_network"]

NetworkFormat = Literal["onnx", "prepared", "dlib", "tensorflow"]
"""prepared: ONNX that takes uint8 (N, H, W, 3) already, as `visage models quantize` makes it."""


def read_network(path: Path, network_format: NetworkFormat) -> onnx.ModelProto:
    """The file as an ONNX network. A format is a module of this folder with a function `convert(content)`.

    Raises ModelDamaged: it is not of this format.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # noqa: PLC0415 - as onnx below

    try:
        if network_format in ("onnx", "prepared"):
            return _onnx_in_one_file(path)
        module = importlib.import_module(f"visage.models.convert.{network_format}")
        network: onnx.ModelProto = module.convert(path.read_bytes())
    except ModelDamaged:
        raise
    except (DecodeError, ValueError, IndexError, KeyError) as error:
        wanted = "an ONNX file" if network_format in ("onnx", "prepared") else f"a file of {network_format}'s"
        raise ModelDamaged(f"{path} is not {wanted}: {error}") from error
    return network


def _onnx_in_one_file(path: Path) -> onnx.ModelProto:
    """Weights in files beside it have no digest, and would be left behind when the file is copied."""
    import onnx  # noqa: PLC0415 - slow to import, and a run finds its networks prepared

    network = onnx.load(path, load_external_data=False)
    if not network.graph.node:
        raise ModelDamaged(f"{path} is not an ONNX file: there is no network in it")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in network.graph.initializer):
        raise ModelDamaged(f"{path} keeps its weights in another file; save it as one (onnx.save does)")
    foreign = sorted({node.domain for node in network.graph.node} - {"", "ai.onnx"})
    if foreign and not network.functions:
        raise ModelDamaged(f"{path} has operators that are not ONNX's own: {', '.join(foreign)}")
    return network
