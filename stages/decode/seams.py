"""Whether a stretch of a file holds together: the marks that Ogg and MPEG-TS give each of their parts.

Asked where time jumps: in a film of changing rate nothing is wrong between two pictures, where one was lost there is.
"""

from __future__ import annotations

import functools
import struct

__all__ = ["holds_ogg", "holds_transport_stream"]

MAX_OGG_BYTES = 2**20

OGG_HEAD_BYTES = 27
OGG_POLYNOMIAL = 0x04C11DB7

TS_SYNC, TS_BYTES, M2TS_BYTES = 0x47, 188, 192
TS_HAS_PAYLOAD, TS_BEGINS, TS_ERROR = 0x10, 0x40, 0x80


def holds_ogg(data: bytes) -> bool:
    """Whether pages follow each other with right checksums, from the first that begins in `data` to its end."""
    data = data[:MAX_OGG_BYTES]
    at = data.find(b"OggS")
    while 0 <= at <= len(data) - OGG_HEAD_BYTES:
        if data[at : at + 4] != b"OggS":
            return False
        segments = data[at + 26]
        size = OGG_HEAD_BYTES + segments + sum(data[at + 27 : at + 27 + segments])
        if at + size > len(data):
            return True  # it ends behind what was read
        page = bytearray(data[at : at + size])
        (stated,) = struct.unpack_from("<I", page, 22)
        page[22:26] = bytes(4)
        if _ogg_checksum(page) != stated:
            return False
        at += size
    return True


def holds_transport_stream(data: bytes, pid: int) -> bool:
    """Whether `data`, from where one picture's packets begin to where another's do, is all of the first picture's.

    Args:
        pid: the number of the pictures' stream.
    """
    step = (
        M2TS_BYTES if len(data) > M2TS_BYTES and data[M2TS_BYTES] == TS_SYNC and data[TS_BYTES] != TS_SYNC else TS_BYTES
    )
    begun, count = 0, None
    for at in range(0, len(data) - 3, step):
        if data[at] != TS_SYNC or data[at + 1] & TS_ERROR:
            return False
        if ((data[at + 1] & 0x1F) << 8 | data[at + 2]) != pid:
            continue
        begun += bool(data[at + 1] & TS_BEGINS)
        if data[at + 3] & TS_HAS_PAYLOAD:
            number = data[at + 3] & 15
            if count is not None and number not in (count, (count + 1) & 15):
                return False
            count = number
    return begun <= 1


@functools.cache
def _ogg_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        rest = byte << 24
        for _ in range(8):
            rest = (rest << 1 ^ (OGG_POLYNOMIAL if rest & 0x80000000 else 0)) & 0xFFFFFFFF
        table.append(rest)
    return tuple(table)


def _ogg_checksum(page: bytes | bytearray) -> int:
    """CRC-32 with nothing reflected, from 0 (RFC 3533, 6)."""
    table, rest = _ogg_table(), 0
    for byte in page:
        rest = (rest << 8 & 0xFFFFFFFF) ^ table[rest >> 24 ^ byte]
    return rest
