"""Over to another embedding model: every embedding is computed again from the crop kept beside it.

The new gallery grows beside the old one and takes its place at the end, so that a failure leaves the old one as it was.
Names, crops and corrections go over; sightings do not: their tracks were aggregated from many faces of which one crop
is left.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from visage.config import Settings
from visage.home import expand_home
from visage.people.correction_exchange import export_corrections, import_corrections
from visage.people.errors import PictureRefused
from visage.people.gallery import open_gallery
from visage.people.reader import FaceReader, choose_face

__all__ = ["reindex_gallery"]


def reindex_gallery(
    folder: Path, embedder: str, *, key_file: Path | None = None, model_dir: Path | None = None
) -> tuple[int, int]:
    """How many pictures were computed again, and how many had no crop or none with a face that is found again.

    The old gallery stays beside it as `<folder>.old`. Raises PeopleError, FileExistsError where that is there already.
    """
    folder = expand_home(folder)
    kept = folder.with_name(folder.name + ".old")
    if kept.exists():
        raise FileExistsError(f"{kept}: exists already; remove it first")
    settings = Settings(embedder=embedder).model_copy(update={} if model_dir is None else {"model_dir": model_dir})
    done = lost = 0
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        fresh = Path(scratch) / "gallery"
        with (
            open_gallery(folder, key_file=key_file, create=False) as old,
            open_gallery(fresh, model=embedder, model_dir=model_dir, key_file=key_file) as new,
            FaceReader(settings) as reader,
        ):
            new.keeps_crops = old.keeps_crops
            for person in old.people():
                for picture in old.pictures(person.person_id):
                    if picture.crop is None:
                        lost += 1
                        continue
                    crop = Path(scratch) / "crop.jpg"
                    crop.write_bytes(picture.crop)
                    try:
                        face = choose_face(reader.read(crop), largest=True)
                        new.add(person.name, face, origin=picture.origin, content=picture.crop)
                        done += 1
                    except PictureRefused:
                        lost += 1
            import_corrections(new, export_corrections(old, embeddings=False))
            new.database.audit("reindex", embedder, f"{done} pictures, {lost} without crop")
        folder.rename(kept)
        shutil.move(fresh, folder)
    return done, lost
