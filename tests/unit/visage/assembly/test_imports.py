"""What a worker imports before it can begin: only what it is going to use."""

from __future__ import annotations

import subprocess
import sys

SLOW = ("onnx", "openvino", "onnxruntime", "httpx", "PIL", "pyarrow", "h5py")
"""Together 0.7 s of a processor, half of what a worker process needed to start."""


def test_a_worker_on_a_card_imports_no_runtime_for_processors_and_nothing_to_fetch_models_with() -> None:
    code = f"import visage.assembly.worker_main, sys; print([name for name in {SLOW!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == "[]"
