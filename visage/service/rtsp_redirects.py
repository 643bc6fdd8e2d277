"""Where an RTSP camera redirects to, asked before FFmpeg opens it: FFmpeg follows a redirect to anywhere, unasked.

Limit: a camera that answers this question in one way and FFmpeg's in another still gets away with it, as does one that
redirects only after a password. It is a check of cameras that are honest about where they lead, not a firewall.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from stages.addresses import redact_credentials
from stages.errors import SourceUnreadable
from visage.web.errors import AddressRefused

__all__ = ["resolve_redirects"]

MAX_REDIRECTS = 5
MAX_HEAD_BYTES = 64 << 10
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
STATUS = re.compile(rb"RTSP/1\.\d 3\d\d")
LOCATION = re.compile(rb"^location:[ \t]*(\S+)[ \t]*$", re.IGNORECASE | re.MULTILINE)


def resolve_redirects(uri: str, check: Callable[[str], str], *, timeout_seconds: float) -> str:
    """The address that a camera's redirects lead to; the given one without any, and for other schemes.

    Args:
        check: returns the address to open, as `check_address` does. Raises AddressRefused.

    Raises:
        SourceUnreadable: a redirect leads where no rule allows, or there are too many.
    """
    for _ in range(MAX_REDIRECTS + 1):
        location = _redirect(uri, timeout_seconds) if urlsplit(uri).scheme in DEFAULT_PORTS else None
        if location is None:
            return uri
        try:
            uri = check(urljoin(uri, location))
        except AddressRefused as error:
            raise SourceUnreadable(f"{redact_credentials(uri)} redirects to another address: {error}") from error
    raise SourceUnreadable(f"{redact_credentials(uri)} redirects more than {MAX_REDIRECTS} times")


def _redirect(uri: str, timeout_seconds: float) -> str | None:
    parts = urlsplit(uri)
    asked = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        port = parts.port or DEFAULT_PORTS[parts.scheme]
        with socket.create_connection((parts.hostname or "", port), timeout_seconds) as plain:
            if parts.scheme == "rtsp":
                return _ask(plain, asked)
            context = ssl.create_default_context()  # cameras sign their certificates themselves
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain, server_hostname=parts.hostname) as sealed:
                return _ask(sealed, asked)
    except (OSError, ValueError):  # FFmpeg says why
        return None


def _ask(connection: socket.socket, uri: str) -> str | None:
    """The location that the first answers redirect to."""
    for number, method in enumerate(("OPTIONS", "DESCRIBE"), start=1):
        request = f"{method} {uri} RTSP/1.0\r\nCSeq: {number}\r\nUser-Agent: Lavf\r\nAccept: application/sdp\r\n\r\n"
        connection.sendall(request.encode())
        head = b""
        while b"\r\n\r\n" not in head and len(head) < MAX_HEAD_BYTES:
            piece = connection.recv(4096)
            if not piece:
                return None
            head += piece
        found = LOCATION.search(head.replace(b"\r\n", b"\n"))
        if STATUS.match(head) and found:
            return found[1].decode("ascii", "replace")
    return None
