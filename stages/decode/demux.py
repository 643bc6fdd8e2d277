"""Opens a container, finds its picture stream and reads that stream's packets.

The border to FFmpeg: its errors leave here as `stages.errors` (see `input_errors`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import av
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Discard
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from stages.addresses import is_address, redact_credentials, with_lower_scheme
from stages.decode.damage import COMPRESSED_CODECS, DamageWatch
from stages.decode.file_end import flaw_at_end
from stages.decode.input_errors import STALL_SECONDS, check_file, no_picture, translated, without_address
from stages.decode.numbering import VideoPacket
from stages.decode.picture_stream import has_pcm_sound, picture_stream, stated_seconds
from stages.decode.pyav import as_fraction, open_input
from stages.decode.shown_area import ShownArea, shown_area
from stages.decode.source_options import InputOptions
from stages.decode.stated_size import missing_bytes
from stages.errors import NotAVideo

__all__ = ["GUESSED_FPS", "SEGMENTED_FORMATS", "Demuxer"]

SEGMENTED_FORMATS = {"hls", "dash"}
"""Playlists of segments, which are fetched whole."""

AVFMT_NOTIMESTAMPS = 0x80
"""FFmpeg's mark of a bare stream, H.264 without a container for example."""

MAX_FPS = 1000
"""FFmpeg takes the time base for the rate of some raw streams, 60,000 a second for DV."""

GUESSED_FPS = 25.0
"""For frames without time stamps in a stream without a frame rate; FFmpeg's own guess."""

LATEST_START_SECONDS = 3600.0

MAX_SHORT_FRAMES = 1.5
HELD_BACK = 4
MAX_ELSEWHERE = 50
"""Packets of other pictures behind the last of ours: more mean that a broadcast has changed its stream's number."""

NETWORK_SECONDS = 10.0
"""Longest silence of a server, when connecting and when reading, before the source counts as lost."""

MAX_MISSING_SHARE = 0.5
"""Of the pictures that AVI's header states: where more are missing, the number was made up before the recording."""

MAX_PAUSES = 10_000
"""How often FFmpeg is asked again for a packet: an MPEG-TS that is out of step is searched by 64 KiB each time."""


