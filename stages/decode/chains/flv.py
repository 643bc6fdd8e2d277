"""FLV: tags, each with its length."""

from __future__ import annotations

from stages.decode.chains.file_bytes import FileBytes

__all__ = ["FlvChain"]

HEAD_BYTES = 11
LENGTH_BYTES = 4
TAGS = frozenset({8, 9, 18})  # sound, pictures, data
KIND = 31
VIDEO = 9


class FlvChain:
    """Tags follow each other, from the first of the pictures' to the file's end."""

    def __init__(self, file: FileBytes) -> None:
        self._file = file
        self._at: int | None = None

    def breaks_before(self, start: int, size: int) -> bool:
        """See `Chain.breaks_before`."""
        if self._at is None:
            self._at = start if self._kind(start) == VIDEO else None
            return False
        if start <= self._at:
            return False
        at, self._at = self._at, start
        return self._follow(at, start) != start

    def breaks_at_end(self) -> bool:
        """See `Chain.breaks_at_end`."""
        if self._at is None:
            return False
        size = self._file.size
        return not size - LENGTH_BYTES <= self._follow(self._at, size) <= size

    def _follow(self, at: int, end: int) -> int:
        """The offset from `end` on, or near it, that tags lead to; -1 where they lead nowhere."""
        while at <= end - HEAD_BYTES:
            head = self._file.read(at, HEAD_BYTES)
            if len(head) < HEAD_BYTES or head[0] & KIND not in TAGS:
                return -1
            at += HEAD_BYTES + int.from_bytes(head[1:4], "big") + LENGTH_BYTES
        return at

    def _kind(self, at: int) -> int:
        head = self._file.read(at, 1)
        return head[0] & KIND if head else 0
