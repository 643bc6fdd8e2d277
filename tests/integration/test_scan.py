"""Scans and their refinement, as another program would see them: the sightings of a whole run, for less work."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import visage
from tests.clips import write_clip
from tests.integration.test_cli import Visage
from tests.media import Media
from visage.models import ModelStore

FPS = 12
SCENES: tuple[tuple[str | None, float], ...] = (
    ("obama", 2.5),
    (None, 4.0),
    ("biden", 1.5),
    ("obama2", 2.0),
    (None, 4.5),
    ("biden", 1.0),
)
WIDTH, HEIGHT = 480, 270


def pictures(media: Media) -> Iterator[NDArray[np.uint8]]:
    for number, (name, seconds) in enumerate(SCENES):
        background = np.full((HEIGHT, WIDTH, 3), 40 + 30 * number, np.uint8)
        background[:, : 40 * (number + 1)] = (20 * number, 90, 160)
        for frame in range(round(seconds * FPS)):
            image = background.copy()
            image[:: 7 + frame % 5] //= 2
            if name is not None:
                portrait = cv2.imread(str(media.path(f"{name}.jpg")))
                assert portrait is not None
                portrait = portrait[: round((0.4 if name == "biden" else 1) * len(portrait))]
                side = HEIGHT * 8 // 10
                face = cv2.resize(portrait, (round(side * portrait.shape[1] / len(portrait)), side))
                left = 60 + frame
                image[30 : 30 + side, left : left + face.shape[1]] = face[:, : WIDTH - left]
            yield image


@pytest.fixture(scope="module")
def film(media: Media, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "film.mp4"
    return write_clip(path, images=pictures(media), fps=FPS, options={"g": "24", "bf": "2"})


@pytest.fixture
def command(tmp_path: Path, film: Path, media: Media, models: ModelStore) -> Iterator[Visage]:
    """In a folder with `archive/film.mp4` and `archive/nobody.mp4`, of a whole film and of one without a face."""
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "film.mp4").write_bytes(film.read_bytes())
    write_clip(tmp_path / "archive" / "nobody.mp4", frames=48)
    yield Visage(tmp_path, models)
    assert list(tmp_path.rglob("*.part")) == []


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def faces(folder: Path) -> dict[str, list[str]]:
    """Where each frame's faces are, by its number: boxes and times."""
    found: dict[str, list[str]] = {}
    for row in rows(folder / "detections.csv"):
        found.setdefault(row["frame_num"], []).append(
            " ".join(row[name] for name in ("timestamp", "x1", "y1", "x2", "y2"))
        )
    return found


def sightings(folder: Path) -> list[tuple[str, str, str]]:
    return sorted((row["first_frame"], row["last_frame"], row["person"]) for row in rows(folder / "tracks.csv"))


def ok(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


def test_a_scan_finds_what_a_whole_run_finds_in_its_frames_and_refining_finds_it_all(command: Visage) -> None:
    ok(command("archive/film.mp4", "--dst", "whole"))
    ok(command("archive/film.mp4", "--scan", "--dst", "scan"))
    whole, scan = faces(command.folder / "whole"), faces(command.folder / "scan")
    assert scan
    assert scan.items() <= whole.items()
    metadata = json.loads((command.folder / "scan" / "metadata.json").read_text())
    assert metadata["scan"]["share_decoded"] < 0.15
    assert metadata["framecount"] == 186
    assert "refine" in ok(command("archive/film.mp4", "--scan", "--refine", "anybody", "--dst", "fine"))
    assert faces(command.folder / "fine") == whole
    assert sightings(command.folder / "fine") == sightings(command.folder / "whole")
    metadata = json.loads((command.folder / "fine" / "metadata.json").read_text())
    assert metadata["scan"]["exact_frames"]
    assert metadata["scan"]["share_decoded"] < 1


def test_one_person_of_an_archive_is_refined_alone_and_the_report_says_what_is_known(
    command: Visage, media: Media
) -> None:
    ok(command("people", "add", "Joe", str(media.path("biden.jpg")), "--gallery", "people"))
    output = ok(command("archive", "--scan", "--refine", "Joe", "--gallery", "people", "--dst", "out"))
    assert "1 of 2 scanned to refine around Joe" in output
    found = sightings(command.folder / "out" / "film")
    joe = {(first, last) for first, last, who in found if who == "Joe"}
    ends = [0, *np.cumsum([round(seconds * FPS) for _, seconds in SCENES]).tolist()]
    assert joe == {(str(ends[2]), str(ends[3] - 1)), (str(ends[5]), str(ends[6] - 1))}
    before = (command.folder / "out" / "film" / "metadata.json").read_bytes()
    again = command("archive", "--scan", "--refine", "Joe", "--gallery", "people", "--dst", "out", "--resume")
    assert "all 2 videos are done already with these settings" in ok(again)
    assert (command.folder / "out" / "film" / "metadata.json").read_bytes() == before
    ok(command("report", "out", "--gallery", "people"))
    assert "Scanned:" in (command.folder / "out" / "report.html").read_text()


def test_a_refinement_that_was_killed_goes_on_without_another_scan(command: Visage) -> None:
    arguments = ("archive", "--scan", "--refine", "anybody", "--dst", "out", "--no-embed")
    film = command.folder / "out" / "film"
    process = command.start(*arguments)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "to refine around" in line:  # the scan's results are there, the refinement has begun
                break
    finally:
        process.kill()
        process.communicate()
    scan = json.loads((film / "metadata.json").read_text())
    assert scan["complete"]
    assert scan["settings"]["refine"] is None
    before = (command.folder / "out" / "nobody" / "metadata.json").stat().st_mtime_ns
    output = ok(command(*arguments, "--resume"))
    assert "1 of 2 videos are done already with these settings" in output
    assert "1 of 1 scanned to refine around anybody" in output
    refined = json.loads((film / "metadata.json").read_text())
    assert refined["settings"]["refine"] == "anybody"
    assert refined["scan"]["exact_frames"]
    assert (command.folder / "out" / "nobody" / "metadata.json").stat().st_mtime_ns == before


def test_what_a_scan_can_not_do_is_refused_with_the_remedy(command: Visage) -> None:
    for arguments, remedy in (
        (("--refine", "anybody"), "needs scan"),
        (("--scan", "--frameskip", "4"), "leave frameskip at 1"),
        (("--scan", "--refine", "Joe"), "needs a gallery"),
        (("--scan", "--annotate", "out.mp4"), "leave out --annotate"),
        (("--scan", "--refine", "anybody", "--dst", "one.csv"), "needs --dst with a folder"),
    ):
        result = command("archive/nobody.mp4", *arguments)
        assert result.returncode == 2, arguments
        assert remedy in " ".join(result.stderr.replace("│", " ").split()), result.stderr
    live = command("rtsp://127.0.0.1:9/door", "archive/nobody.mp4", "--scan", "--dst", "out")
    assert live.returncode == 1
    assert "a live source can't be scanned" in live.stderr
    assert (command.folder / "out" / "metadata.json").exists()


def test_the_library_gives_the_frames_of_a_scan(film: Path, models: ModelStore) -> None:
    frames = list(visage.scan(film, model_dir=models.model_dir, device="cpu"))
    assert frames[0].index == 0
    assert len(frames) < 20
    assert sum(len(frame.faces) for frame in frames) >= 4
    with pytest.raises(ValueError, match="live"):
        visage.scan("rtsp://127.0.0.1:9/door", model_dir=models.model_dir)
    with pytest.raises(ValueError, match="refine"):
        visage.scan(film, model_dir=models.model_dir, refine="anybody")
