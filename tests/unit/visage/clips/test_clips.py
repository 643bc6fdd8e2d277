from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.clips import read_number, write_clip
from visage.cli.clips import parse_duration
from visage.cli.main import app
from visage.clips.appearances import find_appearances, result_folders
from visage.clips.contact_sheet import SIDE, write_contact_sheet
from visage.clips.cut import cut_clips, file_name
from visage.clips.errors import ClipsRefused

FPS = 24
COLUMNS = ("track_id", "start", "end", "best_timestamp", "x1", "y1", "x2", "y2", "best_quality", "person")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two films with Ada in three tracks and Bob in one."""
    for name in ("one", "two"):
        film = write_clip(tmp_path / f"{name}.mp4", frames=96, options={"g": "30"})
        folder = tmp_path / "out" / name
        folder.mkdir(parents=True)
        metadata = {"filepath": str(film), "fps": FPS, "rotation": 0}
        (folder / "metadata.json").write_text(json.dumps(metadata))
    tracks(tmp_path / "out/one", [(10, 20, "Ada"), (22, 40, "Ada"), (60, 70, "Bob"), (75, 80, "unknown")])
    tracks(tmp_path / "out/two", [(50, 60, "Ada"), (70, 71, "")])
    return tmp_path / "out"


def tracks(folder: Path, rows: list[tuple[int, int, str]]) -> None:
    with (folder / "tracks.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, (first, last, person) in enumerate(rows, 1):
            writer.writerow(
                (number, f"{first / FPS:.3f}", f"{last / FPS:.3f}", f"{first / FPS:.3f}", 0, 0, 100, 60, 0.5, person)
            )


def numbers(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        return [read_number(np.asarray(one.to_ndarray(format="bgr24"), np.uint8)) for one in container.decode(video=0)]


def test_every_appearance_is_a_clip_exact_to_the_frame(results: Path, tmp_path: Path) -> None:
    found = find_appearances(result_folders([results]), "ada", pad_seconds=2 / FPS)
    clips = list(cut_clips("Ada", found["Ada"], tmp_path / "clips"))
    assert [clip.path.relative_to(tmp_path).as_posix() for clip in clips] == [
        "clips/Ada/one-0001.mp4",
        "clips/Ada/two-0001.mp4",
    ]
    assert all(clip.reason is None for clip in clips)
    # The two tracks of the first film touch when they are padded.
    assert [numbers(clip.path) for clip in clips] == [list(range(8, 43)), list(range(48, 63))]


def test_without_padding_tracks_are_apart(results: Path) -> None:
    found = find_appearances([results / "one"], "Ada", pad_seconds=0.0)
    assert len(found["Ada"][0].appearances) == 2
    assert set(find_appearances(result_folders([results]), "*", pad_seconds=0.0)) == {"Ada", "Bob"}


def test_clips_can_be_encoded(results: Path, tmp_path: Path) -> None:
    (film,) = find_appearances([results / "one"], "Bob", pad_seconds=0.0)["Bob"]
    (clip,) = cut_clips("Bob", [film], tmp_path / "clips", encode=True)
    assert numbers(clip.path) == list(range(60, 71))
    assert clip.reason == "--encode"


def test_a_contact_sheet_shows_the_best_shots(results: Path, tmp_path: Path) -> None:
    portraits = [
        one
        for film in find_appearances(result_folders([results]), "Ada", pad_seconds=0.0)["Ada"]
        for one in film.portraits
    ]
    assert write_contact_sheet("Ada", portraits, tmp_path / "ada.jpg") == 3
    with Image.open(tmp_path / "ada.jpg") as sheet:
        assert sheet.width > 3 * SIDE
        # The clip's left eighth is red, its marks above are black and white.
        red, _, blue = sheet.getpixel((8 + round(SIDE * 0.3), 42 + round(SIDE * 0.62)))  # type: ignore[misc]
    assert red > 120
    assert blue < 90


def test_the_command_says_what_it_wrote(results: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["clips", *arguments, "-o", str(tmp_path / "new")])

    done = run("Ada", str(results), "--pad", "500ms")
    assert done.exit_code == 0, done.output
    assert done.output.count("copied") == 2
    done = run("*", str(results), "--supercut", "--contact-sheet")
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert names == ["Ada", "Ada.jpg", "Ada.mp4", "Bob.jpg", "Bob.mp4"]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: (folder / "tracks.csv").unlink(), "analyse the film with tracking"),
        (lambda folder: (folder / "tracks.csv").write_text("person,start,end\nAda,x,1\n"), "damaged"),
        (lambda folder: (folder / "metadata.json").write_text("{}"), "damaged"),
        (lambda folder: tracks(folder, []), "nobody is called 'Ada'.*nobody has a name there"),
        (lambda folder: tracks(folder, [(1, 2, "Bob")]), "there are: Bob"),
    ],
)
def test_what_holds_nobody_is_refused(damage: Any, told: str, results: Path) -> None:
    damage(results / "one")
    with pytest.raises(ClipsRefused, match=told):
        find_appearances([results / "one"], "Ada", pad_seconds=0.0)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClipsRefused, match="no results of a run"):
        result_folders([tmp_path])


@pytest.mark.parametrize(("text", "seconds"), [("2s", 2.0), ("500ms", 0.5), ("1.5m", 90.0), ("3", 3.0)])
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


def test_names_are_fit_for_files() -> None:
    assert file_name("Ada/../Lovelace: 2") == "Ada_.._Lovelace_2"
    assert file_name("///") == "_"
