"""Boxes for annotation tools: CVAT for video 1.1 (XML) and Label Studio (JSON). Frames between rows are interpolated.

Both show a box until the next one or the track's end, so a track that pauses is switched off in between.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import TextIO
from xml.sax.saxutils import quoteattr

from visage.export.results import Boxes, FilmResults

__all__ = ["write_cvat", "write_label_studio"]

LABEL = "face"
Row = tuple[int, float, list[float], bool]
"""Frame, seconds, box in pixels, and whether the face is out of sight from there on."""


def write_cvat(results: FilmResults, file: TextIO) -> None:
    """Write a track for each face, with the attributes `person` and `track`; frames count from 0."""
    film, labels = results.film, results.labels()
    file.write(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta>\n<task>\n'
        f"<size>{film.frames}</size>\n<mode>interpolation</mode>\n<start_frame>0</start_frame>\n"
        f"<stop_frame>{max(0, film.frames - 1)}</stop_frame>\n<labels>\n<label>\n<name>{LABEL}</name>\n<attributes>\n"
        "<attribute><name>person</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute>\n</attributes>\n</label>\n</labels>\n"
        f"<original_size><width>{film.width}</width><height>{film.height}</height></original_size>\n"
        "</task>\n</meta>\n"
    )
    for place, (number, rows) in enumerate(_tracks(results.boxes, film.frames)):
        person = f'<attribute name="person">{_text(labels.get(number, ""))}</attribute>'
        file.write(f"<track id={quoteattr(str(place))} label={quoteattr(LABEL)} source={quoteattr('file')}>\n")
        for frame, _, (x1, y1, x2, y2), is_outside in rows:
            file.write(
                f'<box frame="{frame}" keyframe="1" outside="{int(is_outside)}" occluded="0" xtl="{x1:.2f}" '
                f'ytl="{y1:.2f}" xbr="{x2:.2f}" ybr="{y2:.2f}" z_order="0">{person}</box>\n'
            )
        file.write("</track>\n")
    file.write("</annotations>\n")


def write_label_studio(results: FilmResults, file: TextIO) -> None:
    """Write one task with a video rectangle for each track; frames count from 1, boxes are in percent."""
    film, labels = results.film, results.labels()
    rate = float(film.rate)
    data = {"video": film.path}
    file.write(f'[{{"data": {json.dumps(data)}, "predictions": [{{"model_version": "visage", "result": [')
    separator = "\n"
    for number, rows in _tracks(results.boxes, film.frames):
        sequence = [
            {
                "frame": frame + 1,
                "time": round(seconds, 6),
                "enabled": not is_outside,
                "rotation": 0,
                "x": round(100 * x1 / film.width, 4),
                "y": round(100 * y1 / film.height, 4),
                "width": round(100 * (x2 - x1) / film.width, 4),
                "height": round(100 * (y2 - y1) / film.height, 4),
            }
            for frame, seconds, (x1, y1, x2, y2), is_outside in rows
        ]
        value = {"framesCount": film.frames, "duration": film.seconds, "sequence": sequence, "labels": [LABEL]}
        result = {"id": f"track-{number}", "type": "videorectangle", "from_name": "box", "to_name": "video"}
        meta = {"text": [labels.get(number, "")], "fps": rate}
        file.write(separator + json.dumps({**result, "value": value, "meta": meta}, ensure_ascii=False))
        separator = ",\n"
    file.write("]}]}]\n")


def _tracks(boxes: Boxes, frames: int) -> Iterator[tuple[int, Iterator[Row]]]:
    for number, rows in boxes.by_track():
        yield (
            number,
            _rows(boxes.frames[rows].tolist(), boxes.seconds[rows].tolist(), boxes.xyxy[rows].tolist(), frames),
        )


def _rows(frames: list[int], seconds: list[float], boxes: list[list[float]], count: int) -> Iterator[Row]:
    usual = min((after - before for before, after in pairwise(frames)), default=1)
    for place, (frame, when, box) in enumerate(zip(frames, seconds, boxes, strict=True)):
        yield frame, when, box, False
        is_last = place + 1 == len(frames)
        # Rows of every Nth frame alone are interpolated; a longer pause means that the face was away.
        is_pause = not is_last and frames[place + 1] - frame > usual
        if (is_last or is_pause) and frame + 1 < count:
            yield frame + 1, when, box, True


def _text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
