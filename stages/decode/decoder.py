"""Decodes one stream, on the CPU or with NVDEC, and numbers its frames; decodes no more than the wanted frames need.

Frame numbers count the decoder's output from the start of the file. Where time stamps can be trusted the numbers are
known before decoding (see `numbering`): pictures that neither detection nor another picture needs are skipped by the
decoder, what lies before the start is read but not decoded, and a picture lost to damage leaves its number unused, so
that those after it keep theirs. Elsewhere everything is decoded and counted. Lost pictures are counted everywhere
(see `damage`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.codec.context import ThreadType

from stages.decode.demux import Demuxer
from stages.decode.due_pictures import COUNTED_CODECS, DuePictures, Number, is_closed
from stages.decode.frame_times import FrameTimes
from stages.decode.input_errors import without_address
from stages.decode.numbering import PacketNumbering, VideoPacket

__all__ = ["MAX_DAMAGED", "MAX_HELD_BYTES", "SKIPPING_CODECS", "DecodedFrame", "Selection", "StreamDecoder"]

NumberedPackets = Iterator[tuple[VideoPacket, "int | None"]]

# Containers that store presentation times, and codecs of which one packet is one picture. AVI's times are of decoding;
# VP8 has packets without a picture; MPEG-2 and interlaced H.264 may spend two packets on one.
_FORMATS = {"mov", "matroska", "mpegts", "flv"}
_CODECS = {"h264", "hevc", "vp9", "av1"}
# Recordings in other containers begin anywhere.
_BEGINNING_WITH_KEY = {"mov", "matroska", "flv", "asf", "avi"}
# Decoders that heed a change of skip_frame from packet to packet; libdav1d reads it once.
SKIPPING_CODECS = {"h264", "hevc"}
_PROGRESSIVE_OR_UNKNOWN = (0, 1)  # AVFieldOrder

MAX_DAMAGED = 250
"""Packets in a row that decode to nothing before the stream is given up: ten seconds of common video."""

MAX_HELD_BYTES = 64 * 2**20
"""Of packets that wait until it is known whether they are needed; screens are recorded with a key frame an hour."""


class StreamDecoder:
    """One pass of decoding. Used by one thread.

    Attributes:
        demuxer: what it reads from.
        first_number: rank among the packets of the first picture that can be decoded; None until it was.
        frames_passed: index of the next frame: of those so far, decoded, skipped or lost, how many there were.
        frames_lost: how many are damaged or were lost to damage; of those that a container lost, about how many.
        frames_absent: of those passed, how many were lost and never came.
        first_loss: index and seconds of the first of them, about; None while there is none.
        error: why decoding had to be given up, or None.
    """

    def __init__(
        self,
        demuxer: Demuxer,
        selection: Selection,
        *,
        threads: int,
        is_live: bool = False,
        first_number: int | None = None,
    ) -> None:
        """
        Args:
            threads: for the codec; on a live source they share one frame, so that none is held back.
            first_number: from an earlier pass over the same file. With it, decoding begins at the last key frame
                before the selection's start instead of at the file's.
        """
        self.first_number = first_number
        self.frames_passed = 0
        self.frames_lost = 0
        self.frames_absent = 0
        self.first_loss: tuple[int, float] | None = None
        self.error: Exception | None = None
        self.demuxer = demuxer
        self._selection = selection
        self._codec = demuxer.codec_context
        self._codec.thread_count = threads
        self._codec.thread_type = ThreadType.SLICE if is_live else ThreadType.AUTO
        self._codec.copy_opaque = True
        self._is_intra_only = self._codec.codec.intra_only
        self._can_skip = self._codec.name in SKIPPING_CODECS
        self._wants_all = selection == Selection()
        self.knows_numbers = not is_live and self._packets_are_pictures()
        self._begins_late = first_number is not None and selection.start_seconds > 0
        self._times = FrameTimes(demuxer, is_live=is_live)
        self._damaged_in_a_row = 0
        self._watch = None if is_live else demuxer.damage_watch()
        self._due = DuePictures()
        # From the first key picture on all have to come. Files begin with one, whatever is left of it.
        self._first_key: int | None = None
        self._has_begun = False
        self._begins_with_key = bool(set(demuxer.container.format.name.split(",")) & _BEGINNING_WITH_KEY)
        self._counts_places = self._codec.codec.canonical_name in COUNTED_CODECS and self._is_one_a_packet("avi")

    def __repr__(self) -> str:
        return f"<StreamDecoder {self._codec.name}, {self.frames_passed} frames passed>"

    @property
    def losses(self) -> tuple[int, int]:
        """The pair of `frames_lost` and `frames_absent`: numbers of frames."""
        return self.frames_lost, self.frames_absent

    def frames(self) -> Iterator[DecodedFrame]:
        """Yield all wanted frames, and those that had to be decoded for them, in order.

        Packets that FFmpeg can't use are left out; smaller damage it conceals itself. Raises av.error.FFmpegError.
        """
        numbering = PacketNumbering(reorders=self._codec.has_b_frames)
        packets: NumberedPackets = ((packet, None) for packet in self.demuxer.packets())
        if self.knows_numbers:
            packets = numbering.number(self.demuxer.packets())
            if self._begins_late:
                packets = self._from_last_key_frame(packets)
        is_skipping = False
        for packet, number in packets:
            is_wanted = True
            if number is not None and number >= 0:
                packet.opaque = Number(number)
                is_wanted = self._wants_all or self._is_wanted(packet, number)
            harmed = 0 if self._watch is None else self._watch.harmed(packet)
            if harmed:
                self._lose(number, harmed)
            if self._watch is not None:
                self._expect(packet, number, is_wanted=is_wanted, is_harmed=harmed > 0)
            if not is_wanted and self._is_intra_only:
                continue
            if is_skipping != (self._can_skip and not is_wanted):
                is_skipping = not is_skipping
                self._codec.skip_frame = "NONREF" if is_skipping else "DEFAULT"
            yield from self._decode(packet, is_harmed=harmed > 0)
            if self.error is not None:
                return
        yield from self._decode(None)
        if self.demuxer.error is None:
            self._give_up_before(None)
            self._give_up_overdue(is_end=True)
        if self.knows_numbers and numbering.is_exact and self.demuxer.error is None:
            self._pass(self._index(numbering.count))

    def _packets_are_pictures(self) -> bool:
        formats = set(self.demuxer.container.format.name.split(","))
        is_known = self._codec.codec.canonical_name in _CODECS or self._is_intra_only
        return bool(formats & _FORMATS) and is_known and self._is_one_a_packet()

    def _is_one_a_packet(self, *formats: str) -> bool:
        """Whether a packet is a whole picture, in any but these formats."""
        # PyAV 17, the last for Python 3.10, does not tell the field order: then every picture is decoded and counted.
        is_progressive = getattr(self._codec, "field_order", None) in _PROGRESSIVE_OR_UNKNOWN
        return is_progressive and self.demuxer.container.format.name not in formats

    def _from_last_key_frame(self, packets: NumberedPackets) -> NumberedPackets:
        """Leave out what comes before the key frame from which the start can be decoded.

        Where more follows a key frame than may be held, it is decoded in vain: it may lead to the start.
        """
        held: list[tuple[VideoPacket, int | None]] = []
        held_bytes = 0
        for packet, number in packets:  # numbers count from the file's start, so its packets are all read
            has_arrived = number is None or self._times.of_packet(packet) >= self._selection.start_seconds
            if packet.is_keyframe and not has_arrived:
                held.clear()
                held_bytes = 0
            held.append((packet, number))
            held_bytes += packet.size
            if has_arrived:
                break
            if held_bytes > MAX_HELD_BYTES:
                yield from held
                held.clear()
                held_bytes = 0
        else:
            return  # it ends before the start
        yield from held
        held.clear()
        yield from packets

    def _is_wanted(self, packet: VideoPacket, number: int) -> bool:
        if self.first_number is None:  # until then the numbers may be off by pictures that can't be decoded
            return True
        if self._times.of_packet(packet) < self._selection.start_seconds:
            return False
        return self._index(number) % self._selection.frameskip == 0

    def _index(self, number: int) -> int:
        return number - (self.first_number or 0)

    def _lose(self, number: int | None, count: int = 1) -> None:
        """Count pictures that are damaged or will not come."""
        self.frames_lost += count
        if self.first_loss is None:
            index = self.frames_passed if number is None or number < 0 else self._index(number)
            self.first_loss = index, self._times.last_seconds or 0.0

    def _pass(self, index: int) -> None:
        """Go on behind this index. What was wanted of those jumped over is absent; the others were skipped."""
        step = self._selection.frameskip
        self.frames_absent += max(0, -(-index // step) - -(-self.frames_passed // step))
        self.frames_passed = max(self.frames_passed, index)

    def _expect(self, packet: VideoPacket, number: int | None, *, is_wanted: bool, is_harmed: bool) -> None:
        """Note that a packet's picture is to come of the decoder."""
        is_first, self._has_begun = not self._has_begun, True
        if is_first and number is None and self._begins_with_key and not packet.is_keyframe and not is_harmed:
            self._lose(None)
        if number is None:
            if self._counts_places:
                codec = self._codec.codec.canonical_name
                packet.opaque = self._due.add_place(packet, codec, is_counted=is_harmed)
        elif number >= 0:
            if self._first_key is None and (self._begins_with_key or self._opens_group(packet)):
                self._first_key = number
            if is_wanted:
                self._due.add(number, is_counted=is_harmed)

    def _opens_group(self, packet: VideoPacket) -> bool:
        """Whether all pictures from this one on can be decoded."""
        return packet.is_keyframe and is_closed(bytes(packet), self._codec.codec.canonical_name)

    def _give_up_before(self, arrived: int | None) -> None:
        """The pictures before this one will not come any more; None for all that have not."""
        for number in self._due.before(arrived):
            if self._is_due(number):
                self._lose(number)

    def _give_up_overdue(self, *, is_end: bool = False) -> None:
        lost = self._due.overdue(is_end=is_end)
        if lost:
            self._lose(None, lost)

    def _is_due(self, number: int) -> bool:
        """Whether a picture has to come. A recording may begin with pictures that need others from before its start.

        Where pictures are skipped, the first are decoded before it is known which are wanted: the others may stay away.
        """
        begins = [known for known in (self.first_number, self._first_key) if known is not None]
        is_inside = bool(begins) and number >= min(begins)
        return is_inside and self._index(number) % self._selection.frameskip == 0

    def _note_refusal(self, packet: VideoPacket, *, is_harmed: bool) -> None:
        # What a recording begins with may need pictures from before its start, but not its key pictures.
        number = packet.opaque.value if isinstance(packet.opaque, Number) else None
        is_first_key = number is not None and number == self._first_key
        has_begun = self.first_number is not None or packet.is_keyframe or is_first_key
        if is_harmed or self._watch is None or not has_begun:
            return
        self._due.count(packet.opaque)
        self._lose(number)

    def _decode(self, packet: VideoPacket | None, *, is_harmed: bool = False) -> Iterator[DecodedFrame]:
        if packet is not None:
            self._times.note_packet(packet)
        try:
            frames = self._codec.decode(packet)
        except av.error.FFmpegError as exc:
            self._times.forget_packet()
            self._damaged_in_a_row += 1
            if packet is not None:
                self._note_refusal(packet, is_harmed=is_harmed)
            if self._damaged_in_a_row > MAX_DAMAGED:
                self.error = without_address(exc)
            return
        self._give_up_overdue()
        for frame in frames:
            self._damaged_in_a_row = 0
            opaque = frame.opaque
            number = opaque.value if isinstance(opaque, Number) else None
            if self.first_number is None:
                self.first_number = number or 0
            was_counted = self._due.take(opaque)
            if frame.is_corrupt and not was_counted and self._watch is not None:
                self._lose(number)
            if number is not None:
                self._give_up_before(number)
            index = self.frames_passed if number is None else self._index(number)
            if index < self.frames_passed:  # after damage a decoder may show a picture twice or late
                continue
            self._pass(index)
            self.frames_passed = index + 1
            yield DecodedFrame(frame, index, self._times.of_frame(frame))


@dataclass(frozen=True, slots=True)
class Selection:
    """The frames to be detected: every `frameskip`-th of the file, from `start_seconds` on."""

    frameskip: int = 1
    start_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame as the decoder delivered it.

    Attributes:
        index: zero-based, counted from the file's start.
        pts_seconds: seconds from the container's start; grows from frame to frame.
        connection: another number where nothing can be followed from the frame before to this one.
    """

    frame: av.VideoFrame
    index: int
    pts_seconds: float
    connection: int = 0
