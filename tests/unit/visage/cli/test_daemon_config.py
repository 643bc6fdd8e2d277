"""Commands beside the daemon find its files by its configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.visage.people.scenes import add, gallery, person


def visage(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "visage", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_tokens_are_those_of_the_configured_file(tmp_path: Path) -> None:
    config = tmp_path / "visage.yaml"
    config.write_text(f"state_dir: {tmp_path}/state\nweb: {{token_file: {tmp_path}/own.json}}\n")
    created = visage("token", "create", "kitchen", "--config", config)
    assert created.returncode == 0, created.stderr
    assert (tmp_path / "own.json").exists()
    assert visage("token", "list", "-c", config).stdout.startswith("kitchen  viewer  since ")
    assert visage("token", "revoke", "kitchen", "--config", config).stdout == "kitchen: revoked\n"


def test_the_page_is_that_of_the_configured_daemon(tmp_path: Path) -> None:
    """There is none yet: the line names the folder in which it would be."""
    config = tmp_path / "visage.yaml"
    config.write_text(f"state_dir: {tmp_path}/state\n")
    opened = visage("open", "--config", config, "--no-browser")
    assert opened.returncode != 0
    assert f"{tmp_path}/state" in opened.stderr


def test_a_configuration_that_is_wrong_is_told(tmp_path: Path) -> None:
    config = tmp_path / "visage.yaml"
    config.write_text("state_dri: /tmp\n")
    listed = visage("token", "list", "--config", config)
    assert listed.returncode == 2
    assert "state_dri" in listed.stderr
    assert "Traceback" not in listed.stderr


def test_a_merge_says_what_there_is_now(tmp_path: Path) -> None:
    with gallery(tmp_path / "people") as opened:
        add(opened, "Ada", person(1))
        add(opened, "Ada L.", person(2))
    merged = visage("people", "merge", "Ada", "Ada L.", "--gallery", tmp_path / "people")
    assert merged.returncode == 0, merged.stderr
    assert merged.stdout == "Ada: pictures: 2, sightings: 0\n"
