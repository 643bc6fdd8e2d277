"""A video file, a still or a stream as a source of frames.

What was decoded before a break is delivered before `SourceBroken`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import av
from av.codec.hwaccel import HWAccel

from stages.decode.decoder import DecodedFrame, Selection, StreamDecoder
from stages.decode.decoding_source import Admission, DecodingSource, WantedFrame
from stages.decode.demux import Demuxer
from stages.decode.look_decoder import LookDecoder
from stages.decode.looks import LookAllowance
from stages.decode.pyav import as_fraction
from stages.decode.shown_area import AreaCutter
from stages.decode.source_options import SourceOptions
from stages.errors import NotAVideo, SourceBroken, SourceUnreadable
from stages.imaging.orientation import Orientation, is_flipped
from stages.sources import VideoInfo

__all__ = ["VideoSource"]

HALF_TURN_DEGREES = 180

CARD_FORMATS = frozenset({"cuda"})


class VideoSource(DecodingSource):
    """Implements `stages.contract.FrameSource` with FFmpeg's decoders, on the CPU or on a card."""

    def __init__(
        self,
        *,
        source_id: str,
        uri: str,
        admission: Admission,
        options: SourceOptions | None = None,
        decoder_threads: int = 1,
        hwaccel: HWAccel | None = None,
    ) -> None:
        """
        Args:
            uri: a path, or an address with "://" in it; a password in it never leaves this object.
            admission: closed with the source.
            decoder_threads: 0 lets FFmpeg choose. One costs least CPU a frame; more shorten a lone source's time.
            hwaccel: what decodes (see `stages.decode.nvdec`); what it can't open is opened for the CPU, the default.
        """
        super().__init__(source_id, admission, options or SourceOptions())
        self._uri = uri
        options = self._options
        self._selection = Selection(1 if options.delivers_all else options.frameskip, options.start_seconds)
        self._decoder_threads = decoder_threads
        self._hwaccel = hwaccel
        self._decoder: StreamDecoder | LookDecoder | None = None
        self._decoded: Iterator[DecodedFrame] = iter(())
        self._upright: Orientation | None = None  # since the last key frame
        self._is_flipped: bool | None = None  # known from the first half turn on
        self._cutter: AreaCutter | None = None

    def __repr__(self) -> str:
        return f"<VideoSource {self._source_id} {self._decoder or 'closed'}>"

    def open(self) -> VideoInfo:
        """Open the video and its decoder. Raises SourceError. See `DecodingSource.open`."""
        try:
            return self._open()
        except (NotAVideo, SourceUnreadable) as error:
            # FFmpeg has no software behind its own AV1 decoder, which is taken for the card's sake, and a card may have
            # no session left. A server that can't be reached is not asked twice.
            is_out_of_reach = self._options.is_live and isinstance(error, SourceUnreadable)
            if self._hwaccel is None or is_out_of_reach:
                raise
        self._hwaccel = None
        return self._open()

    def interrupt(self) -> None:
        """Make `frames` end soon; any thread may call it. See `DecodingSource.interrupt`."""
        super().interrupt()
        decoder = self._decoder
        if decoder is not None:
            decoder.demuxer.interrupt()

    @property
    def frames_lost(self) -> int:
        """Frames that are damaged or were lost so far; known before a frame that comes after them is delivered."""
        return 0 if self._decoder is None else self._decoder.frames_lost

    # Below, nothing keeps the decoder in a local variable: an error's traceback would keep its threads alive.

    @property
    def _active(self) -> StreamDecoder | LookDecoder:
        if self._decoder is None:
            raise ValueError("the source is not open")
        return self._decoder

    @property
    def _failure(self) -> Exception | None:
        return self._active.demuxer.error or self._active.error

    def _open(self) -> VideoInfo:
        try:
            self._begin_pass()
            first = next(self._decoded, None)
            if first is None:
                label = self._active.demuxer.label
                raise NotAVideo(f"{label} holds no picture that can be decoded; play it to check") from self._failure
            info = self._describe(self._cut(first.frame))
            begins_again = self._selection.start_seconds > 0 or self._options.looks is not None
            if begins_again and self._active.knows_numbers and not self._is_interrupted:
                self._begin_pass(self._active.first_number)
            else:
                self._decoded = itertools.chain([first], self._decoded)
            return info
        except BaseException:
            self._close_file()
            raise

    def _wanted(self) -> Iterator[WantedFrame]:
        if self._options.looks is not None:
            yield from self._looked_at()
            return
        start_index: int | None = None
        lost_before, absent_before = 0, 0
        seconds = 0.0
        for decoded in self._decoded:
            if self._is_interrupted:
                return
            frame, index = decoded.frame, decoded.index
            if frame.key_frame:
                self._upright = None
            if decoded.pts_seconds < self._selection.start_seconds:
                continue
            if self._options.is_past(decoded.pts_seconds):
                self._check_losses(lost_before)
                return
            seconds = decoded.pts_seconds
            if start_index is None:
                start_index = index
                lost_before, absent_before = self._active.losses if index > 0 else (0, 0)
            self._frames_decoded = index + 1 - start_index - (self._active.frames_absent - absent_before)
            if index % self._selection.frameskip == 0:
                frame = self._cut(frame)
                yield frame, self._orientation(frame), index, seconds
        if self._is_interrupted:
            return
        index = self._active.frames_passed
        if start_index is not None:
            self._frames_decoded = index - start_index - (self._active.frames_absent - absent_before)
        self._check_end(index, seconds)
        self._check_losses(lost_before)

    def _looked_at(self) -> Iterator[WantedFrame]:
        """The frames that a scan looks at; decodes the whole film where its frames can't be numbered otherwise."""
        last_index, seconds = -1, 0.0
        for decoded in self._passes():
            if self._is_interrupted:
                return
            frame, last_index, seconds = decoded.frame, decoded.index, decoded.pts_seconds
            if frame.key_frame:
                self._upright = None
            if seconds < self._selection.start_seconds:
                continue
            if self._options.is_past(seconds):
                self._check_losses(0)
                return
            self._count_skipped(last_index + 1)
            self._connection = decoded.connection
            frame = self._cut(frame)
            yield frame, self._orientation(frame), last_index, seconds
        if self._is_interrupted:
            return
        self._count_skipped(self._active.frames_passed)
        self._check_end(self._active.frames_passed, seconds)
        self._check_losses(0)

    def _passes(self) -> Iterator[DecodedFrame]:
        """The frames to look at, from one pass, or behind the last of it from a second one."""
        last_index = -1
        for decoded in self._decoded if isinstance(self._active, LookDecoder) else self._chosen(self._decoded):
            last_index = decoded.index
            yield decoded
        if isinstance(self._active, LookDecoder) and self._active.has_lost_numbers and not self._is_interrupted:
            self._begin_pass()
            yield from (decoded for decoded in self._chosen(self._decoded) if decoded.index > last_index)

    def _chosen(self, decoded: Iterator[DecodedFrame]) -> Iterator[DecodedFrame]:
        """Of all frames of a film those that a scan looks at."""
        allowance, looks = LookAllowance(), self._options.looks
        for one in decoded:
            span = None if looks is None else looks.span_of(one.index)
            is_key = one.frame.key_frame and allowance.takes_key(one.index, one.pts_seconds)
            if span is not None or is_key or allowance.is_overdue(one.pts_seconds):
                allowance.last_look_seconds = one.pts_seconds
                yield replace(one, connection=one.index if span is None else span[0])

    def _count_skipped(self, passed: int) -> None:
        decoder = self._active
        self._frames_decoded = passed
        self._frames_skipped = max(0, passed - decoder.frames_decoded) if isinstance(decoder, LookDecoder) else 0

    def _check_end(self, index: int, seconds: float) -> None:
        """Raise SourceBroken where the stream ended before its source did; `index` and `seconds` say where."""
        label = self._active.demuxer.label
        if self._failure is not None:
            reason = getattr(self._failure, "strerror", None) or self._failure
            raise SourceBroken(
                f"{label} breaks off at frame {index}, {seconds:.1f} s: {reason}; what came before is kept",
                frame_index=index,
                pts_seconds=seconds,
            ) from self._failure
        if self._options.is_live:
            raise SourceBroken(
                f"{label} ended at frame {index}, {seconds:.1f} s: the server or device closed the stream; "
                "what came before is kept",
                frame_index=index,
                pts_seconds=seconds,
            )

    def _check_losses(self, lost_before: int) -> None:
        """Raise SourceBroken where pictures were lost to damage since then."""
        decoder = self._active
        lost = decoder.frames_lost - lost_before
        if lost > 0:
            index, seconds = decoder.first_loss or (0, 0.0)
            pictures = "1 picture is" if lost == 1 else f"{lost} pictures are"
            raise SourceBroken(
                f"{decoder.demuxer.label} is damaged: {pictures} missing or corrupt, the first at frame {index}, "
                f"{seconds:.1f} s; the rest is kept",
                frame_index=index,
                pts_seconds=seconds,
            )

    def _begin_pass(self, first_number: int | None = None) -> None:
        self._close_file()
        demuxer = Demuxer(self._uri, hwaccel=self._hwaccel, input_options=self._options.input_options)
        area = demuxer.shown_area
        if area is not None and self._hwaccel is not None:  # a card's surfaces can't be cut
            demuxer.close()
            self._hwaccel = None
            demuxer = Demuxer(self._uri, input_options=self._options.input_options)
        if area is not None and self._cutter is None:
            self._cutter = AreaCutter(area, (demuxer.codec_context.width, demuxer.codec_context.height))
        looks = self._options.looks
        if looks is not None and first_number is not None:
            self._decoder = LookDecoder(
                demuxer,
                looks,
                first_number=first_number,
                threads=self._decoder_threads,
                start_seconds=self._options.start_seconds,
                end_seconds=self._options.end_seconds,
            )
        else:
            self._decoder = StreamDecoder(
                demuxer,
                # Of a scanned film whose frames can't be numbered beforehand all are decoded.
                self._selection if looks is None else Selection(),
                threads=self._decoder_threads,
                is_live=self._options.is_live,
                first_number=first_number,
            )
        self._decoded = self._decoder.frames()
        if self._is_interrupted:
            demuxer.interrupt()

    def _close_file(self) -> None:
        # FFmpeg's threads end when the last reference to the codec goes, not when the file is closed.
        decoder, self._decoder = self._decoder, None
        self._decoded = iter(())
        self._upright = None
        if decoder is not None:
            decoder.demuxer.close()

    def _cut(self, frame: av.VideoFrame) -> av.VideoFrame:
        return frame if self._cutter is None else self._cutter.cut(frame)

    def _describe(self, frame: av.VideoFrame) -> VideoInfo:
        demuxer = self._active.demuxer
        orientation = self._orientation(frame)
        width, height = orientation.upright_size(frame.width, frame.height)
        return VideoInfo(
            source_id=self._source_id,
            uri=demuxer.label,
            width=width,
            height=height,
            pixel_aspect=orientation.upright_pixel_aspect,
            rotation_degrees=orientation.rotation_degrees,
            fps=demuxer.fps,
            frame_count=None if self._options.is_live else demuxer.frame_count,
            duration_seconds=None if self._options.is_live else demuxer.duration_seconds,
            codec=demuxer.codec_context.codec.canonical_name,
            is_live=self._options.is_live,
            decoder=_decoder_name(demuxer.codec_context.codec.name, frame),
            metadata=dict(demuxer.container.metadata),
        )

    def _orientation(self, frame: av.VideoFrame) -> Orientation:
        # Streams change it at key frames only, and asking costs more than the rest of a frame's book-keeping.
        if self._upright is None:
            stream = self._active.demuxer.stream
            aspect = as_fraction(stream.codec_context.sample_aspect_ratio) or as_fraction(stream.sample_aspect_ratio)
            # An exchange of top and bottom has no angle: it is asked for once, where the container can state one.
            may_be = frame.rotation == 0 and "mov" in self._active.demuxer.container.format.name
            if self._is_flipped is None and (may_be or abs(frame.rotation) == HALF_TURN_DEGREES):
                self._is_flipped = is_flipped(frame)
            upright = Orientation.of(frame, float(aspect or 1), is_flipped=bool(self._is_flipped))
            turned = (upright.rotation_degrees + self._options.turn_degrees) % 360
            self._upright = Orientation(turned, upright.pixel_aspect)
        return self._upright


def _decoder_name(name: str, frame: av.VideoFrame) -> str:
    """What has decoded this frame: a card leaves it in its own memory, and says so in the format."""
    return f"{name} on {frame.format.name}" if frame.format.name in CARD_FORMATS else name
