"""Results of films that never were, as a run would have stored them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

__all__ = ["Shown", "store"]

WIDTH, HEIGHT = 1280, 720


@dataclass(frozen=True)
class Shown:
    """A face that is on screen from one frame to another, both inclusive, and moves a pixel a frame."""

    first: int
    last: int
    person: str = ""
    x: float = 100.25

    def box(self, frame: int) -> tuple[float, float, float, float]:
        left = self.x + frame - self.first
        return left, 50.5, left + 80, 150.5


def store(
    folder: Path,
    shown: Sequence[Shown],
    *,
    rate: Fraction = Fraction(25),
    frames: int = 1000,
    is_complete: bool = True,
    step: int = 1,
    film: str = "films/Die Brücke & co.mkv",
) -> Path:
    """Write a folder of results, with a row for every `step`-th frame, and return it."""
    folder.mkdir(parents=True)
    metadata = {
        "filepath": film,
        "width": WIDTH,
        "height": HEIGHT,
        "fps": round(float(rate), 3),
        "framecount": frames,
        "frames_decoded": frames,
        "duration": float(frames / rate),
        "complete": is_complete,
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))
    with (folder / "detections.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        names = ["frame_num", "face_num", "x1", "y1", "x2", "y2", "confidence", "timestamp", "track_id", "person"]
        table.writerow(names)
        for frame in range(0, frames, step):
            faces = [(number, one) for number, one in enumerate(shown, 1) if one.first <= frame <= one.last]
            for place, (number, one) in enumerate(faces):
                box = [f"{side:.2f}" for side in one.box(frame)]
                seconds = f"{float(frame / rate):.3f}"
                table.writerow([frame, place, *box, 0.9, seconds, number, one.person])
    with (folder / "tracks.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(
            ["track_id", "start", "end", "first_frame", "last_frame", "best_frame", "best_timestamp"]
            + ["x1", "y1", "x2", "y2", "person"]
        )
        for number, one in sorted(enumerate(shown, 1), key=lambda item: item[1].first):
            start, end = (f"{float(frame / rate):.3f}" for frame in (one.first, one.last))
            table.writerow([number, start, end, one.first, one.last, one.first, start, *one.box(one.first), one.person])
    return folder
