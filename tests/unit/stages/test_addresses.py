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
        ("http://ada:s3cret@[bad/x", "http://***"),
        ("a@b:c.mp4", "a@b:c.mp4"),
        ("films/of://yore.mp4", "films/of://yore.mp4"),
        ("/films/user:secret@home.mp4", "/films/user:secret@home.mp4"),
    ],
)
def test_credentials_are_redacted(uri: str, shown: str) -> None:
    assert redact_credentials(uri) == shown
