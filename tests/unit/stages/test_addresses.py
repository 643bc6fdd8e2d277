from __future__ import annotations

import pytest

from stages.addresses import redact_credentials


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://admin:secret@cam:554/1", "rtsp://***@cam:554/1"),
        ("rtsp://admin:se@cret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://admin:se/cret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://admin:se#cret@cam/1", "rtsp://***@cam/1"),
        ("rtsp://admin@cam/1", "rtsp://***@cam/1"),
        ("rtsp://cam:554/1", "rtsp://cam:554/1"),
        ("https://host:8080/@secretary/a.mp4", "https://***@secretary/a.mp4"),  # "8080/" could be of a password
        ("https://[::1]:8080/@secretary/a.mp4", "https://[::1]:8080/@secretary/a.mp4"),
        ("https://host/@secretary/a.mp4", "https://host/@secretary/a.mp4"),
        ("rtsp://admin:a@b/c@cam/1", "rtsp://***@cam/1"),
        ("rtsp://admin:12/34@cam/1", "rtsp://***@cam/1"),
        ("https://host/a.mp4?token=secret&t=3", "https://host/a.mp4?token=***&t=3"),
        ("https://host/a.mp4?X-Amz-Signature=secret", "https://host/a.mp4?X-Amz-Signature=***"),
        ("rtsp://ada:p@ss@[::1]/a", "rtsp://***@[::1]/a"),
        ("http://cam/flv?user=admin&password=x", "http://cam/flv?user=admin&password=***"),
        ("rtsp://cam/x?pw=secret&channel=1", "rtsp://cam/x?pw=***&channel=1"),
        (
            "rtsp://cam/user=ada&password=secret&channel=1&stream=0.sdp",
            "rtsp://cam/user=ada&password=***&channel=1&stream=0.sdp",
        ),
        (
            "rtsp://cam/user=ada_password=se_cret_channel=1_stream=0.sdp",
            "rtsp://cam/user=ada_password=***_channel=1_stream=0.sdp",
        ),
        ("rtsp://cam/user=ada&password=se/cr?et", "rtsp://cam/user=ada&password=***"),
        ("rtsp://cam/?user=ada_password=secret_channel=1", "rtsp://cam/?user=ada_password=***_channel=1"),
        ("rtsp://cam/password%3Dsecret", "rtsp://cam/password%3D***"),
        ("rtsp://cam/passage/2?channel=1", "rtsp://cam/passage/2?channel=1"),
        ("rtsp://cam/x?pin=1234&t=3", "rtsp://cam/x?pin=***&t=3"),
        ("rtsp://cam/x?login=ada", "rtsp://cam/x?login=***"),
        ("https://host/a.mp4?jwt=eyJh.eyJi.c", "https://host/a.mp4?jwt=***"),
        ("https://host/a.mp4?access=s3cret&t=1", "https://host/a.mp4?access=***&t=1"),
        ("https://host/a.mp4?spin=3&mapping=2", "https://host/a.mp4?spin=3&mapping=2"),
        ("https://host/live/eyJhbGci.eyJzdWIi.sig-x/a.m3u8", "https://host/live/***/a.m3u8"),
        ("rtsps://host:7441/aB3dE5fG7hI9jK1lM3nO?enableSrtp", "rtsps://host:7441/***?enableSrtp"),
        ("https://host/hls/4f9a0c7be2d84f16a3d5/live.m3u8", "https://host/hls/***/live.m3u8"),
        ("https://host/token/s3cret/a.m3u8", "https://host/token/***/a.m3u8"),
        ("https://host/hook/T024BE91/key/s3", "https://host/hook/T024BE91/key/***"),
        ("https://host/0f8fad5b-d9cb-469f-a165-70867728950e/a.ts", "https://host/***/a.ts"),
        ("https://host/cam-2026-11-24T18-30-00-hall.mp4", "https://host/cam-2026-11-24T18-30-00-hall.mp4"),
        ("https://host/recording20261124183000.mp4", "https://host/recording20261124183000.mp4"),
        ("https://host/summer-holiday-at-the-sea/a.mp4", "https://host/summer-holiday-at-the-sea/a.mp4"),
        ("http://ada:s3cret@[bad/x", "http://***"),
        ("a@b:c.mp4", "a@b:c.mp4"),
        ("films/of://yore.mp4", "films/of://yore.mp4"),
        ("/films/user:secret@home.mp4", "/films/user:secret@home.mp4"),
    ],
)
def test_credentials_are_redacted(uri: str, shown: str) -> None:
    assert redact_credentials(uri) == shown
