"""Whether a stretch of a file is intact, by the marks and lengths that containers give their parts.

Asked where time jumps: in a film of changing rate nothing is wrong between two pictures, where one was lost there is.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable

__all__ = ["holds_fragments", "holds_matroska", "holds_ogg", "holds_transport_stream"]

MAX_OGG_BYTES = 2**20

OGG_HEAD_BYTES = 27
OGG_POLYNOMIAL = 0x04C11DB7

EBML_HEAD_BYTES, MAX_ID_BYTES, MAX_SIZE_BYTES = 12, 4, 8
MATROSKA_CLUSTER = 0x1F43B675
MATROSKA_ELEMENTS = frozenset(
    # Of a cluster: time, position, size of the one before, blocks; of both: padding, checksum.
    {MATROSKA_CLUSTER, 0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0x5854, 0xEC, 0xBF}
    # Of a group of blocks, behind its block.
    | {0x9B, 0xFB, 0x75A1, 0x75A2, 0xA4, 0xFA, 0x8E}
    # Of a segment: index, tags, chapters, attachments, and what may be repeated.
    | {0x1C53BB6B, 0x1254C367, 0x1043A770, 0x1941A469, 0x114D9B74, 0x1549A966, 0x1654AE6B}
)

BOX_HEAD_BYTES = 8
MP4_BOXES = frozenset(
    {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"ssix", b"free", b"skip", b"mfra", b"uuid", b"emsg"}
    | {b"prft", b"wide", b"pdin", b"meta", b"udta", b"pnot", b"junk"}
)

OPENED_BOXES = frozenset({b"moof", b"traf"})
FRAGMENT_BOXES = frozenset(
    {b"mfhd", b"traf", b"tfhd", b"tfdt", b"trun", b"sdtp", b"sbgp", b"sgpd", b"saiz", b"saio", b"senc", b"subs"}
    | {b"uuid", b"free", b"skip", b"pssh", b"meta", b"tfxd", b"tfrf"}
)

TS_SYNC, TS_BYTES, M2TS_BYTES = 0x47, 188, 192
TS_HAS_PAYLOAD, TS_BEGINS, TS_ERROR = 0x10, 0x40, 0x80


def holds_ogg(data: bytes) -> bool:
    """Return whether pages with valid checksums (RFC 3533) follow each other, from the first that starts in `data`."""
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
    """Return whether `data` is the whole of one picture: no packet of its stream is missing (ISO/IEC 13818-1).

    Args:
        data: from where one picture's packets start to where another's do.
        pid: the packet identifier of the stream.
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


def holds_matroska(data: bytes) -> bool:
    """Return whether EBML elements (RFC 8794) follow each other without a gap to the end of `data`.

    Args:
        data: from where a block ended.
    """
    at = 0
    while at < len(data) - EBML_HEAD_BYTES:
        id_bytes = 9 - data[at].bit_length()
        if id_bytes > MAX_ID_BYTES:
            return False
        name = int.from_bytes(data[at : at + id_bytes], "big")
        size_bytes = 9 - data[at + id_bytes].bit_length()
        if name not in MATROSKA_ELEMENTS or size_bytes > MAX_SIZE_BYTES:
            return False
        at += id_bytes + size_bytes
        if name != MATROSKA_CLUSTER:  # whose elements follow
            at += int.from_bytes(data[at - size_bytes : at], "big") & ((1 << 7 * size_bytes) - 1)
    return at <= len(data)


def holds_fragments(head: Callable[[int], bytes], size: int) -> bool:
    """Whether the boxes of an MP4 in fragments follow each other to its end; True for one without fragments.

    Args:
        head: gives the 16 bytes at an offset, or what is there of them.
        size: of the file.
    """
    has_fragments = False
    is_whole = True
    ends = [size]  # of the boxes that are open
    at = 0
    while is_whole and at < size:
        box = head(at)
        length, name = struct.unpack_from(">I4s", box.ljust(BOX_HEAD_BYTES, b"\0"))
        if length == 1 and len(box) == 2 * BOX_HEAD_BYTES:
            (length,) = struct.unpack_from(">Q", box, BOX_HEAD_BYTES)
        if length == 0 and len(ends) == 1 and name in MP4_BOXES:  # to the end
            break
        has_fragments |= name == b"moof"
        is_whole = name in (MP4_BOXES if len(ends) == 1 else FRAGMENT_BOXES)
        is_whole &= BOX_HEAD_BYTES <= length <= ends[-1] - at
        if name in OPENED_BOXES and is_whole:
            ends.append(at + length)
            length = BOX_HEAD_BYTES
        at += length
        while len(ends) > 1 and at == ends[-1]:
            ends.pop()
    return is_whole or not has_fragments
