"""Whether a stretch of a file is intact, by the marks and lengths that containers give their parts.

Asked where time jumps: in a film of changing rate nothing is wrong between two pictures, where one was lost there is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

__all__ = ["holds_fragments", "holds_transport_stream"]

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

TS_SYNC = 0x47
TS_PACKET_BYTES = 188, 192, 204
TS_LAYOUTS = (0, 188), (0, 204), (4, 192), (0, 192)
"""Where the first packet begins, and their length: each may have its time in front of it or a checksum behind."""

TS_HAS_PAYLOAD, TS_BEGINS, TS_ERROR = 0x10, 0x40, 0x80


def holds_transport_stream(data: bytes, pid: int, *, is_one_picture: bool = True) -> bool:
    """Whether `data`, from where one picture's packets begin, is all of that picture's, or of it and those behind it.

    True of what is too short to say.

    Args:
        data: from where one picture's packets start to where another's do.
        pid: the packet identifier of the stream.
    """
    layout = next((layout for layout in TS_LAYOUTS if _is_laid_out(data, *layout)), None)
    if layout is None:
        return len(data) < 2 * max(TS_PACKET_BYTES)
    first, step = layout
    begun, count = 0, None
    for at in range(first, len(data) - 3, step):
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
    return begun <= 1 or not is_one_picture


def _is_laid_out(data: bytes, first: int, step: int) -> bool:
    return data[first : first + 1] == data[first + step : first + step + 1] == b"\x47"


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
