"""Commands that run inside the test's process set up logging and signals: put both back."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def restored_process() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    terminate = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, terminate)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("visage", "stages"):
        logging.getLogger(name).setLevel(logging.NOTSET)
