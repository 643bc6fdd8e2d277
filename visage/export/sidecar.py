"""`film.visage.json`: who is on screen at each moment, for players. `sidecar.schema.json` describes it."""

from __future__ import annotations

import json
from typing import TextIO

from visage.export.captions import moments
from visage.export.film import Film

__all__ = ["write_sidecar"]

VERSION = 1


def write_sidecar(film: Film, out: TextIO) -> None:
    """Write people, and moments by their beginning. Raises SourceError for results without tracks."""
    numbers = {label: number for number, label in enumerate(film.people)}
    named = {track.label for track in film.shown if track.is_named}
    rate = film.clock.rate
    head = {
        "format": "visage-sidecar",
        "version": VERSION,
        "film": {
            "name": film.name,
            "width": film.width,
            "height": film.height,
            "frames": film.frame_count,
            "seconds": film.duration,
            "rate": [rate.numerator, rate.denominator],
        },
        "people": [{"name": label, "named": label in named} for label in numbers],
    }
    out.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "moments": [')
    separator = "\n"
    for moment in moments(film.appearances):
        record = {
            "start": round(float(moment.start), 3),
            "end": round(float(moment.end), 3),
            "frames": [moment.first_frame, moment.last_frame],
            "people": [numbers[label] for label in moment.labels],
        }
        out.write(separator + json.dumps(record))
        separator = ",\n"
    out.write("\n]}\n")
