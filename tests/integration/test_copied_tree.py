"""The two packages copied somewhere, without the metadata of an installation."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import visage
from tests.media import Media
from visage.models import ModelStore

PROJECT = Path(__file__).parents[2]
COMMAND = "from visage.cli.main import main; main()"


@pytest.fixture
def python_path(tmp_path: Path) -> str:
    """The copied tree, and every installed library except Visage's own metadata and links."""
    tree = tmp_path / "tree"
    for name in ("visage", "stages"):
        shutil.copytree(PROJECT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    for key in ("purelib", "platlib"):
        for path in Path(sysconfig.get_paths()[key]).iterdir():
            link = libraries / path.name
            if "visage" not in path.name and not link.is_symlink():
                link.symlink_to(path)
    return f"{tree}:{libraries}"


def test_a_copied_tree_runs(python_path: str, models: ModelStore, media: Media, tmp_path: Path) -> None:
    """Seen in 2026-11: every run there ended with PackageNotFoundError."""

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-S", "-c", COMMAND, *arguments],
            env={"PYTHONPATH": python_path, "HOME": str(tmp_path), "VISAGE_MODEL_DIR": str(models.model_dir)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert call("--version") == f"visage {visage.__version__}\n"
    call("run", str(media.path("single_face.mp4")), "--end", "0.2", "--dst", "out")
    written = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert written["complete"]
    assert str(written).count(visage.__version__)
