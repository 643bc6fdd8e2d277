"""Callers that connect and say nothing, or say it slowly, beside others that want an answer."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.unit.visage.web.serving import Running, running
from visage.web.tokens import Role

IDLE_SECONDS = 0.5
PATIENCE_SECONDS = 10.0
FAST_SECONDS = 0.2
HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = (
    b"POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
)


@contextlib.contextmanager
def connected(site: Running, count: int, said: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open connections that stop after what they said."""
    url = httpx.URL(site.url)
    with contextlib.ExitStack() as owned:
        opened = []
        for _ in range(count):
            opened.append(owned.enter_context(socket.create_connection((url.host, url.port or 0), PATIENCE_SECONDS)))
            with contextlib.suppress(ConnectionError):
                opened[-1].sendall(said)
        yield opened


def drip(connection: socket.socket) -> None:
    """Send a byte now and then, until the other side has closed."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE_SECONDS:
        connection.sendall(b"G")
        time.sleep(IDLE_SECONDS / 10)  # the caller's slowness is what is tested


def closed_after(connection: socket.socket) -> float:
    """Seconds until the other side closes it. Raises TimeoutError."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while connection.recv(4096):
            pass
    return time.monotonic() - began


@pytest.mark.parametrize("said", [b"", HEAD, BODY], ids=["silent", "half a head", "half a body"])
def test_connections_that_say_nothing_keep_no_one_out(tmp_path: Path, said: bytes) -> None:
    """Three times as many as may wait: health and a token's calls are answered as ever, on new connections too."""
    with running(tmp_path, idle_connections=64, idle_per_client=32, idle_seconds=600) as site:
        with connected(site, 200, said), site.client(Role.VIEWER) as client:
            for _ in range(20):
                began = time.monotonic()
                assert httpx.get(f"{site.url}/healthz", timeout=PATIENCE_SECONDS).status_code == 200
                assert client.get("/api/v1/sources").status_code == 200
                assert time.monotonic() - began <= 5 * FAST_SECONDS  # a busy machine; the figure is measured apart
            assert len(site.server.waiting) <= 65
        site.stop()


@pytest.mark.parametrize("said", [b"", HEAD, BODY], ids=["silent", "half a head", "half a body"])
def test_a_connection_that_waits_too_long_is_closed(tmp_path: Path, said: bytes) -> None:
    with running(tmp_path, idle_seconds=IDLE_SECONDS) as site, connected(site, 1, said) as (connection,):
        assert closed_after(connection) < PATIENCE_SECONDS
        assert httpx.get(f"{site.url}/healthz").status_code == 200


def test_a_head_that_drips_is_closed_and_a_body_that_comes_slowly_is_read(tmp_path: Path) -> None:
    """A head has its time in all; a body may take longer, as long as it goes on."""
    with running(tmp_path, idle_seconds=IDLE_SECONDS) as site, connected(site, 2) as (head, body):
        with pytest.raises(ConnectionError):
            drip(head)
        text = b'{"token": "visage_a_b"}'
        start = BODY.partition(b"\r\n\r\n")[0].replace(b"99", str(len(text)).encode()) + b"\r\n\r\n"
        body.close()
        with connected(site, 1, start) as (slow,):
            for number in range(len(text)):
                slow.sendall(text[number : number + 1])
                time.sleep(IDLE_SECONDS / 10)
            assert slow.recv(4096).startswith(b"HTTP/1.1 401")


def test_an_answer_that_goes_on_is_not_idle(tmp_path: Path) -> None:
    """An event stream says nothing for longer than a head may take, while others push waiting connections out."""
    with (
        running(tmp_path, idle_seconds=IDLE_SECONDS, idle_connections=8, idle_per_client=4) as site,
        site.local() as client,
        client.stream("GET", "/api/v1/events") as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        with connected(site, 20) as crowd:
            assert closed_after(crowd[-1]) < PATIENCE_SECONDS
        site.context.feed.tell("status", {"sources": []})
        assert any("status" in line for line in lines)


def test_no_answer_waits_for_the_callers_acknowledgement(tmp_path: Path) -> None:
    """Nagle's algorithm is off: with it every answer on a kept connection took 40 ms."""
    with running(tmp_path) as site, site.client() as client:
        assert client.get("/healthz").status_code == 200
        (connection,) = site.server._server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
