"""Cameras that answer with the address of something else, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from hashlib import md5

import av
import pytest

from stages.errors import SourceUnreadable
from visage.config.web import AddRules
from visage.service.rtsp_redirects import MAX_REDIRECTS, resolve_redirects
from visage.web.rules import check_address

BOUND_SECONDS = 5.0


@contextlib.contextmanager
def camera(*answers: str) -> Iterator[tuple[int, list[bytes]]]:
    """A server that gives these answers to every connection, in turn; its port, and the requests it got."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):  # it is closed
                while True:
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        for answer in answers:
                            requests.append(connection.recv(4096))
                            connection.sendall(answer.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], requests
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(BOUND_SECONDS)


def redirect(location: str) -> str:
    return f"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: {location}\r\n\r\n"


def resolve(uri: str, *ports: int) -> str:
    rules = AddRules(networks=("127.0.0.0/8",), ports=ports or (1,))
    return resolve_redirects(uri, lambda found: check_address(found, rules), timeout_seconds=BOUND_SECONDS)


OK = "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
LOCKED = 'RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n'


@pytest.mark.parametrize("first", [(), (OK,)], ids=["at once", "when it describes"])
def test_a_redirect_out_of_the_rule_is_not_followed(first: tuple[str, ...]) -> None:
    """To another port, in the answer to either request; the other side never hears of it."""
    with camera(OK) as (secret, heard), camera(*first, redirect(f"rtsp://127.0.0.1:{secret}/x")) as (port, _):
        with pytest.raises(SourceUnreadable, match=r"redirects to another address: port \d+ is not among") as refusal:
            resolve(f"rtsp://ada:hunter2@127.0.0.1:{port}/main", port)
        assert heard == []
    assert "hunter2" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:{port}/x", "file:///etc/passwd", "rtsp://evil.example:{port}/x"]
)
def test_no_scheme_and_host_out_of_the_rule_is_followed(location: str) -> None:
    with contextlib.ExitStack() as owned:
        port, _ = owned.enter_context(camera(redirect(location.format(port=554))))
        with pytest.raises(SourceUnreadable, match="redirects to another address"):
            resolve(f"rtsp://127.0.0.1:{port}/main", port, 554)


def test_an_allowed_redirect_is_followed_to_its_end() -> None:
    with camera(OK, LOCKED) as (end, _), camera(redirect(f"RTSP://127.0.0.1:{end}/Sub")) as (port, requests):
        assert resolve(f"rtsp://ada:hunter2@127.0.0.1:{port}/main", port, end) == f"rtsp://127.0.0.1:{end}/Sub"
        assert requests[0].startswith(f"OPTIONS rtsp://127.0.0.1:{port}/main RTSP/1.0\r\n".encode())
        assert b"hunter2" not in requests[0]


def test_a_circle_ends() -> None:
    with camera(redirect("/main")) as (port, requests):
        with pytest.raises(SourceUnreadable, match="more than 5 times"):
            resolve(f"rtsp://127.0.0.1:{port}/main", port)
        assert len(requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    ("challenge", "proof"),
    [
        ('Basic realm="cam"', b"Authorization: Basic YWRhOmh1bnRlciAy\r\n"),
        # RFC 2617's way: MD5("MD5(ada:cam:hunter 2):n0:MD5(OPTIONS:uri)").
        (
            'Digest realm="cam", nonce="n0"',
            b'Authorization: Digest username="ada", realm="cam", nonce="n0", uri="rtsp://',
        ),
        ('Digest realm="cam", nonce="n0", qop="auth", opaque="x"', b"qop=auth, nc=00000001, cnonce="),
    ],
)
def test_a_redirect_after_the_password_is_not_followed_out_of_the_rule(challenge: str, proof: bytes) -> None:
    locked = f"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 2\r\n\r\nno"
    with camera(OK) as (secret, heard), camera(locked, redirect(f"rtsp://127.0.0.1:{secret}/x")) as (port, requests):
        with pytest.raises(SourceUnreadable, match="redirects to another address"):
            resolve(f"rtsp://ada:hunter%202@127.0.0.1:{port}/main", port)
        assert heard == []
    assert b"Authorization" not in requests[0]
    assert proof in requests[1]
    assert b"hunter" not in requests[1]
    if "qop" not in challenge and "Digest" in challenge:
        secret_hash = md5(b"ada:cam:hunter 2").hexdigest()
        asked = md5(f"OPTIONS:rtsp://127.0.0.1:{port}/main".encode()).hexdigest()
        response = md5(f"{secret_hash}:n0:{asked}".encode()).hexdigest()
        assert f'response="{response}"'.encode() in requests[1]


@pytest.mark.parametrize("answers", [(OK, LOCKED), ("SSH-2.0-x\r\n\r\n",), ()], ids=["locked", "no RTSP", "silence"])
def test_other_answers_are_left_to_who_opens_it(answers: tuple[str, ...]) -> None:
    with camera(*answers) as (port, _):
        uri = f"rtsp://ada:hunter2@127.0.0.1:{port}/main"
        assert resolve(uri, port) == uri


def test_what_is_no_rtsp_is_not_asked() -> None:
    assert resolve("/dev/video0") == "/dev/video0"


SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
    "a=control:rtsp://127.0.0.1:{elsewhere}/track\r\n"
)
DESCRIBED = (
    "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Base: {base}\r\nContent-Length: {length}"
)
SET_UP = "RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"


@pytest.mark.parametrize("answers", [(), (SET_UP,)], ids=["SETUP", "PLAY"])
def test_ffmpeg_follows_no_later_redirect(answers: tuple[str, ...]) -> None:
    """Nor the addresses of a description: only the first two answers need to be asked for before it."""
    with camera(OK) as (secret, heard):
        there = f"rtsp://127.0.0.1:{secret}/x/"
        description = SDP.format(elsewhere=secret)
        described = f"{DESCRIBED.format(base=there, length=len(description))}\r\n\r\n{description}"
        with camera(OK, described, *answers, redirect(there), OK) as (port, requests):
            uri = f"rtsp://127.0.0.1:{port}/main"
            assert resolve(uri, port) == uri
            requests.clear()
            with pytest.raises(av.error.FFmpegError):
                av.open(uri, options={"rtsp_transport": "tcp", "timeout": "2000000"}, timeout=(4, 4)).close()
            methods = [request.split()[0] for request in requests if request]
            assert methods[:3] == [b"OPTIONS", b"DESCRIBE", b"SETUP"]
        assert heard == []
