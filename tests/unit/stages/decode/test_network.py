from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from stages.decode import demux
from stages.decode.demux import Demuxer
from stages.decode.source_options import InputOptions
from stages.errors import SourceUnreadable
from tests.runtime.latches import BOUND_SECONDS, Background
from tests.servers.fading import FadingCamera


@pytest.mark.parametrize("scheme", ["rtsp", "http", "tcp"])
def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """It accepts the connection and stays silent: a camera that hangs."""
    monkeypatch.setattr(demux, "NETWORK_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(
            SourceUnreadable, match=rf"{scheme}://\*\*\*@127\.0\.0\.1:{port}/door can't be opened"
        ) as caught:
            Demuxer(f"{scheme}://ada:secret@127.0.0.1:{port}/door")
        assert time.monotonic() - started < 10
    assert "secret" not in str(caught.value)


def test_a_server_that_talks_but_shows_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header without end, a byte at a time: no single reading is ever late."""
    monkeypatch.setattr(demux, "STALL_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        is_over = threading.Event()

        def talk() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):  # it has given up
                connection.recv(4096)
                connection.sendall(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nX: ")
                while not is_over.wait(0.05):
                    connection.sendall(b"a")

        thread = threading.Thread(target=talk)
        thread.start()
        try:
            with pytest.raises(SourceUnreadable, match=r"/door (can't be opened|answers)"):
                Demuxer(f"rtsp://ada:secret@127.0.0.1:{server.getsockname()[1]}/door")
        finally:
            is_over.set()
            thread.join()


def test_an_input_without_a_container_is_opened_by_its_format() -> None:
    """As a camera at /dev/video0 is, which no machine that runs tests need have."""
    demuxer = Demuxer("testsrc=size=64x48:rate=5", input_options=InputOptions(container_format="lavfi"))
    assert (demuxer.stream.codec_context.width, demuxer.stream.codec_context.height) == (64, 48)
    demuxer.close()


def test_a_camera_that_goes_on_with_sound_alone_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """No single reading is ever late, and no packet is missing but the pictures'."""
    monkeypatch.setattr(demux, "STALL_SECONDS", 0.5)
    with FadingCamera() as camera:
        demuxer = Demuxer(camera.url, input_options=camera.options)
        pictures = sum(1 for _ in demuxer.packets())
        assert not camera.is_silent.is_set()
        demuxer.close()
    assert pictures
    assert isinstance(demuxer.error, TimeoutError)


def test_a_camera_that_goes_on_with_sound_alone_can_be_interrupted() -> None:
    with FadingCamera() as camera:
        demuxer = Demuxer(camera.url, input_options=camera.options)
        reading = Background(lambda: list(demuxer.packets()))
        assert camera.has_faded.wait(BOUND_SECONDS)
        demuxer.interrupt()
        assert reading.result()
        assert not camera.is_silent.is_set()
        demuxer.close()
    assert demuxer.error is None


def test_a_scheme_in_capitals_is_opened_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg knows lower case only: it said "Protocol not found" for ever."""
    monkeypatch.setattr(demux, "NETWORK_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(SourceUnreadable, match=rf"rtsp://127\.0\.0\.1:{port}/Door can't be opened"):
            Demuxer(f"RTSP://127.0.0.1:{port}/Door")
        silent.settimeout(5)
        connection, _ = silent.accept()  # raises TimeoutError where nothing ever came
        connection.close()
