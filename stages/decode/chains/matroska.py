"""Matroska and WebM: elements in elements, each with its name and its length (RFC 8794, RFC 9559)."""

from __future__ import annotations

from stages.decode.chains.file_bytes import FileBytes

__all__ = ["MatroskaChain", "holds_matroska"]

HEAD_BYTES, MAX_ID_BYTES, MAX_SIZE_BYTES = 12, 4, 8
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
MAX_HEADER_BYTES = 4096
BLOCKS = frozenset({0xA3, 0xA1})
BLOCK_HEAD_BYTES = 4
"""Track, time and flags; without lacing, which pictures never have."""

CLUSTER = 0x1F43B675
ELEMENTS = frozenset(
    # Of a cluster: time, position, size of the one before, blocks; of both: padding, checksum.
    {CLUSTER, 0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0x5854, 0xEC, 0xBF}
    # Of a group of blocks, behind its block.
    | {0x9B, 0xFB, 0xFD, 0x75A1, 0x75A2, 0xA4, 0xFA, 0x8E}
    # Of a segment: index, tags, chapters, attachments, and what may be repeated.
    | {0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469, 0x114D9B74, 0x1549A966, 0x1654AE6B}
)
SHORT_TRACK = 0x80
"""A track's number in one byte: no film has 127 tracks."""

MAX_BETWEEN_BYTES = 64 * 2**20
"""Of sound and other streams, and attachments, that are followed between two pictures."""


class MatroskaChain:
    """Elements follow each other through the file's segment, blocks of the pictures' excepted."""

    def __init__(self, file: FileBytes) -> None:
        self._file = file
        self._at = 0
        self._end = _segment_begin(file.read(0, MAX_HEADER_BYTES))  # of the last block

    def breaks_before(self, start: int, size: int) -> bool:
        """See `Chain.breaks_before`."""
        if start <= self._at:
            return False
        end, self._at = self._end, start
        self._end = self._block_end(start, size)
        return end is not None and not self._holds(end, start)

    def breaks_at_end(self) -> bool:
        """See `Chain.breaks_at_end`."""
        return self._end is not None and not self._holds(self._end, self._file.size)

    def _holds(self, start: int, end: int) -> bool:
        if not start <= end:
            return False
        return end - start > MAX_BETWEEN_BYTES or holds_matroska(self._file.read(start, end - start))

    def _block_end(self, start: int, size: int) -> int | None:
        """Where a block that begins at `start` ends. A packet may be longer: blocks can be compressed."""
        before = self._file.read(max(0, start - MAX_SIZE_BYTES - 1), min(start, MAX_SIZE_BYTES + 1))
        stated = []
        for length in range(1, min(MAX_SIZE_BYTES, len(before) - 1) + 1):
            is_size = before[-length].bit_length() == 9 - length
            if is_size and before[-length - 1] in BLOCKS:
                stated.append(int.from_bytes(before[-length:], "big") & ((1 << 7 * length) - 1))
        if BLOCK_HEAD_BYTES + size in stated:
            return start + BLOCK_HEAD_BYTES + size
        return start + stated[0] if stated else None


def _segment_begin(head: bytes) -> int | None:
    """Where the segment's elements begin: the header's size, then the segment's own head. None where it has none."""
    at = 0
    for name in (EBML, SEGMENT):
        if not head.startswith(name, at) or at + HEAD_BYTES > len(head):
            return None
        length = 9 - head[at + MAX_ID_BYTES].bit_length()
        at += MAX_ID_BYTES + length
        if name == EBML:
            at += int.from_bytes(head[at - length : at], "big") & ((1 << 7 * length) - 1)
    return at


def holds_matroska(data: bytes) -> bool:
    """Whether elements follow each other through clusters, from where a block ended to the end of `data`."""
    at = 0
    while at < len(data) - HEAD_BYTES:
        id_bytes = 9 - data[at].bit_length()
        if id_bytes > MAX_ID_BYTES:
            return False
        name = int.from_bytes(data[at : at + id_bytes], "big")
        size_bytes = 9 - data[at + id_bytes].bit_length()
        if name not in ELEMENTS or size_bytes > MAX_SIZE_BYTES:
            return False
        at += id_bytes + size_bytes
        if name in BLOCKS and at < len(data) and not data[at] & SHORT_TRACK:
            return False
        if name != CLUSTER:  # whose elements follow
            at += int.from_bytes(data[at - size_bytes : at], "big") & ((1 << 7 * size_bytes) - 1)
    return at <= len(data)
