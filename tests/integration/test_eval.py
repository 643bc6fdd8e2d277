"""`visage eval` on the photographs of the tests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import visage
from tests.clips import write_clip
from tests.media import Media
from visage.cli.evaluate import app
from visage.models import ModelStore

runner = CliRunner()

PEOPLE = {
    "obama": ("obama.jpg", "obama2.jpg", "obama3.jpg"),
    "biden": ("biden.jpg",),
    "b": ("person_b_1.jpg", "person_b_2.jpg"),
}


@pytest.fixture
def faces(tmp_path: Path, media: Media) -> Path:
    for person, names in PEOPLE.items():
        (tmp_path / "faces" / person).mkdir(parents=True)
        for name in names:
            shutil.copy(media.path(name), tmp_path / "faces" / person)
    return tmp_path / "faces"


def run(models: ModelStore, output: Path, *arguments: str) -> dict[str, object]:
    result = runner.invoke(
        app, [*arguments, "--model-dir", str(models.model_dir), "--json", str(output)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(output.read_text())
    return found


def test_verification(faces: Path, models: ModelStore, tmp_path: Path) -> None:
    found = run(models, tmp_path / "out.json", "verification", str(faces))

    assert (found["same_pairs"], found["different_pairs"]) == (4, 11)
    assert (found["balanced_accuracy"], found["faceless"]) == (1.0, 0)


def test_identification(faces: Path, models: ModelStore, tmp_path: Path) -> None:
    for side in ("gallery", "probes"):
        shutil.copytree(faces, tmp_path / "set" / side)
    shutil.rmtree(tmp_path / "set" / "gallery" / "biden")

    found = run(models, tmp_path / "out.json", "identification", str(tmp_path / "set"))

    assert (found["rank_1"], found["probes"], found["strangers"]) == (1.0, 5, 1)


def test_detection(media: Media, models: ModelStore, tmp_path: Path) -> None:
    shutil.copy(media.path("multi_face.jpg"), tmp_path)
    shutil.copy(media.path("free-mountain-vector-01.jpg"), tmp_path / "none.jpg")
    (tmp_path / "boxes.csv").write_text("image,x1,y1,x2,y2\nmulti_face.jpg,0,0,9,9\nnone.jpg,,,,\n")

    found = run(models, tmp_path / "out.json", "detection", str(tmp_path))

    assert (found["pictures"], found["faces"], found["recall"], found["false_positives"]) == (2, 1, 0.0, 5)


def test_video(faces: Path, media: Media, models: ModelStore, tmp_path: Path) -> None:
    """A photograph filmed twice, and a table that is wrong by half the face in one frame and leaves one frame out."""
    films = tmp_path / "films"
    films.mkdir()
    photograph = cv2.imread(str(media.path("obama.jpg")))
    assert photograph is not None
    picture = np.asarray(cv2.resize(photograph, (320, 400)), np.uint8)
    for name in ("one", "two"):
        write_clip(films / f"{name}.mp4", images=[picture] * 6)
    (face,) = next(iter(visage.analyze(films / "one.mp4", model_dir=models.model_dir, device="cpu"))).faces
    left, top, right, bottom = face.box_xyxy
    box, beside = f"{left},{top},{right},{bottom}", f"{left + (right - left) / 2},{top},{right * 1.5},{bottom}"
    for name in ("one", "two"):
        rows = [f"{frame},{beside if frame == 3 else box},obama" for frame in range(5)]
        (films / f"{name}.csv").write_text("\n".join(["frame,x1,y1,x2,y2,person", *rows, ""]))

    found = run(models, tmp_path / "out.json", "video", str(films), "--people", str(faces))
    alone = run(models, tmp_path / "out.json", "video", str(films))

    detection, tracking, names, clusters = (part(found, key) for key in ("detection", "tracking", "naming", "clusters"))
    assert (found["frames"], detection["faces"], detection["false_positives"]) == (10, 10, 2)
    assert detection["recall"] == pytest.approx(0.8)
    assert (tracking["tracks"], tracking["mixed_tracks"], tracking["switches"]) == (2, 0, 0)
    assert (names["right"], names["wrong"], names["unnamed"], names["strangers"]) == (8, 0, 0, 0)
    assert clusters["clusters"] == 0  # both tracks have a name
    clusters = part(alone, "clusters")
    assert (clusters["tracks"], clusters["people"], clusters["clusters"], clusters["recall"]) == (2, 1, 1, 1.0)
    assert alone["naming"] is None


def part(found: dict[str, object], key: str) -> dict[str, object]:
    value = found[key]
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("frame,x1,y1,x2,y2\n70,1,2,3,4\n", "movie.csv has faces in frame 70; the last one of movie.mp4 is 2"),
        ("frame,x1\n", "movie.csv has no column y1; it needs x1, y1, x2, y2"),
        (None, "movie.mp4 has no truth beside it; one of movie.csv, .txt (MOT) and .xml (CVAT) is needed"),
    ],
)
def test_a_bad_truth_is_one_line(models: ModelStore, tmp_path: Path, table: str | None, message: str) -> None:
    write_clip(tmp_path / "movie.mp4", frames=3)
    if table is not None:
        (tmp_path / "movie.csv").write_text(table)

    result = runner.invoke(app, ["video", str(tmp_path), "--model-dir", str(models.model_dir)])

    assert result.exit_code == 1
    assert message in result.output
    assert result.output.count("\n") == 1


def test_a_broken_film_is_one_line(models: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "movie.mp4").write_text("no film")
    (tmp_path / "movie.csv").write_text("frame,x1,y1,x2,y2\n0,1,2,3,4\n")

    result = runner.invoke(app, ["video", str(tmp_path), "--model-dir", str(models.model_dir)])

    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "movie.mp4" in result.output
