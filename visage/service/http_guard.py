"""A proxy in the daemon through which FFmpeg reads HTTP sources added by callers; it connects where allowed only.

FFmpeg follows redirects, playlists, keys and manifests by itself. Through the proxy each of these is a request that is
checked against `web.add_source` before any connection is made; a refused one is answered with 403, which FFmpeg
reports like any other. Each connection carries one request, so that no later one passes unchecked. The proxy listens
on 127.0.0.1 while it is open, and gives no one on this machine more than the rule gives a caller.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from stages.errors import SourceUnreadable
from visage.observe.fields import about
from visage.web.errors import AddressRefused

__all__ = ["HttpGuard"]

PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto,data"
"""What FFmpeg may open: no file, no other protocol, whatever a playlist names."""

MAX_HEAD_BYTES = 64 << 10
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0
"""Longest time in which neither side says anything; FFmpeg gives up long before."""

DROPPED = (b"proxy-", b"connection:", b"keep-alive:")
END = b"\r\n\r\n"

logger = logging.getLogger(__name__)


class HttpGuard:
    """Listens on a free port of 127.0.0.1 from construction until `close`, with one thread for each connection.

    Raises OSError if no port can be bound. The creator closes it.
    """

    def __init__(self, check: Callable[[str], str]) -> None:
        """
        Args:
            check: raises AddressRefused for an address that no rule allows.
        """
        self._check = check
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread | None] = {}
        self._is_closed = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, name="http guard")
        self._thread.start()

    @property
    def options(self) -> dict[str, str]:
        """FFmpeg's options for sources read through the proxy.

        Raises SourceUnreadable if FFmpeg would bypass the proxy.
        """
        if os.environ.get("no_proxy"):
            raise SourceUnreadable("no_proxy is set in the daemon's environment: FFmpeg would bypass web.add_source")
        return {"http_proxy": f"http://127.0.0.1:{self._server.getsockname()[1]}", "protocol_whitelist": PROTOCOLS}

    def close(self) -> None:
        """End every connection and wait for its thread. Safe to call more than once, from any thread."""
        with self._lock:
            self._is_closed = True
            connections = dict(self._open)
        for connection in (self._server, *connections):
            with contextlib.suppress(OSError):  # it is closed already
                connection.shutdown(socket.SHUT_RDWR)
        for thread in (self._thread, *connections.values()):
            if thread is not None:
                thread.join()
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._server.accept()
                thread = threading.Thread(target=self._serve, args=(connection,), name="http guard connection")
                with self._lock:
                    if self._is_closed:
                        connection.close()
                        return
                    self._open[connection] = thread
                    thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):  # either side has gone: the other notices
            try:
                self._pass_on(connection)
            finally:
                with self._lock:
                    del self._open[connection]

    def _pass_on(self, caller: socket.socket) -> None:
        caller.settimeout(CONNECT_SECONDS)
        head = b""
        while END not in head:
            piece = caller.recv(4096)
            if not piece or len(head) > MAX_HEAD_BYTES:
                return
            head += piece
        line, _, fields = head.partition(END)[0].partition(b"\r\n")
        method, target, _version = line.decode("ascii").split(" ")
        address = f"https://{target}/" if method == "CONNECT" else target
        try:
            parts = urlsplit(self._check(address))
        except AddressRefused as error:
            host = urlsplit(address).hostname
            logger.warning("a source connects to %s: %s", host, error, extra=about("source.refused", error=error))
            caller.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close" + END)
            return
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            server = socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS)
        except OSError:
            caller.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close" + END)
            return
        with server:
            if method == "CONNECT":
                caller.sendall(b"HTTP/1.1 200 Connected" + END)
            else:
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                kept = [field for field in fields.split(b"\r\n") if not field.lower().startswith(DROPPED)]
                request = f"{method} {path} HTTP/1.1".encode("ascii")
                server.sendall(b"\r\n".join((request, *kept, b"Connection: close")) + END)
            self._relay(caller, server, is_tunnel=method == "CONNECT")

    def _relay(self, caller: socket.socket, server: socket.socket, *, is_tunnel: bool) -> None:
        """Until either side ends; what a caller says after a plain request ends it, too."""
        with self._lock:
            if self._is_closed:
                return
            self._open[server] = None
        try:
            with selectors.DefaultSelector() as ready:
                ready.register(caller, selectors.EVENT_READ, server)
                ready.register(server, selectors.EVENT_READ, caller)
                while found := ready.select(SILENCE_SECONDS):
                    for key, _ in found:
                        source = caller if key.fileobj is caller else server
                        data = source.recv(1 << 16)
                        if not data or (source is caller and not is_tunnel):
                            return
                        key.data.sendall(data)
        finally:
            with self._lock:
                del self._open[server]
