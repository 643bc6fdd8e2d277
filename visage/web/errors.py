"""The web's errors. `status` is the HTTP status of the response.

    WebError
    ├── BindRefused (ValueError)    a listening address that would be open to anybody
    ├── LocalAccessError            the file of the local token can't be read or written
    ├── TokenStoreError             the token file can't be read or written
    │   └── TokenNameTaken          a token of this name exists
    ├── Refused                     a caller may not have this; `status` is the HTTP status
    │   ├── NotFound                there is no such source, person, ...
    │   ├── Conflict                it exists already, or is not in a state for this
    │   ├── AddressRefused          no rule allows this path or address
    │   ├── UnusablePicture          a picture without a usable face
    │   └── TooMany                 too many requests or viewers
    └── Unavailable                 a part of the daemon that this needs is not there

Ports raise `NotFound`, `Conflict`, `UnusablePicture` and `Unavailable`; the app turns every one into an answer of the
same shape, `{"error": "..."}`. The text is one line for a person, without credentials.
"""

from __future__ import annotations

__all__ = [
    "AddressRefused",
    "BindRefused",
    "Conflict",
    "LocalAccessError",
    "NotFound",
    "Refused",
    "TokenNameTaken",
    "TokenStoreError",
    "TooMany",
    "Unavailable",
    "UnusablePicture",
    "WebError",
]


class WebError(Exception):
    """Root of the web's errors: catching it catches every one below."""


class BindRefused(WebError, ValueError):
    """Raised at start when listening on the address would leave the daemon open to anyone."""


class LocalAccessError(WebError):
    """Raised when the file of the local token can't be read or written."""


class TokenStoreError(WebError):
    """Raised when the token file can't be read or written."""


class TokenNameTaken(TokenStoreError):
    """Raised when a token of this name exists already."""


class Refused(WebError):
    """Root of the errors that are answered with their `status`: HTTP 400 unless a subclass says otherwise."""

    status = 400


class NotFound(Refused, LookupError):
    """Raised when the requested resource does not exist (HTTP 404)."""

    status = 404


class Conflict(Refused):
    """Raised when a resource exists already, or its state does not allow the request (HTTP 409)."""

    status = 409


class AddressRefused(Refused):
    """Raised when no rule of `web.add_source` allows a path or address (HTTP 403)."""

    status = 403


class UnusablePicture(Refused, ValueError):
    """Raised for a file that is not a picture, shows no face or several, or a face too poor to use (HTTP 422)."""

    status = 422


class TooMany(Refused):
    """Raised when there are too many requests, or too many viewers at once (HTTP 429)."""

    status = 429

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(WebError):
    """Raised when a part of the daemon that the request needs is missing or not ready (HTTP 503)."""

    status = 503
