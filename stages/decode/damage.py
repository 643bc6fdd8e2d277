"""Finds pictures that a file has lost, before any decoder sees them: the same ones for every decoder.

Decoders differ in what they make of damage: one conceals it, another leaves the picture out, a card reports nothing.
So it is looked for in the packets. Compressed data holds no long run of zeros: where there is one, the disk, the
download or the copy left a hole. Packets that the container has lost altogether show as a break in what holds its parts
together (see `chains`), or as a jump in time with a hole between the two that are left. Sound that was lost is not
looked for.
"""

from __future__ import annotations

from av.container import InputContainer
from av.video.stream import VideoStream

from stages.decode.chains import FileBytes, chain_of
from stages.decode.numbering import VideoPacket
from stages.decode.picture_stream import has_pcm_sound
from stages.decode.pyav import as_fraction
from stages.decode.seams import holds_transport_stream

__all__ = ["COMPRESSED_CODECS", "DamageWatch"]

COMPRESSED_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "wmv3"}
    | {"vc1", "theora", "flv1", "h263", "vp6f", "gif", "mpeg1video", "mpeg2video", "mjpeg"}
)
"""Those whose data leave no room for long runs of zeros, as raw and lossless pictures of black do."""

PADDED_CODECS = frozenset({"mpeg1video", "mpeg2video", "mjpeg"})
"""These may be filled up with zeros to a constant rate: only a packet without anything else is damaged."""

HOLE_BYTES = 512
"""A sector, the least that disks lose."""

PREFIXED_HOLE_BYTES = 16
"""In H.264 and HEVC with lengths before their parts, as MP4 has them: the standard allows runs of two and a length."""

JUMP_FRAMES = 1.5
LONGEST_JUMP_SECONDS = 60.0
"""More is another recording behind the first, not what was lost of one."""

MAX_LOST_SECONDS = 2.0
"""Of a transport stream: what reception loses at once."""

MAX_SEARCHED_BYTES = 64 * 2**20

SEAMED_FORMATS = frozenset({"mpeg", "mpegts", "avi"})
"""Without a list of their packets and without a chain, or able to go on behind damage: packets can be lost without a
trace."""


class DamageWatch:
    """Inspects the packets of one pass over a file, in their order. Owns the file that it reads beside the decoder."""

    def __init__(self, path: str, container: InputContainer, stream: VideoStream, fps: float | None) -> None:
        formats = set(container.format.name.split(","))
        codec = stream.codec_context
        name = codec.codec.canonical_name
        self._file = FileBytes(path)
        self._chain = chain_of(formats, self._file, stream.id)
        self._is_compressed = name in COMPRESSED_CODECS
        self._is_padded = name in PADDED_CODECS
        is_prefixed = name in ("h264", "hevc") and (codec.extradata or b"")[:1] == b"\x01"
        self._hole = bytes(PREFIXED_HOLE_BYTES if is_prefixed else HOLE_BYTES)
        # Silence in PCM is zeros as well.
        has_pcm = has_pcm_sound(container)
        self._has_no_zeros = self._is_compressed and not has_pcm
        self._has_seams = self._has_no_zeros and bool(formats & SEAMED_FORMATS)
        self._is_transport_stream = "mpegts" in formats
        self._is_jpeg = name == "mjpeg"
        self._pid = stream.id
        self._fps = fps
        self._seconds_a_tick = float(as_fraction(stream.time_base) or 0)
        self._last_dts: int | None = None
        # Where the last two packets began, or what they came in: Ogg's last page before a hole may end behind it.
        self._places = (0, 0)

    def harmed(self, packet: VideoPacket) -> int:
        """Return about how many pictures are lost between the last packet and this one, plus 1 if this one is damaged.

        At least 0. To be called with every packet, in order; reads the file in between where it has seams.
        """
        missed = self._missed(packet)
        lost = missed if missed and self._has_seams and self._has_damage_before(packet, missed) else 0
        if packet.pos is not None:
            if self._chain is not None and self._chain.breaks_before(packet.pos, packet.size):
                lost = lost or max(1, missed)
            if packet.pos > self._places[1]:
                self._places = self._places[1], packet.pos
        if self._is_hollow(packet):
            return lost + 1
        # Of a transport stream this may also be the joint of two recordings: then time does not tell of a loss.
        if packet.is_corrupt and not lost and (missed or not self._is_transport_stream):
            return max(1, missed)
        return lost

    def _is_hollow(self, packet: VideoPacket) -> bool:
        if not self._is_compressed:
            return False
        data = bytes(packet)
        if self._hole in data and (not self._is_padded or self._is_hole_in_padded(data)):
            return True
        return len(data) > 1 and not data[-1] and data.count(0) == len(data)

    def _is_hole_in_padded(self, data: bytes) -> bool:
        """Whether zeros end where padding does not: at no start code, and within a JPEG at none."""
        at = data.find(b"\xff\xda") if self._is_jpeg else 0
        follows = b"\xff\xd8" if self._is_jpeg else b"\x01"
        while at >= 0 and (at := data.find(self._hole, at)) >= 0:
            rest = data[at:].lstrip(b"\0")
            if rest and not rest.startswith(follows):
                return True
            at = len(data) - len(rest) if rest else -1
        return False

    def _missed(self, packet: VideoPacket) -> int:
        """For how many pictures there is time between the last packet and this one; 0 where time goes on evenly."""
        dts, self._last_dts = self._last_dts, packet.dts if packet.dts is not None else packet.pts
        if dts is None or self._last_dts is None or not self._fps:
            return 0
        step_seconds = (self._last_dts - dts) * self._seconds_a_tick
        if not JUMP_FRAMES / self._fps < step_seconds < LONGEST_JUMP_SECONDS:
            return 0
        return max(1, round(step_seconds * self._fps) - 1)

    def _has_damage_before(self, packet: VideoPacket, missed: int) -> bool:
        end = (packet.pos or 0) + packet.size
        if bytes(HOLE_BYTES) in self._read(self._places[0], end):
            return True
        # Behind a longer one is another part of the programme, as a cutter of recordings leaves it.
        is_short = missed < MAX_LOST_SECONDS * (self._fps or 0)
        if self._is_transport_stream and is_short and packet.pos is not None and packet.pos > self._places[1] > 0:
            return not holds_transport_stream(self._read(self._places[1], packet.pos), self._pid)
        return False

    def is_broken_at_end(self, *, is_short: bool) -> bool:
        """Whether there is damage behind the last packet but one; `is_short`: pictures are missing at the end."""
        if self._chain is not None and self._chain.breaks_at_end():
            return True
        if self._is_transport_stream and self._places[1]:
            rest = self._read(self._places[1], self._file.size)
            if not holds_transport_stream(rest, self._pid, is_one_picture=False):
                return True
        is_open = self._has_seams or self._chain is not None
        has_hole = is_open and self._has_no_zeros and is_short
        return has_hole and bytes(HOLE_BYTES) in self._read(self._places[0], self._file.size)

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._file.close()

    def _read(self, start: int, end: int) -> bytes:
        return self._file.read(start, min(end - start, MAX_SEARCHED_BYTES))
