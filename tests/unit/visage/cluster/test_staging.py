"""Outputs that are staged beside their places, by attempts that don't disturb one another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages.errors import OutputFailed
from visage.cluster.staging import Staging


def staged_film(staging: Staging, folder: Path, text: str = "rows") -> None:
    """As a folder's sink would leave it."""
    place = staging.folder(folder)
    place.mkdir(parents=True)
    (place / "detections.csv").write_text(text)
    (place / "metadata.json").write_text(text)


def test_nothing_is_visible_before_it_is_published(tmp_path: Path) -> None:
    staging = Staging("film", "r-1")
    staged_film(staging, tmp_path / "film")
    assert not (tmp_path / "film" / "metadata.json").exists()
    staging.publish()
    staging.publish()
    assert sorted(path.name for path in (tmp_path / "film").iterdir()) == ["detections.csv", "metadata.json"]


def test_a_late_attempt_leaves_nothing_and_takes_nothing(tmp_path: Path) -> None:
    late, current = Staging("film", "r-1"), Staging("film", "r-2")
    staged_film(late, tmp_path / "film", "late")
    staged_film(current, tmp_path / "film", "current")
    current.publish()
    late.discard()
    assert (tmp_path / "film" / "detections.csv").read_text() == "current"
    assert len(list((tmp_path / "film").iterdir())) == 2


def test_what_a_killed_attempt_left_goes_with_the_next(tmp_path: Path) -> None:
    killed, other = Staging("film", "r-1"), Staging("film-2", "r-2")
    staged_film(killed, tmp_path / "out")
    staged_film(other, tmp_path / "out")
    following = Staging("film", "r-3")
    following.folder(tmp_path / "out")
    assert following.remove_earlier()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".attempt-film-2@r-2"]


def test_what_is_still_written_to_is_told_and_goes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was cut off makes a file while its folder is being removed."""
    killed, following = Staging("film", "r-1"), Staging("film", "r-2")
    staged_film(killed, tmp_path / "out")
    following.folder(tmp_path / "out")
    late = tmp_path / "out" / ".attempt-film@r-1" / "tracks.csv.part"
    remove = os.rmdir

    def remove_too_early(path: str, **options: int | None) -> None:
        late.touch()
        remove(path, **options)

    with monkeypatch.context() as racing:
        racing.setattr(os, "rmdir", remove_too_early)
        assert not following.remove_earlier()
    assert late.exists()
    assert following.remove_earlier()
    assert not late.parent.exists()


def test_a_discarded_attempt_removes_the_folder_that_it_made(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("new", "there"):
        staging = Staging("film", "r-1")
        staged_film(staging, tmp_path / name)
        staging.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_outdated_outputs_go_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    folder = tmp_path / "film"
    folder.mkdir()
    for name in ("embeddings.hdf5", "metadata.json", "notes.txt"):
        (folder / name).write_text("old")
    staging = Staging("film", "r-1")
    staged_film(staging, folder)
    staging.publish()
    assert sorted(path.name for path in folder.iterdir()) == ["detections.csv", "metadata.json", "notes.txt"]
    assert (folder / "metadata.json").read_text() == "rows"


def test_a_part_of_a_table_gets_its_name(tmp_path: Path) -> None:
    staging = Staging("film", "r-1")
    place = staging.file(tmp_path / "000001.csv")
    place.parent.mkdir()
    place.write_text("rows")
    staging.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["000001.csv"]


def test_a_source_that_never_opened_publishes_nothing(tmp_path: Path) -> None:
    staging = Staging("film", "r-1")
    staging.folder(tmp_path / "film")
    staging.publish()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_went_away_is_told(tmp_path: Path) -> None:
    staging = Staging("film", "r-1")
    place = staging.file(tmp_path / "gone" / "part.csv")
    place.parent.mkdir(parents=True)
    place.write_text("rows")
    (tmp_path / "gone" / "part.csv").mkdir()  # something else has the name
    with pytest.raises(OutputFailed, match=r"part\.csv"):
        staging.publish()
