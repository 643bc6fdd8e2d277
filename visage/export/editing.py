"""Clips of people for editing programs: OpenTimelineIO, CMX 3600 (EDL) and Final Cut Pro XML.

In OpenTimelineIO each person has a track, with the clips where they are in the film; EDL and Final Cut Pro XML line up
all clips of one person, then those of the next. Times are whole frames of the film's rate, exactly. Of a film with a
variable rate they are the frames that an editing program makes at the average rate; the film's own stand in a note.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import PurePosixPath
from typing import TextIO
from urllib.parse import quote

from stages.errors import SinkError
from stages.installing import install_command
from visage.export.film import Appearance, Film
from visage.export.xml_text import attribute

__all__ = ["write_edl", "write_fcpxml", "write_otio"]

MAX_EVENTS = 999_999


def write_otio(film: Film, out: TextIO) -> None:
    """Write a timeline. Raises SourceError for results without tracks, SinkError where the library is missing."""
    try:
        import opentimelineio as otio  # noqa: PLC0415  # an extra
    except ImportError as exc:
        raise SinkError(f"this format needs opentimelineio: {install_command('export')}") from exc

    def span(first: int, count: int) -> otio.opentime.TimeRange:
        rate = float(film.clock.rate)
        return otio.opentime.TimeRange(otio.opentime.RationalTime(first, rate), otio.opentime.RationalTime(count, rate))

    timeline = otio.schema.Timeline(film.name)
    for label, stretches in film.people.items():
        track = otio.schema.Track(label, kind=otio.schema.TrackKind.Video)
        at = 0
        for one in stretches:
            first, count = _span(film, one)
            first, count = max(first, at), count - max(0, at - first)
            if first > at:
                track.append(otio.schema.Gap(source_range=span(0, first - at)))
            media = otio.schema.ExternalReference(_url(film), span(0, max(film.frame_count, first + count)))
            notes = {"visage": {"frames": [one.first_frame, one.last_frame], "tracks": list(one.track_ids)}}
            track.append(otio.schema.Clip(label, media, span(first, count), metadata=notes))
            at = first + count
        timeline.tracks.append(track)
    out.write(timeline.to_json_string(indent=1) + "\n")


def write_edl(film: Film, out: TextIO) -> None:
    """Write one event for each clip. Raises SourceError for results without tracks."""
    clock = film.clock
    out.write(f"TITLE: {_line(film.name)}\nFCM: {'' if clock.is_drop_frame else 'NON-'}DROP FRAME\n\n")
    at = 0
    clips = [one for stretches in film.people.values() for one in stretches]
    for number, one in enumerate(clips[:MAX_EVENTS], 1):
        first, count = _span(film, one)
        times = " ".join(clock.timecode(frame) for frame in (first, first + count, at, at + count))
        out.write(f"{number:03}  AX       V     C        {times}\n")
        out.write(f"* FROM CLIP NAME: {_line(one.label)}\n* SOURCE FILE: {_line(PurePosixPath(film.source).name)}\n")
        out.write(f"* FRAMES: {one.frames}\n\n")
        at += count


def write_fcpxml(film: Film, out: TextIO) -> None:
    """Write a project in FCPXML 1.9. Raises SourceError for results without tracks."""
    one_frame = 1 / film.clock.rate
    clips = [one for stretches in film.people.values() for one in stretches]
    total = sum(_span(film, one)[1] for one in clips)
    code = "DF" if film.clock.is_drop_frame else "NDF"
    name = attribute(film.name)
    out.write(
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n<fcpxml version="1.9">\n <resources>\n'
        f'  <format id="r1" frameDuration="{_rational(one_frame)}" width="{film.width}" height="{film.height}"/>\n'
        f'  <asset id="r2" name={name} start="0s" duration="{_rational(film.frame_count * one_frame)}" hasVideo="1" '
        f'format="r1"><media-rep kind="original-media" src={attribute(_url(film))}/></asset>\n </resources>\n'
        f" <library><event name={name}><project name={name}>\n"
        f'  <sequence format="r1" duration="{_rational(total * one_frame)}" tcStart="0s" tcFormat="{code}"><spine>\n'
    )
    at = 0
    for one in clips:
        first, count = _span(film, one)
        out.write(
            f'   <asset-clip ref="r2" name={attribute(one.label)} offset="{_rational(at * one_frame)}" '
            f'start="{_rational(first * one_frame)}" duration="{_rational(count * one_frame)}" format="r1" '
            f'tcFormat="{code}"><note>frames {one.frames}</note></asset-clip>\n'
        )
        at += count
    out.write("  </spine></sequence>\n </project></event></library>\n</fcpxml>\n")


def _span(film: Film, one: Appearance) -> tuple[int, int]:
    """First frame and number of frames on the editing program's timeline."""
    if film.is_constant:
        return one.first_frame, one.last_frame + 1 - one.first_frame
    first = film.clock.frame(one.start)
    return first, max(1, film.clock.frame(one.end) - first)


def _rational(seconds: Fraction) -> str:
    return f"{seconds.numerator}/{seconds.denominator}s" if seconds.denominator > 1 else f"{seconds.numerator}s"


def _url(film: Film) -> str:
    return film.source if "://" in film.source else f"file://{quote(film.source)}"


def _line(text: str) -> str:
    return " ".join(text.split())
