"""Tells photographs from videos by their first bytes.

Containers of the ISO base media format hold either: HEIF (ISO/IEC 23008-12, 10.2) and AVIF name what they hold by their
brands. A file that also holds a sequence of pictures is a video here, except AVIF whose main brand says so: what reads
photographs plays those in full.
"""

from __future__ import annotations

import mmap
import os
import stat
from pathlib import Path

__all__ = ["HEAD_BYTES", "file_format", "photograph_format"]

HEAD_BYTES = 512

_BEGINNINGS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # more than 4 GiB
    b"MM\0+": "TIFF",
    b"BM": "BMP",
    b"GIF8": "GIF",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2"}
_SEQUENCE_BRANDS = {b"hevc", b"hevx", b"hevm", b"hevs", b"msf1", b"avis"}

_NEXT_JPEG = b"\xff\xd9\xff\xd8\xff"
_MULTI_PICTURE = b"MPF\0"


def photograph_format(head: bytes) -> str | None:
    """Pillow's name of the format that a file begins with, for example "JPEG"; None for what is no photograph.

    Args:
        head: the first `HEAD_BYTES`, or more.
    """
    for beginning, name in _BEGINNINGS.items():
        if head.startswith(beginning):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return _by_brand(head) if head[4:8] == b"ftyp" else None


def file_format(path: str | Path) -> str | None:
    """`photograph_format` of a file. None as well for JPEGs one after another, which are a film, and for what can't be
    read: whoever opens it says why."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its other end
            return None
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
            name = photograph_format(head)
            if name == "JPEG":
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    if content.find(_NEXT_JPEG) >= 0 and content.find(_MULTI_PICTURE, 0, 65_536) < 0:
                        return None
            return name
    except (OSError, ValueError):
        return None


def _by_brand(head: bytes) -> str | None:
    end = min(int.from_bytes(head[:4], "big"), len(head))
    main = head[8:12]
    brands = {main, *(head[at : at + 4] for at in range(16, end - 3, 4))}
    if main == b"avis":
        return "AVIF"
    if brands & _SEQUENCE_BRANDS:
        return None
    if b"avif" in brands:
        return "AVIF"
    return "HEIF" if main in _HEIF_BRANDS else None
