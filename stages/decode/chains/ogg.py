"""Ogg: pages with a number and a checksum (RFC 3533, 6).

FFmpeg leaves pages with a wrong checksum out, and times of pictures are counted, so that a lost page leaves no gap in
time.
"""

from __future__ import annotations

import struct
import zlib

from stages.decode.chains.file_bytes import FileBytes

__all__ = ["OggChain", "checksum"]

CAPTURE = b"OggS"
HEAD_BYTES = 27
MAX_PAGE_BYTES = HEAD_BYTES + 255 + 255 * 255
KIND_AT, SERIAL_AT, NUMBER_AT, CHECKSUM_AT = 5, 14, 18, 22
FIRST_PAGE, LAST_PAGE = 2, 4

REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggChain:
    """The pages of the pictures' stream: none is missing, and all are right. Other streams' are passed over."""

    def __init__(self, file: FileBytes) -> None:
        self._file = file
        self._serial: int | None = None
        self._next_number = 0
        self._at = 0
        self._has_ended = False

    def breaks_before(self, start: int, size: int) -> bool:
        """See `Chain.breaks_before`."""
        if start <= self._at:
            return False
        head = self._file.read(start, HEAD_BYTES)
        has_head = head.startswith(CAPTURE) and len(head) == HEAD_BYTES
        (serial,) = struct.unpack_from("<I", head, SERIAL_AT) if has_head else (self._serial,)
        if self._serial is None:  # whose pages begin with the file's
            self._serial = serial
        is_broken = self._is_broken(self._at, start)
        if serial != self._serial:  # another film behind the first
            self._serial = serial
            (self._next_number,) = struct.unpack_from("<I", head, NUMBER_AT)
        self._at = start
        return is_broken

    def breaks_at_end(self) -> bool:
        """See `Chain.breaks_at_end`. The last page of a stream says so."""
        is_broken = self._is_broken(self._at, self._file.size)
        return is_broken or not self._has_ended

    def _is_broken(self, at: int, end: int) -> bool:
        is_broken = False
        while at < end:
            data = self._file.read(at, MAX_PAGE_BYTES)
            found = data.find(CAPTURE)
            if found < 0 and len(data) < MAX_PAGE_BYTES:
                break
            if found:
                at += found if found > 0 else len(data) - len(CAPTURE) + 1
                continue
            page = _page(data)
            if page is None or len(page) > len(data):
                at += len(CAPTURE)
                continue
            if struct.unpack_from("<I", page, SERIAL_AT)[0] == self._serial:
                is_broken |= self._is_wrong(page)
            at += len(page)
        return is_broken

    def _is_wrong(self, page: bytes) -> bool:
        (number,) = struct.unpack_from("<I", page, NUMBER_AT)
        (stated,) = struct.unpack_from("<I", page, CHECKSUM_AT)
        if checksum(page[:CHECKSUM_AT] + bytes(4) + page[CHECKSUM_AT + 4 :]) != stated:
            return True
        self._has_ended = bool(page[KIND_AT] & LAST_PAGE)
        # Two recordings one behind the other may have one serial number.
        is_missing = number != self._next_number and not page[KIND_AT] & FIRST_PAGE
        self._next_number = number + 1 & 0xFFFFFFFF
        return is_missing


def _page(data: bytes) -> bytes | None:
    """The page that `data` begins with; None where that is not all there."""
    if len(data) < HEAD_BYTES:
        return None
    segments = data[HEAD_BYTES - 1]
    size = HEAD_BYTES + segments + sum(data[HEAD_BYTES : HEAD_BYTES + segments])
    return data[:size] if size <= len(data) else None


def checksum(page: bytes) -> int:
    """CRC-32 with nothing reflected, from 0: zlib's, which reflects and inverts, over reversed bits."""
    reflected = zlib.crc32(page.translate(REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(REVERSED_BITS), "big")
