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
        ("https://host:8080/@secretary/a.mp4", "https://host:8080/@secretary/a.mp4"),
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
        ("http://ada:s3cret@[bad/x", "http://***"),
        ("a@b:c.mp4", "a@b:c.mp4"),
        ("films/of://yore.mp4", "films/of://yore.mp4"),
        ("/films/user:secret@home.mp4", "/films/user:secret@home.mp4"),
    ],
)
def test_credentials_are_redacted(uri: str, shown: str) -> None:
    assert redact_credentials(uri) == shown
