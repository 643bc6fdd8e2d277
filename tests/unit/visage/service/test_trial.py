"""A suspect file is tried in a process of its own; only a death by signal counts."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

from tests.media import Media
from visage.config import Settings
from visage.models import ModelStore
from visage.service.trial import Trial


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("pass", None),
        ("raise SystemExit(1)", None),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
    ],
)
def test_how_the_child_died(script: str, expected: str | None) -> None:
    trial = Trial(Settings(), command=(sys.executable, "-c", script))
    assert anyio.run(trial.death_of, Path("film.mp4")) == expected


@pytest.mark.slow
def test_a_real_file_and_a_broken_one_live(tmp_path: Path, media: Media, models: ModelStore) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    trial = Trial(Settings(model_dir=models.model_dir, device="cpu", frameskip=24))
    assert anyio.run(trial.death_of, broken) is None
    assert anyio.run(trial.death_of, media.path("single_face.mp4")) is None
