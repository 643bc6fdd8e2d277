"""What a gallery is bound to for good: one embedding model, the length of its embeddings, one key or none.

Written into its database when it is made, and compared whenever it is opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from visage.models import embedder_spec
from visage.people.cipher import Cipher, read_sealing
from visage.people.database import Database
from visage.people.errors import GalleryLocked, OtherModel

__all__ = ["GalleryBinding"]

STRICTER = 0.17
"""Of the way from the model's threshold to 1. That one tells whether two pictures show one person; here a stranger is
compared with all people, so it has to be harder. SFace: 0.480, see docs/people.md."""

UNKNOWN_STRICTER = 0.27
"""Likewise, of tracks that are to be one unknown: all are compared with all. SFace: 0.543. With 0.480, 3 pairs in 100
were of two people, from 0.54 on fewer than 1: see docs/people.md."""

MARGIN = 0.05
"""How much more alike than the next person the best one has to be: two who are that close are told apart by luck."""


@dataclass(frozen=True, slots=True)
class GalleryBinding:
    """The binding of one gallery. Thresholds are cosines, -1 to 1.

    Attributes:
        dimension: length of the embeddings.
        threshold: lowest cosine to be recognised as a person.
        margin: cosine by which the best person has to surpass the next.
        unknown_threshold: lowest cosine of two tracks' means to be one unknown.
        model_sha256: digests of the files that hold the model, the best first; empty if none is known.
    """

    model: str
    dimension: int
    threshold: float
    margin: float
    unknown_threshold: float
    cipher: Cipher
    model_sha256: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, database: Database, folder: Path, *, model: str | None, model_dir: Path | None, key_file: Path | None
    ) -> GalleryBinding:
        """Read it, or write it down for a new gallery. Raises OtherModel, GalleryLocked."""
        own = _bind_model(database, folder, model)
        spec = embedder_spec(own, model_dir) if model_dir is not None else embedder_spec(own)
        _bind_dimension(database, folder, own, spec.embedding_dim)
        cipher = read_sealing(key_file)
        _check_key(database, folder, cipher)
        room = 1 - spec.similarity_threshold
        threshold, among_unknowns = (spec.similarity_threshold + part * room for part in (STRICTER, UNKNOWN_STRICTER))
        digests = tuple(file.sha256 for file in spec.files if file.sha256 is not None)
        return cls(own, spec.embedding_dim, threshold, MARGIN, among_unknowns, cipher, digests)


def _bind_model(database: Database, folder: Path, model: str | None) -> str:
    stored = database.meta("model")
    own = stored if isinstance(stored, str) else model or "sface"
    if stored is None:
        database.set_meta("model", own)
    if model is not None and model != own:
        raise OtherModel(
            f"{folder}: belongs to {own}, not to {model}; give --embedder {own}, choose another gallery, or "
            f"recompute it from its crops: visage people reindex --embedder {model}"
        )
    return own


def _bind_dimension(database: Database, folder: Path, model: str, dimension: int) -> None:
    own = database.meta("dimension")
    if own is None:
        database.set_meta("dimension", dimension)
    elif own != dimension:
        raise OtherModel(f"{folder}: holds embeddings of length {own!r}, but {model} makes {dimension}")


def _check_key(database: Database, folder: Path, cipher: Cipher) -> None:
    token = database.meta("sealed")
    if token is None and cipher.is_encrypted:
        if database.row("SELECT 1 FROM pictures UNION SELECT 1 FROM sightings") is not None:
            raise GalleryLocked(f"{folder}: was created without encryption; export it and import it into a new one")
        database.set_meta("sealed", cipher.encrypt(b"visage"))
    elif isinstance(token, bytes):
        if not cipher.is_encrypted:
            raise GalleryLocked(f"{folder}: is encrypted; give its key file (--gallery-key FILE)")
        cipher.decrypt(token)
