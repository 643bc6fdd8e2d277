"""For viewers on the web: W3C Web Annotations, and a IIIF Presentation 3 manifest that holds them.

A target is a stretch of time and a box, as W3C Media Fragments write them: the box is where the face is seen best.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TextIO

from visage.export.results import Film, FilmResults, Track

__all__ = ["write_iiif", "write_web_annotations"]

Record = dict[str, object]

ANNOTATION_CONTEXT = "http://www.w3.org/ns/anno.jsonld"
IIIF_CONTEXT = "http://iiif.io/api/presentation/3/context.json"


def write_web_annotations(results: FilmResults, file: TextIO) -> None:
    """Write an annotation page: an annotation for each track, about the film's own address."""
    page = {"@context": ANNOTATION_CONTEXT, "id": "#page", "type": "AnnotationPage"}
    page["items"] = list(_annotations(results, results.film.path, "identifying"))  # type: ignore[assignment]
    json.dump(page, file, ensure_ascii=False, indent=1)
    file.write("\n")


def write_iiif(results: FilmResults, file: TextIO) -> None:
    """Write a manifest of one canvas, on which the film is painted; addresses are relative to the manifest's own."""
    film = results.film
    canvas = "#canvas"
    size: Record = {"width": film.width, "height": film.height, "duration": film.seconds}
    painting: Record = {
        "id": "#painting",
        "type": "Annotation",
        "motivation": "painting",
        "body": {"id": film.path, "type": "Video", **size},
        "target": canvas,
    }
    manifest: Record = {
        "@context": IIIF_CONTEXT,
        "id": "#manifest",
        "type": "Manifest",
        "label": {"none": [film.name]},
        "items": [
            {
                "id": canvas,
                "type": "Canvas",
                **size,
                "items": [{"id": "#page", "type": "AnnotationPage", "items": [painting]}],
                "annotations": [
                    {
                        "id": "#faces",
                        "type": "AnnotationPage",
                        "items": list(_annotations(results, canvas, "tagging")),
                    }
                ],
            }
        ],
    }
    json.dump(manifest, file, ensure_ascii=False, indent=1)
    file.write("\n")


def _annotations(results: FilmResults, source: str, motivation: str) -> Iterator[Record]:
    for track in results.tracks:
        yield {
            "id": f"#track-{track.track_id}",
            "type": "Annotation",
            "motivation": motivation,
            "body": {"type": "TextualBody", "value": track.label, "format": "text/plain", "purpose": motivation},
            "target": {
                "type": "SpecificResource",
                "source": source,
                "selector": {
                    "type": "FragmentSelector",
                    "conformsTo": "http://www.w3.org/TR/media-frags/",
                    "value": _fragment(track, results.film),
                },
            },
        }


def _fragment(track: Track, film: Film) -> str:
    x1, y1, x2, y2 = track.best_box_xyxy
    left, top = max(0, round(x1)), max(0, round(y1))
    right, bottom = min(film.width, round(x2)), min(film.height, round(y2))
    return f"t={track.start_seconds:.3f},{track.end_seconds:.3f}&xywh={left},{top},{right - left},{bottom - top}"
