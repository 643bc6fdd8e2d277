"""`visage redact`: the whole way over a real film, and one line for each wrong input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clips import write_clip
from tests.media import Media
from tests.models import Seed
from tests.unit.visage.redaction.films import plan_of, squares
from visage.redaction.plan import Plan


def visage(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "visage", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


@pytest.fixture
def folder(media: Media, seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VISAGE_MODEL_DIR", str(seed("yunet").model_dir))
    shutil.copy(media.path("single_face.mp4"), tmp_path / "movie.mp4")
    return tmp_path


@pytest.mark.slow
def test_a_film_is_planned_rendered_and_verified(folder: Path) -> None:
    pytest.importorskip("cryptography", reason="signatures need the extra `encryption`")
    planned = visage("redact", "plan", "movie.mp4", folder=folder)
    assert planned.returncode == 0, planned.stderr
    assert (folder / "movie.mp4.plan.html").exists()
    plan = Plan.read(folder / "movie.mp4.plan.json")
    assert plan.source.path == "movie.mp4"
    assert len(plan.tracks) == 1
    for arguments in (
        ("key", "key"),
        ("render", "movie.mp4.plan.json", "-o", "covered.mp4", "--key", "key", "--strip-metadata"),
        ("verify", "covered.mp4.report.json", "--public-key", "key.pub", "--film", "movie.mp4"),
        ("page", "movie.mp4.plan.json"),
    ):
        done = visage("redact", *arguments, folder=folder)
        assert done.returncode == 0, done.stderr
    assert json.loads((folder / "covered.mp4.report.json").read_text())["frames"]["covered"] == plan.source.frames


@pytest.mark.slow
def test_a_plan_is_made_of_the_results_of_a_run(folder: Path) -> None:
    assert visage("movie.mp4", "--dst", "out", "--no-embed", folder=folder).returncode == 0
    planned = visage("redact", "plan", "out", "-o", "plan.json", folder=folder)
    assert planned.returncode == 0, planned.stderr
    assert len(Plan.read(folder / "plan.json").tracks) == 1


def test_stretches_are_confirmed_by_somebody(tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", images=squares(30))
    plan_of(film, 30, uncertain=((3, 5), (9, 12))).write(tmp_path / "plan.json")
    done = visage("redact", "confirm", "plan.json", "2", "--by", "Ada", folder=tmp_path)
    assert "1 uncertain stretches to look at, 3 frames (10.0%)" in done.stdout
    plan = Plan.read(tmp_path / "plan.json")
    assert [one.confirmed_by for one in plan.uncertain] == [None, "Ada"]
    assert plan.changes[0].what == "confirmed stretch 2"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["plan", "nothing.mp4"], 2, "does not exist"),
        (["plan", "empty"], 1, "no results of a run"),
        (["plan", "text.mp4", "-o", "new.json"], 1, "text.mp4"),
        (["plan", "film.mp4", "-o", "plan.json"], 1, "plan.json: exists already"),
        (["plan", "empty", "--detector", "yunet"], 2, "the results are there already"),
        (["render", "text.mp4", "-o", "out.mp4"], 1, "not a plan of a redaction"),
        (["render", "plan.json", "-o", "out.avi"], 1, "end it in"),
        (["render", "plan.json", "-o", "film.mp4", "--force"], 1, "the film itself"),
        (["render", "plan.json", "-o", "out.mp4", "--film", "text.mp4"], 1, "not the film that"),
        (["render", "plan.json", "-o", "out.mp4", "--key", "text.mp4"], 1, "not a private key"),
        (["confirm", "plan.json", "9", "--by", "Ada"], 2, "no uncertain stretch 9"),
        (["confirm", "plan.json", "1", "--by", " "], 2, "the name is empty"),
        (["verify", "plan.json"], 1, "not a report"),
        (["key", "text.mp4"], 1, "exists already"),
    ],
)
def test_wrong_input_is_one_line(arguments: list[str], code: int, told: str, tmp_path: Path) -> None:
    film = write_clip(tmp_path / "film.mp4", images=squares(4))
    plan_of(film, 4, uncertain=((1, 2),)).write(tmp_path / "plan.json")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    done = visage("redact", *arguments, folder=tmp_path)
    assert done.returncode == code, done.stderr
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(errors) == 1, done.stderr
    assert told in errors[0]
    assert "bug" not in errors[0]
    assert not list(tmp_path.glob("*.part"))
