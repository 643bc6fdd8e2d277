from __future__ import annotations

import subprocess
import sys

from visage.models import ModelStore

RUN = """
import os, signal, sys, threading
from pathlib import Path
import numpy as np
from stages.backends.openvino import OpenVINOBackend
from stages.buffers import HostStream
received = []
signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
backend = OpenVINOBackend(Path(sys.argv[1]), max_batch=1, threads=1)
backend.infer(np.zeros((1, 112, 112, 3), np.uint8), stream=HostStream())
closing = threading.Thread(target=backend.close)
closing.start()
closing.join()
del backend
os.kill(os.getpid(), signal.SIGINT)
assert received == [signal.SIGINT]
"""


def test_signals_are_survived_after_a_network_was_closed_on_another_thread(models: ModelStore) -> None:
    """OpenVINO's CPU plugin leaves the thread that loaded it with a freed signal stack if it is unloaded elsewhere."""
    command = [sys.executable, "-c", RUN, str(models.prepared("sface"))]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
