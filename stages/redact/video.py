"""A film encoded again, picture for picture, with its sound copied: everything else about it stays as it was.

Times, variable rates included, are the source's in the source's time base, from its start. The sound's packets are
copied stream by stream. Pictures beside the film (a cover, subtitles that are pictures, thumbnails) are left out:
there may be faces in them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from stages.errors import OutputFailed
from stages.redact.properties import VideoProperties
from stages.sink.annotate import CONTAINERS
from stages.sink.audio import AudioCopy
from stages.sink.staged import StagedFile, output_errors

__all__ = ["RedactedVideo"]


class RedactedVideo:
    """Writes one video. Appears with `close`, whole, or not at all; `abandon` leaves nothing.

    Attributes:
        frames: written so far.
        has_lost_sound: some of the sound could not be copied.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        """Stage the file. Raises OutputExists, OutputFailed."""
        if path.suffix.lower() not in CONTAINERS:
            raise OutputFailed(f"{path}: can't be a video by its name; end it in {', '.join(CONTAINERS)}")
        self.frames = 0
        self.has_lost_sound = False
        self._path = path
        self._staged = StagedFile(path, force=force)
        self._output: OutputContainer | None = None
        self._sound: list[AudioCopy] = []
        self._reformatter = VideoReformatter()
        self._last_pts = -1
        self._last_interval = 0

    def open(
        self,
        properties: VideoProperties,
        *,
        sound_of: InputContainer | None = None,
        sound_uri: str = "",
        metadata: dict[str, str] | None = None,
        begin_seconds: float = 0.0,
    ) -> None:
        """Begin the container.

        Args:
            sound_of: the opened source, whose streams of sound are copied; None for a silent video.
            sound_uri: where to read it from.
            begin_seconds: the time of the source at which the video begins.
            metadata: the container's; None for none, and then no program is named either.

        Raises:
            OutputFailed: the container can't hold the sound, or the pictures.
        """
        self._properties = properties
        self._begin_seconds = begin_seconds
        container_options = {} if metadata is not None else {"fflags": "+bitexact"}
        with self._errors():
            self._output = av.open(
                self._staged.file, "w", format=CONTAINERS[self._path.suffix.lower()], options=container_options
            )
            self._output.metadata.update(metadata or {})
            self._video = _add_video(self._output, properties)
            for index in [] if sound_of is None else [stream.index for stream in sound_of.streams.audio]:
                try:
                    self._sound.append(AudioCopy(sound_uri, self._output, stream_index=index))
                except (ValueError, av.error.FFmpegError) as exc:
                    raise OutputFailed(_no_room(self._path)) from exc
            try:
                self._output.start_encoding()
            except (ValueError, av.error.FFmpegError) as exc:
                if not self._sound:
                    raise
                raise OutputFailed(_no_room(self._path)) from exc
        for copy in self._sound:
            copy.start(begin_seconds)

    def write(self, frame: av.VideoFrame, seconds: float) -> None:
        """Encode a picture of this time from the source's start, and copy the sound up to it. Raises OutputFailed."""
        base, properties = self._properties.time_base, self._properties
        pts = max(round((seconds - self._begin_seconds) * base.denominator / base.numerator), self._last_pts + 1)
        if self._last_pts >= 0:
            self._last_interval = pts - self._last_pts
        self._last_pts = pts
        if (frame.width, frame.height, frame.format.name) != (
            properties.width,
            properties.height,
            properties.pixel_format,
        ):
            frame = self.converted(frame, properties.width, properties.height)
        frame.pts, frame.time_base = pts, base
        # What the source's encoder chose is not for this one to repeat.
        frame.pict_type = av.video.frame.PictureType.NONE
        with self._errors():
            self._encode(frame)
            self._copy_sound(pts)
        self.frames += 1

    def converted(self, frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
        """The picture in the format that is encoded, and of this size."""
        return self._reformatter.reformat(frame, width, height, self._properties.pixel_format)

    def close(self) -> None:
        """Finish the video and make it visible. Raises OutputExists, OutputFailed."""
        assert self._output is not None
        with self._errors():
            self._encode(None)
            self._copy_sound(self._last_pts + self._last_interval)
            with self._without_damaged_sound():
                self._output.close()
        self._close_sound()
        self._staged.seal()
        self._staged.publish()

    def abandon(self) -> None:
        """Discard the video. Does nothing after `close`; never raises."""
        self._close_sound()
        if self._output is not None:
            with contextlib.suppress(OSError, ValueError, av.error.FFmpegError):
                self._output.close()
        self._staged.discard()

    def _encode(self, frame: av.VideoFrame | None) -> None:
        assert self._output is not None
        for packet in self._video.encode(frame):
            with self._without_damaged_sound():
                self._output.mux(packet)

    def _copy_sound(self, until_pts: int) -> None:
        assert self._output is not None
        for copy in self._sound:
            for packet in copy.until(float(until_pts * self._properties.time_base)):
                with self._without_damaged_sound():
                    self._output.mux(packet)
            self.has_lost_sound |= copy.has_gone_back

    @contextlib.contextmanager
    def _without_damaged_sound(self) -> Iterator[None]:
        """What the container refuses is a packet of sound; FFmpeg holds some back to interleave."""
        try:
            yield
        except av.error.FFmpegError:
            if not self._sound:
                raise
            self.has_lost_sound = True

    def _close_sound(self) -> None:
        for copy in self._sound:
            copy.close()
        self._sound = []

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with output_errors(self._path):
                yield
        except av.error.FFmpegError as exc:
            raise OutputFailed(f"{self._path}: can't be encoded ({exc.strerror}); try another ending") from exc


def _no_room(path: Path) -> str:
    to_matroska = "" if path.suffix.lower() == ".mkv" else "end the name in .mkv, or "
    return f"{path}: can't hold the source's sound; {to_matroska}give --no-sound"


def _add_video(output: OutputContainer, properties: VideoProperties) -> VideoStream:
    stream = output.add_stream(properties.encoder, properties.rate, options=dict(properties.options))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = properties.width, properties.height, properties.pixel_format
    context = stream.codec_context
    context.time_base = properties.time_base
    context.sample_aspect_ratio = properties.pixel_aspect
    context.colorspace, context.color_range = properties.colorspace, properties.color_range
    context.color_primaries, context.color_trc = properties.color_primaries, properties.color_trc
    stream.time_base = properties.time_base
    if properties.display_matrix is not None:
        stream.set_display_matrix(_matrix(properties.display_matrix))
    return stream


def _matrix(numbers: Sequence[int]) -> list[int]:
    return list(numbers)
