"""People as a zip file: `people.json` with names, origins and base64 embeddings, `crops/` where they are kept.

Not encrypted, whatever the gallery is: it is for taking people elsewhere.
"""

from __future__ import annotations

import base64
import json
import zipfile
from pathlib import Path

import numpy as np

from visage.people.errors import GalleryBroken, OtherModel, PictureRefused
from visage.people.gallery import Gallery
from visage.people.reader import ReadFace

__all__ = ["export_gallery", "exported_model", "import_gallery"]

MEMBER = "people.json"


def export_gallery(gallery: Gallery, target: Path) -> int:
    """Write everybody; how many pictures. Raises FileExistsError."""
    count = 0
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as archive:
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
        document = {"format": "visage.people/1", "model": gallery.model, "people": people}
        archive.writestr(MEMBER, json.dumps(document, indent=1))
    gallery.database.audit("export", "everybody", f"{count} pictures")
    return count


def exported_model(archive: Path) -> str:
    """The embedder that an export's embeddings are of. Raises GalleryBroken for anything else than an export."""
    with zipfile.ZipFile(archive) as opened:
        return str(_document(opened)["model"])


def import_gallery(gallery: Gallery, source: Path) -> tuple[int, int]:
    """Add everybody; how many pictures were new, and how many known. Raises GalleryBroken, OtherModel."""
    added = known = 0
    with zipfile.ZipFile(source) as archive:
        document = _document(archive)
        if document["model"] != gallery.model:
            raise OtherModel(f"{source}: embeddings of {document['model']}; this gallery belongs to {gallery.model}")
        people = document["people"]
        assert isinstance(people, list)
        for person in people:
            for picture in person["pictures"]:
                embedding = np.frombuffer(base64.b64decode(picture["embedding"]), "<f4").astype(np.float32)
                crop = archive.read(picture["crop"]) if picture["crop"] else b""
                face = ReadFace(np.zeros(4, np.float32), 1.0, float(picture["quality"]), embedding, crop)
                try:
                    gallery.add(person["name"], face, origin=picture["origin"], content=embedding.tobytes())
                    added += 1
                except PictureRefused:
                    known += 1
    return added, known


def _document(archive: zipfile.ZipFile) -> dict[str, object]:
    try:
        document = json.loads(archive.read(MEMBER))
    except (KeyError, ValueError) as exc:
        raise GalleryBroken(f"{archive.filename}: no export of people") from exc
    if not isinstance(document, dict) or document.get("format") != "visage.people/1":
        raise GalleryBroken(f"{archive.filename}: no export of people, or one of a newer Visage")
    return document
