"""Several films decoded at once: each picture keeps its own packet's number, however the decoders take turns."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import av
import numpy as np
import pytest

from stages.decode.decoder import Selection, StreamDecoder
from stages.decode.demux import Demuxer

FRAMES = 60


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, width=64, height=48, pix_fmt="yuv420p")
        for number in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 4 % 256, np.uint8), "bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_decoders_that_take_turns_lose_no_picture(film: Path, ahead: int) -> None:
    """The first decoder frees each picture some turns before the second asks for the one of the same number."""
    demuxers = [Demuxer(str(film)) for _ in range(2)]
    decoders = [StreamDecoder(demuxer, Selection(), threads=4) for demuxer in demuxers]
    first, second = ((frame.index for frame in decoder.frames()) for decoder in decoders)
    begun = [next(first) for _ in range(ahead)]
    turns = list(zip_longest(first, second))
    assert [decoder.frames_lost for decoder in decoders] == [0, 0]
    assert [*begun, *(index for index, _ in turns if index is not None)] == list(range(FRAMES))
    assert [index for _, index in turns] == list(range(FRAMES))
    for demuxer in demuxers:
        demuxer.close()
