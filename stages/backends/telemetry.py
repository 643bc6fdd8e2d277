"""Inference libraries imported without their telemetry.

Seen in 2026-11: `import openvino` reports itself to Google Analytics unless a file in the home folder declines, and
ONNX Runtime 1.32 keeps a device id and usage events under `~/.cache` and uploads them. Visage runs where cameras look
into living rooms; it imports both here, with that turned off.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

__all__ = ["import_onnxruntime", "import_openvino"]


def import_openvino() -> ModuleType:
    """OpenVINO without its telemetry package, for which it has a stub. Raises ImportError."""
    reporter = "openvino_telemetry"
    is_blocked = reporter not in sys.modules
    if is_blocked:
        sys.modules[reporter] = None  # type: ignore[assignment]  # documented: importing it now raises ImportError
    try:
        return importlib.import_module("openvino")
    finally:
        if is_blocked:
            del sys.modules[reporter]


def import_onnxruntime() -> ModuleType:
    """ONNX Runtime, told before it loads; its own `disable_telemetry_events` comes too late. Raises ImportError."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return importlib.import_module("onnxruntime")
