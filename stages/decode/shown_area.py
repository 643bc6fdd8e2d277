"""The part of a coded picture that players show, if a file states one: MOV's clean aperture, Matroska's cropping.

MOV and MP4 state its size and the place of its middle (`clap`, ISO/IEC 14496-12, 12.1.4), Matroska and WebM what is
left out at each side (`PixelCropTop` and the like, RFC 9559, 5.1.4.1.28). FFmpeg reads both, but PyAV before 19 does
not give them. A statement that makes no sense counts as none.
does not give them. A statement that makes no sense counts as none.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import av

__all__ = ["AreaCutter", "ShownArea", "shown_area"]

MIN_SIDE = 16
MAX_BOXES = 10_000

TRACK_HEADER_IDS = {0: 12, 1: 20}
"""Where `tkhd` has the track's number, by its version."""

VISUAL_ENTRY_BYTES = 86
"""Of a sample description of pictures before the boxes in it."""

SEGMENT, TRACKS, TRACK, TYPE, VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0x83, 0xE0
CLUSTER = 0x1F43B675
CROPS = 0x54CC, 0x54BB, 0x54DD, 0x54AA
"""At the left, the top, the right, the bottom."""

VIDEO_TYPE = 1


@dataclass(frozen=True, slots=True)
class ShownArea:
    """An area of the coded picture in pixels: its upper left corner and size."""

    left: int
    top: int
    width: int
    height: int


