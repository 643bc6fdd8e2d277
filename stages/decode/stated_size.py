"""How long a file says it is: one that is shorter was cut off, whatever of it can be played.

AVI, Matroska and WebM, ASF and FLV say it near their beginning. What a recorder could not finish says nothing, for it
was to be filled in at the end, and neither does what was streamed: such files are taken as they are.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import BinaryIO

__all__ = ["missing_bytes"]

HEAD_BYTES = 65_536

TOLERATED_BYTES = 4096
TOLERATED_SHARE = 0.001
"""Some software counts its own header twice, or padding that it does not write."""

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_BROADCAST = 1
"""The flag that says that what follows was not known when the header was written."""


def missing_bytes(path: str) -> int:
    """How many bytes are missing at the file's end; 0 where none are, or it does not say how long it is."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return 0
        with open(path, "rb") as file:
            stated = _stated_bytes(file, status.st_size)
    except OSError:  # it was read to its end before: it has been taken away since
        return 0
    missing = stated - status.st_size
    return missing if missing > max(TOLERATED_BYTES, TOLERATED_SHARE * stated) else 0


def _stated_bytes(file: BinaryIO, size: int) -> int:
    head = file.read(HEAD_BYTES)
    if head.startswith(b"RIFF"):
        return _riff_end(file, size)
    if head.startswith(EBML):
        return _segment_end(head)
    if head.startswith(ASF_HEADER):
        return _asf_size(head)
    return _flv_size(head) if head.startswith(b"FLV") else 0


def _riff_end(file: BinaryIO, size: int) -> int:
    """AVI: the end of the last of its parts of a gigabyte or so."""
    end = 0
    while end < size:
        file.seek(end)
        part = file.read(12)
        if part[:4] != b"RIFF" or part[8:] not in (b"AVI ", b"AVIX"):
            break
        (length,) = struct.unpack_from("<I", part, 4)
        if length in (0, 0xFFFFFFFF):
            break
        end += 8 + length + length % 2
    return end


def _segment_end(head: bytes) -> int:
    """Matroska: a header, then one segment with all the rest."""
    start, header = _ebml_size(head, len(EBML))
    if header is None or head[start + header :][: len(SEGMENT)] != SEGMENT:
        return 0
    start, segment = _ebml_size(head, start + header + len(SEGMENT))
    return 0 if segment is None else start + segment


def _ebml_size(head: bytes, offset: int) -> tuple[int, int | None]:
    """Where an element's content begins, and its length; None for one that is not known."""
    first = head[offset] if offset < len(head) else 0
    length = 9 - first.bit_length()
    ones = (1 << 7 * length) - 1
    value = int.from_bytes(head[offset : offset + length], "big") & ones
    return offset + length, None if not first or value == ones else value


def _asf_size(head: bytes) -> int:
    at = head.find(ASF_FILE_PROPERTIES)
    if at < 0 or len(head) < at + 92:
        return 0
    (size,) = struct.unpack_from("<Q", head, at + 40)
    (flags,) = struct.unpack_from("<I", head, at + 88)
    return 0 if flags & ASF_BROADCAST else int(size)


def _flv_size(head: bytes) -> int:
    """FLV: a number among the metadata, "filesize" or "fileSize"."""
    key = b"\x00\x08filesize\x00"
    at = head.lower().find(key)
    if at < 0 or len(head) < at + len(key) + 8:
        return 0
    (size,) = struct.unpack_from(">d", head, at + len(key))
    return int(size) if 0 < size < 2**63 else 0
