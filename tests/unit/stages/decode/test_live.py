"""Times of live streams whose containers have none of their own."""

from __future__ import annotations

import itertools

import pytest

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
