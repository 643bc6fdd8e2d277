"""A real RTSP server, over TCP and UDP: frames come, and a server that dies is noticed by FFmpeg's own time-out."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from stages.decode.source_options import InputOptions, SourceOptions
from stages.decode.video import VideoSource
from stages.errors import SourceBroken
from stages.frames import Frame
from stages.imaging.host.admission import HostAdmission
from stages.imaging.letterbox import DetectorInput
from tests.servers.rtsp import RtspServer, rtsp_missing
from visage.config.service import CameraConfig
from visage.service.cameras import camera_spec

TIMEOUT_SECONDS = 2.0


@pytest.fixture
def server() -> Iterator[RtspServer]:
    missing = rtsp_missing()
    if missing:
        pytest.skip(missing)
    server = RtspServer(width=320, height=180)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_frames_come_until_the_server_dies(server: RtspServer, transport: str) -> None:
    config = CameraConfig.model_validate(
        {"address": server.url, "transport": transport, "timeout_seconds": TIMEOUT_SECONDS}
    )
    spec = camera_spec("cam", config)
    source = VideoSource(
        source_id="cam",
        uri=spec.uri,
        admission=HostAdmission(DetectorInput(longest=320, multiple=32), capacity=4, waits=False),
        options=SourceOptions(is_live=True, input_options=InputOptions(spec.input_format, spec.input_options)),
    )
    try:
        info = source.open()
        assert (info.width, info.height, info.is_live) == (320, 180, True)
        frames = source.frames()
        for _ in range(5):
            frame = next(frames)
            assert abs(time.time() - frame.captured_at) < 1
            frame.release()
        server.stop()
        stopped = time.monotonic()
        with pytest.raises(SourceBroken, match=r"(breaks off|ended) at frame \d+, .* what came before is kept"):
            release_all(frames)
        assert time.monotonic() - stopped < 4 * TIMEOUT_SECONDS
    finally:
        source.close()


def release_all(frames: Iterator[Frame]) -> None:
    for frame in frames:
        frame.release()
