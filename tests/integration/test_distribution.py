"""The sdist holds what its tests need; the wheel built from it works without the checkout, on each Python there is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import visage
from tests.media import Media
from tests.pythons import MINORS, Environment, PackagesUnreachable, find_pythons
from visage.models import ModelStore

PROJECT = Path(__file__).parents[2]
BUILD_TIMEOUT_SECONDS = 100

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The unpacked sdist of this tree, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    builder = Environment(folder / "builder", Path(sys.executable))
    try:
        builder.install("hatchling")
    except PackagesUnreachable as reason:
        pytest.skip(f"no package can be fetched here: {reason}")

    def build(source: Path, target: str) -> None:
        command = [builder.program("python"), "-m", "hatchling", "build", "-t", target, "-d", str(folder / target)]
        subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=BUILD_TIMEOUT_SECONDS)

    build(PROJECT, "sdist")
    (archive,) = (folder / "sdist").iterdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # type: ignore[arg-type]
    tree = folder / archive.name.removesuffix(".tar.gz")
    build(tree, "wheel")
    (wheel,) = (folder / "wheel").iterdir()
    return tree, wheel


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="compares with what git knows")
def test_the_sdist_is_whole(unpacked: tuple[Path, Path]) -> None:
    tree, _ = unpacked
    listed = subprocess.run(["git", "ls-files"], cwd=PROJECT, check=True, capture_output=True, text=True, timeout=30)
    tracked = {name for name in listed.stdout.splitlines() if (PROJECT / name).is_file()}
    packed = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()}
    assert tracked - packed == set()
    assert {name for name in packed - tracked if name.endswith((".pyc", ".part"))} == set()


def test_the_wheel_holds_every_file_of_the_packages(unpacked: tuple[Path, Path]) -> None:
    tree, wheel = unpacked
    expected = {
        str(path.relative_to(tree))
        for package in ("visage", "stages")
        for path in (tree / package).rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        assert expected <= set(archive.namelist())
    assert wheel.name.startswith(f"visage_video-{visage.__version__}-")


def test_tests_of_the_sdist_pass_in_it(unpacked: tuple[Path, Path]) -> None:
    """Seen in 2026-11: it lacked deploy/ and docs/, which they read."""
    tree, _ = unpacked
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/deploy/test_manifests.py"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("minor", MINORS)
def test_the_wheel_works_without_the_checkout(
    unpacked: tuple[Path, Path], models: ModelStore, media: Media, tmp_path: Path, minor: int
) -> None:
    if minor not in find_pythons():
        pytest.skip(f"there is no Python 3.{minor} here")
    clip, photograph = media.path("single_face.mp4"), media.path("obama.jpg")
    for name in ("yunet", "sface"):
        models.prepared(name)
    environment = Environment(tmp_path / "environment", find_pythons()[minor])
    environment.install(f"{unpacked[1]}[serve]")
    folder = tmp_path / "work"
    folder.mkdir()
    shutil.copy(clip, folder / "film.mp4")

    def call(*arguments: str) -> str:
        return environment.run("visage", *arguments, cwd=folder, VISAGE_MODEL_DIR=str(models.model_dir))

    assert call("--version") == f"visage {visage.__version__}\n"
    assert "Find and recognise faces" in call("--help")
    assert call("doctor").endswith("This machine can analyse videos. Try: visage demo\n")
    call("people", "add", "Barack Obama", str(photograph), "--gallery", "people")
    call("film.mp4", "--dst", "out", "--gallery", "people", "--end", "1")
    assert (folder / "out" / "metadata.json").is_file()
    call("report", "shown", "--gallery", "people")
    assert "<html" in (folder / "shown" / "report.html").read_text()
    (folder / "visage.yaml").write_text(f"state_dir: {folder / 'state'}\nweb:\n  enabled: true\n")
    call("serve", "--config", "visage.yaml", "--check")
    where = "import visage.web, visage.samples; print(visage.web.__file__)"
    package = Path(environment.run("python", "-c", where, cwd=folder).strip())
    assert environment.folder in package.parents
    static = {path.name for path in (PROJECT / "visage" / "web" / "static").rglob("*") if path.is_file()}
    assert static == {path.name for path in (package.parent / "static").rglob("*") if path.is_file()} != set()
