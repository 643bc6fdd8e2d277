"""Encryption at rest of crops and embeddings: AES-256-GCM with a key from a file. Without one, bytes are not encrypted.

Names, times and numbers are not encrypted. A key file holds 32 bytes in base64 and belongs somewhere else than the
gallery: `visage people key FILE` makes one.
"""

from __future__ import annotations

import base64
import binascii
import importlib
import os
from pathlib import Path
from typing import Protocol

from stages.errors import BackendUnavailable
from stages.installing import install_command
from visage.people.errors import GalleryLocked

__all__ = ["AesCipher", "Cipher", "NoCipher", "make_key", "read_sealing"]

KEY_BYTES = 32
NONCE_BYTES = 12


class Cipher(Protocol):
    """Turns bytes into what is stored, and back."""

    @property
    def is_encrypted(self) -> bool:
        """Whether stored bytes can't be read without a key."""

    def encrypt(self, plain: bytes) -> bytes:
        """What to store of these bytes."""

    def decrypt(self, stored: bytes) -> bytes:
        """Return the bytes that `encrypt` was given. Raises GalleryLocked for bytes of another key."""


class NoCipher:
    """Stores bytes as they are."""

    is_encrypted = False

    def encrypt(self, plain: bytes) -> bytes:
        return plain

    def decrypt(self, stored: bytes) -> bytes:
        return stored


class AesCipher:
    """Stores a fresh nonce, the ciphertext and its tag (AES-GCM, RFC 5116)."""

    is_encrypted = True

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes. Raises BackendUnavailable where `cryptography` is not installed."""
        try:
            module = importlib.import_module("cryptography.hazmat.primitives.ciphers.aead")
            self._invalid: type[Exception] = importlib.import_module("cryptography.exceptions").InvalidTag
        except ImportError as exc:
            raise BackendUnavailable(f"encryption needs one more library: {install_command('encryption')}") from exc
        self._cipher = module.AESGCM(key)

    def __repr__(self) -> str:
        return "<AesCipher>"

    def encrypt(self, plain: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + bytes(self._cipher.encrypt(nonce, plain, None))

    def decrypt(self, stored: bytes) -> bytes:
        try:
            return bytes(self._cipher.decrypt(stored[:NONCE_BYTES], stored[NONCE_BYTES:], None))
        except self._invalid as exc:
            raise GalleryLocked("this key does not open the gallery: give the key file it was made with") from exc


def read_sealing(key_file: Path | None) -> Cipher:
    """With the key in that file; without one, nothing is encrypted. Raises GalleryLocked for a file that holds none."""
    if key_file is None:
        return NoCipher()
    try:
        key = base64.b64decode(key_file.read_bytes().strip(), validate=True)
    except (OSError, binascii.Error) as exc:
        raise GalleryLocked(f"{key_file}: can't be read as a key ({exc})") from exc
    if len(key) != KEY_BYTES:
        raise GalleryLocked(f"{key_file}: a key is {KEY_BYTES} bytes in base64; `visage people key FILE` makes one")
    return AesCipher(key)


def make_key(key_file: Path) -> None:
    """Write a new key, readable by its owner alone. Raises FileExistsError."""
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
