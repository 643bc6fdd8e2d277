"""The video again, with its faces marked: H.264 with the source's sound, MP4, MOV or Matroska.

Every frame looked at is there at its own time, so variable frame rates and skipped frames stay in step with the sound;
the first frame's time becomes 0. The picture is upright; an odd last row or column is doubled, because 4:2:0 needs even
sizes. Sound that can't be copied is left out, and somebody told: it costs no picture. Encoding takes the sink thread's
time and, where it is slower than the rest, holds back the pipeline.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from stages.errors import OutputFailed, SourceError
from stages.frames import Observation, Picture
from stages.sink.audio import AudioCopy
from stages.sink.base import Sink
from stages.sink.blur import blur_faces
from stages.sink.drawing import draw_faces
from stages.sink.staged import StagedFile, output_errors
from stages.sources import SourceEnded, VideoInfo

__all__ = ["CONTAINERS", "AnnotatedVideoSink"]

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}

# Exact for 24, 25, 29.97, 30, 50, 59.94 and 60 frames a second, and within the 16 bits that MPEG-4 Part 2 allows.
TIME_BASE = Fraction(1, 60_000)

FALLBACK_FPS = 25  # for rate control only

BT709 = 1  # the number of matrix, primaries and transfer in ITU-T H.273
LIMITED_RANGE = 1  # FFmpeg's AVCOL_RANGE_MPEG

# "veryfast" encodes about as fast as one core detects; 21 looks like the source.
X264_OPTIONS = {"preset": "veryfast", "crf": "21"}
MPEG4_OPTIONS = {"qscale": "3", "flags": "+qscale", "global_quality": "354"}  # 3 * FF_QP2LAMBDA


class AnnotatedVideoSink(Sink):
    """Writes one source as an annotated video."""

    def __init__(
        self,
        path: Path,
        *,
        to_bgr: Callable[[Picture], NDArray[np.uint8]],
        audio_uri: str | None = None,
        on_sound_lost: Callable[[str], None] | None = None,
        blur: str | None = None,
        with_boxes: bool = True,
        force: bool = False,
    ) -> None:
        """
        Args:
            path: the target; its ending names the container.
            to_bgr: the upright picture as uint8 (H, W, 3).
            audio_uri: the source, to copy its sound from; None for a silent video.
            on_sound_lost: told once, in a line for a person, that some or all of the sound has to be left out.
            blur: whose faces to make unrecognisable, see `stages.sink.blur`; None for nobody's.
            with_boxes: draw boxes, names and landmarks of the faces that are not blurred.
            force: replace a file that exists.

        Raises:
            OutputFailed: the ending names no container known here.
        """
        if path.suffix.lower() not in CONTAINERS:
            raise OutputFailed(f"{path}: is not a video file name; end it in {', '.join(CONTAINERS)}")
        self._path = path
        self._to_bgr = to_bgr
        self._audio_uri = audio_uri
        self._on_sound_lost = on_sound_lost
        self._blur = blur
        self._with_boxes = with_boxes
        self._force = force
        self._staged: StagedFile | None = None
        self._output: OutputContainer | None = None
        self._audio: AudioCopy | None = None
        self._has_lost_sound = False
        self._first_seconds: float | None = None
        self._last_pts = -1
        self._last_interval = round(1 / TIME_BASE / FALLBACK_FPS)

    def open(self, info: VideoInfo) -> None:
        """Stage the file and set up the encoder. Raises OutputExists, OutputFailed, SourceError for the sound."""
        self._staged = StagedFile(self._path, force=self._force)
        with self._errors():
            try:
                self._start(self._staged, info, self._audio_uri)
            except (ValueError, av.error.FFmpegError) as exc:
                if self._audio_uri is None or isinstance(exc, SourceError):
                    raise
                self._stop()
                self._start(self._staged, info, None)
                to_matroska = "" if self._path.suffix.lower() == ".mkv" else "end the name in .mkv or "
                self._tell(f"can't hold the source's sound, so that is left out; {to_matroska}convert the sound to AAC")

    def write(self, observation: Observation) -> None:
        """Draw and encode a frame, with the sound up to it. Raises OutputFailed."""
        frame = observation.frame
        if self._first_seconds is None:
            self._first_seconds = frame.pts_seconds
            if self._audio is not None:
                self._audio.start(frame.pts_seconds)
        image = self._to_bgr(frame.picture).copy()
        blurred = None if self._blur is None else blur_faces(image, observation.faces, self._blur)
        if self._with_boxes:
            draw_faces(image, observation.faces, hidden=blurred)
        image = self._fitted(image)  # only now: the boxes are pixels of the frame as it was
        pts = max(round((frame.pts_seconds - self._first_seconds) / TIME_BASE), self._last_pts + 1)
        if self._last_pts >= 0:
            self._last_interval = pts - self._last_pts
        self._last_pts = pts
        with self._errors():
            self._encode(_yuv(image, pts))
            self._mux_audio(pts)

    def close(self, ended: SourceEnded) -> None:
        """Finish the video and make it visible. Raises OutputExists, OutputFailed."""
        if self._staged is None or self._output is None:
            raise RuntimeError("the video is not open")
        with self._errors():
            self._encode(None)
            if self._first_seconds is not None:
                self._mux_audio(self._last_pts + self._last_interval)
            with self._without_damaged_sound():
                self._output.close()
        if self._audio is not None:
            self._audio.close()
        self._staged.seal()
        self._staged.publish()

    def abandon(self) -> None:
        """Discard the video. See `Sink.abandon`."""
        self._stop()
        if self._staged is not None:
            self._staged.discard()

    def _start(self, staged: StagedFile, info: VideoInfo, audio_uri: str | None) -> None:
        """Begin the container. Raises ValueError or FFmpegError where it can't hold the sound."""
        staged.file.seek(0)
        staged.file.truncate()
        self._output = av.open(staged.file, "w", format=CONTAINERS[self._path.suffix.lower()])
        self._video = _add_video(self._output, info)
        if audio_uri is not None:
            self._audio = AudioCopy(audio_uri, self._output)
        self._output.start_encoding()

    def _stop(self) -> None:
        if self._audio is not None:
            self._audio.close()
            self._audio = None
        if self._output is not None:
            with contextlib.suppress(OSError, av.error.FFmpegError):  # its trailer goes nowhere
                self._output.close()

    def _encode(self, frame: av.VideoFrame | None) -> None:
        for packet in self._video.encode(frame):
            self._mux(packet)

    def _mux_audio(self, until_pts: int) -> None:
        if self._audio is None:
            return
        for packet in self._audio.until(float(until_pts * TIME_BASE)):
            self._mux(packet)
        if self._audio.has_gone_back:
            self._lose_sound()

    def _mux(self, packet: Packet[VideoStream] | Packet[AudioStream]) -> None:
        assert self._output is not None
        with self._without_damaged_sound():
            self._output.mux(packet)

    @contextlib.contextmanager
    def _without_damaged_sound(self) -> Iterator[None]:
        """What the container refuses is a packet of sound, not always this one: FFmpeg holds some back to interleave.

        An encoder's packets are whole, and a full disk is Python's own OSError.
        """
        try:
            yield
        except av.error.FFmpegError:
            if self._audio is None:
                raise
            self._lose_sound()

    def _lose_sound(self) -> None:
        if not self._has_lost_sound:
            self._has_lost_sound = True
            self._tell("some of the source's sound is damaged or has times that go back; that is left out")

    def _tell(self, problem: str) -> None:
        if self._on_sound_lost is not None:
            self._on_sound_lost(f"{self._path}: {problem}")

    def _fitted(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """In the encoder's size. Where a source changes its size, the first size stays."""
        height, width = self._video.height, self._video.width
        down, right = height - image.shape[0], width - image.shape[1]
        if 0 <= down <= 1 and 0 <= right <= 1:
            return np.asarray(cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with output_errors(self._path):
                yield
        except av.error.FFmpegError as exc:
            raise OutputFailed(
                f"{self._path}: can't be encoded ({exc.strerror}); try another ending or leave it out"
            ) from exc


def _add_video(output: OutputContainer, info: VideoInfo) -> VideoStream:
    rate = Fraction(info.fps or FALLBACK_FPS).limit_denominator(1001)
    name, options = ("libx264", X264_OPTIONS) if "libx264" in av.codecs_available else ("mpeg4", MPEG4_OPTIONS)
    stream = output.add_stream(name, rate, options=dict(options))
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = info.width + info.width % 2, info.height + info.height % 2
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = TIME_BASE
    context.sample_aspect_ratio = Fraction(info.pixel_aspect).limit_denominator(255)
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = LIMITED_RANGE
    return stream


def _yuv(image: NDArray[np.uint8], pts: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    frame.pts = pts
    frame.time_base = TIME_BASE
    return frame
