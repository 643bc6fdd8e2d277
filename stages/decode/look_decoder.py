"""Decodes only what a scan looks at, with the frame numbers and times of a whole run.

All packets are read and numbered (see `numbering`); few are decoded. A key frame outside the spans is decoded alone:
the decoder is drained and flushed around it, so that it depends on nothing before it. Within a span, and up to a look
between rare key frames, decoding runs from the last key frame on. Packets since the last key frame are held, bounded in
bytes, until it is known whether they lead to such a place.

Invariant: a frame is delivered with the index that a whole run gives it, or not at all. Where numbers end, decoding
ends with `has_lost_numbers`, and the caller counts from the start.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.codec.context import ThreadType
from av.video.frame import PictureType

from stages.decode.decoder import MAX_DAMAGED, MAX_HELD_BYTES, SKIPPING_CODECS, DecodedFrame
from stages.decode.demux import Demuxer
from stages.decode.frame_times import FrameTimes
from stages.decode.input_errors import without_address
from stages.decode.looks import LookAllowance, Looks
from stages.decode.numbering import PacketNumbering, VideoPacket

__all__ = ["LookDecoder"]


class LookDecoder:
    """One scanning pass. Used by one thread. Has the attributes of `StreamDecoder` and `has_lost_numbers`.

    Attributes:
        has_lost_numbers: the time stamps stopped making sense; what follows can't be numbered by them.
        frames_decoded: pictures that left the decoder, delivered or not.
    """

    knows_numbers = True
    frames_absent = 0

    def __init__(
        self,
        demuxer: Demuxer,
        looks: Looks,
        *,
        first_number: int,
        threads: int,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
    ) -> None:
        """
        Args:
            first_number: rank among the packets of the first picture that can be decoded, from an earlier pass.
            threads: for the codec; they share a frame, since frames are decoded singly.
            start_seconds, end_seconds: no look is taken outside of [start, end) seconds of the source.
        """
        self.demuxer = demuxer
        self.first_number = first_number
        self.frames_passed = 0
        self.frames_lost = 0
        self.first_loss: tuple[int, float] | None = None
        self.error: Exception | None = None
        self.has_lost_numbers = False
        self._looks = looks
        self._start_seconds = start_seconds
        self._end_seconds = end_seconds
        self._codec = demuxer.codec_context
        self._codec.thread_count = threads
        self._codec.thread_type = ThreadType.SLICE
        self._codec.copy_opaque = True
        self._can_skip = self._codec.name in SKIPPING_CODECS
        self._times = FrameTimes(demuxer, is_live=False)
        self._watch = demuxer.damage_watch()
        self._allowance = LookAllowance()
        self._held: list[VideoPacket] = []  # since the last key frame, or since the decoder was paused; in their order
        self._held_bytes = 0
        self._is_chained = False  # the held packets follow a key frame, or what the decoder was fed last
        self._is_fed = False  # the decoder holds a state that the held packets continue
        self._until: int | None = None  # decoding goes on until this index has come out
        self._targets: set[int] = set()
        self._last_index = -1  # delivered
        self._damaged_in_a_row = 0

    def __repr__(self) -> str:
        return f"<LookDecoder {self._codec.name}, {self.frames_decoded} of {self.frames_passed} frames decoded>"

    @property
    def frames_decoded(self) -> int:
        """Pictures that left the decoder so far, delivered or not."""
        return self._allowance.decoded

    @property
    def losses(self) -> tuple[int, int]:
        """The pair of `frames_lost` and `frames_absent`: numbers of frames."""
        return self.frames_lost, self.frames_absent

    def frames(self) -> Iterator[DecodedFrame]:
        """Yield the frames that are looked at, in order. Packets that FFmpeg can't use are left out."""
        numbering = PacketNumbering(reorders=self._codec.has_b_frames)
        for packet, number in numbering.number(self.demuxer.packets()):
            if number is None:
                self.has_lost_numbers = True
                return
            harmed = 0 if self._watch is None else self._watch.harmed(packet)
            index = number - self.first_number if number >= 0 else -1
            if harmed:
                self._lose(index, harmed)
            if number >= 0:
                packet.opaque = number
                self.frames_passed = max(self.frames_passed, index)
            seconds = self._times.of_packet(packet)
            if packet.is_keyframe and self._end_seconds is not None and seconds >= self._end_seconds:
                break
            yield from self._take(packet, index, seconds)
            if self.error is not None:
                return
        yield from self._drain()
        if numbering.is_exact and self.demuxer.error is None:
            self.frames_passed = numbering.count - self.first_number

    def _take(self, packet: VideoPacket, index: int, seconds: float) -> Iterator[DecodedFrame]:
        """Decode or hold the next packet. `index`: of its picture, negative for one that is not shown."""
        is_key = packet.is_keyframe
        span = self._looks.span_of(index) if index >= 0 else None
        is_look = is_key and index >= 0 and span is None and self._is_inside(seconds)
        is_look = is_look and self._allowance.takes_key(index, seconds)
        if is_key and self._until is None:
            yield from self._drain()
            self._is_chained = True
        if is_look:
            self._targets.add(index)
        if is_look or span is not None:
            self._allowance.last_look_seconds = seconds
        if self._until is not None:  # decoding goes on; behind an open key frame pictures from before it may come
            if span is not None or is_look:
                self._until = max(self._until, span[1] if span is not None else index)
            yield from self._feed(packet, is_needed=True)
            return
        self._hold(packet)
        if span is not None and self._is_chained:
            self._until = span[1]
            yield from self._feed_held()
        elif is_look:
            self._until = index
            yield from self._feed(packet, is_needed=True)
            yield from self._drain()  # the packet stays held: what follows may be wanted after all
            self._is_chained = True
            self._hold(packet)
        elif not is_key and index >= 0 and self._is_inside(seconds) and self._allowance.is_overdue(seconds):
            yield from self._look_between(index, seconds)

    def _look_between(self, index: int, seconds: float) -> Iterator[DecodedFrame]:
        if not self._is_chained:
            return
        if not self._allowance.pay(index, len(self._held)):
            self._let_go()
            return
        self._allowance.last_look_seconds = seconds
        self._targets.add(index)
        self._until = index
        yield from self._feed_held()

    def _is_inside(self, seconds: float) -> bool:
        return seconds >= self._start_seconds and (self._end_seconds is None or seconds < self._end_seconds)

    def _hold(self, packet: VideoPacket) -> None:
        if not self._is_chained:
            return
        self._held.append(packet)
        self._held_bytes += packet.size
        if self._held_bytes > MAX_HELD_BYTES:
            self._let_go()

    def _let_go(self) -> None:
        """Give up what follows the last key frame."""
        self._is_chained = False
        self._held.clear()
        self._held_bytes = 0

    def _feed_held(self) -> Iterator[DecodedFrame]:
        held, self._held, self._held_bytes = self._held, [], 0
        for packet in held:
            number = packet.opaque
            index = number - self.first_number if isinstance(number, int) else -1
            yield from self._feed(packet, is_needed=index in self._targets or self._looks.span_of(index) is not None)

    def _feed(self, packet: VideoPacket, *, is_needed: bool) -> Iterator[DecodedFrame]:
        if self._can_skip:
            self._codec.skip_frame = "DEFAULT" if is_needed else "NONREF"
        self._is_fed = True
        yield from self._decode(packet)

    def _drain(self) -> Iterator[DecodedFrame]:
        """Get out what the decoder still holds; it then depends on nothing before. Nothing is held any more."""
        self._let_go()
        if self._is_fed:
            yield from self._decode(None)
            self._codec.flush_buffers()
        self._is_fed = False
        self._until = None
        self._targets.clear()

    def _decode(self, packet: VideoPacket | None) -> Iterator[DecodedFrame]:
        try:
            frames = self._codec.decode(packet)
        except av.error.FFmpegError as exc:
            self._damaged_in_a_row += 1
            number = None if packet is None else packet.opaque
            if isinstance(number, int):
                self._lose(number - self.first_number, 1)
            if self._damaged_in_a_row > MAX_DAMAGED:
                self.error = without_address(exc)
            return
        self._allowance.decoded += len(frames)
        for frame in frames:
            self._damaged_in_a_row = 0
            number = frame.opaque
            if not isinstance(number, int):
                continue
            index = number - self.first_number
            if self._until is not None and index >= self._until:
                self._until = None
            if index > self._last_index and self._is_wanted(frame, index):
                self._last_index = index
                yield DecodedFrame(frame, index, self._times.of_frame(frame), self._span_number(index))

    def _is_wanted(self, frame: av.VideoFrame, index: int) -> bool:
        if self._looks.span_of(index) is not None:
            return True
        # Where the picture is refreshed bit by bit, the container's key frames are no pictures of their own.
        is_picture = not frame.key_frame or frame.pict_type in (PictureType.I, PictureType.NONE)
        return index in self._targets and is_picture

    def _span_number(self, index: int) -> int:
        span = self._looks.span_of(index)
        return index if span is None else span[0]

    def _lose(self, index: int, count: int) -> None:
        self.frames_lost += count
        if self.first_loss is None:
            self.first_loss = max(0, index), self._times.last_seconds or 0.0
