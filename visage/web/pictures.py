"""Pictures that callers send: their format and, where it stands there, their size read from the first bytes.

What is no photograph, or says itself that it has too many pixels, is refused here. The rest is decoded within limits of
its own (`visage.people.picture_process`), for what a header says need not hold.
Sizes: JPEG (ITU-T T.81, B.2.2), PNG (ISO 15948, 11.2.2), WebP (RFC 9649, 2.5 to 2.7).
"""

from __future__ import annotations

import struct
import threading

from stages.decode.photograph_format import HEAD_BYTES, photograph_format
from visage.web.errors import UnusablePicture

__all__ = ["MAX_PIXELS", "PICTURE_FORMATS", "check_picture", "picture_size", "reading"]

reading = threading.BoundedSemaphore(2)
"""Held from the moment a request's pictures come into memory until they were looked at; the others wait on disk."""

PICTURE_FORMATS = "JPEG, PNG, WebP, HEIC, AVIF or TIFF"
FORMATS_WITHOUT_SIZE = ("AVIF", "HEIF", "TIFF")
"""Their sizes lie deep in their tables."""

MAX_PIXELS = 50_000_000
MARKER = 0xFF
FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # those three are tables and reserved


def check_picture(data: bytes, name: str = "the picture") -> bytes:
    """The same bytes. Raises UnusablePicture, which says what is wrong."""
    form = photograph_format(data[:HEAD_BYTES])
    if form in FORMATS_WITHOUT_SIZE:
        return data
    size = picture_size(data)
    if size is None:
        raise UnusablePicture(f"{name} is not a {PICTURE_FORMATS} file")
    width, height = size
    if not 0 < width * height <= MAX_PIXELS:
        raise UnusablePicture(f"{name} is {width}x{height}; at most {MAX_PIXELS // 1_000_000} megapixels are accepted")
    return data


def picture_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, or None for what is no JPEG, PNG or WebP."""
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
            width, height = struct.unpack(">II", data[16:24])
            return width, height
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp_size(data)
        if data[:3] == b"\xff\xd8\xff":
            return _jpeg_size(data)
    except (struct.error, IndexError):
        pass  # it ends where its size should stand
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 2
    while data[position] == MARKER:
        marker = data[position + 1]
        if marker == MARKER:  # padding
            position += 1
            continue
        if marker in FRAME_HEADERS:
            height, width = struct.unpack(">HH", data[position + 5 : position + 9])
            return width, height
        (length,) = struct.unpack(">H", data[position + 2 : position + 4])
        position += 2 + length
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", data[21:25])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None
