"""Films in high dynamic range and wide colours, made from ordinary pictures: their twins show the same on a display."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

__all__ = ["TRANSFERS", "encoded", "write_film"]

TRANSFERS = {"smpte2084": 16, "arib-std-b67": 18, "bt2020-10": 14}
"""PQ, HLG and BT.2020 of ordinary range: x265's names and FFmpeg's numbers."""

WHITE_NITS = 203.0
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""Of linear RGB (ITU-R BT.2087)."""


def encoded(bgr: NDArray[np.uint8], transfer: str) -> NDArray[np.uint16]:
    """Numbers of a picture whose white is 203 nits: uint16 (h, w, 3), RGB, full range of words."""
    light = (bgr[..., ::-1] / 255.0) ** 2.4 @ TO_BT2020.T
    if transfer == "smpte2084":
        power = (light * WHITE_NITS / 10_000) ** 0.1593017578125
        numbers = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    elif transfer == "arib-std-b67":
        shown = light * WHITE_NITS / 1000
        luminance = shown @ np.array([0.2627, 0.6780, 0.0593])
        scene = shown * np.maximum(luminance, 1e-6)[..., None] ** (1 / 1.2 - 1)
        logarithm = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-6)) + 0.55991073
        numbers = np.where(scene <= 1 / 12, np.sqrt(3 * scene), logarithm)
    else:
        numbers = light ** (1 / 2.4)
    return np.asarray(np.rint(np.clip(numbers, 0, 1) * 65535), np.uint16)


def write_film(path: Path, images: Iterable[NDArray[np.uint8]], transfer: str) -> Path:
    """Ten-bit HEVC of these pictures, BGR, with BT.2020's colours and one of `TRANSFERS`."""
    with av.open(str(path), "w") as container:
        parameters = f"log-level=error:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited"
        stream = container.add_stream(
            "libx265", rate=24, options={"crf": "6", "preset": "veryfast", "x265-params": parameters}
        )
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = "yuv420p10le"
        stream.codec_context.colorspace = 9
        for number, image in enumerate(images):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            frame = av.VideoFrame.from_ndarray(encoded(image, transfer), "rgb48le").reformat(
                format="yuv420p10le", dst_colorspace=9, dst_color_range=1
            )
            frame.color_trc, frame.color_primaries = TRANSFERS[transfer], 9
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
