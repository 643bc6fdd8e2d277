"""`visage export`: what is written where, and what is said of what can't be."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import OutputExists, SourceError
from tests.unit.visage.export.scenes import RATES, results
from visage.cli.main import main
from visage.export import FORMATS, export

RATE = RATES["25"]


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments])
    return int(ended.value.code or 0)


def test_the_help_names_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--help") == 0
    words = capsys.readouterr().out.replace(",", " ").replace(".", " ").replace("│", " ").split()
    assert set(FORMATS) <= set(words)


def test_what_is_there_stays_unless_forced(tmp_path: Path) -> None:
    folder, path = results(tmp_path / "out", RATE), tmp_path / "film.srt"
    path.write_text("mine")
    with pytest.raises(OutputExists, match="--force"):
        export(folder, "srt", path)
    assert path.read_text() == "mine"
    assert export(folder, "srt", path, force=True) == [path]
    assert "Ada" in path.read_text()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["film.srt", "out"]


@pytest.mark.parametrize("table", ["metadata.json", "tracks.csv", "detections.csv"])
@pytest.mark.parametrize("content", ["{", "frame_num,x1\n1,zwei\n"])
def test_damaged_results_are_named_and_nothing_is_written(tmp_path: Path, table: str, content: str) -> None:
    folder = results(tmp_path / "out", RATE)
    (folder / table).write_text(content)
    with pytest.raises(SourceError, match="analyse the film again"):
        export(folder, "coco", tmp_path / "exported")
    assert [item.name for item in tmp_path.iterdir()] == ["out"]


def test_the_command_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results(tmp_path / "out", RATE)
    assert call(str(folder), "--format", "edl", "--person", "Bob") == 0
    assert capsys.readouterr().out == f"written to {folder / 'köln.edl'}\n"
    assert "Ada" not in (folder / "köln.edl").read_text()


def test_a_run_that_broke_off_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results(tmp_path / "out", RATE, interrupted=True)
    assert call(str(folder), "--format", "edl") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("the run did not reach the film's end; analyse it again, or give --partial")


def test_an_unknown_format_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(str(tmp_path), "--format", "avid") == 2
    assert "there is no format avid; choose one of elan, webvtt" in capsys.readouterr().err
