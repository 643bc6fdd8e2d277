"""Which sources are photographs or arrays, and how the settings require sources to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.addresses import is_address
from stages.decode.array_source import ArrayFrames, ArraySource
from stages.decode.decoding_source import Admission
from stages.decode.demux import GUESSED_FPS
from stages.decode.looks import Looks
from stages.decode.photograph_format import file_format
from stages.decode.source_options import InputOptions, SourceOptions
from stages.decode.suffixes import VIDEO_SUFFIXES
from visage.assembly.stages import delivers_all, detection_interval
from visage.config import Settings
from visage.config.sources import SourceSpec

if TYPE_CHECKING:
    from stages.decode.photograph_source import PhotographSource

__all__ = ["array_source", "is_photograph", "photograph_source", "source_options"]


def is_photograph(spec: SourceSpec) -> bool:
    """Return whether the source is a picture file that FFmpeg is not to read.

    GIFs and files of JPEG frames are films. False for addresses and live sources, and for files that can't be read.
    """
    if spec.input_format is not None or spec.is_live or is_address(spec.uri):
        return False
    return not spec.uri.lower().endswith(VIDEO_SUFFIXES) and file_format(spec.uri) not in (None, "GIF")


def photograph_source(spec: SourceSpec, admission: Admission, options: SourceOptions) -> PhotographSource:
    """The source of a photograph, not yet open; it owns the admission."""
    from stages.decode.photograph_source import PhotographSource  # noqa: PLC0415 - Pillow, which films do without

    return PhotographSource(source_id=spec.source_id, path=spec.uri, admission=admission, options=options)


def array_source(spec: SourceSpec, frames: ArrayFrames, admission: Admission, options: SourceOptions) -> ArraySource:
    """Return the source of pictures that a caller has, not yet open; it owns the admission."""
    fps = float(spec.input_options.get("framerate", 0)) or GUESSED_FPS
    return ArraySource(source_id=spec.source_id, frames=frames, fps=fps, admission=admission, options=options)


def source_options(settings: Settings, spec: SourceSpec, *, turn_degrees: int) -> SourceOptions:
    """Return the options for reading this source, turned clockwise by `turn_degrees`."""
    return SourceOptions(
        frameskip=detection_interval(settings),
        delivers_all=delivers_all(settings),
        start_seconds=settings.start_seconds,
        end_seconds=settings.end_seconds,
        turn_degrees=turn_degrees,
        is_live=spec.is_live,
        input_options=InputOptions(spec.input_format, spec.input_options),
        looks=Looks(spec.spans) if settings.scan and not spec.is_live else None,
    )
