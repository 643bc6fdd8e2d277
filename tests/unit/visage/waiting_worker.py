"""A worker that sends its task back, and whether it was told to warm up."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection


def main() -> None:
    with Connection(int(sys.argv[1])) as owner:
        owner.send((owner.recv(), "warm" in sys.argv[2:]))
