"""Where a file's results go."""

from __future__ import annotations

from pathlib import Path

import pytest

from visage.config.service import FolderConfig
from visage.service.job import Job, JobState
from visage.service.results import results_folder


def place(path: Path, folders: dict[str, FolderConfig], state_dir: Path) -> Path:
    job = Job(1, "c0ffee00" * 4, "", path, "films", 0, JobState.QUEUED, 1, 0, 0, False, None, 0)
    return results_folder(job, folders, state_dir)


@pytest.mark.parametrize("name", ["y" * 251 + ".mp4", "ü" * 125 + ".mp4", "y" * 248 + ".mp4", "film.mp4"])
@pytest.mark.parametrize("where", ["beside", "mirror", "state"])
def test_the_folder_of_a_file_with_a_long_name_can_be_made(tmp_path: Path, name: str, where: str) -> None:
    config = {"path": tmp_path / "films", "output": tmp_path / "out" if where == "mirror" else None}
    folders = {} if where == "state" else {"films": FolderConfig.model_validate(config)}
    found = place(tmp_path / "films" / name, folders, tmp_path / "state")
    found.mkdir(parents=True)
    assert found.name.endswith(".visage")
    assert name[:100] in found.name


def test_files_whose_names_differ_at_the_end_alone_do_not_share_a_folder(tmp_path: Path) -> None:
    folders = {"films": FolderConfig.model_validate({"path": tmp_path})}
    names = ("y" * 250 + "a.mp4", "y" * 250 + "b.mp4", "y" * 250 + "a.mkv")
    assert len({place(tmp_path / name, folders, tmp_path / "state") for name in names}) == len(names)


def test_a_short_name_stays_as_it_is(tmp_path: Path) -> None:
    folders = {"films": FolderConfig.model_validate({"path": tmp_path})}
    assert place(tmp_path / "film.mp4", folders, tmp_path) == tmp_path / "film.mp4.visage"
