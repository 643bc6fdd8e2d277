from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from visage.models import ModelStore

CONFIG = """
state_dir: {folder}/state
events:
  mqtt: {{host: localhost, credentials: {{user: visage, password: {{file: {folder}/absent}}}}}}
"""


@pytest.mark.parametrize(("arguments", "code", "told"), [((), 2, "error"), (("--check",), 0, "warning")])
def test_a_secret_that_is_not_there_is_a_wrong_configuration(
    arguments: tuple[str, ...], code: int, told: str, tmp_path: Path
) -> None:
    """Known before the daemon is made, after the file was found right; `--check` warns of it."""
    done = serve(tmp_path, CONFIG.format(folder=tmp_path), *arguments)
    assert done.returncode == code, done.stderr
    key = f"{tmp_path}/visage.yaml:4: events.mqtt.credentials.password: "
    secret = f"the secret in {tmp_path}/absent can't be read: No such file or directory"
    assert f"visage: {told}: {key}{secret}" in done.stderr
    assert "bug" not in done.stderr


def test_a_state_folder_that_is_a_file_is_told_with_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    done = serve(tmp_path, f"web: {{enabled: false}}\nstate_dir: {tmp_path}/state\n")
    assert done.returncode == 2
    expected = f"visage: error: {tmp_path}/visage.yaml:2: state_dir: {tmp_path}/state is not a folder"
    (line,) = done.stderr.splitlines()
    assert line.startswith(expected)


def test_a_taken_port_is_told_with_file_and_key(tmp_path: Path, models: ModelStore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = (
            f"state_dir: {tmp_path}/state\nanalysis: {{model_dir: {models.model_dir}, embed: none}}\n"
            f"web: {{port: {taken.getsockname()[1]}}}\n"
        )
        done = serve(tmp_path, text)
    assert done.returncode == 2, done.stderr
    assert f"visage: error: {tmp_path}/visage.yaml:3: web.port: 127.0.0.1:" in done.stderr


def serve(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    config = folder / "visage.yaml"
    config.write_text(text)
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from visage.cli.main import main; main()",
            "serve",
            "--config",
            str(config),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
