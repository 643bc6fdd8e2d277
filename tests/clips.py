"""Makes small video clips with every property that a test may need, each frame marked with its number.

The number stands in a row of black and white blocks along the upper edge of the upright picture, so that it survives
lossy coding, rotation and scaling. Below it lies a still, asymmetric picture: red on the left, green below, blue right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["BITS", "picture", "read_number", "write_clip"]

BITS = 10
"""Blocks in a row: numbers up to 1023."""

Image = NDArray[np.uint8]


def picture(number: int, width: int = 320, height: int = 180) -> Image:
    """An upright test picture, uint8 (height, width, 3), BGR, marked with `number`."""
    image = np.full((height, width, 3), 96, np.uint8)
    image[:, : width // 8] = (32, 32, 200)
    image[-height // 6 :] = (32, 180, 32)
    image[height // 2 :, -width // 8 :] = (200, 48, 32)
    side = width // BITS
    for bit in range(BITS):
        image[: height // 5, bit * side : (bit + 1) * side] = 235 if number >> bit & 1 else 20
    return image


def read_number(image: Image) -> int:
    """The number marked in an upright picture of any size."""
    height, width = image.shape[:2]
    row = image[height // 20 : height // 7].mean(axis=(0, 2))
    side = width / BITS
    return sum(
        int(row[round((bit + 0.3) * side) : round((bit + 0.7) * side)].mean() > 128) << bit for bit in range(BITS)
    )


def write_clip(
    path: Path,
    *,
    images: Iterable[Image] | None = None,
    frames: int = 48,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    fps: int | Fraction = 24,
    options: dict[str, str] | None = None,
    rotation_degrees: int = 0,
    is_mirrored: bool = False,
    pixel_aspect: Fraction = Fraction(1),
    colorspace: int = 5,
    color_range: int = 1,
    is_interlaced: bool = False,
    pts: Sequence[int] | None = None,
    container_options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a clip of `frames` marked pictures, or of `images` (upright, BGR).

    Args:
        rotation_degrees: clockwise turn that a player has to make; the coded pictures are turned back by as much.
        is_mirrored: that a player has to exchange left and right after the turn; the coded pictures are mirrored too.
        colorspace: SWS_CS number that the pictures are converted with and tagged as: 1 BT.709, 5 BT.601, 9 BT.2020.
        color_range: 1 limited, 2 full.
        pts: time of each frame in 1/fps.
    """
    images = (picture(number) for number in range(frames)) if images is None else images
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=fps, options=options or {})
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = pix_fmt
        stream.codec_context.color_range = color_range
        stream.codec_context.colorspace = {1: 1, 5: 6, 9: 9}[colorspace]
        stream.codec_context.sample_aspect_ratio = pixel_aspect
        if is_interlaced:
            stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct
        if rotation_degrees or is_mirrored:
            stream.set_display_rotation(-rotation_degrees, hflip=is_mirrored)
        for number, upright in enumerate(images):
            shown = upright[:, ::-1] if is_mirrored else upright
            coded = np.ascontiguousarray(np.rot90(shown, rotation_degrees // 90))
            if number == 0:
                stream.height, stream.width = coded.shape[:2]
            frame = av.VideoFrame.from_ndarray(coded, "bgr24").reformat(
                format=pix_fmt, dst_colorspace=colorspace, dst_color_range=color_range
            )
            frame.pts = number if pts is None else pts[number]
            frame.time_base = Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
