"""TLS for the daemon's outgoing connections, and the reason reported when one fails."""

from __future__ import annotations

import errno
import os
import ssl
from pathlib import Path

import httpx

from visage.config.yaml_file import ConfigError

__all__ = ["client_context", "reason_of"]


def client_context(ca_file: Path | None, *, key: str) -> ssl.SSLContext:
    """Return a context that trusts the system's store, Mozilla's and the certificates in a PEM file.

    Args:
        key: the configuration key that named the file.

    Raises ConfigError where the file can't be read or holds no certificate.
    """
    context = httpx.create_ssl_context()  # Mozilla's: a container may have no store of its own
    context.load_default_certs()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except ssl.SSLError as error:
            raise ConfigError([f"{key}: {ca_file} holds no certificate in PEM format"]) from error
        except OSError as error:
            raise ConfigError([f"{key}: {ca_file} can't be read: {error.strerror}"]) from error
    return context


def reason_of(error: BaseException) -> str:
    """Return the reason at the root of an error's chain, without the address, which may hold a password.

    Empty if the chain has no OSError with a text.
    """
    cause: BaseException | None = error
    reason = ""
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is refused: {cause.verify_message}"
        if isinstance(cause, OSError) and not isinstance(cause, TimeoutError) and cause.strerror:
            # asyncio replaces the system's text; a resolver's errors have numbers of their own.
            number = cause.errno
            reason = os.strerror(number) if number in errno.errorcode and number is not None else cause.strerror
        cause = cause.__cause__ or cause.__context__
    return reason
