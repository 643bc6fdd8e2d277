"""A film read picture by picture, as its decoder delivers it, with the word whether a picture can be trusted.

Frames have the numbers that every analysis gives them (`stages.decode`). After damage a decoder fills what it lost with
parts of other pictures, where faces may be that nobody looked for: no frame is trusted from there to a key frame that
certainly comes after it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import av

from stages.decode.source_options import SourceOptions
from stages.decode.video import VideoSource
from stages.errors import SourceBroken
from stages.imaging.orientation import Orientation
from stages.sources import VideoInfo

__all__ = ["Film", "FilmFrame"]

FULL_TURN_DEGREES = 360

MAX_REORDERED = 16
"""Pictures that a codec may hold back to bring them into order (H.264 and HEVC, by their standards)."""


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """One picture.

    Attributes:
        index: 0-based number in the film.
        seconds: its time from the film's start.
        coded: as decoded; the decoder may still need it, so its pixels are not to be changed.
        orientation: how it becomes upright.
        is_trusted: nothing was lost that this picture may have been made of.
    """

    index: int
    seconds: float
    coded: av.VideoFrame
    orientation: Orientation
    is_trusted: bool


class Film:
    """One pass over a film. Owns the decoder; used by one thread, and closed by its maker.

    Attributes:
        info: the film, with the turn applied.
        damage: why the film is not whole, once `frames` has ended; None if it is.
    """

    def __init__(
        self,
        path: str,
        *,
        upright_turn_degrees: int | None = None,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
    ) -> None:
        """
        Args:
            start_seconds, end_seconds: read what lies in [start, end) of the film's time.
            upright_turn_degrees: the whole clockwise turn that makes a coded picture upright; None for what the file
                itself asks for.

        Raises:
            SourceNotFound, SourceUnreadable, NotAVideo
        """
        self.damage: SourceBroken | None = None
        self._part = start_seconds, end_seconds
        self._threads = len(os.sched_getaffinity(0))
        self._source = self._made(path, 0)
        self.info: VideoInfo = self._source.open()
        own = self.info.rotation_degrees
        if upright_turn_degrees is not None and upright_turn_degrees != own:
            self._source.close()
            self._source = self._made(path, (upright_turn_degrees - own) % FULL_TURN_DEGREES)
            self.info = self._source.open()

    def frames(self) -> Iterator[FilmFrame]:
        """Every picture that can be decoded, in order."""
        frames_lost, is_trusted, doubtful_until = 0, True, 0
        try:
            for frame in self._source.frames():
                picture = frame.picture
                assert isinstance(picture, _CodedPicture)
                coded = picture.coded
                if self._source.frames_lost > frames_lost or coded.is_corrupt:
                    frames_lost = self._source.frames_lost
                    # Pictures from before the damage may still be on their way, key frames among them.
                    is_trusted, doubtful_until = False, frame.index + MAX_REORDERED + self._threads
                elif coded.key_frame and frame.index >= doubtful_until:
                    is_trusted = True
                yield FilmFrame(frame.index, frame.pts_seconds, coded, picture.orientation, is_trusted)
        except SourceBroken as error:
            self.damage = error

    def close(self) -> None:
        """Free the decoder and the file. Idempotent."""
        self._source.close()

    def _made(self, path: str, turn_degrees: int) -> VideoSource:
        return VideoSource(
            source_id=os.path.basename(path),
            uri=path,
            admission=_Passing(),
            options=SourceOptions(turn_degrees=turn_degrees, start_seconds=self._part[0], end_seconds=self._part[1]),
            decoder_threads=self._threads,
        )


class _CodedPicture:
    """The decoder's own frame. Implements `stages.frames.Picture`."""

    def __init__(self, coded: av.VideoFrame, orientation: Orientation) -> None:
        self.coded = coded
        self.orientation = orientation
        self.width, self.height = orientation.upright_size(coded.width, coded.height)
        self.pixel_aspect = orientation.upright_pixel_aspect

    def release(self) -> None:
        """The frame goes with its last reference."""


class _Passing:
    """Passes frames on as they are. Implements `stages.decode.decoding_source.Admission`."""

    frames_dropped = 0

    def admit(self, frame: av.VideoFrame, orientation: Orientation, *, detect: bool = True) -> _CodedPicture:
        return _CodedPicture(frame, orientation)

    def interrupt(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held."""