class AreaCutter:
    """Cuts the shown area out of decoded frames, without a copy. Used by one thread."""

    def __init__(self, area: ShownArea, size: tuple[int, int]) -> None:
        """`size`: (width, height) of the pictures that the area was stated for; others are left whole."""
        self._area = area
        self._size = size
        self._graph: av.filter.Graph | None = None
        self._made_for = ""

    def cut(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the area of a frame in host memory; its corner is moved up to the next chroma sample.

        A frame of another size than expected is returned as it is. Raises av.error.FFmpegError.
        """
        if (frame.width, frame.height) != self._size:
            return frame
        if self._graph is None or self._made_for != frame.format.name:
            self._made_for = frame.format.name
            self._graph = self._build(frame)
        self._graph.push(frame)
        return self._graph.vpull()

    def _build(self, frame: av.VideoFrame) -> av.filter.Graph:
        area, graph = self._area, av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1)
        )
        crop = graph.add("crop", f"{area.width}:{area.height}:{area.left}:{area.top}")
        graph.link_nodes(source, crop, graph.add("buffersink")).configure()
        return graph


def shown_area(path: str, format_name: str, *, track: int, place: int, size: tuple[int, int]) -> ShownArea | None:
    """The area that the file wants shown; None for the whole picture.

    Args:
        format_name: FFmpeg's, of the container.
        track: the number of the stream in MOV and MP4.
        place: its place among the tracks of pictures, from 0.
        size: (width, height) of its coded pictures.
    """
    try:
        with open(path, "rb") as file:
            if "mov" in format_name:
                return _clean_aperture(file, track, size)
            if "matroska" in format_name:
                return _uncropped(file, place, size)
    except (OSError, struct.error, IndexError):  # taken away, or cut off in the middle
        return None
    return None


def _valid(left: float, top: float, width: float, height: float, size: tuple[int, int]) -> ShownArea | None:
    area = ShownArea(round(left), round(top), round(width), round(height))
    is_inside = (
        min(area.left, area.top) >= 0 and area.left + area.width <= size[0] and area.top + area.height <= size[1]
    )
    is_part = (area.width, area.height) != size
    return area if is_inside and is_part and min(area.width, area.height) >= MIN_SIDE else None


def _clean_aperture(file: BinaryIO, track: int, size: tuple[int, int]) -> ShownArea | None:
    end = os.fstat(file.fileno()).st_size
    for movie, movie_end in _boxes(file, 0, end, b"moov"):
        for trak, trak_end in _boxes(file, movie, movie_end, b"trak"):
            if _track_number(file, trak, trak_end) != track:
                continue
            at, at_end = trak, trak_end
            for name in (b"mdia", b"minf", b"stbl", b"stsd"):
                at, at_end = next(_boxes(file, at, at_end, name), (0, 0))
                if not at_end:
                    return None
            file.seek(at + 8)
            (entry_bytes,) = struct.unpack(">I", file.read(4))
            start = at + 8 + VISUAL_ENTRY_BYTES
            for clap, _ in _boxes(file, start, min(at + 8 + entry_bytes, at_end), b"clap"):
                file.seek(clap)
                values = struct.unpack(">IIIIiIiI", file.read(32))
                if 0 in values[1::2]:
                    return None
                width, height, x, y = (values[place] / values[place + 1] for place in range(0, 8, 2))
                return _valid((size[0] - width) / 2 + x, (size[1] - height) / 2 + y, width, height, size)
    return None


def _track_number(file: BinaryIO, start: int, end: int) -> int | None:
    for header, _ in _boxes(file, start, end, b"tkhd"):
        file.seek(header)
        version = file.read(1)[0]
        file.seek(header + TRACK_HEADER_IDS.get(version, TRACK_HEADER_IDS[0]))
        (number,) = struct.unpack(">I", file.read(4))
        return int(number)
    return None


def _boxes(file: BinaryIO, start: int, end: int, wanted: bytes) -> Iterator[tuple[int, int]]:
    """Where the contents of these boxes begin and end."""
    for _ in range(MAX_BOXES):
        file.seek(start)
        head = file.read(8)
        if start + 8 > end or len(head) < 8:  # noqa: PLR2004 - a box's head
            return
        size, name = struct.unpack(">I4s", head)
        content = start + 8
        if size == 1:
            (size,) = struct.unpack(">Q", file.read(8))
            content += 8
        stop = end if size == 0 else start + size
        if stop < content or stop > end:
            return
        if name == wanted:
            yield content, stop
        start = stop


def _uncropped(file: BinaryIO, place: int, size: tuple[int, int]) -> ShownArea | None:
    for segment, _ in _elements(file, 0, os.fstat(file.fileno()).st_size, SEGMENT):
        for tracks, tracks_end in _elements(file, segment, os.fstat(file.fileno()).st_size, TRACKS):
            pictures = [
                (track, end)
                for track, end in _elements(file, tracks, tracks_end, TRACK)
                if _number(file, track, end, TYPE) == VIDEO_TYPE
            ]
            if place >= len(pictures):
                return None
            for video, end in _elements(file, *pictures[place], VIDEO):
                left, top, right, bottom = (_number(file, video, end, one) or 0 for one in CROPS)
                return _valid(left, top, size[0] - left - right, size[1] - top - bottom, size)
            return None
    return None


def _number(file: BinaryIO, start: int, end: int, wanted: int) -> int | None:
    for content, stop in _elements(file, start, end, wanted):
        file.seek(content)
        return int.from_bytes(file.read(min(8, stop - content)), "big")
    return None


def _elements(file: BinaryIO, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Where the contents of these elements begin and end. Tracks come before the first cluster."""
    for _ in range(MAX_BOXES):
        file.seek(start)
        head = file.read(12)
        if start >= end or not head or not head[0]:
            return
        id_bytes = 9 - head[0].bit_length()
        name = int.from_bytes(head[:id_bytes], "big")
        size_bytes = 9 - head[id_bytes].bit_length()
        size = int.from_bytes(head[id_bytes : id_bytes + size_bytes], "big") & ((1 << 7 * size_bytes) - 1)
        content = start + id_bytes + size_bytes
        is_open = size == (1 << 7 * size_bytes) - 1
        stop = end if is_open else content + size
        if name == wanted:
            yield content, min(stop, end)
        if name == CLUSTER or is_open or stop > end:
            return
        start = stop
