"""What the README tells people to type works."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media import Media
from tests.models import Seed
from tests.unit.visage.people.scenes import add, gallery, person, track
from visage.people import SightingRecorder
from visage.web.tokens import Role, TokenStore

README = Path(__file__).parents[2] / "README.md"
SHELL_TIMEOUT_SECONDS = 100

# Not run here, and why.
ELSEWHERE = {
    "make": "makes an environment of its own; .ci/run does the same",
    "pip": "changes this environment",
    "visage rtsp://user:password@camera/stream --dst door/": "needs a camera",
    "visage serve --config visage.yaml": "runs until it is stopped; see test_serve",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    lines = [line.partition("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line not in ELSEWHERE and line.split()[0] not in ELSEWHERE]


@pytest.fixture
def workplace(tmp_path: Path, media: Media) -> Path:
    """A folder with the files that the README's commands name."""
    shutil.copy(media.path("single_face.mp4"), tmp_path / "movie.mkv")
    (tmp_path / "clips").mkdir()
    for name in ("one.mp4", "two.mp4"):
        shutil.copy(media.path("single_face.mp4"), tmp_path / "clips" / name)
    (tmp_path / "visage.yaml").write_text(blocks("yaml")[0])
    for name, photograph in {"ada1": "obama", "ada2": "obama2", "face": "obama3"}.items():
        shutil.copy(media.path(f"{photograph}.jpg"), tmp_path / f"{name}.jpg")
    TokenStore(tmp_path / "tokens.json").create("hall", Role.VIEWER)
    with gallery(tmp_path / "people") as opened:  # as earlier commands have left it
        add(opened, "Ada", person(1))
        with contextlib.closing(SightingRecorder(opened)) as recorder:
            recorder.record(track(person(2)), uri="movie.mkv")
    return tmp_path


@pytest.fixture
def model_dir(seed: Seed) -> Path:
    """The models that the README's commands use; what they add stays in it."""
    return seed("yunet", "sface", "centerface", "dlib").model_dir


def run(command: list[str], folder: Path, model_dir: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "VISAGE_MODEL_DIR": str(model_dir)}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SHELL_TIMEOUT_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("command", commands())
def test_a_command_works(command: str, workplace: Path, model_dir: Path) -> None:
    result = run(shlex.split(command), workplace, model_dir)
    assert result.returncode == 0, result.stderr
    if "--dst" in command:
        assert (workplace / command.split("--dst ")[1].split(maxsplit=1)[0]).exists()


def test_no_command_writes_where_another_has_written() -> None:
    """What exists is refused: whoever types them one after the other would be stopped."""
    written = re.findall(r"--(?:dst|annotate) (\S+)", "\n".join(commands()))
    assert len(written) == len(set(written)) > 0


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_a_program_works(number: int, workplace: Path, model_dir: Path) -> None:
    result = run([sys.executable, "-W", "error", "-c", blocks("python")[number]], workplace, model_dir)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
