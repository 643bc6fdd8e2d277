from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
state_dir: {folder}/state
events:
  mqtt: {{host: localhost, credentials: {{user: visage, password: {{file: {folder}/absent}}}}}}
"""


@pytest.mark.parametrize(("arguments", "code", "told"), [((), 2, "error"), (("--check",), 0, "warning")])
def test_a_secret_that_is_not_there_is_a_wrong_configuration(
    arguments: tuple[str, ...], code: int, told: str, tmp_path: Path
) -> None:
    """Known when the daemon is made, after the file was found right; `--check` warns of it."""
    config = tmp_path / "visage.yaml"
    config.write_text(CONFIG.format(folder=tmp_path))
    done = subprocess.run(
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
    assert done.returncode == code, done.stderr
    assert f"visage: {told}: " in done.stderr
    assert f"the secret in {tmp_path}/absent can't be read: No such file or directory" in done.stderr
    assert "bug" not in done.stderr