class Demuxer:
    """One pass over a source's packets.

    Attributes:
        label: the source without credentials, for people.
        is_remote: it is read from an address.
        container, stream, codec_context: FFmpeg's, of the picture stream.
        time_base: seconds of one tick of the picture stream's times, or None where FFmpeg knows none.
        packets_read: so far.
        error: why `packets` ended before the source did, or None.
    """

    def __init__(self, uri: str, *, hwaccel: HWAccel | None = None, input_options: InputOptions | None = None) -> None:
        """
        Args:
            uri: a path, or an address with "://" in it; with a container format whatever that takes.
            hwaccel: what decodes the stream, where it can.

        Raises:
            SourceNotFound, SourceUnreadable, NotAVideo
        """
        self.is_remote = is_address(uri)
        given = input_options or InputOptions()
        if given.container_format is None:
            uri = with_lower_scheme(uri)
        self.label = redact_credentials(uri)
        self._path = uri if given.container_format is None and not is_address(uri) else None
        if self._path is not None:
            check_file(self._path)
        try:
            self.container: InputContainer = open_input(
                _address(uri) if given.container_format is None else uri,
                container_format=given.container_format,
                hwaccel=hwaccel,
                options={**_network_options(uri), **given.options},
                timeout_seconds=STALL_SECONDS if is_address(uri) else None,
            )
        except av.error.FFmpegError as exc:
            raise translated(exc, self.label) from without_address(exc)
        try:
            self.stream = self._picture_stream()
            self.codec_context = _codec_context(self.stream, hwaccel)
            self._leave_out_variants()
            self.time_base = as_fraction(self.stream.time_base)
        except BaseException:
            self.container.close()
            raise
        self.packets_read = 0
        self._last_dts = -1
        self.error: Exception | None = None
        # PyAV restarts its time-out at every packet, of whatever stream. From a server all of them are to be seen: a
        # camera that sends nothing but sound any more would not be noticed, and could not be interrupted.
        # In a transport stream others may go on where ours ends.
        sees_all = is_address(uri) or self.container.format.name == "mpegts"
        self._streams = () if sees_all else (self.stream,)
        self._packets = self.container.demux(*self._streams)
        self._is_interrupted = False
        self._watch: DamageWatch | None = None

    def __repr__(self) -> str:
        return f"<Demuxer {self.label} {self.container.format.name}, {self.packets_read} packets>"

    def damage_watch(self) -> DamageWatch | None:
        """What finds the pictures that a file has lost; None for stills, and for what comes over a network."""
        if self._path is None or self.is_still:
            return None
        if self._watch is not None:
            self._watch.close()
        self._watch = DamageWatch(self._path, self.container, self.stream, self.fps)
        return self._watch

    @property
    def shown_area(self) -> ShownArea | None:
        """The part of the pictures that a file wants shown, in pixels; None if that is all of them."""
        if self._path is None or self.is_still:
            return None
        size = self.codec_context.width, self.codec_context.height
        place = self.container.streams.video.index(self.stream)
        return shown_area(self._path, self.container.format.name, track=self.stream.id, place=place, size=size)

    @property
    def is_still(self) -> bool:
        """Whether this is one picture, a photograph, and not a video of one frame."""
        name = self.container.format.name
        return name == "image2" or name.endswith("_pipe")

    @property
    def fps(self) -> float | None:
        """Average frames per second; None for a still, or if the container does not say.

        A bare stream's own rate is used, because FFmpeg states 25 as its average.
        """
        if self.is_still:
            return None
        rates = [as_fraction(self.stream.average_rate), as_fraction(self.stream.guessed_rate)]
        if self.container.format.flags & AVFMT_NOTIMESTAMPS:
            rates.reverse()
        return next((float(rate) for rate in rates if rate and rate <= MAX_FPS), None)

    @property
    def duration_seconds(self) -> float | None:
        """Duration in seconds, as the stream or else the container states it; 0.0 for a still, None if neither does."""
        if self.is_still:
            return 0.0
        if self.stream.duration is not None and self.time_base is not None:
            return float(self.stream.duration * self.time_base)
        if self.container.duration is None:
            return None
        # Matroska's counts from 0, also in a part of a recording whose times go on from the part before.
        begins = (self.container.start_time or 0) if "matroska" in self.container.format.name else 0
        return (self.container.duration - max(0, begins)) / av.time_base

    @property
    def origin_pts(self) -> int | None:
        """The time stamp of the picture stream that counts as 0 s: the start of the container, as in players.

        None if unknown.

        Pictures that start less than one frame after the sound, as most encoders leave them, start at 0 s.
        """
        begins, container_begins = self.stream.start_time, self.container.start_time
        if begins is None or container_begins is None or self.time_base is None:
            return begins
        late_seconds = float(begins * self.time_base) - container_begins / av.time_base
        # After a break in its clock a broadcast may state a start that is not its own.
        if not 1 / (self.fps or GUESSED_FPS) < late_seconds < LATEST_START_SECONDS:
            return begins
        return round(Fraction(container_begins, av.time_base) / self.time_base)

    @property
    def frame_count(self) -> int | None:
        """Number of frames, as the container states or as duration and frame rate imply; None if neither is known."""
        if self.is_still:
            return 1
        if self.stream.frames:
            return self.stream.frames
        if self.duration_seconds is None or self.fps is None:
            return None
        return round(self.duration_seconds * self.fps)

    def packets(self) -> Iterator[VideoPacket]:
        """Yield the stream's packets.

        Where reading fails or the file is cut short, they end and `error` is set; nothing is raised.
        """
        end_pts = 0
        pauses = 0
        # Packets of other pictures since ours, and before the last few: a parser holds those back until the file's end.
        elsewhere = deque([0], maxlen=HELD_BACK)
        waiting_since = time.monotonic()
        while True:
            try:
                for packet in self._packets:
                    if self._is_interrupted:
                        return
                    if packet.stream is not self.stream:
                        elsewhere[-1] += packet.stream.type == "video"
                        if self._path is None and time.monotonic() - waiting_since > STALL_SECONDS:
                            self.error = no_picture()
                            return
                        continue
                    if packet.size == 0:  # PyAV's mark of the end
                        continue
                    pauses = 0
                    elsewhere.append(0)
                    self.packets_read += 1
                    if packet.dts is not None:
                        self._last_dts = packet.dts
                    if packet.pts is not None:
                        end_pts = max(end_pts, packet.pts + (packet.duration or 0))
                    yield packet  # type: ignore[misc]  # it is of that stream
                    waiting_since = time.monotonic()  # how long the caller took is not the server's fault
            except av.error.BlockingIOError as exc:  # FFmpeg is looking for where a damaged stream goes on
                pauses += 1
                if not self._is_interrupted and pauses <= MAX_PAUSES:
                    self._packets = self.container.demux(*self._streams)
                    continue
                self.error = without_address(exc)
                return
            except av.error.FFmpegError as exc:
                self.error = without_address(exc)
                return
            except IndexError:  # the end, where streams began in the middle: PyAV has no marks for those
                pass
            break
        self.error = self._missing_end(float(end_pts * (self.time_base or 0)), max(elsewhere))

    def interrupt(self) -> None:
        """From any thread: end `packets` soon."""
        self._is_interrupted = True

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._packets.close()  # type: ignore[attr-defined]  # a generator
        if self._watch is not None:
            self._watch.close()
        self.container.close()

    def _picture_stream(self) -> VideoStream:
        stream = picture_stream(self.container)
        if stream is None:
            sound = " (only sound)" if self.container.streams.audio else ""
            raise NotAVideo(f"{self.label} has no video stream{sound}; give a video, an image or a camera")
        if stream.codec_context is None:
            raise NotAVideo(
                f"{self.label} uses a codec that this FFmpeg can't decode; convert it to H.264, for example"
            )
        return stream

    def _leave_out_variants(self) -> None:
        """HLS and DASH offer one video in several sizes: what is not discarded is downloaded."""
        if self.container.format.name in SEGMENTED_FORMATS:
            for stream in self.container.streams:
                if stream.index != self.stream.index:
                    stream.discard = Discard.all

    def _missing_end(self, end_seconds: float, elsewhere: int) -> Exception | None:
        """Why what was read is not all, for containers that list their packets, or state a duration or their size."""
        return next((EOFError(flaw) for flaw in self._flaws(end_seconds, elsewhere) if flaw is not None), None)

    def _flaws(self, end_seconds: float, elsewhere: int) -> Iterator[str | None]:
        listed = len(self.stream.index_entries)
        if "mxf" in self.container.format.name:  # its duration is counted in pictures, and an index may be missing
            listed = max(listed, self.stream.duration or 0)
        if self.packets_read < listed:
            yield f"it lists {listed} packets but only {self.packets_read} are there"
        if missing_pictures := self._missing_of_avi():
            yield f"it states {self.stream.frames} pictures, and {missing_pictures} of them are missing"
        stated = stated_seconds(self.stream)
        if stated is not None and end_seconds < stated - max(1.0, 0.05 * stated):
            yield f"it states {stated:.1f} s but ends after {end_seconds:.1f} s"
        if self._is_broken_at_end(end_seconds):
            yield "its last pictures are missing or damaged"
        if missing := missing_bytes(self._path) if self._path is not None else 0:
            yield f"{missing:,} bytes are missing at its end"
        if elsewhere > MAX_ELSEWHERE:
            yield "its pictures go on in another stream, which is not read; cut it there, or remux it"
        yield self._flaw_at_end()

    def _missing_of_avi(self) -> int:
        """Where AVI's index is damaged, or was never written, its header still counts pictures; dropped ones too."""
        if "avi" not in self.container.format.name or len(self.stream.index_entries) >= self.stream.frames:
            return 0
        missing = self.stream.frames - (self._last_dts + 1)
        return missing if 0 < missing < MAX_MISSING_SHARE * self.stream.frames else 0

    def _is_broken_at_end(self, end_seconds: float) -> bool:
        """Whether pictures are missing at the end, and zeros or broken parts are where they were."""
        whole = stated_seconds(self.stream) or self.duration_seconds
        step = 1 / (self.fps or GUESSED_FPS)
        is_short = whole is not None and end_seconds < whole - MAX_SHORT_FRAMES * step
        return self._watch is not None and self._watch.is_broken_at_end(is_short=is_short)

    def _flaw_at_end(self) -> str | None:
        if self._path is None or self.codec_context.codec.canonical_name not in COMPRESSED_CODECS:
            return None
        has_pcm = has_pcm_sound(self.container)
        return flaw_at_end(self._path, self.container.format.name, has_pcm=has_pcm)


def _address(uri: str) -> str:
    # Without the prefix FFmpeg would read "a:b.mp4" as protocol "a".
    return uri if is_address(uri) else f"file:{uri}"


def _network_options(uri: str) -> dict[str, str]:
    """FFmpeg's own time-outs of one reading or writing, which protocols name differently."""
    if not is_address(uri):
        return {}
    microseconds = str(int(NETWORK_SECONDS * 1e6))
    if uri.startswith(("rtsp://", "rtsps://")):
        # Over TCP a lost packet is sent again; over UDP it is a torn picture.
        return {"rtsp_transport": "tcp", "timeout": microseconds}
    return {"timeout": microseconds, "rw_timeout": microseconds}


def _codec_context(stream: VideoStream, hwaccel: HWAccel | None) -> VideoCodecContext:
    """The stream's own, except for AV1 on hardware: FFmpeg would choose libdav1d, which knows none."""
    own = stream.codec_context
    if hwaccel is None or own.is_hwaccel or own.codec.canonical_name != "av1":
        return own
    try:
        native = VideoCodecContext.create("av1", "r", hwaccel=hwaccel)
    except av.error.FFmpegError:  # the device can't be had
        return own
    native.extradata = own.extradata
    return native
