from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from visage.models import ModelStore

RUN = """
import sys, threading
from pathlib import Path
import numpy as np
from stages.backends.{module} import {backend}
from stages.buffers import HostStream
backend = {backend}(Path(sys.argv[1]), max_batch=1, threads=1)
backend.infer(np.zeros((1, 112, 112, 3), np.uint8), stream=HostStream())
backend.close()
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
"""


@pytest.mark.parametrize(
    ("module", "backend"), [("openvino", "OpenVINOBackend"), ("onnxruntime", "OnnxRuntimeBackend")]
)
def test_inference_leaves_no_trace_at_home(models: ModelStore, tmp_path: Path, module: str, backend: str) -> None:
    """A fresh process with an empty home: no reporter's file and no reporter's thread afterwards."""
    network = models.prepared("sface")
    subprocess.run(
        [sys.executable, "-c", RUN.format(module=module, backend=backend), str(network)],
        env={"HOME": str(tmp_path), "PATH": ""},
        check=True,
        timeout=60,
    )
    assert list(tmp_path.rglob("*")) == []
