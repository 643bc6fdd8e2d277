"""Damaged files, by `visage FILE` and in a watched folder: each ends whole or with one line that says why."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from tests.clips import picture, write_clip
from tests.integration.test_serve import BOUND_SECONDS, VISAGE, Service, services, watched
from visage.models import ModelStore
from visage.service.ledger import JobState

__all__ = ["services"]

SEED = 8
A_KIND = 8
CLIPS: dict[str, dict[str, object]] = {
    "a.mp4": {},
    "b.mkv": {},
    "c.ts": {},
    "d.avi": {"codec": "mpeg4"},
    "e.webm": {"codec": "libvpx-vp9"},
}


def spoiled(data: bytes, kind: int, chance: random.Random) -> bytes:
    """Cut short, with bits flipped, with nonsense in the header, or with a hole."""
    size = len(data)
    changed = bytearray(data)
    if kind == 0:
        return data[: chance.randrange(1, size)]
    if kind == 1:
        for _ in range(chance.choice((1, 30, 300))):
            changed[chance.randrange(size)] ^= 1 << chance.randrange(8)
    elif kind == 2:
        for _ in range(chance.choice((1, 16))):
            changed[chance.randrange(min(600, size))] = chance.randrange(256)
    else:
        start = chance.randrange(size)
        changed[start : start + chance.choice((16, 512, 5000))] = b""
    return bytes(changed)


@pytest.fixture
def damaged(tmp_path: Path) -> list[Path]:
    """Names say which: two of each kind of damage to each kind of file."""
    whole = tmp_path / "whole"
    whole.mkdir()
    for name, properties in CLIPS.items():
        write_clip(whole / name, frames=12, **properties)  # type: ignore[arg-type]
    cv2.imwrite(str(whole / "f.jpg"), picture(5))
    folder = tmp_path / "films"
    folder.mkdir()
    chance = random.Random(SEED)  # not a secret
    return [path for source in sorted(whole.iterdir()) for path in spoil(source, folder, chance)]


def spoil(source: Path, folder: Path, chance: random.Random) -> Iterator[Path]:
    for number in range(A_KIND):
        path = folder / f"{source.stem}{number}{source.suffix}"
        path.write_bytes(spoiled(source.read_bytes(), number % 4, chance) + b"_")  # never empty
        yield path


def is_whole(results: Path) -> bool:
    """Whether a file's results say that they are all; False also where there are none."""
    metadata = results / "metadata.json"
    return metadata.exists() and json.loads(metadata.read_text())["complete"] is True


@pytest.mark.slow
def test_every_damaged_file_ends_whole_or_with_one_line(
    tmp_path: Path, damaged: list[Path], models: ModelStore
) -> None:
    out = tmp_path / "out"
    found = subprocess.run(
        [*VISAGE, "run", *map(str, damaged), "--no-embed", "--dst", str(out), "--model-dir", str(models.model_dir)],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * BOUND_SECONDS,
    )
    assert found.returncode == 1
    assert "Traceback" not in found.stderr
    assert "bug" not in found.stderr
    errors = [line for line in found.stderr.splitlines() if line.startswith("visage: error: ")]
    for path in damaged:
        told = sum(str(path) in line for line in errors)
        assert told == (0 if is_whole(out / path.stem) else 1), path
    assert 0 < len(errors) < len(damaged)
    assert not list(out.rglob("*.part"))


@pytest.mark.slow
def test_a_watched_folder_of_damaged_files_is_worked_through(
    tmp_path: Path, damaged: list[Path], models: ModelStore, services: list[Service]
) -> None:
    out = tmp_path / "out"
    service = Service(
        tmp_path,
        models,
        folders=watched(tmp_path / "films", output=str(out), include=["*"]),
        files={"attempts": 1},
    )
    services.append(service)
    service.start()
    ledger = service.ledger()
    service.wait_for(
        lambda: ledger.counts()[JobState.DONE] + ledger.counts()[JobState.FAILED] == len(damaged),
        seconds=2 * BOUND_SECONDS,
    )
    assert service.stop() == 0
    log = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in log
    for job in ledger.jobs():
        assert is_whole(out / f"{job.path.name}.visage") == (job.state is JobState.DONE), job
        if job.state is JobState.FAILED:
            lines = [json.loads(line) for line in log.splitlines() if str(job.path) in line]
            assert [(line["event"], line["level"]) for line in lines] == [("file.failed", "error")]
            assert lines[0]["error"] in {"NotAVideo", "SourceBroken", "SourceUnreadable"}
    assert not list(out.rglob("*.part"))
