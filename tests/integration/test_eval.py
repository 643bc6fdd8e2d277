"""`visage eval` on the photographs of the tests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

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
