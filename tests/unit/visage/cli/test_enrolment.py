"""Folders of people as computers leave them: what the system put there is no one's photograph."""

from __future__ import annotations

from pathlib import Path

import pytest

from visage.cli.main import main


def test_a_folder_of_thumbnails_is_no_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing else is there, so that nothing is read and no gallery made."""
    people, gallery = tmp_path / "people", tmp_path / "g"
    for name in (".thumbnails/a.jpg", "@eaDir/a.jpg", "#recycle/a.jpg", "Ada/._a.JPG"):
        (people / name).parent.mkdir(parents=True)
        (people / name).touch()
    for arguments, message in (
        (["add-folders", str(people)], "holds no folders with photographs"),
        (["add", "Ada", str(people / "Ada")], "no photograph in"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["people", *arguments, "-g", str(gallery)])
        assert ended.value.code == 2
        assert message in capsys.readouterr().err
    assert not gallery.exists()
