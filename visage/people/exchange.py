"""People as a zip file: `people.json` with names, origins and base64 embeddings, `crops/` where they are kept.

docs/people.md has the format. Other programs may write it: what counts is that the embeddings are of the same network,
by its file's SHA-256 or, where that is not given, by its name.

Not encrypted, whatever the gallery is, and readable by its owner alone: it is for taking people elsewhere. What an
archive may expand to is bounded by its size: embeddings and JPEG hardly shrink, so that one which shrank a hundred
times holds something else.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from visage.people.correction_exchange import export_corrections, import_corrections
from visage.people.errors import GalleryBroken, OtherModel, PeopleError, PictureRefused
from visage.people.gallery import Gallery
from visage.people.reader import PortraitFace

__all__ = ["export_gallery", "exported_model", "import_gallery"]

MEMBER = "people.json"
MAX_RATIO = 8
"""Of what a member expands to, to what it takes in the archive."""
UNKNOWN_QUALITY = 0.5
SMALL_BYTES = 64 << 10
"""A member of this size may have any ratio."""
MAX_CROP_BYTES = 1 << 20
MAX_DOCUMENT_BYTES = 1 << 30
PLAIN_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others can't be read a bounded piece at a time."""

# NotImplementedError and RuntimeError: zipfile's for methods and passwords it does not know.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, LookupError, TypeError, ValueError, RuntimeError, ArithmeticError)


def export_gallery(gallery: Gallery, target: Path) -> int:
    """Write all people, or nothing; return the number of pictures. Raises FileExistsError."""
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            count = _write(gallery, archive)
    except BaseException:
        target.unlink()
        raise
    gallery.database.audit("export", "everybody", f"{count} pictures")
    return count


def exported_model(archive: Path) -> str:
    """The embedder that an export's embeddings are of. Raises GalleryBroken for anything else than an export."""
    with _opened(archive) as opened:
        return str(_document(opened)["model"])


def import_gallery(gallery: Gallery, source: Path) -> tuple[int, int]:
    """Add all people, or none; return the numbers of new and of known pictures.

    Raises GalleryBroken, OtherModel, NameRefused.
    """
    added = known = 0
    with _opened(source) as archive, gallery.database.transaction():
        document = _document(archive)
        digest = document.get("model_sha256")
        is_same = document["model"] == gallery.model if digest is None else digest in gallery.model_sha256
        if not is_same:
            which = str(document["model"]) + ("" if digest is None else f", SHA-256 {str(digest)[:12]}...")
            raise OtherModel(f"{source}: embeddings of {which}; this gallery belongs to {gallery.model}")
        crops: set[str] = set()
        for person in document["people"]:
            for picture in person["pictures"]:
                face = _face(gallery, archive, picture, crops)
                try:
                    content = face.embedding.tobytes()
                    gallery.add(
                        str(person["name"]), face, origin=str(picture.get("origin", source.name)), content=content
                    )
                    added += 1
                except PictureRefused:
                    known += 1
        import_corrections(gallery, document.get("corrections", []))
        gallery.database.audit("import", "everybody", f"{added} pictures")
    return added, known


def _write(gallery: Gallery, archive: zipfile.ZipFile) -> int:
    count = 0
    people = []
    for person in gallery.people():
        pictures = []
        for picture, embedding in zip(
            gallery.pictures(person.person_id), gallery.roll.embeddings(person.person_id), strict=True
        ):
            crop = f"crops/{picture.picture_id}.jpg" if picture.crop is not None else None
            if crop is not None and picture.crop is not None:
                archive.writestr(crop, picture.crop)
            stored = base64.b64encode(np.asarray(embedding, "<f4").tobytes()).decode()
            fields = {"origin": picture.origin, "quality": picture.quality, "embedding": stored, "crop": crop}
            pictures.append(fields)
            count += 1
        people.append({"name": person.name, "pictures": pictures})
    document = {
        "format": "visage.people/1",
        "model": gallery.model,
        "model_sha256": next(iter(gallery.model_sha256), None),
        "dimension": gallery.dimension,
        "people": people,
        "corrections": export_corrections(gallery),
    }
    archive.writestr(MEMBER, json.dumps(document, indent=1))
    return count


def _face(
    gallery: Gallery, archive: zipfile.ZipFile, picture: Mapping[str, Any], crops_taken: set[str]
) -> PortraitFace:
    embedding = np.frombuffer(base64.b64decode(picture["embedding"]), "<f4").astype(np.float32)
    if embedding.shape != (gallery.dimension,) or not np.isfinite(embedding).all() or not embedding.any():
        raise GalleryBroken(f"{archive.filename}: holds an invalid embedding")
    embedding /= np.linalg.norm(embedding)
    quality = float(picture.get("quality", UNKNOWN_QUALITY))
    if not 0 <= quality <= 1:
        raise GalleryBroken(f"{archive.filename}: holds a quality outside 0 to 1")
    crop = b""
    if picture.get("crop"):
        if picture["crop"] in crops_taken:
            raise GalleryBroken(f"{archive.filename}: two pictures share the crop {picture['crop']}")
        crops_taken.add(picture["crop"])
        crop = _member(archive, picture["crop"], MAX_CROP_BYTES)
    return PortraitFace(np.zeros(4, np.float32), 1.0, quality, embedding, crop)


def _member(archive: zipfile.ZipFile, name: str, most_bytes: int) -> bytes:
    """A member's content. Raises GalleryBroken before one is read that is larger, or expands more, than an export's."""
    info = archive.getinfo(name)
    limit = min(most_bytes, max(SMALL_BYTES, MAX_RATIO * info.compress_size))
    if info.compress_type not in PLAIN_METHODS or info.file_size > limit:
        raise GalleryBroken(f"{archive.filename}: {name} would expand to {info.file_size} bytes, which no export does")
    return archive.read(info)  # not more than it states: zipfile stops there


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[zipfile.ZipFile]:
    """An export to read from. Raises GalleryBroken for what is none, then or when it is read."""
    try:
        with zipfile.ZipFile(source) as archive:
            yield archive
    except PeopleError:
        raise
    except DAMAGE as exc:
        raise GalleryBroken(f"{source}: not an export of people, or damaged") from exc


def _document(archive: zipfile.ZipFile) -> dict[str, Any]:
    document = json.loads(_member(archive, MEMBER, MAX_DOCUMENT_BYTES))
    if not isinstance(document, dict) or document.get("format") != "visage.people/1":
        raise GalleryBroken(f"{archive.filename}: not an export of people, or made by a newer Visage")
    return document
