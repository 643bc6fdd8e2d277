"""A part of a film encoded anew, exact to the frame, in the film's own codec and colours, with its sound copied."""

from __future__ import annotations

from pathlib import Path

import av

from stages.clips.part import open_part
from stages.decode.demux import Demuxer
from stages.errors import OutputFailed
from stages.redact.properties import VideoProperties
from stages.redact.video import RedactedVideo

__all__ = ["encode_clip"]


def encode_clip(source: Path, out: Path, start_seconds: float, end_seconds: float, *, force: bool = False) -> None:
    """Encode what lies in [start, end) of the film's time. The file appears whole or not at all.

    Raises SourceError, OutputExists, OutputFailed.
    """
    film = open_part(source, start_seconds, end_seconds)
    video: RedactedVideo | None = None
    try:
        video = RedactedVideo(out, force=force)
        for frame in film.frames():
            if not video.frames:
                _open(video, source, frame.seconds, frame.coded)
            video.write(frame.coded, frame.seconds)
        if not video.frames:
            raise OutputFailed(f"{out}: there is no picture of {source.name} between {start_seconds:.2f} s and its end")
        video.close()
    except BaseException:
        if video is not None:
            video.abandon()
        raise
    finally:
        film.close()


def _open(video: RedactedVideo, source: Path, begin_seconds: float, first: av.VideoFrame) -> None:
    demuxer = Demuxer(str(source))
    try:
        video.open(
            VideoProperties.of(demuxer.stream, first),
            sound_of=demuxer.container,
            sound_uri=str(source),
            metadata=dict(demuxer.container.metadata),
            begin_seconds=begin_seconds,
        )
    finally:
        demuxer.close()
