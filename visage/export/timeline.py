"""OpenTimelineIO: a timeline with a video track for every person, gaps where they are not on screen."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TextIO

from visage.export.results import Appearance, Film, FilmResults

__all__ = ["write_otio"]

Record = dict[str, object]


def write_otio(results: FilmResults, file: TextIO) -> None:
    """Write a `Timeline.1`. Times are frames at the film's rate."""
    film = results.film
    rows: dict[str, list[Appearance]] = defaultdict(list)
    for one in results.appearances():
        rows[one.label].append(one)
    tracks = [_track(film, label, rows[label]) for label in sorted(rows)]
    stack: Record = {**_item("Stack.1", "tracks"), "source_range": None, "children": tracks}
    timeline: Record = {
        "OTIO_SCHEMA": "Timeline.1",
        "metadata": {},
        "name": film.name,
        "global_start_time": None,
        "tracks": stack,
    }
    json.dump(timeline, file, ensure_ascii=False, indent=1)
    file.write("\n")


def _track(film: Film, label: str, appearances: list[Appearance]) -> Record:
    children: list[Record] = []
    at = 0
    for one in appearances:
        if one.first_frame > at:
            children.append({**_item("Gap.1", ""), "source_range": _range(film, 0, one.first_frame - at)})
        start = max(at, one.first_frame)
        clip: Record = {**_item("Clip.2", label), "source_range": _range(film, start, one.last_frame + 1 - start)}
        clip["media_references"] = {
            "DEFAULT_MEDIA": {
                "OTIO_SCHEMA": "ExternalReference.1",
                "metadata": {},
                "name": film.name,
                "available_range": _range(film, 0, film.frames),
                "available_image_bounds": None,
                "target_url": film.path,
            }
        }
        clip["active_media_reference_key"] = "DEFAULT_MEDIA"
        children.append(clip)
        at = one.last_frame + 1
    return {**_item("Track.1", label), "source_range": None, "kind": "Video", "children": children}


def _item(schema: str, name: str) -> Record:
    return {"OTIO_SCHEMA": schema, "metadata": {}, "name": name, "effects": [], "markers": [], "enabled": True}


def _range(film: Film, start: int, frames: int) -> Record:
    rate = float(film.rate)
    return {
        "OTIO_SCHEMA": "TimeRange.1",
        "start_time": {"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": float(start)},
        "duration": {"OTIO_SCHEMA": "RationalTime.1", "rate": rate, "value": float(frames)},
    }
