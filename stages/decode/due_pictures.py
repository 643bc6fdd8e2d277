"""Pictures that were given to the decoder and have not come yet: which of them never will.

A picture is known by its number where packets are numbered. Elsewhere it is known by its packet's place in the order of
decoding, where one packet is one picture; there a picture is given up once so many packets followed it that no decoder
still holds it back. A recording may begin with pictures that need others from before its start: those do not count.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stages.decode.numbering import VideoPacket

__all__ = ["COUNTED_CODECS", "DuePictures", "Number", "Place", "is_closed"]

COUNTED_CODECS = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video"})
"""Those of which one packet is one picture, unless it is interlaced, in every container but AVI."""

MAX_HELD_PACKETS = 64
"""Decoders reorder at most 16 pictures, and as many threads hold one each."""


START_CODE = re.compile(rb"\x00\x00\x01(.)", re.DOTALL)
H264_IDR, HEVC_IDR = frozenset({5}), frozenset({19, 20})
MPEG_GROUP, CLOSED_GROUP = 0xB8, 0x40
MAX_SEARCHED_BYTES = 65_536


class DuePictures:
    """Of one pass of decoding. Holds what is due: at most `MAX_HELD_PACKETS`, or what a decoder reorders."""

    def __init__(self) -> None:
        self._numbers: dict[int, bool] = {}
        self._places: dict[int, bool] = {}
        self._next_place = 0
        self._first_place: int | None = None
        self._may_lead = False

    def add(self, number: int, *, is_counted: bool) -> None:
        """Note a picture with a number; `is_counted`: it counts as lost already."""
        self._numbers[number] = is_counted

    def add_place(self, packet: VideoPacket, codec: str, *, is_counted: bool) -> Place | None:
        """Note a packet's picture, which has no number; None before the first key picture. `codec`: FFmpeg's name."""
        if self._first_place is None:
            if not packet.is_keyframe:
                return None
            self._first_place, self._may_lead = self._next_place, not is_closed(bytes(packet), codec)
        place = Place(self._next_place)
        self._places[place.value] = is_counted
        self._next_place += 1
        return place

    def count(self, mark: object) -> None:
        """Note that the picture of this mark, a `Number` or a `Place`, counts as lost."""
        own, key = self._of(mark)
        if key in own:
            own[key] = True

    def take(self, mark: object) -> bool:
        """The picture of this mark has come. Whether it was counted as lost."""
        own, key = self._of(mark)
        return own.pop(key, False)

    def before(self, number: int | None) -> list[int]:
        """Give up the pictures before this number, or all that have numbers; which of them were not counted yet."""
        gone = sorted(own for own in self._numbers if number is None or own < number)
        return [own for own in gone if not self._numbers.pop(own)]

    def overdue(self, *, is_end: bool = False) -> int:
        """Give up the pictures without a number that can't come any more; how many of them were not counted yet."""
        latest = self._next_place if is_end else self._next_place - MAX_HELD_PACKETS
        lost = 0
        for place in [own for own in self._places if own < latest]:
            was_counted = self._places.pop(place)
            lost += not was_counted and not self._leads(place)
        return lost

    def _leads(self, place: int) -> bool:
        """Whether a missing picture is one of those right behind the first key picture, shown before it."""
        assert self._first_place is not None
        self._may_lead = self._may_lead and place == self._first_place + 1
        if self._may_lead:
            self._first_place = place
        return self._may_lead

    def _of(self, mark: object) -> tuple[dict[int, bool], int]:
        if isinstance(mark, Place):
            return self._places, mark.value
        return self._numbers, mark.value if isinstance(mark, Number) else -1


@dataclass(frozen=True, slots=True)
class Number:
    """Marks a packet, and so the picture that comes of it, with its number.

    PyAV finds a mark by its address, and forgets it when the first packet with it goes. Python has one object for all
    equal small numbers: films that are decoded at the same time would lose each other's. So each packet has its own.
    """

    value: int


@dataclass(frozen=True, slots=True)
class Place:
    """Marks a packet, likewise, with its place in the order of decoding."""

    value: int


def is_closed(data: bytes, codec: str) -> bool:
    """Whether all pictures behind a key picture can be decoded without any from before it.

    Args:
        data: of the key picture's packet, with start codes before its parts.
        codec: FFmpeg's name, one of `COUNTED_CODECS`.
    """
    kinds = [(found.end(), found.group(1)[0]) for found in START_CODE.finditer(data[:MAX_SEARCHED_BYTES])]
    if codec == "h264":
        return any(kind & 31 in H264_IDR for _, kind in kinds)
    if codec == "hevc":
        return any(kind >> 1 & 63 in HEVC_IDR for _, kind in kinds)
    groups = [end for end, kind in kinds if kind == MPEG_GROUP and end + 3 < len(data)]
    return any(data[end + 3] & CLOSED_GROUP for end in groups)
