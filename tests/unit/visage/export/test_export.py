"""`visage export`: what is written where, and what is said of what can't be."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import OutputExists, SourceError, SourceUnreadable
from tests.unit.visage.export.stored import Shown, store
from visage.cli.export import NAMES
from visage.cli.main import main
from visage.export import FORMATS, export_results, find_results

SHOWN = [Shown(0, 9, "Ada")]


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments])
    return int(ended.value.code or 0)


def test_the_help_names_every_format() -> None:
    assert NAMES.split(", ") == [*FORMATS]


@pytest.mark.parametrize("format_name", FORMATS)
def test_no_faces_and_no_tracks_are_no_error(tmp_path: Path, format_name: str) -> None:
    folder = store(tmp_path / "out", [])
    (folder / "tracks.csv").unlink()
    (path,) = export_results(folder, format_name)
    assert path.parent == folder
    assert path.stat().st_size > 0 or format_name in ("srt", "mot")


def test_each_of_several_films_gets_a_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        store(tmp_path / "out" / name, SHOWN, film=f"{name}.mkv")
    written = export_results(tmp_path / "out", "vtt", tmp_path / "subtitles")
    assert written == [tmp_path / "subtitles" / "a.vtt", tmp_path / "subtitles" / "b.vtt"]
    with pytest.raises(ValueError, match="holds the results of 2 films: name a folder"):
        export_results(tmp_path / "out", "vtt", tmp_path / "all.vtt")
    assert not (tmp_path / "all.vtt").exists()


def test_what_is_there_stays_unless_forced(tmp_path: Path) -> None:
    folder, path = store(tmp_path / "out", SHOWN), tmp_path / "film.srt"
    path.write_text("mine")
    with pytest.raises(OutputExists, match="--force"):
        export_results(folder, "srt", path)
    assert path.read_text() == "mine"
    assert export_results(folder, "srt", path, force=True) == [path]
    assert "Ada" in path.read_text()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["film.srt", "out"]


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no results; give a folder that --dst wrote"):
        find_results(tmp_path)


@pytest.mark.parametrize("table", ["metadata.json", "tracks.csv", "detections.csv"])
@pytest.mark.parametrize("content", ["", "{", "frame_num,x1\n1,zwei\n"])
def test_damaged_results_are_named_and_nothing_is_written(tmp_path: Path, table: str, content: str) -> None:
    folder = store(tmp_path / "out", SHOWN)
    (folder / table).write_text(content)
    is_empty_table = table == "tracks.csv" and not content
    if is_empty_table:  # of a run that was told not to track, say
        return
    with pytest.raises(SourceUnreadable, match=f"{table}: can't be read as a run's results; analyse the film again"):
        export_results(folder, "coco", tmp_path / "exported")
    assert not (tmp_path / "exported").exists()


def test_a_run_that_broke_off_is_exported_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(tmp_path / "out", SHOWN, is_complete=False)
    assert call(str(folder), "--format", "edl") == 0
    said = capsys.readouterr()
    assert said.err == f"{folder}: the run did not reach the end of films/Die Brücke & co.mkv\n"
    assert said.out == f"written to {folder / 'Die Brücke & co.edl'}\n"


def test_an_unknown_format_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = store(tmp_path / "out", SHOWN)
    assert call(str(folder), "--format", "avid") == 2
    assert "there is no format 'avid'; known: vtt, srt" in capsys.readouterr().err
