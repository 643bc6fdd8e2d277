"""Ed25519 signatures of reports (RFC 8032), with keys as OpenSSL writes them: PKCS #8 and SubjectPublicKeyInfo, PEM.

What is signed is the report without its signature as JSON with sorted keys, without spaces, in UTF-8.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.errors import BackendUnavailable
from stages.installing import install_command
from visage.redaction.errors import KeyRefused, ReportRefused
from visage.storage.atomic_write import atomic_write

__all__ = ["SigningKey", "check_signature", "make_key", "public_key_of"]

ALGORITHM = "Ed25519"
PUBLIC_MODE = 0o644


class SigningKey:
    """A private key, read from its file."""

    def __init__(self, path: Path) -> None:
        """Read it. Raises KeyRefused, OSError, BackendUnavailable where `cryptography` is not installed."""
        serialization, ed25519 = _library("serialization"), _library("asymmetric.ed25519")
        try:
            self._key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError) as error:
            raise KeyRefused(
                f"{path}: not a private key without a password; make one with visage redact key"
            ) from error
        if not isinstance(self._key, ed25519.Ed25519PrivateKey):
            raise KeyRefused(f"{path}: not an Ed25519 key; make one with visage redact key")

    def signed(self, report: Mapping[str, Any]) -> dict[str, Any]:
        """Return the report with its signature."""
        raw = self._key.public_key().public_bytes_raw()
        signature = self._key.sign(_message(report))
        return {
            **report,
            "signature": {
                "algorithm": ALGORITHM,
                "public_key": base64.b64encode(raw).decode(),
                "value": base64.b64encode(signature).decode(),
            },
        }


def make_key(path: Path) -> Path:
    """Write a new private key, for its owner alone, and its public one beside it as `.pub`; returns that path.

    Raises KeyRefused where one of them exists, OSError, BackendUnavailable.
    """
    serialization, ed25519 = _library("serialization"), _library("asymmetric.ed25519")
    public = path.with_name(path.name + ".pub")
    for file in (path, public):
        if file.exists():
            raise KeyRefused(f"{file}: exists already, and is not replaced; choose another name")
    key = ed25519.Ed25519PrivateKey.generate()
    encoding = serialization.Encoding.PEM
    private_bytes = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public_bytes = key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    atomic_write(path, private_bytes)
    atomic_write(public, public_bytes, mode=PUBLIC_MODE)
    return public


def public_key_of(path: Path) -> str:
    """Return the public key of a file, its 32 bytes in Base64. Raises KeyRefused, OSError, BackendUnavailable."""
    serialization, ed25519 = _library("serialization"), _library("asymmetric.ed25519")
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except ValueError as error:
        raise KeyRefused(f"{path}: not a public key; visage redact key writes one that ends in .pub") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise KeyRefused(f"{path}: not an Ed25519 key; visage redact key makes one")
    return base64.b64encode(key.public_bytes_raw()).decode()


def check_signature(report: Mapping[str, Any]) -> str:
    """Return the public key, in Base64, that a report is signed with.

    Raises ReportRefused where it is not signed, or was changed after that; BackendUnavailable.
    """
    ed25519 = _library("asymmetric.ed25519")
    invalid = importlib.import_module("cryptography.exceptions").InvalidSignature
    signature = report.get("signature")
    if not isinstance(signature, Mapping):
        raise ReportRefused("the report is not signed; render again with --key")
    try:
        raw = base64.b64decode(signature["public_key"], validate=True)
        value = base64.b64decode(signature["value"], validate=True)
        if signature.get("algorithm") != ALGORITHM:
            raise ValueError
        ed25519.Ed25519PublicKey.from_public_bytes(raw).verify(
            value, _message({name: part for name, part in report.items() if name != "signature"})
        )
    except invalid as error:
        raise ReportRefused("the report was changed after it was signed") from error
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise ReportRefused("the report's signature is damaged") from error
    return base64.b64encode(raw).decode()


def _message(report: Mapping[str, Any]) -> bytes:
    return json.dumps(report, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _library(name: str) -> Any:
    try:
        return importlib.import_module(f"cryptography.hazmat.primitives.{name}")
    except ImportError as error:
        raise BackendUnavailable(f"signatures need one more library: {install_command('encryption')}") from error
