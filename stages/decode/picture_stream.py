"""Chooses the stream to analyse, in the same way for every decoder: the table is in docs/inputs/films.md.

Covers are marked as such in most files, but not in all: a cover that was muxed as a video track has one picture and
may be larger than the film, come first and be marked "default". What moves goes before what stands still.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

__all__ = ["has_pcm_sound", "picture_stream", "stated_seconds"]

NOT_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
"""Cover art and chapter previews."""

PHOTOGRAPH_CODECS = frozenset({"bmp", "gif", "jpeg2000", "jpegls", "mjpeg", "png", "tiff", "webp"})
"""What covers are coded in; films are as well, now and then."""

MOVING_SHARE = 0.5
"""Of the film's length, for which a stream of photographs must last to be one itself."""


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The film's stream; None where there are no pictures, or only covers and previews.

    First what moves, then what is no part of a tiled picture, then what is marked "default", then the larger, then the
    first.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & NOT_PICTURES]
    if not streams:
        return None
    return max(
        streams,
        key=lambda stream: (
            _moves(stream, streams, container),
            not stream.disposition & Disposition.dependent,
            bool(stream.disposition & Disposition.default),
            _area(stream),
        ),
    )


def has_pcm_sound(container: InputContainer) -> bool:
    """Return whether any sound is uncompressed; a codec that FFmpeg has no decoder for counts as compressed."""
    contexts = [sound.codec_context for sound in container.streams.audio]
    return any(context is not None and context.name.startswith("pcm") for context in contexts)


def stated_seconds(stream: VideoStream) -> float | None:
    """Return the seconds in Matroska's DURATION tag of a stream, such as "00:01:02.345"; None without one."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+\.\d+)", stream.metadata.get("DURATION", ""))
    if match is None:
        return None
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _moves(stream: VideoStream, streams: Sequence[VideoStream], container: InputContainer) -> bool:
    """Whether it has more than one picture, as far as the container says."""
    if stream.disposition & Disposition.still_image or stream.frames == 1:
        return False
    if stream.frames > 1 or not _is_of_photographs(stream) or all(map(_is_of_photographs, streams)):
        return True
    seconds = stated_seconds(stream)
    whole = (container.duration or 0) / av.time_base
    return seconds is not None and seconds > MOVING_SHARE * whole


def _is_of_photographs(stream: VideoStream) -> bool:
    return stream.codec_context is not None and stream.codec_context.codec.canonical_name in PHOTOGRAPH_CODECS


def _area(stream: VideoStream) -> int:
    return 0 if stream.codec_context is None else stream.codec_context.width * stream.codec_context.height
