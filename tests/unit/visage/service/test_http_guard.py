"""HTTP sources that lead elsewhere, read by FFmpeg through the guard: nothing outside the rule hears of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stages.decode.demux import Demuxer
from stages.decode.pyav import reads_format
from stages.decode.source_options import InputOptions
from stages.errors import SourceError, SourceUnreadable
from tests.clips import write_clip
from visage.config.web import AddRules
from visage.service.http_guard import HttpGuard
from visage.web.rules import check_address

DASH = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"
 profiles="urn:mpeg:dash:profile:full:2011">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000" width="160" height="90">
<SegmentList duration="2" timescale="1"><Initialization sourceURL="{elsewhere}/clip.mp4"/>
<SegmentURL media="{elsewhere}/clip.mp4"/></SegmentList>
</Representation></AdaptationSet></Period></MPD>"""
KEY = '#EXT-X-KEY:METHOD=AES-128,URI="{elsewhere}/secret.key"\n'
PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n{key}#EXTINF:2.0,\n{segment}\n#EXT-X-ENDLIST\n"


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder; `/to/ADDRESS` redirects there. Yields its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path[4:])
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def guarded(*addresses: str) -> Iterator[HttpGuard]:
    """A guard that allows only these servers."""
    ports = tuple(int(address.rpartition(":")[2]) for address in addresses)
    rules = AddRules(schemes=("http", "https"), networks=("127.0.0.0/8",), ports=ports)
    with contextlib.closing(HttpGuard(lambda address: check_address(address, rules))) as guard:
        yield guard


def packets(address: str, guard: HttpGuard) -> int:
    """How many packets FFmpeg reads. Raises SourceError."""
    with contextlib.closing(Demuxer(address, input_options=InputOptions(options=guard.options))) as demuxer:
        found = sum(1 for _ in demuxer.packets())
        if demuxer.error is not None:
            raise SourceUnreadable(str(demuxer.error))
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_clip(tmp_path / "clip.mp4", frames=20)
    write_clip(tmp_path / "clip.ts", frames=20)
    (tmp_path / "secret.key").write_bytes(bytes(16))
    return tmp_path


LEADS = {
    "redirect": lambda folder, elsewhere: f"/to/{elsewhere}/clip.mp4",
    "segment": lambda folder, elsewhere: playlist(folder, f"{elsewhere}/clip.ts"),
    "key": lambda folder, elsewhere: playlist(
        folder, "clip.ts", f'#EXT-X-KEY:METHOD=AES-128,URI="{elsewhere}/secret.key"\n'
    ),
    "redirected segment": lambda folder, elsewhere: playlist(folder, f"/to/{elsewhere}/clip.ts"),
    "manifest": lambda folder, elsewhere: written(folder / "a.mpd", DASH.format(elsewhere=elsewhere)),
}


def playlist(folder: Path, segment: str, key: str = "") -> str:
    return written(folder / "a.m3u8", PLAYLIST.format(key=key, segment=segment))


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return f"/{path.name}"


NO_DASH = pytest.mark.skipif(not reads_format("dash"), reason="this FFmpeg reads no DASH, as PyAV's wheels do not")
KINDS = [pytest.param(kind, marks=NO_DASH) if kind == "manifest" else kind for kind in LEADS]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_out_of_the_rule_is_connected_to(folder: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with served(folder) as (allowed, _), served(folder) as (elsewhere, heard), guarded(allowed) as guard:
        path = LEADS[kind](folder, elsewhere)
        with contextlib.suppress(SourceError):
            packets(f"{allowed}{path}", guard)
        assert heard == []
    assert "a source connects to 127.0.0.1: port" in caplog.text


@pytest.mark.parametrize("kind", ["redirect", "segment", "redirected segment"])
def test_what_the_rule_allows_is_read(folder: Path, kind: str) -> None:
    with served(folder) as (allowed, _), served(folder) as (other, heard), guarded(allowed, other) as guard:
        assert packets(f"{allowed}{LEADS[kind](folder, other)}", guard) == 20
        assert heard


def test_no_other_protocol_is_opened(folder: Path) -> None:
    with served(folder) as (allowed, _), guarded(allowed) as guard:
        for segment in (f"file://{folder}/clip.ts", f"crypto:file:{folder}/clip.ts", f"concat:{folder}/clip.ts"):
            with pytest.raises(SourceError):
                packets(f"{allowed}{playlist(folder, segment)}", guard)


def test_where_ffmpeg_would_go_past_the_guard_nothing_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with guarded() as guard, pytest.raises(SourceUnreadable, match="no_proxy is set"):
        packets("http://127.0.0.1:1/x", guard)


def test_closing_ends_a_connection_that_goes_on(folder: Path) -> None:
    """A server that sends its head and then nothing: the reader is not left waiting for its time-out."""
    silent, closing = threading.Event(), threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            silent.set()
            closing.wait(30)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        with guarded(address) as guard:
            failures: list[BaseException] = []

            def read() -> None:
                try:
                    packets(f"{address}/x", guard)
                except SourceError as error:
                    failures.append(error)

            reader = threading.Thread(target=read)
            reader.start()
            assert silent.wait(30)
            guard.close()
            reader.join(30)
            assert failures
    finally:
        closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
