"""The bytes of a file beside its decoding, and what is asked of them packet by packet."""

from __future__ import annotations

import os
from typing import Protocol

__all__ = ["Chain", "FileBytes"]


class FileBytes:
    """Reads parts of a file. What can't be read is empty: the file was readable before, and it has been taken away."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._is_gone = False

    @property
    def size(self) -> int:
        """Bytes that the file has now; 0 where it can't be asked."""
        descriptor = self._opened()
        return 0 if descriptor is None else os.fstat(descriptor).st_size

    def read(self, start: int, length: int) -> bytes:
        """Return the bytes from `start` on; fewer where the file ends."""
        descriptor = self._opened()
        if descriptor is None or length <= 0:
            return b""
        try:
            return os.pread(descriptor, length, start)
        except OSError:
            return b""

    def close(self) -> None:
        """Close the file. Safe to call twice; nothing can be read afterwards."""
        descriptor, self._descriptor = self._descriptor, None
        self._is_gone = True
        if descriptor is not None:
            os.close(descriptor)

    def _opened(self) -> int | None:
        if self._descriptor is None and not self._is_gone:
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY)
            except OSError:
                self._is_gone = True
        return self._descriptor


class Chain(Protocol):
    """The parts of one container, followed along with its pictures' packets."""

    def breaks_before(self, start: int, size: int) -> bool:
        """Whether something is broken between the last packet and one that begins at `start` of the file.

        Args:
            size: bytes of the packet, as the container has it.
        """

    def breaks_at_end(self) -> bool:
        """Whether something is broken behind the last packet."""
