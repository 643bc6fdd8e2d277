"""What can go wrong at the web's border.

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
    """Base of all."""


class BindRefused(WebError, ValueError):
    """Listening there would leave the daemon open to anybody."""


class LocalAccessError(WebError):
    """The file of the local token can't be read or written."""


class TokenStoreError(WebError):
    """The token file can't be read or written."""


class TokenNameTaken(TokenStoreError):
    """A token of this name exists."""


class Refused(WebError):
    """A caller may not have this."""

    status = 400


class NotFound(Refused, LookupError):
    """Raised when the requested resource does not exist."""

    status = 404


class Conflict(Refused):
    """It exists already, or its state does not allow this."""

    status = 409


class AddressRefused(Refused):
    """No rule allows this path or address."""

    status = 403


class UnusablePicture(Refused, ValueError):
    """A picture that can't be used: not a picture, no face, several faces, a face too poor."""

    status = 422


class TooMany(Refused):
    """Too many requests, or too many viewers at once."""

    status = 429

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(WebError):
    """A part of the daemon that this needs is not there, or not yet."""

    status = 503
