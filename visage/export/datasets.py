"""Boxes for training and evaluation: COCO's JSON, and the text of the MOT challenge."""

from __future__ import annotations

import json
from typing import TextIO

from visage.export.results import FilmResults

__all__ = ["write_coco", "write_mot"]


def write_mot(results: FilmResults, file: TextIO) -> None:
    """Write `frame,id,left,top,width,height,confidence,-1,-1,-1`; frames count from 1, no track is -1."""
    boxes = results.boxes
    for frame, track, (x1, y1, x2, y2), score in zip(
        boxes.frames.tolist(), boxes.track_ids.tolist(), boxes.xyxy.tolist(), boxes.scores.tolist(), strict=True
    ):
        file.write(f"{frame + 1},{track or -1},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{score:.4f},-1,-1,-1\n")


def write_coco(results: FilmResults, file: TextIO) -> None:
    """Write an image for each frame with faces, named as FFmpeg's `%06d.jpg` counted from 0, and its annotations."""
    film, boxes, labels = results.film, results.boxes, results.labels()
    info = {"description": film.path, "fps": float(film.rate)}
    categories = [{"id": 1, "name": "face", "supercategory": "person"}]
    file.write(f'{{"info": {json.dumps(info)}, "licenses": [], "categories": {json.dumps(categories)}, "images": [')
    separator = "\n"
    for frame, seconds, _ in boxes.by_frame():
        image = {"id": frame + 1, "file_name": f"{frame:06}.jpg", "width": film.width, "height": film.height}
        file.write(separator + json.dumps({**image, "frame_num": frame, "seconds": round(seconds, 6)}))
        separator = ",\n"
    file.write('], "annotations": [')
    separator = "\n"
    rows = zip(boxes.frames.tolist(), boxes.track_ids.tolist(), boxes.xyxy.tolist(), boxes.scores.tolist(), strict=True)
    for number, (frame, track, (x1, y1, x2, y2), score) in enumerate(rows, 1):
        box = [round(x1, 2), round(y1, 2), round(x2 - x1, 2), round(y2 - y1, 2)]
        annotation = {"id": number, "image_id": frame + 1, "category_id": 1, "bbox": box, "iscrowd": 0}
        more = {"area": round(box[2] * box[3], 2), "score": round(score, 4), "track_id": track or None}
        name = {"person": labels[track]} if track in labels else {}
        file.write(separator + json.dumps({**annotation, **more, **name}, ensure_ascii=False))
        separator = ",\n"
    file.write("]}\n")
