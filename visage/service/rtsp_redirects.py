"""Where an RTSP camera redirects to, asked before FFmpeg opens it: FFmpeg follows a redirect to anywhere, unasked.

A camera that wants a password first gets it, as FFmpeg would give it: by Basic or Digest access authentication (RFC
7616 with MD5, as cameras have it).

Limit: a camera that answers this question in one way and FFmpeg's in another still gets away with it, as does one that
redirects in answer to SETUP. It is a check of cameras that are honest about where they lead, not a firewall.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import socket
import ssl
from collections.abc import Callable
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from stages.addresses import redact_credentials
from stages.errors import SourceUnreadable
from visage.web.errors import AddressRefused

__all__ = ["resolve_redirects"]

MAX_REDIRECTS = 5
MAX_HEAD_BYTES = 64 << 10
DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322}
STATUS = re.compile(rb"RTSP/1\.\d 3\d\d")
UNAUTHORIZED = (b"RTSP/1.0 401", b"RTSP/1.1 401")
CHALLENGE = re.compile(rb"^www-authenticate:[ \t]*(.+?)[ \t]*$", re.IGNORECASE | re.MULTILINE)
FIELD = re.compile(r"(\w+)=(?:\"([^\"]*)\"|([^\s,]+))")
LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,9})", re.IGNORECASE | re.MULTILINE)
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
                return _ask(plain, asked, parts)
            context = ssl.create_default_context()  # cameras sign their certificates themselves
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(plain, server_hostname=parts.hostname) as sealed:
                return _ask(sealed, asked, parts)
    except (OSError, ValueError):  # FFmpeg says why
        return None


def _ask(connection: socket.socket, uri: str, login: SplitResult) -> str | None:
    """The location that the first answers redirect to."""
    challenge, number = "", 0
    for method in ("OPTIONS", "DESCRIBE"):
        for _ in range(2):  # without the password, and with it
            number += 1
            fields = f"CSeq: {number}\r\nUser-Agent: Lavf\r\nAccept: application/sdp\r\n"
            if challenge:
                fields += f"Authorization: {_answer(challenge, method, uri, login)}\r\n"
            connection.sendall(f"{method} {uri} RTSP/1.0\r\n{fields}\r\n".encode())
            head = _head(connection)
            if head is None:
                return None
            found = LOCATION.search(head)
            if STATUS.match(head) and found:
                return found[1].decode("ascii", "replace")
            challenges = [match.decode("latin-1") for match in CHALLENGE.findall(head)]
            if not head.startswith(UNAUTHORIZED) or not challenges or challenge or not login.username:
                break
            challenge = min(challenges, key=lambda text: not text.lower().startswith("digest"))  # as FFmpeg prefers
    return None


def _head(connection: socket.socket) -> bytes | None:
    """An answer's head, its body read and dropped; None where the connection ends before."""
    data = b""
    while b"\r\n\r\n" not in data and len(data) < MAX_HEAD_BYTES:
        piece = connection.recv(4096)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.replace(b"\r\n", b"\n")
    length = LENGTH.search(head)
    left = min(int(length[1]), MAX_HEAD_BYTES) - len(body) if length else 0
    while left > 0 and (piece := connection.recv(min(left, 4096))):
        left -= len(piece)
    return head


def _answer(challenge: str, method: str, uri: str, login: SplitResult) -> str:
    """What the header `Authorization` says to a challenge."""
    user, password = unquote(login.username or ""), unquote(login.password or "")
    if not challenge.lower().startswith("digest"):
        return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    asked = {name.lower(): quoted or plain for name, quoted, plain in FIELD.findall(challenge)}
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    secret, wanted = _md5(f"{user}:{realm}:{password}"), _md5(f"{method}:{uri}")
    fields = f'username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}"'
    if "auth" in asked.get("qop", "").split(","):
        own = secrets.token_hex(8)
        response = _md5(f"{secret}:{nonce}:00000001:{own}:auth:{wanted}")
        fields += f', qop=auth, nc=00000001, cnonce="{own}"'
    else:
        response = _md5(f"{secret}:{nonce}:{wanted}")
    opaque = f', opaque="{asked["opaque"]}"' if "opaque" in asked else ""
    return f'Digest {fields}, response="{response}"{opaque}'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
