from __future__ import annotations

import socket
import time

import pytest

from stages.decode import demux
from stages.decode.demux import Demuxer, InputOptions
from stages.errors import SourceUnreadable


@pytest.mark.parametrize("scheme", ["rtsp", "http", "tcp"])
def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """It accepts the connection and stays silent: a camera that hangs."""
    monkeypatch.setattr(demux, "NETWORK_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(SourceUnreadable, match=rf"{scheme}://127\.0\.0\.1:{port}/door can't be opened") as caught:
            Demuxer(f"{scheme}://ada:secret@127.0.0.1:{port}/door")
        assert time.monotonic() - started < 10
    assert "secret" not in str(caught.value)


def test_an_input_without_a_container_is_opened_by_its_format() -> None:
    """As a camera at /dev/video0 is, which no machine that runs tests need have."""
    demuxer = Demuxer("testsrc=size=64x48:rate=5", input_options=InputOptions(container_format="lavfi"))
    assert (demuxer.stream.codec_context.width, demuxer.stream.codec_context.height) == (64, 48)
    demuxer.close()
