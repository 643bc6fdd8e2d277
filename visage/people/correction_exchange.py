"""Corrections as JSON, for exports and for a gallery of another embedder: by moments of films, not by rows."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from visage.people.correction_rule import Anchor, CorrectionKind
from visage.people.errors import NoSuchPerson
from visage.people.gallery import Gallery
from visage.people.names import clean_name

__all__ = ["export_corrections", "import_corrections"]

BOX_SIDES = 4


def export_corrections(gallery: Gallery, *, embeddings: bool = True) -> list[dict[str, Any]]:
    """Return the corrections that hold, oldest first, with people by their names.

    Args:
        embeddings: False leaves them out, for a gallery of another embedder.
    """
    records: list[dict[str, Any]] = []
    for row, anchor in gallery.corrections.holding():
        vector = anchor.embedding if embeddings else None
        stored = None if vector is None else base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
        record = {key: row[key] for key in ("kind", "at", "actor", "source", "uri", "content", "seconds", "pair")}
        name = None if row["person_id"] is None else gallery.person_name(f"p{row['person_id']}")
        box = None if anchor.box_xyxy is None else list(anchor.box_xyxy)
        records.append({**record, "name": name, "box_xyxy": box, "embedding": stored})
    return records


def import_corrections(gallery: Gallery, records: Sequence[Mapping[str, Any]]) -> int:
    """Store corrections that are not there yet, and have them take effect; returns how many.

    A person without pictures, whom only corrections know, is made. Raises NameRefused; KeyError, TypeError or
    ValueError for records that are not as `export_corrections` writes them; then the gallery is as it was.
    """
    made: dict[int, int] = {}
    count = 0
    with gallery.database.transaction():
        for record in records:
            kind = CorrectionKind(record["kind"])
            name = record.get("name")
            if (name is None) != (kind in (CorrectionKind.IGNORE, CorrectionKind.DIFFERENT)):
                raise ValueError(f"a correction of the kind {kind.value!r} with the name {name!r}")
            number = gallery.corrections.insert_known(
                kind,
                str(record["source"]),
                _anchor(gallery, record),
                actor=str(record["actor"]),
                at=float(record["at"]),
                person=None if name is None else _person(gallery, str(name)),
            )
            count += number is not None
            pair = record.get("pair")
            if pair is not None and number is not None:
                if -int(pair) in made:
                    gallery.corrections.join(made[-int(pair)], number)
                made[int(pair)] = number
        gallery.enforce_corrections()
    return count


def _person(gallery: Gallery, name: str) -> int:
    try:
        return gallery.roll.key(clean_name(name))
    except NoSuchPerson:
        return gallery.roll.create(name)


def _anchor(gallery: Gallery, record: Mapping[str, Any]) -> Anchor:
    """The face and the moment of a record. Raises KeyError, TypeError, ValueError."""
    box, stored, content = record.get("box_xyxy"), record.get("embedding"), record.get("content")
    embedding = None
    if stored is not None:
        embedding = np.frombuffer(base64.b64decode(stored), "<f4").astype(np.float32)
        if embedding.shape != (gallery.dimension,) or not np.isfinite(embedding).all() or not embedding.any():
            raise ValueError("a correction holds an invalid embedding")
    if box is not None and len(box) != BOX_SIDES:
        raise ValueError("a correction's box has four sides")
    seconds = float(record["seconds"])
    if not np.isfinite(seconds):
        raise ValueError("a correction is at no moment")
    return Anchor(
        str(record["uri"]),
        None if content is None else str(content),
        seconds,
        None if box is None else tuple(float(side) for side in box),
        embedding,
    )
