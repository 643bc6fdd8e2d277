"""Boxes for labelling programs and benchmarks: CVAT for video 1.1, Label Studio, COCO and MOTChallenge."""

from __future__ import annotations

import json
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from visage.export.film import Film, StoredTrack
from visage.export.track_boxes import boxes_by_track
from visage.export.xml_text import attribute, text

__all__ = ["write_coco", "write_cvat", "write_label_studio", "write_mot"]


def write_cvat(film: Film, out: TextIO) -> None:
    """Write CVAT's tracks, frames from 0, with a key frame for each box. Raises SourceError for missing tracks."""
    last = max(0, film.frame_count - 1)
    out.write(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n<meta><task>'
        f"<name>{text(film.name)}</name><size>{film.frame_count}</size><mode>interpolation</mode>"
        f"<start_frame>0</start_frame><stop_frame>{last}</stop_frame><frame_filter></frame_filter>"
        "<labels><label><name>face</name><attributes><attribute><name>person</name><mutable>False</mutable>"
        "<input_type>text</input_type><default_value></default_value><values></values></attribute></attributes>"
        f"</label></labels><original_size><width>{film.width}</width><height>{film.height}</height></original_size>"
        "</task></meta>\n"
    )
    for track, chunks in boxes_by_track(film):
        out.write(f'<track id="{track.track_id}" label="face" source="auto">\n')
        tail = f"><attribute name={attribute('person')}>{text(track.label)}</attribute></box>\n"
        before: tuple[int, str] | None = None
        for chunk in chunks:
            lines = []
            for frame, (x1, y1, x2, y2) in zip(chunk["frame"].tolist(), chunk["box_xyxy"].tolist(), strict=True):
                box = (
                    f'keyframe="1" occluded="0" xtl="{x1:.2f}" ytl="{y1:.2f}" xbr="{x2:.2f}" ybr="{y2:.2f}" z_order="0"'
                )
                if before is not None and frame > before[0] + 1:  # or else CVAT would draw it through the gap
                    lines.append(f'<box frame="{before[0] + 1}" outside="1" {before[1]}{tail}')
                lines.append(f'<box frame="{frame}" outside="0" {box}{tail}')
                before = frame, box
            out.write("".join(lines))
        if before is not None and before[0] < last:
            out.write(f'<box frame="{before[0] + 1}" outside="1" {before[1]}{tail}')
        out.write("</track>\n")
    out.write("</annotations>\n")


def write_label_studio(film: Film, out: TextIO) -> None:
    """Write one task with predictions, frames from 1 and percentages. Raises SourceError for missing tracks."""
    out.write('[{"data": ' + json.dumps({"video": film.source}) + ', "predictions": [{"model_version": "visage", ')
    out.write('"result": [')
    for number, (track, chunks) in enumerate(boxes_by_track(film)):
        out.write((",\n" if number else "\n") + _region_head(film, track))
        waiting: tuple[Any, ...] | None = None
        separator = ""
        for chunk in chunks:
            lines = []
            for row in _percentages(film, chunk):
                if waiting is not None:
                    lines.append(separator + _key_frame(waiting, is_followed=row[0] == waiting[0] + 1))
                    separator = ", "
                waiting = row
            out.write("".join(lines))
        if waiting is not None:
            out.write(separator + _key_frame(waiting, is_followed=False))
        out.write("]}}")
    out.write("\n]}]}]\n")


def write_coco(film: Film, out: TextIO) -> None:
    """Write every frame with a face as an image, whose id is its number, with its boxes. Raises SourceError."""
    info = {"description": film.name, "video": film.source}
    categories = [{"id": 1, "name": "face", "supercategory": "person"}]
    out.write(json.dumps({"info": info, "licenses": [], "categories": categories})[:-1] + ', "images": [')
    separator, before = "\n", -1
    for rows in film.faces("frame_num", "timestamp"):
        lines = []
        for frame, seconds in rows:
            if frame != before:
                before = frame
                name = json.dumps(f"{film.name}_{frame:08}.jpg")
                lines.append(
                    f'{separator}{{"id": {frame}, "file_name": {name}, "width": {film.width}, '
                    f'"height": {film.height}, "timestamp": {seconds}}}'
                )
                separator = ",\n"
        out.write("".join(lines))
    out.write('\n], "annotations": [')
    separator, number = "\n", 0
    for rows in film.faces("frame_num", "x1", "y1", "x2", "y2", "confidence", "track_id", "person"):
        lines = []
        for frame, x1, y1, x2, y2, score, track, person in rows:
            number += 1
            name = "null" if person is None else json.dumps(person)
            lines.append(
                f'{separator}{{"id": {number}, "image_id": {frame}, "category_id": 1, "iscrowd": 0, '
                f'"bbox": [{x1}, {y1}, {x2 - x1:.2f}, {y2 - y1:.2f}], "area": {(x2 - x1) * (y2 - y1):.2f}, '
                f'"score": {score}, "track_id": {"null" if track is None else track}, "person": {name}}}'
            )
            separator = ",\n"
        out.write("".join(lines))
    out.write("\n]}\n")


def write_mot(film: Film, out: TextIO) -> None:
    """Write MOTChallenge lines, frames from 1; id -1 where a face has no track yet. Raises SourceError."""
    for rows in film.faces("frame_num", "track_id", "x1", "y1", "x2", "y2", "confidence"):
        out.write(
            "".join(
                f"{frame + 1},{track or -1},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{score:.6f},-1,-1,-1\n"
                for frame, track, x1, y1, x2, y2, score in rows
            )
        )


def _region_head(film: Film, track: StoredTrack) -> str:
    region = {
        "id": f"track{track.track_id}",
        "type": "videorectangle",
        "from_name": "box",
        "to_name": "video",
        "original_width": film.width,
        "original_height": film.height,
    }
    labels = json.dumps([track.label])
    count = f'"framesCount": {film.frame_count}, "duration": {film.duration}'
    return json.dumps(region)[:-1] + f', "value": {{{count}, "labels": {labels}, "sequence": ['


def _percentages(film: Film, chunk: NDArray[np.void]) -> list[tuple[Any, ...]]:
    """Frame, seconds, and left, top, width and height in percent."""
    boxes = chunk["box_xyxy"] * np.array([100 / film.width, 100 / film.height] * 2)
    boxes[:, 2:] -= boxes[:, :2]
    return [(frame, seconds, *box) for frame, seconds, box in
            zip(chunk["frame"].tolist(), chunk["seconds"].tolist(), boxes.tolist(), strict=True)]  # fmt: skip


def _key_frame(row: tuple[Any, ...], *, is_followed: bool) -> str:
    """Label Studio draws on from a key frame that is enabled, to the next."""
    frame, seconds, x, y, width, height = row
    return (
        f'{{"frame": {frame + 1}, "enabled": {"true" if is_followed else "false"}, "rotation": 0, "x": {x:.5f}, '
        f'"y": {y:.5f}, "width": {width:.5f}, "height": {height:.5f}, "time": {seconds}}}'
    )
