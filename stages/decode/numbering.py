"""Numbers pictures before they are decoded: a picture's number is the rank of its pts among the stream's packets.

No packet's pts lies before its dts, and dts grow. So once a packet with dts D has been read, every pts up to D has been
seen, and the ranks of all of these are final. That takes reading ahead by the stream's reordering depth, a few packets.
Where time stamps are missing or contradict this, numbering stops for good and says so, rather than guess. Raw streams
that were put into a container without being decoded have stamps in the order of decoding: of a stream that reorders
its pictures they are believed once one of them goes back.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import av
from av.video.stream import VideoStream

__all__ = ["PacketNumbering", "VideoPacket"]

VideoPacket: TypeAlias = "av.Packet[VideoStream]"

MAX_READ_AHEAD = 64
"""Packets. H.264 and HEVC reorder at most 16 pictures; more means that the time stamps are wrong."""


class PacketNumbering:
    """Numbers the packets of one pass over a stream.

    Attributes:
        count: pictures numbered so far.
        is_exact: every packet so far could be numbered.
    """

    def __init__(self, *, reorders: bool = False) -> None:
        """`reorders`: the codec says that pictures are not shown in the order in which they are decoded."""
        self.count = 0
        self.is_exact = True
        self._is_believed = not reorders
        self._waiting: deque[VideoPacket] = deque()
        self._window: list[int] = []  # pts of waiting and later packets, sorted; those below are counted in _below
        self._below = 0
        self._dts: int | None = None

    def number(self, packets: Iterable[VideoPacket]) -> Iterator[tuple[VideoPacket, int | None]]:
        """The packets in their order, each with its number; None once numbering has stopped.

        Packets that an edit list hides are not pictures: they have number -1.
        """
        for packet in packets:
            self._waiting.append(packet)
            if self.is_exact:
                self.is_exact = self._note(packet)
            yield from self._settled()
        self.is_exact = self.is_exact and self._is_believed
        while self._waiting:
            yield self._take()

    def _note(self, packet: VideoPacket) -> bool:
        """Take the packet's time stamps in; whether they make sense."""
        pts, dts = packet.pts, packet.dts
        if pts is None or len(self._waiting) > MAX_READ_AHEAD:
            return False
        # Matroska stores no dts; FFmpeg has none for the first few packets.
        if dts is None and self._dts is not None:
            return False
        if dts is not None:
            if dts > pts or (self._dts is not None and dts <= self._dts):
                return False
            self._dts = dts
        if packet.is_discard:
            return True
        place = bisect.bisect_left(self._window, pts)
        self._is_believed = self._is_believed or place < len(self._window)
        is_new = place == len(self._window) or self._window[place] != pts
        self._window.insert(place, pts)
        self.count += 1
        return is_new

    def _settled(self) -> Iterator[tuple[VideoPacket, int | None]]:
        while self._waiting and (not self.is_exact or self._is_settled(self._waiting[0])):
            yield self._take()

    def _is_settled(self, packet: VideoPacket) -> bool:
        is_seen = packet.pts is not None and self._dts is not None and packet.pts <= self._dts
        return is_seen and self._is_believed

    def _take(self) -> tuple[VideoPacket, int | None]:
        packet = self._waiting.popleft()
        if not self.is_exact or packet.pts is None:
            return packet, None
        if packet.is_discard:
            return packet, -1
        number = self._below + bisect.bisect_left(self._window, packet.pts)
        oldest = min((p.pts for p in self._waiting if p.pts is not None), default=packet.pts + 1)
        passed = bisect.bisect_left(self._window, min(oldest, packet.pts + 1))
        del self._window[:passed]
        self._below += passed
        return packet, number
