"""W3C Web Annotations of a film, on their own and in a IIIF Presentation 3.0 manifest.

Each appearance is one annotation; a Media Fragment says when it is (`t=`, in thousandths of a second), and an attribute
of the body which frames.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, TextIO
from urllib.parse import quote

from visage.export.film import Film

__all__ = ["write_iiif", "write_web_annotations"]

CONTEXT = "http://www.w3.org/ns/anno.jsonld"
IIIF_CONTEXT = "http://iiif.io/api/presentation/3/context.json"


def write_web_annotations(film: Film, out: TextIO) -> None:
    """Write an annotation collection with one page. Raises SourceError for results without tracks."""
    page: dict[str, Any] = {"@context": CONTEXT, "id": f"urn:visage:{quote(film.name)}:page", "type": "AnnotationPage"}
    _write_page(page, _annotations(film, _uri(film), "identifying"), out)


def write_iiif(film: Film, out: TextIO) -> None:
    """Write a manifest: a canvas with the film and its annotations. Raises SourceError for results without tracks."""
    base = f"urn:visage:{quote(film.name)}"
    canvas = f"{base}:canvas"
    size = {"width": film.width, "height": film.height, "duration": film.duration}
    body = {"id": _uri(film), "type": "Video", "format": _media_type(film.source), **size}
    painting = {"id": f"{base}:film", "type": "Annotation", "motivation": "painting", "body": body, "target": canvas}
    record = {
        "@context": IIIF_CONTEXT,
        "id": f"{base}:manifest",
        "type": "Manifest",
        "label": {"none": [film.name]},
        "items": [
            {
                "id": canvas,
                "type": "Canvas",
                **size,
                "items": [{"id": f"{base}:media", "type": "AnnotationPage", "items": [painting]}],
                "annotations": [
                    {
                        "id": f"{base}:faces",
                        "type": "AnnotationPage",
                        "items": list(_annotations(film, canvas, "tagging")),
                    }
                ],
            }
        ],
    }
    json.dump(record, out, indent=1)
    out.write("\n")


def _annotations(film: Film, target: str, motivation: str) -> Iterator[dict[str, Any]]:
    for number, one in enumerate(film.appearances, 1):
        fragment = f"t={float(one.start):.3f},{float(one.end):.3f}"
        value = f"{one.label} (frames {one.frames})"
        yield {
            "id": f"urn:visage:{quote(film.name)}:{number}",
            "type": "Annotation",
            "motivation": motivation,
            "body": {"type": "TextualBody", "value": value, "format": "text/plain"},
            "target": f"{target}#{fragment}",
        }


def _write_page(page: dict[str, Any], items: Iterator[dict[str, Any]], out: TextIO) -> None:
    out.write(json.dumps(page)[:-1] + ', "items": [')
    for number, item in enumerate(items):
        out.write((",\n" if number else "\n") + json.dumps(item))
    out.write("\n]}\n")


def _uri(film: Film) -> str:
    return film.source if "://" in film.source else f"file://{quote(film.source)}"


def _media_type(source: str) -> str:
    endings = {".mp4": "mp4", ".m4v": "mp4", ".mkv": "x-matroska", ".mov": "quicktime", ".webm": "webm"}
    return f"video/{endings.get(PurePosixPath(source).suffix.lower(), 'mp4')}"
