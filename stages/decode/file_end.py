"""Whether a file's last bytes are an end: a file that was cut off, or was never filled, has none.

For containers that state no length (see `stated_size` for those that do). Where a bare stream of pictures or a
transport stream was cut exactly between two of its packets, nothing in it tells.
"""

from __future__ import annotations

import functools
import os
import stat
import struct
from typing import BinaryIO

from stages.decode.chains.gif import flaw_of_gif
from stages.decode.seams import holds_fragments

__all__ = ["flaw_at_end"]

TAIL_BYTES = 256 * 1024
"""More than the largest packet of a program stream or page of Ogg."""

ZEROS_BYTES = 4096
SILENT_ZEROS_BYTES = 65_536
"""Zeros at the end that are no accident of coding; with PCM sound, which has zeros for silence."""

ASF_PACKET_BYTES = 65_536
"""ASF fills its packets up with zeros."""

OGG_LAST_PAGE = 4
MATROSKA_VOID = 0xEC
PES_FROM = 0xBB
TS_SYNC = 0x47
TS_PACKET_BYTES = 188, 192, 204
M2TS_PACKET_BYTES, M2TS_TIME_BYTES = 192, 4


def flaw_at_end(path: str, format_name: str, *, has_pcm: bool = False) -> str | None:
    """Why the file does not end as its container has it, as half a sentence; None where it does, or can't be read.

    Args:
        format_name: FFmpeg's, of the container.
        has_pcm: it has sound that is not compressed.
    """
    formats = set(format_name.split(","))
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        with open(path, "rb") as file:
            if "mov" in formats:  # its list of packets says all, where it is not in fragments
                has_flaw = not holds_fragments(functools.partial(_head, file), status.st_size)
                return "its fragments break off" if has_flaw else None
            if "gif" in formats:
                return flaw_of_gif(file)
            file.seek(max(0, status.st_size - TAIL_BYTES))
            tail = file.read()
            longest = SILENT_ZEROS_BYTES if has_pcm else ASF_PACKET_BYTES if "asf" in formats else ZEROS_BYTES
            if not tail[-longest:].strip(b"\0") and not _is_filler(tail):
                return "it ends in zeros: its end was never written"
            is_cut = (
                ("ogg" in formats and _lacks_last_page(tail))
                or ("mpeg" in formats and _cuts_last_packet(tail))
                or ("mpegts" in formats and _has_part_of_packet(file, status.st_size))
            )
    except OSError:
        return None
    return "its end is missing" if is_cut else None


def _head(file: BinaryIO, at: int) -> bytes:
    file.seek(at)
    return file.read(16)


def _is_filler(tail: bytes) -> bool:
    """Matroska's Void and AVI's JUNK may be full of zeros, up to the file's last byte."""
    rest = tail.rstrip(b"\0")
    for header in range(max(0, len(rest) - 12), len(rest)):
        if rest[header] == MATROSKA_VOID and header + 1 < len(tail) and tail[header + 1]:
            length = 9 - tail[header + 1].bit_length()
            size = int.from_bytes(tail[header + 1 : header + 1 + length], "big") & ((1 << 7 * length) - 1)
            if header + 1 + length + size == len(tail):
                return True
        if rest[header : header + 4] == b"JUNK" and header + 8 <= len(tail):
            (size,) = struct.unpack_from("<I", tail, header + 4)
            if len(tail) - (header + 8 + size) in (0, 1):
                return True
    return False


def _lacks_last_page(tail: bytes) -> bool:
    """Ogg: the last page is marked, and whole."""
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return True
    segments = tail[at + 26]
    end = at + 27 + segments + sum(tail[at + 27 : at + 27 + segments])
    return end > len(tail) or not tail[at + 5] & OGG_LAST_PAGE


def _cuts_last_packet(tail: bytes) -> bool:
    """MPEG-PS: the last packet is longer than what is left of the file."""
    at = tail.rfind(b"\0\0\1\xba")
    if at < 0 or len(tail) < at + 14:
        return at >= 0
    is_mpeg2 = tail[at + 4] >> 6 == 1
    at += 14 + (tail[at + 13] & 7) if is_mpeg2 else 12
    while at + 6 <= len(tail) and tail[at : at + 3] == b"\0\0\1" and tail[at + 3] >= PES_FROM:
        at += 6 + struct.unpack_from(">H", tail, at + 4)[0]
    return at > len(tail)


def _has_part_of_packet(file: BinaryIO, size: int) -> bool:
    """MPEG-TS: packets of one length, the last one too."""
    file.seek(0)
    head = file.read(TAIL_BYTES)
    for length in TS_PACKET_BYTES:
        for start in range(min(length, len(head))):
            if len(head) > start + 4 * length and all(head[start + k * length] == TS_SYNC for k in range(5)):
                # Its packets may have shifted in the middle: it is the last ones that count.
                file.seek(max(0, size - 4 * length))
                tail = file.read()
                last = len(tail) - length + (length == M2TS_PACKET_BYTES) * M2TS_TIME_BYTES
                steps = [last - k * length for k in range(3) if last >= k * length]
                return not all(tail[step] == TS_SYNC for step in steps)
    return False
