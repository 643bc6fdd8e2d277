from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from stages.track.scheduling import LONGEST
from visage.redaction.errors import ResultsRefused
from visage.redaction.observed import stored_film

COLUMNS = (
    "frame_num",
    "face_num",
    "x1",
    "y1",
    "x2",
    "y2",
    "confidence",
    "timestamp",
    "track_id",
    "propagated",
    "person",
)


def results(folder: Path, rows: list[tuple[Any, ...]], **metadata: Any) -> Path:
    (folder / "film.mp4").write_bytes(b"film")
    values = {
        "filepath": str(folder / "film.mp4"),
        "detector": "yunet",
        "frameskip": 1,
        "framecount": 9,
        "rotation": 90,
        "complete": True,
        "settings": {},
        **metadata,
    }
    (folder / "metadata.json").write_text(json.dumps(values))
    with (folder / "detections.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return folder


def face(frame: int, left: int, track: object, *, score: float = 0.9, propagated: object = 0, person: str = "") -> Any:
    return (frame, 0, left, 0, left + 10, 10, score, frame / 24, track, propagated, person)


def test_tracks_are_read_with_their_names(tmp_path: Path) -> None:
    rows = [face(0, 0, 1, person="Ada"), face(0, 50, 2, person="unknown"), face(1, 1, 1, propagated=1, score=0.4)]
    film = stored_film(results(tmp_path, rows))
    assert [[one.frame for one in track.faces] for track in film.tracks] == [[0, 1], [0]]
    assert [track.person for track in film.tracks] == ["Ada", None]
    assert not film.tracks[0].faces[1].is_detected
    assert (film.rotation, film.interval, film.frames) == (90, 1, 9)


def test_faces_without_a_track_are_covered_as_well(tmp_path: Path) -> None:
    rows = [face(frame, 50 * side + frame, "" if side else 0) for frame in range(5) for side in (0, 1)]
    film = stored_film(results(tmp_path, [*rows, face(30, 4, "")]))
    assert sorted(len(track.faces) for track in film.tracks) == [1, 5, 5]


def test_what_the_analysis_left_out_is_told(tmp_path: Path) -> None:
    settings = {"min_face_pixels": 40, "score_threshold": 0.9, "start_seconds": 3.0}
    film = stored_film(results(tmp_path, [], frameskip="auto", settings=settings))
    assert film.interval == LONGEST
    assert film.seconds == (3.0, None)
    assert film.frames is None
    assert len(film.warnings) == 2


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "metadata.json").unlink(), "no results of a run"),
        (lambda folder: (folder / "metadata.json").write_text("{"), "damaged"),
        (lambda folder: (folder / "metadata.json").write_text("[]"), "damaged"),
        (lambda folder: (folder / "detections.csv").unlink(), "not there; analyse"),
        (lambda folder: (folder / "detections.csv").write_text("frame_num,x1\nx,1\n"), "damaged"),
        (lambda folder: (folder / "film.mp4").unlink(), "say where it is with --film"),
        (lambda folder: results(folder, [], complete=False), "did not reach the end"),
    ],
)
def test_what_is_not_whole_is_refused(damage: Any, told: str, tmp_path: Path) -> None:
    results(tmp_path, [face(0, 0, 1)])
    damage(tmp_path)
    with pytest.raises(ResultsRefused, match=told):
        stored_film(tmp_path)
