"""What a video's pictures are, beyond their pixels: kept when they are encoded again.

Codec, depth, sampling, range, matrix, primaries, transfer, pixel aspect, display matrix, and what HDR10 states of the
display that a film was mastered on (SMPTE ST 2086) and of its brightest pictures (CTA-861.3).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.buffer import Buffer
from av.video.stream import VideoStream

from stages.decode.pyav import as_fraction
from stages.redact.cover import COVERABLE_FORMATS

__all__ = ["VideoProperties"]

BYTE_BITS = 8
FALLBACK_FPS = 25

ENCODERS = {"hevc": "libx265", "vp9": "libvpx-vp9", "av1": "libsvtav1"}
"""By FFmpeg's names of codecs; any other becomes H.264, or HEVC where its pictures have more than eight bits."""

QUALITY: Mapping[str, Mapping[str, str]] = {
    "libx264": {"crf": "18"},
    "libx265": {"crf": "20"},
    "libvpx-vp9": {"crf": "24", "b": "0", "row-mt": "1", "deadline": "good", "cpu-used": "4"},
    "libsvtav1": {"crf": "24"},
}
"""Of a copy that looks like its source."""

MASTERING_FORMAT = "=22i"
"""AVMasteringDisplayMetadata: red, green and blue, white (x and y each), least and greatest light as fractions, and two
marks of what is known."""
CHROMATICITY_UNITS, LUMINANCE_UNITS = 50_000, 10_000


@dataclass(frozen=True, slots=True)
class VideoProperties:
    """Of one video, from its stream and its first picture."""

    encoder: str
    pixel_format: str
    options: Mapping[str, str]
    rate: Fraction
    time_base: Fraction
    width: int
    height: int
    pixel_aspect: Fraction
    colorspace: int
    color_range: int
    color_primaries: int
    color_trc: int
    display_matrix: tuple[int, ...] | None

    @classmethod
    def of(cls, stream: VideoStream, frame: av.VideoFrame) -> VideoProperties:
        """Read them; `frame`: the first, as it will be encoded."""
        bits = frame.format.components[0].bits
        codec = stream.codec_context.codec.canonical_name
        encoder = ENCODERS.get(codec, "libx264" if bits <= BYTE_BITS or codec == "h264" else "libx265")
        if encoder not in av.codecs_available:
            encoder = "libx264" if bits <= BYTE_BITS or "libx265" not in av.codecs_available else "libx265"
        options = dict(QUALITY[encoder])
        if encoder == "libx265":
            options["x265-params"] = ":".join(["log-level=error", *_hdr10(frame)])
        if frame.interlaced_frame:
            options["flags"] = "+ildct+ilme"
        aspect = as_fraction(stream.codec_context.sample_aspect_ratio) or as_fraction(stream.sample_aspect_ratio)
        return cls(
            encoder=encoder,
            pixel_format=_pixel_format(encoder, frame.format.name, bits),
            options=options,
            rate=(as_fraction(stream.average_rate) or Fraction(FALLBACK_FPS)).limit_denominator(1001),
            time_base=as_fraction(stream.time_base) or Fraction(1, av.time_base),
            width=frame.width,
            height=frame.height,
            pixel_aspect=(aspect or Fraction(1)).limit_denominator(255),
            colorspace=int(frame.colorspace),
            color_range=int(frame.color_range),
            color_primaries=int(frame.color_primaries),
            color_trc=int(frame.color_trc),
            display_matrix=_display_matrix(frame),
        )


def _pixel_format(encoder: str, name: str, bits: int) -> str:
    takes = {one.name for one in av.Codec(encoder, "w").video_formats or ()}
    if name in COVERABLE_FORMATS & takes:
        return name
    is_full_colour = name.startswith(("rgb", "bgr", "gbr", "0rgb", "argb", "abgr", "rgba", "yuva444"))
    sampling = "444" if is_full_colour else "420"
    for candidate in (f"yuv{sampling}p{'10le' if bits > BYTE_BITS else ''}", "yuv420p10le", "yuv420p"):
        if candidate in takes and (bits > BYTE_BITS or not candidate.endswith("10le")):
            return candidate
    return "yuv420p"


def _side_data(frame: av.VideoFrame, name: str) -> bytes | None:
    try:
        found: Any = frame.side_data.get(name)
    except ValueError:  # of a kind that PyAV does not know
        return None
    return bytes(found) if isinstance(found, Buffer) else None


def _display_matrix(frame: av.VideoFrame) -> tuple[int, ...] | None:
    matrix = _side_data(frame, "DISPLAYMATRIX")
    return None if matrix is None else struct.unpack_from("=9i", matrix)


def _hdr10(frame: av.VideoFrame) -> list[str]:
    """x265's parameters; none where the film states nothing."""
    parameters = []
    display = _side_data(frame, "MASTERING_DISPLAY_METADATA")
    if display is not None and len(display) >= struct.calcsize(MASTERING_FORMAT):
        numbers = struct.unpack_from(MASTERING_FORMAT, display)
        has_primaries, has_luminance = numbers[20:22]
        values = [a / b if b else 0.0 for a, b in zip(numbers[:20:2], numbers[1:20:2], strict=True)]
        if has_primaries and has_luminance:
            red, green, blue, white = (
                f"({round(values[at] * CHROMATICITY_UNITS)},{round(values[at + 1] * CHROMATICITY_UNITS)})"
                for at in (0, 2, 4, 6)
            )
            least, most = (round(light * LUMINANCE_UNITS) for light in values[8:10])
            parameters.append(f"master-display=G{green}B{blue}R{red}WP{white}L({most},{least})")
    light = _side_data(frame, "CONTENT_LIGHT_LEVEL")
    if light is not None:
        parameters.append("max-cll={},{}".format(*struct.unpack_from("=2I", light)))
    return [*parameters, "hdr10=1", "repeat-headers=1"] if parameters else []
