"""Clips with sound in which every packet differs: a click with each picture, over noise."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.clips import picture

__all__ = ["CLICK", "RATE", "write_sounding"]

RATE = 48_000
CLICK = 24
"""A click begins with every picture whose number is a multiple of this."""


def write_sounding(path: Path, *, frames: int = 120, fps: int = 24) -> Path:
    """Write numbered pictures with B-frames, and sound of the same length."""
    noise = np.random.default_rng(3).normal(0, 0.005, (1, frames * RATE // fps)).astype(np.float32)
    for frame in range(0, frames, CLICK):
        at = frame * RATE // fps
        noise[:, at : at + 480] = 0.8 * np.sin(np.arange(480) / 8)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", fps, options={"g": "50", "bf": "3"})
        sound = container.add_stream("aac", RATE, layout="mono")
        assert isinstance(video, av.VideoStream)
        assert isinstance(sound, av.AudioStream)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        for frame in range(frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture(frame), "bgr24")))
        container.mux(video.encode())
        for at in range(0, noise.shape[1], 1024):
            part = av.AudioFrame.from_ndarray(np.ascontiguousarray(noise[:, at : at + 1024]), "fltp", "mono")
            part.sample_rate, part.pts, part.time_base = RATE, at, Fraction(1, RATE)
            container.mux(sound.encode(part))
        container.mux(sound.encode())
    return path
