"""Networks published in other formats than ONNX, read without the frameworks they come from."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Literal

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from visage.models.errors import ModelDamaged

__all__ = ["NetworkFormat", "read_network"]

NetworkFormat = Literal["onnx", "prepared", "dlib", "tensorflow"]
"""prepared: ONNX that takes uint8 (N, H, W, 3) already, as `visage models quantize` makes it."""


def read_network(path: Path, network_format: NetworkFormat) -> onnx.ModelProto:
    """The file as an ONNX network. A format is a module of this folder with a function `convert(content)`.

    Raises ModelDamaged: it is not of this format.
    """
    try:
        if network_format in ("onnx", "prepared"):
            return onnx.load(path)
        module = importlib.import_module(f"visage.models.convert.{network_format}")
        network: onnx.ModelProto = module.convert(path.read_bytes())
    except (DecodeError, ValueError, IndexError, KeyError) as error:
        wanted = "an ONNX file" if network_format in ("onnx", "prepared") else f"a file of {network_format}'s"
        raise ModelDamaged(f"{path} is not {wanted}: {error}") from error
    return network
