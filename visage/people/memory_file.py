"""A picture's bytes as a path to read it from; it never lies on a disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

__all__ = ["memory_file"]


@contextlib.contextmanager
def memory_file(content: bytes) -> Iterator[str]:
    """The path, for the time of the context."""
    descriptor = os.memfd_create("picture", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
