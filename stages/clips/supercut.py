"""Parts of several films one after another in one video: H.264 and AAC, each part exact to the frame, sound in step.

The first film gives the size; others are fitted into it with bars, turned upright and with square pixels. Each
picture keeps the time that it is shown. Of each part exactly as much sound is taken as its pictures last; where there
is none, there is silence. Memory: the sound of one part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stages.clips.part import open_part
from stages.decode.demux import GUESSED_FPS, Demuxer
from stages.errors import OutputFailed
from stages.imaging.colour import Encoding
from stages.imaging.host.planes import TURNS, packed_bgr
from stages.redact.film import FilmFrame
from stages.sink.staged import StagedFile, output_errors

__all__ = ["Part", "write_supercut"]

TIME_BASE = Fraction(1, 60_000)
RATE = 48_000
CHANNELS = 2
SOUND_FRAME = 1024
MAX_SIDE = 4096
BT709, LIMITED_RANGE = 1, 1


@dataclass(frozen=True, slots=True)
class Part:
    """[start, end) of a film, in seconds of its time."""

    film: Path
    start_seconds: float
    end_seconds: float


def write_supercut(parts: Sequence[Part], out: Path, *, force: bool = False) -> float:
    """Write the video, whole or not at all; returns its length in seconds.

    Raises SourceError, OutputExists, OutputFailed.
    """
    staged = StagedFile(out, force=force)
    try:
        with output_errors(out):
            seconds = _Supercut(staged).write(parts)
        staged.seal()
        staged.publish()
    except av.error.FFmpegError as exc:
        raise OutputFailed(f"{out}: can't be encoded ({exc.strerror})") from exc
    finally:
        staged.discard()
    return seconds


class _Supercut:
    def __init__(self, staged: StagedFile) -> None:
        self._staged = staged
        self._output = av.open(staged.file, "w", format="mp4")
        self._video: VideoStream | None = None
        self._pts = 0
        self._samples = 0
        self._waiting = np.zeros((CHANNELS, 0), np.float32)
        self._reformatter = VideoReformatter()

    def write(self, parts: Sequence[Part]) -> float:
        try:
            for part in parts:
                self._add(part)
            if self._video is None:
                raise OutputFailed(f"{self._staged.path}: there is no picture in any of the parts")
            for stream in (self._video, self._sound):
                for packet in stream.encode(None):
                    self._output.mux(packet)
        except BaseException:
            with contextlib.suppress(OSError, ValueError, av.error.FFmpegError):
                self._output.close()
            raise
        self._output.close()
        return float(self._pts * TIME_BASE)

    def _add(self, part: Part) -> None:
        film = open_part(part.film, part.start_seconds, part.end_seconds)
        begin_pts, first, last, step = self._pts, None, 0.0, 1 / (film.info.fps or GUESSED_FPS)
        try:
            for frame in film.frames():
                if self._video is None:
                    self._open(frame, film.info.fps)
                if first is None:
                    first = frame.seconds
                else:
                    step = frame.seconds - last
                last = frame.seconds
                self._encode(frame, max(self._pts, begin_pts + round((last - first) / TIME_BASE)))
        finally:
            film.close()
        if first is None:
            return
        self._pts = begin_pts + round((last + step - first) / TIME_BASE)
        self._add_sound(part.film, first, round(self._pts * TIME_BASE * RATE))

    def _open(self, frame: FilmFrame, fps: float | None) -> None:
        width, height = frame.orientation.upright_size(frame.coded.width, frame.coded.height)
        width = round(width * frame.orientation.upright_pixel_aspect)
        self._size = min(MAX_SIDE, width + width % 2), min(MAX_SIDE, height + height % 2)
        video = self._output.add_stream(
            "libx264", Fraction(fps or GUESSED_FPS).limit_denominator(1001), options={"crf": "18", "preset": "veryfast"}
        )
        assert isinstance(video, VideoStream)
        video.width, video.height = self._size
        video.pix_fmt = "yuv420p"
        context = video.codec_context
        context.time_base = TIME_BASE
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        sound = self._output.add_stream("aac", RATE, layout="stereo")
        assert isinstance(sound, AudioStream)
        self._video, self._sound = video, sound

    def _encode(self, frame: FilmFrame, pts: int) -> None:
        assert self._video is not None
        image = av.VideoFrame.from_ndarray(self._fitted(frame), "bgr24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        image.pts, image.time_base = pts, TIME_BASE
        self._pts = pts + 1
        for packet in self._video.encode(image):
            self._output.mux(packet)

    def _fitted(self, frame: FilmFrame) -> NDArray[np.uint8]:
        """The upright picture in the size of the video, with bars."""
        bgr = packed_bgr(self._reformatter, frame.coded, Encoding.of(frame.coded))
        if frame.orientation.rotation_degrees:
            bgr = np.asarray(cv2.rotate(bgr, TURNS[frame.orientation.rotation_degrees]), np.uint8)
        wide, high = bgr.shape[1] * frame.orientation.upright_pixel_aspect, bgr.shape[0]
        scale = min(self._size[0] / wide, self._size[1] / high)
        width, height = max(1, round(wide * scale)), max(1, round(high * scale))
        if (width, height) != bgr.shape[1::-1]:
            bgr = np.asarray(cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        left, top = (self._size[0] - width) // 2, (self._size[1] - height) // 2
        right, bottom = self._size[0] - width - left, self._size[1] - height - top
        return np.ascontiguousarray(cv2.copyMakeBorder(bgr, top, bottom, left, right, cv2.BORDER_CONSTANT), np.uint8)

    def _add_sound(self, film: Path, first_seconds: float, until: int) -> None:
        """Samples of the film from this time on, up to this number in the video."""
        count = until - self._samples - self._waiting.shape[1]
        taken = np.concatenate([self._waiting, _samples(film, first_seconds, count)], axis=1)
        whole = taken.shape[1] // SOUND_FRAME * SOUND_FRAME
        for at in range(0, whole, SOUND_FRAME):
            self._encode_sound(taken[:, at : at + SOUND_FRAME])
        self._waiting = taken[:, whole:]

    def _encode_sound(self, samples: NDArray[np.float32]) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._samples, Fraction(1, RATE)
        self._samples += samples.shape[1]
        for packet in self._sound.encode(frame):
            self._output.mux(packet)


def _samples(film: Path, first_seconds: float, count: int) -> NDArray[np.float32]:
    """float32 (2, count): the sound from this time of the film on; silence where it has none."""
    wanted = np.zeros((CHANNELS, max(0, count)), np.float32)
    demuxer = Demuxer(str(film))
    try:
        stream = demuxer.container.streams.best("audio")
        if not isinstance(stream, AudioStream) or not count:
            return wanted
        begin = first_seconds
        if demuxer.origin_pts is not None and demuxer.time_base is not None:
            begin += float(demuxer.origin_pts * demuxer.time_base)
        demuxer.container.seek(max(0, round((begin - 0.2) * av.time_base)))
        resampler = AudioResampler("fltp", "stereo", RATE)
        at: int | None = None
        with contextlib.suppress(av.error.FFmpegError):  # silence stands for what is damaged
            for frame in demuxer.container.decode(stream):
                if at is None and frame.pts is not None and frame.time_base is not None:
                    at = round((float(frame.pts * frame.time_base) - begin) * RATE)
                for part in resampler.resample(frame):
                    place = at or 0
                    values = np.asarray(part.to_ndarray(), np.float32)
                    low, high = max(0, place), min(wanted.shape[1], place + values.shape[1])
                    if low < high:
                        wanted[:, low:high] = values[:, low - place : high - place]
                    at = place + values.shape[1]
                if at is not None and at >= wanted.shape[1]:
                    break
    finally:
        demuxer.close()
    return wanted
