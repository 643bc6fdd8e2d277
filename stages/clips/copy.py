"""A part of a film copied without loss into an MP4 file, exact to the frame.

Packets are copied from the last key frame that is not later than the beginning. What comes before the beginning is
decoded and not shown, and what the last pictures need from behind the end as well: the edit list says so. So it does
not matter where key frames lie, whether pictures lean on later ones, or whether groups of pictures are open: pictures
that need others from before the key frame come before it, and are not shown.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from stages.clips.edit_list import end_edits
from stages.decode.demux import GUESSED_FPS, Demuxer
from stages.decode.pyav import as_fraction
from stages.errors import OutputFailed
from stages.sink.staged import StagedFile, output_errors

__all__ = ["CantCopy", "copy_clip"]

MOVIE_TIMESCALE = 90_000


class CantCopy(OutputFailed):
    """Raised where the part has to be encoded anew: MP4 can't hold what the film is made of, or times are missing."""


def copy_clip(source: Path, out: Path, start_seconds: float, end_seconds: float, *, force: bool = False) -> None:
    """Copy what lies in [start, end) of the film's time, as frames have it. The file appears whole or not at all.

    Raises SourceError, CantCopy, OutputExists, OutputFailed.
    """
    demuxer = Demuxer(str(source))
    staged: StagedFile | None = None
    try:
        staged = StagedFile(out, force=force)
        with output_errors(out):
            _write(demuxer, staged, start_seconds, end_seconds)
        staged.seal()
        staged.publish()
    except (ValueError, av.error.FFmpegError) as exc:
        if isinstance(exc, OutputFailed):
            raise
        raise CantCopy(f"{out}: can't be copied from {source.name} ({exc}); it has to be encoded") from exc
    finally:
        demuxer.close()
        if staged is not None:
            staged.discard()


def _write(demuxer: Demuxer, staged: StagedFile, start_seconds: float, end_seconds: float) -> None:
    base, origin = demuxer.time_base, demuxer.origin_pts
    if base is None or origin is None or demuxer.is_still or "avi" in demuxer.container.format.name:
        raise ValueError("it has no times of its own")
    half = Fraction(1, 2) / Fraction(demuxer.fps or GUESSED_FPS).limit_denominator(1001)
    begin = origin * base + Fraction(start_seconds).limit_denominator(1_000_000)
    end = begin + Fraction(end_seconds - start_seconds).limit_denominator(1_000_000)
    begin, last, end = _pictures_between(demuxer, base, begin - half, end - half)
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1", "movie_timescale": str(MOVIE_TIMESCALE)}
    output = av.open(staged.file, "w", format="mp4", options=options)
    try:
        sources: list[Any] = [demuxer.stream, *demuxer.container.streams.audio]
        targets = {stream.index: output.add_stream_from_template(stream) for stream in sources}
        output.start_encoding()
        written = 0
        packets = _with_decoding_times(_packets(demuxer, sources, begin, end), demuxer)
        for packet in packets:
            written += packet.stream is demuxer.stream
            shift = round(begin / packet.time_base)
            assert packet.pts is not None
            assert packet.dts is not None
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = targets[packet.stream.index]
            output.mux(packet)
        if not written:
            raise ValueError("no picture of it is there")
    except BaseException:
        with contextlib.suppress(OSError, ValueError, av.error.FFmpegError):
            output.close()
        raise
    output.close()
    # Between the last picture and the one behind it, however times are rounded.
    end_edits(staged.file, float((last + end) / 2 - begin))


def _pictures_between(
    demuxer: Demuxer, base: Fraction, begin: Fraction, end: Fraction
) -> tuple[Fraction, Fraction, Fraction]:
    """Times of the first and the last picture there, and of the one behind. Raises ValueError where there is none."""
    demuxer.container.seek(max(0, int(begin / base)), stream=demuxer.stream)
    inside: list[int] = []
    behind: int | None = None
    for packet in demuxer.container.demux(demuxer.stream):
        if packet.pts is None:
            continue
        if begin <= packet.pts * base < end:
            inside.append(packet.pts)
        elif packet.pts * base >= end:
            behind = packet.pts if behind is None else min(behind, packet.pts)
            if packet.is_keyframe or (packet.dts is not None and packet.dts * base >= end):
                break
    if not inside:
        raise ValueError("no picture of it is there")
    first, last = min(inside), max(inside)
    if behind is None:
        behind = last + max(1, round(1 / (Fraction(demuxer.fps or GUESSED_FPS).limit_denominator(1001) * base)))
    return first * base, last * base, behind * base


def _packets(demuxer: Demuxer, streams: list[Any], begin: Fraction, end: Fraction) -> Iterator[Packet[Any]]:
    """From the key frame on, in the order of the file; sound as far as it is heard."""
    base = as_fraction(demuxer.stream.time_base) or Fraction(1)
    picture = demuxer.stream
    demuxer.container.seek(round(begin / base), stream=picture)
    ended: set[int] = set()
    has_begun = False
    for packet in demuxer.container.demux(streams):
        if packet.pts is None:
            if packet.size:
                raise ValueError("some of its packets have no times")
            continue
        if packet.stream is picture and not has_begun:
            if not packet.is_keyframe:
                continue
            if packet.pts * packet.time_base > begin:
                raise ValueError("no key frame comes before it")
            has_begun = True
        if packet.dts is not None and packet.dts * packet.time_base >= end:
            ended.add(packet.stream.index)
            if len(ended) == len(streams):
                return
            continue
        is_sound = packet.stream is not picture
        if is_sound and (packet.pts + (packet.duration or 0)) * packet.time_base <= begin:
            continue
        yield packet


def _with_decoding_times(packets: Iterator[Packet[Any]], demuxer: Demuxer) -> Iterator[Packet[Any]]:
    """Matroska stores none, and FFmpeg only knows them once it has seen some pictures: the first are counted back."""
    last: dict[int, int] = {}
    held: list[Packet[Any]] = []
    for packet in packets:
        if packet.dts is None:
            if packet.stream is not demuxer.stream:
                raise ValueError("some of its sound has no times")
            held.append(packet)
            continue
        if packet.stream is demuxer.stream and held:
            step = round(1 / (Fraction(demuxer.fps or GUESSED_FPS).limit_denominator(1001) * packet.time_base))
            for back, earlier in enumerate(reversed(held), 1):
                earlier.dts = packet.dts - back * step
            released, held = held, []
        else:
            released = []
        for one in (*released, packet):
            assert one.dts is not None
            index = one.stream.index
            if last.get(index, one.dts - 1) >= one.dts:
                raise ValueError("its times go back")
            last[index] = one.dts
            yield one
    if held:
        raise ValueError("some of its pictures have no times")
