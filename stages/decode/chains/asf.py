"""ASF (WMV): packets of one length, with parts of objects; an object is a picture (ASF specification 1.2, 5.2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from stages.decode.chains.file_bytes import FileBytes

__all__ = ["AsfChain"]

HEAD_BYTES = 65_536
DATA_OBJECT = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
DATA_HEAD_BYTES, PACKETS_AT, PACKET_BYTES_AT = 50, 40, 92

HAS_CORRECTION, CORRECTION_LENGTH = 0x80, 0x0F
IS_MULTIPLE = 0x01
STREAM, COUNT = 0x7F, 0x3F
SENT_BYTES = 6
WIDTHS = 0, 1, 2, 4
"""Bytes of a number, by the two bits that say so."""

REPLICATED_BYTES = 8
OBJECT_NUMBERS = 256


class AsfChain:
    """Objects of the pictures' stream are numbered one by one, and all of each is there."""

    def __init__(self, file: FileBytes, stream_id: int) -> None:
        self._file = file
        self._stream_id = stream_id
        self._begins, self._packet_bytes, self._packets = _layout(file.read(0, HEAD_BYTES))
        self._at: int | None = None
        self._object: _Object | None = None

    def breaks_before(self, start: int, size: int) -> bool:
        """See `Chain.breaks_before`."""
        if not self._packet_bytes:
            return False
        if (start - self._begins) % self._packet_bytes:  # something was put in or cut out between packets
            was_in_step = self._at is not None
            self._begins = self._at = start
            self._object = None
            return was_in_step
        at, self._at = self._at, start if self._at is None else max(start, self._at)
        return at is not None and self._is_broken(at, self._at)

    def breaks_at_end(self) -> bool:
        """See `Chain.breaks_at_end`."""
        if self._at is None:
            return False
        end = self._begins + self._packets * self._packet_bytes  # behind it is the index
        is_broken = self._is_broken(self._at, min(end, self._file.size))
        return is_broken or (self._object is not None and self._object.left > 0)

    def _is_broken(self, at: int, end: int) -> bool:
        is_broken = False
        for start in range(at, end - self._packet_bytes + 1, self._packet_bytes):
            parts = _parts(self._file.read(start, self._packet_bytes))
            is_broken |= parts is None
            for part in parts or ():
                if part.stream == self._stream_id:
                    is_broken |= self._misses(part)
        return is_broken

    def _misses(self, part: _Part) -> bool:
        """Take a part; whether one before it is missing."""
        last = self._object
        if last is not None and last.number == part.number and part.offset:
            is_missing = part.offset != last.size - last.left
            last.left = last.size - part.offset - part.length
            return is_missing
        self._object = _Object(part.number, part.size, part.size - part.length)
        if last is None:
            return part.offset > 0
        is_next = part.number in (last.number, (last.number + 1) % OBJECT_NUMBERS)
        return last.left > 0 or not is_next or part.offset > 0


@dataclass(slots=True)
class _Object:
    """The last object: `left` of its `size` bytes have not come."""

    number: int
    size: int
    left: int


@dataclass(frozen=True, slots=True)
class _Part:
    """What a packet holds of an object: `length` bytes of its `size`, from `offset` on."""

    stream: int
    number: int
    offset: int
    size: int
    length: int


class _Cursor:
    """Reads little-endian numbers; what lies behind the end is 0, and `is_over` then."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def is_over(self) -> bool:
        return self.at > len(self.data)

    def number(self, width: int) -> int:
        self.at += width
        return int.from_bytes(self.data[self.at - width : self.at], "little")


def _layout(head: bytes) -> tuple[int, int, int]:
    """Where packets begin, and the bytes and the number of them; zeros where they have no one length."""
    data, properties = head.find(DATA_OBJECT), head.find(FILE_PROPERTIES)
    if data < 0 or properties < 0 or len(head) < max(data + DATA_HEAD_BYTES, properties + PACKET_BYTES_AT + 8):
        return 0, 0, 0
    least, most = struct.unpack_from("<II", head, properties + PACKET_BYTES_AT)
    (packets,) = struct.unpack_from("<Q", head, data + PACKETS_AT)
    return (data + DATA_HEAD_BYTES, least, packets) if least == most else (0, 0, 0)


def _parts(data: bytes) -> list[_Part] | None:
    """The parts of a packet; None where they do not fit into it."""
    cursor = _Cursor(data)
    flags = cursor.number(1)
    if flags & HAS_CORRECTION:
        cursor.at += flags & CORRECTION_LENGTH
        flags = cursor.number(1)
    properties = cursor.number(1)
    cursor.number(WIDTHS[flags >> 5 & 3])
    cursor.number(WIDTHS[flags >> 1 & 3])
    padding = cursor.number(WIDTHS[flags >> 3 & 3])
    cursor.at += SENT_BYTES
    count, length_width = 1, 0
    if flags & IS_MULTIPLE:
        kind = cursor.number(1)
        count, length_width = kind & COUNT, WIDTHS[kind >> 6]
    parts = []
    for _ in range(count):
        part = _part(cursor, properties, length_width, len(data) - padding)
        if part is None:
            return None
        parts.append(part)
    return None if cursor.is_over else parts


def _part(cursor: _Cursor, properties: int, length_width: int, end: int) -> _Part | None:
    stream = cursor.number(1) & STREAM
    number = cursor.number(WIDTHS[properties >> 4 & 3])
    offset = cursor.number(WIDTHS[properties >> 2 & 3])
    replicated = cursor.number(WIDTHS[properties & 3])
    size = cursor.number(4) if replicated >= REPLICATED_BYTES else 0
    cursor.at += replicated - (4 if replicated >= REPLICATED_BYTES else 0)
    length = cursor.number(length_width) if length_width else end - cursor.at
    cursor.at += length
    if length < 0 or cursor.at > end:
        return None
    # Objects that do not say how long they are, and several whole ones in one part (length 1), are not followed.
    return _Part(stream if replicated >= REPLICATED_BYTES else -1, number, offset, size, length)
