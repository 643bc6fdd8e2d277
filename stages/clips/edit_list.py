"""When the edits of an MP4 file end: FFmpeg writes where a track begins to be shown, but never that it ends early.

The durations of edit lists (`elst`), tracks (`tkhd`) and the movie (`mvhd`) are changed in place (ISO/IEC 14496-12,
8.2.2, 8.3.2 and 8.6.6). Media behind an edit's end stay in the file, since others may need them, and are not shown.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["end_edits"]

HEADER_BYTES = 8
LARGE = 1
FULL_BOX_BYTES = 4
CONTAINERS = (b"moov", b"trak", b"edts")


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    begin: int
    """Of its content."""
    end: int


def end_edits(file: BinaryIO, seconds: float) -> None:
    """Let every track of a finished file end at this time, if it would end later. Raises ValueError, OSError."""
    file.seek(0, 2)
    boxes = list(_boxes(file, 0, file.tell()))
    header = next((box for box in boxes if box.kind == b"mvhd"), None)
    if header is None:
        raise ValueError("there is no movie header")
    timescale = _movie_timescale(file, header)
    most = round(seconds * timescale)
    for box in boxes:
        if box.kind == b"elst":
            _end_list(file, box, most)
        elif box.kind in (b"tkhd", b"mvhd"):
            _shorten(file, box, most)


def _boxes(file: BinaryIO, begin: int, end: int) -> Iterator[_Box]:
    at = begin
    while at + HEADER_BYTES <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(HEADER_BYTES))
        content = at + HEADER_BYTES
        if size == LARGE:
            (size,) = struct.unpack(">Q", file.read(8))
            content += 8
        stop = end if size == 0 else min(end, at + size)
        if stop <= at:
            return
        yield _Box(kind, content, stop)
        if kind in CONTAINERS:
            yield from _boxes(file, content, stop)
        at = stop


def _movie_timescale(file: BinaryIO, header: _Box) -> int:
    version = _version(file, header)
    file.seek(header.begin + FULL_BOX_BYTES + (16 if version else 8))
    (timescale,) = struct.unpack(">I", file.read(4))
    return int(timescale)


def _version(file: BinaryIO, box: _Box) -> int:
    file.seek(box.begin)
    return file.read(1)[0]


def _shorten(file: BinaryIO, box: _Box, most: int) -> None:
    """The duration of `mvhd` and `tkhd`, which both have it behind two times and four or eight other bytes."""
    version = _version(file, box)
    fields = 4 if box.kind == b"mvhd" else 8
    _lower(file, box.begin + FULL_BOX_BYTES + (16 if version else 8) + fields, ">Q" if version else ">I", most)


def _end_list(file: BinaryIO, box: _Box, most: int) -> None:
    version = _version(file, box)
    file.seek(box.begin + FULL_BOX_BYTES)
    (count,) = struct.unpack(">I", file.read(4))
    layout, size = (">Q", 20) if version else (">I", 12)
    left = most
    for number in range(count):
        at = box.begin + FULL_BOX_BYTES + 4 + number * size
        left -= _lower(file, at, layout, max(0, left))


def _lower(file: BinaryIO, at: int, layout: str, most: int) -> int:
    """The value there, no greater than this."""
    file.seek(at)
    (value,) = struct.unpack(layout, file.read(struct.calcsize(layout)))
    kept = min(int(value), most)
    file.seek(at)
    file.write(struct.pack(layout, kept))
    return kept
