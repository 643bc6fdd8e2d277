"""Addresses of videos: what counts as one, and how it is shown without credentials."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["ADDRESS", "host_and_port", "is_address", "redact_credentials", "with_lower_scheme"]

ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
"""How one begins."""

# A parameter that looks like a secret, in the query or, as recorders have it, in the path, where _channel= may follow
# instead of &. Whatever else follows could be of the secret, so it does not show either.
SECRET_PARAMETER = re.compile(
    r"((?:pass|pwd?|secret|token|key|auth|sig|credential|login|jwt|access|(?<![a-z])pin)[^/?#&=]*(?:=|%3D))"
    r"[^&]*?(?=&|_(?:channel|stream)=|\Z)",
    re.IGNORECASE,
)
# A part of the path that can only be a secret: a JSON Web Token, a UUID, or a long run in which letters and digits take
# turns, as services that share a camera by a link have it. A date or a number after a word is none.
SECRET_SEGMENT = re.compile(
    r"(?<=/)(?:eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|(?=(?:[a-z0-9]*\d[a-z]){2})[a-z0-9]{20,})(?=[/?#.]|\Z)",
    re.IGNORECASE,
)
# A path's `/token/x` and `/key/x`, where the next part is the secret.
SECRET_AFTER = re.compile(
    r"(?<=/)((?:pass(?:word|wd)?|pwd|secret|token|key|api_?key|auth|jwt|pin|access_?token)/)[^/?#]+", re.IGNORECASE
)
# The part before the host as a parser sees it: a password with an unescaped / ? or # ends the host early for it.
USERINFO = re.compile(r"(?<=://)(?:[^/?#]*|[^/?#@]*:(?!\d+(?:[/?#]|$)).*)@")
# What may be a part of that: everything up to the last @ of an address, where an @ or : stands before its first slash.
# A password's own @ and / look like the host's end; a number behind : like a port. Rather a host does not show.
HIDDEN = re.compile(r"(?<=://)(?!\[[^\]/?#]*\](?::\d*)?[/?#])[^/?#@:]*(?:[@:].*)?@", re.DOTALL)


def is_address(uri: str) -> bool:
    """Return whether this is an address such as `rtsp://...`, not a path."""
    return ADDRESS.match(uri) is not None


def host_and_port(uri: str) -> tuple[str | None, int | None]:
    """Where an address leads, None for what it leaves out; user and password may hold anything.

    Raises ValueError, whose text may show parts of the address, where that makes no sense.
    """
    parts = urlsplit(USERINFO.sub("", uri, count=1))
    return parts.hostname, parts.port


def with_lower_scheme(uri: str) -> str:
    """An address with its scheme in lower case, as FFmpeg needs it; a path unchanged."""
    begins = ADDRESS.match(uri)
    return uri if begins is None else begins[0].lower() + uri[begins.end() :]


def redact_credentials(uri: str) -> str:
    """Return the address without user, password and anything that looks like a secret in its parameters or path.

    A path is returned unchanged; of an address that can't be parsed only the scheme remains. Never raises.
    """
    begins = ADDRESS.match(uri)
    if not begins:
        return uri
    try:
        parts = urlsplit(HIDDEN.sub("***@", uri, count=1))
    except ValueError:  # such as half an IPv6 address
        return f"{begins[0]}***"
    shown = parts.geturl()
    path_starts = shown.find("/", len(begins[0]))
    if path_starts != -1:
        path = SECRET_AFTER.sub(r"\1***", shown[path_starts:])
        shown = shown[:path_starts] + SECRET_SEGMENT.sub("***", path)
    return SECRET_PARAMETER.sub(r"\1***", shown)
