"""A user without a home folder, as in a container started with `--user 12345`."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

import pytest

from visage.cli.main import main
from visage.config.service import ServiceConfig
from visage.config.web import WebSettings
from visage.home import NoHomeFolder, expand_home

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("VISAGE_MODEL_DIR", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [["doctor"], ["models", "list"], ["token", "list"], ["demo"], ["run", "film.mp4"], ["run", "~/film.mp4"]],
)
def test_a_command_says_so_in_one_line(
    homeless: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"visage: error: ~/\S+: this user has no home folder; set HOME, or .*", line)
    assert list(homeless.iterdir()) == []


def test_a_daemon_makes_no_folder_called_tilde(homeless: Path) -> None:
    with pytest.raises(ValueError, match=r"state_dir\n.*no home folder"):
        ServiceConfig(web=WebSettings(enabled=False))
    with pytest.raises(ValueError, match="token_file: this user has no home folder"):
        WebSettings()
    named = ServiceConfig(state_dir=homeless / "state", web=WebSettings(enabled=False))
    assert named.state_dir == homeless / "state"


def test_the_home_folder_is_found_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    assert expand_home("~/films") == Path(pwd.getpwuid(os.getuid()).pw_dir, "films")


def test_a_name_that_begins_with_a_tilde_is_a_name(homeless: Path) -> None:
    assert expand_home("~backup.mp4") == Path("~backup.mp4")
    with pytest.raises(NoHomeFolder):
        expand_home("~/backup.mp4")


def test_paths_are_expanded_in_one_place() -> None:
    for path in (PROJECT / "visage").rglob("*.py"):
        assert ".expanduser(" not in path.read_text() or path.relative_to(PROJECT / "visage") in ALLOWED, path


ALLOWED = {Path("home.py"), Path("config/paths.py")}
