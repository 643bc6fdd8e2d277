"""Times of live streams whose containers have none of their own."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import pytest

from stages.decode.live_clock import BUFFERED_SECONDS
from stages.errors import SourceBroken
from stages.frames import Frame
from tests.clips import picture
from tests.servers.hls import HlsServer
from tests.servers.mjpeg import MjpegCamera
from tests.unit.stages.decode.sources import source


@pytest.mark.parametrize("is_live", [True, False])
def test_pictures_over_http_are_timed_by_their_arrival(is_live: bool) -> None:
    """FFmpeg gives each 1/25 s: 16 of them would be 0.6 s."""
    times = []
    with MjpegCamera(count=30, interval_seconds=0.25) as camera:
        opened = source(camera.url, is_live=is_live)
        try:
            opened.open()
            for frame in itertools.islice(opened.frames(), 16):
                times.append(frame.pts_seconds)
                frame.release()
        finally:
            opened.close()
    assert times == sorted(set(times))
    assert times[-1] == pytest.approx(15 * 0.25, abs=1.0)
    assert times[-1] - times[-5] == pytest.approx(1.0, abs=0.3)


def test_of_an_hls_stream_only_the_chosen_variant_is_fetched(tmp_path: Path) -> None:
    """The largest; of the others FFmpeg reads a segment each to know what they hold."""
    with HlsServer(tmp_path, segments=4) as server:
        opened = source(server.url)
        try:
            info = opened.open()
            frames = list(map(released, opened.frames()))
        finally:
            opened.close()
    assert (info.width, info.height) == (320, 180)
    assert len(frames) == 160
    segments = [path for path in server.fetched if path.endswith(".ts")]
    assert len({path for path in segments if path.startswith("/v1")}) == 4
    assert len(segments) <= 4 + 2


def released(frame: Frame) -> float:
    frame.release()
    return frame.pts_seconds


def test_an_encoder_that_starts_over_does_not_carry_a_live_stream_away(tmp_path: Path) -> None:
    """Its stamps are 5000 s ahead from the tenth picture on."""
    path = tmp_path / "cam.ts"
    with av.open(str(path), "w", format="mpegts") as container:
        video = container.add_stream("mpeg2video", rate=10, width=320, height=180, pix_fmt="yuv420p")
        video.codec_context.gop_size = 1
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(picture(number), "bgr24")
            frame.pts, frame.time_base = number + (50_000 if number >= 10 else 0), Fraction(1, 10)
            container.mux(video.encode(frame))
        container.mux(video.encode())
    opened = source(path, is_live=True, capacity=32)
    times: list[float] = []
    try:
        opened.open()
        with pytest.raises(SourceBroken, match="ended at frame 20"):
            times.extend(map(released, opened.frames()))
    finally:
        opened.close()
    assert len(times) == 20
    assert times == sorted(set(times))
    assert times[9] == pytest.approx(0.9)
    assert times[-1] < 0.9 + BUFFERED_SECONDS
