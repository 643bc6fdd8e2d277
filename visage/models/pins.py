"""Digests of files whose digest the catalogue does not know: the first file that is seen is the one that counts.

`NAME.sha256` beside the file, as sha256sum writes it. A later file that differs is damaged or was exchanged, and is
refused like any other; who wants the new one removes the pin.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from visage.models.registry import ModelFile, ModelSpec

__all__ = ["Pins", "digest_of"]

CHUNK_BYTES = 1 << 20


class Pins:
    """The pins of a model folder."""

    def __init__(self, model_dir: Path) -> None:
        self._model_dir = model_dir

    def resolve(self, spec: ModelSpec) -> ModelSpec:
        """The entry with every digest that is known by now."""
        if all(file.sha256 for file in spec.files):
            return spec
        return spec.model_copy(update={"files": tuple(map(self._resolved, spec.files))})

    def pin(self, file: ModelFile, sha256: str) -> ModelFile:
        """Remember the digest. Raises OSError."""
        self._path(file).write_text(f"{sha256}  {file.name}\n", encoding="ascii")
        return file.model_copy(update={"sha256": sha256})

    def _resolved(self, file: ModelFile) -> ModelFile:
        if file.sha256:
            return file
        path = self._path(file)
        if path.exists():
            return file.model_copy(update={"sha256": path.read_text(encoding="ascii").split()[0]})
        placed = self._model_dir / file.name
        if (sha256 := digest_of(placed)) is not None:  # put there by hand
            return self.pin(file, sha256)
        return file

    def _path(self, file: ModelFile) -> Path:
        return self._model_dir / f"{file.name}.sha256"


def digest_of(path: Path) -> str | None:
    """SHA-256 in hexadecimal digits; None for a file that is not there."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return None
    return digest.hexdigest()
