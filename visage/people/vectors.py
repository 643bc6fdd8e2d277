"""Embeddings as they are stored: little-endian float32, sealed where the gallery is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stages.frames import FloatArray
from visage.people.cipher import Cipher

__all__ = ["VectorCodec"]


class VectorCodec:
    """From vectors of one length to bytes and back."""

    def __init__(self, dimension: int, cipher: Cipher) -> None:
        self.dimension = dimension
        self._cipher = cipher

    def encode(self, vector: FloatArray) -> bytes:
        """`vector`: (D,), brought to norm 1."""
        return self._cipher.encrypt(self.normalised(vector).astype("<f4").tobytes())

    @staticmethod
    def normalised(vector: FloatArray) -> FloatArray:
        """float32 (D,), of norm 1, as it is stored."""
        return np.asarray(vector / max(float(np.linalg.norm(vector)), float(np.finfo(np.float32).tiny)), np.float32)

    def decode(self, stored: bytes) -> FloatArray:
        """Return the vector in these bytes, float32 (D,)."""
        return np.frombuffer(self._cipher.decrypt(stored), "<f4").astype(np.float32, copy=False)

    def decode_all(self, stored: Sequence[bytes]) -> FloatArray:
        """Return the vectors in these bytes, float32 (N, D)."""
        plain = b"".join(stored) if not self._cipher.is_encrypted else b"".join(map(self._cipher.decrypt, stored))
        return np.frombuffer(plain, "<f4").reshape(-1, self.dimension)
