"""The command in our messages installs our own code, from where this copy came from."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from stages import installing
from stages.installing import install_command

PROJECT = Path(__file__).parents[3]


def test_a_checkout_is_installed_from_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shlex.split(install_command("serve")) == ["pip", "install", "-e", f"{PROJECT}[serve]"]
    monkeypatch.chdir(PROJECT)
    assert install_command("serve") == "pip install -e '.[serve]'"


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_installed_copy_says_where_it_came_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_kept: bool
) -> None:
    source = tmp_path / "my films" / "source"
    source.mkdir(parents=True)
    if is_kept:
        (source / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text())
    site = tmp_path / "site"
    record = site / "visage_video-1.0.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: visage-video\nVersion: 1.0\n")
    (record / "direct_url.json").write_text(json.dumps({"url": source.as_uri(), "dir_info": {}}))
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    monkeypatch.setattr(installing, "ROOT", site)
    expected = f"{source}[qdrant]" if is_kept else "visage-video[qdrant]"
    assert shlex.split(install_command("qdrant")) == ["pip", "install", expected]


def test_every_extra_that_a_message_names_exists_and_none_is_written_out() -> None:
    extras = set(re.findall(r"^([\w-]+) = \[", (PROJECT / "pyproject.toml").read_text(), re.MULTILINE))
    named: set[str] = set()
    for folder in ("stages", "visage"):
        for path in (PROJECT / folder).rglob("*.py"):
            text = path.read_text()
            named.update(re.findall(r"""install_command\(["']([\w-]+)["']\)""", text))
            assert not re.search(r"pip install \S*visage", text) or path.name == "installing.py", path
    assert named <= extras
    assert {"serve", "show", "qdrant", "encryption", "tensorrt"} <= named
    assert "pip install 'visage[" not in (PROJECT / "deploy/systemd/visage.service").read_text()
