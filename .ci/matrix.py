"""The main job, the daemon's check, the doctor and the smoke tests on every Python, newest and lowest libraries.

Run by `.ci/run`; alone with `python3 .ci/matrix.py [--python 3.12] [--resolution newest]`. Needs the standard library,
and `uv`, which it installs for itself where it is not on the PATH: its cache spares the downloads of all cells but the
first of each kind. Exits with 1 where a cell fails, or where a Python is missing and `--all` was asked for.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
RESOLUTIONS = {"newest": "highest", "lowest": "lowest-direct"}
EXTRAS = ("dev",)
"""Holds all the others that a machine without a GPU can install, and what the tests import."""
STATED = ("numpy", "av", "opencv-python-headless", "openvino", "onnxruntime", "pyarrow")
"""Libraries whose versions stand in the table."""
NUMBERS = ("x1", "y1", "x2", "y2")
BOX_TOLERANCE = 0.01
"""Pixels."""
STEP_SECONDS = 600
"""Longest for one command."""
HELP_RUNS = 3

FIND_CLIP = """
import sys
from pathlib import Path
from visage.samples import SampleMedia
print(SampleMedia(Path(sys.argv[1])).path("WolfgangLanger_Pexels.mp4"))
"""
FIRST_ROW = """
import sys
import visage
for frame in visage.analyze(sys.argv[1]):
    if len(frame.faces):
        break
"""


class StepFailed(Exception):
    """What went wrong, with the end of its output."""


@dataclass
class Cell:
    """One Python with one set of versions, and what came of it."""

    python: str
    interpreter: Path
    resolution: str
    versions: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    tests: str = "-"
    help_seconds: float = 0.0
    first_row_seconds: float = 0.0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells one after the other; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", choices=PYTHONS, help="this one only; may be repeated")
    parser.add_argument("--resolution", choices=[*RESOLUTIONS], help="these versions only")
    parser.add_argument("--all", action="store_true", help="fail where a Python is missing")
    options = parser.parse_args(arguments)
    wanted = options.python or PYTHONS
    found = {version: interpreter for version in wanted if (interpreter := find_python(version))}
    missing = [version for version in wanted if version not in found]
    cells = [
        Cell(version, interpreter, resolution)
        for version, interpreter in found.items()
        for resolution in ([options.resolution] if options.resolution else RESOLUTIONS)
    ]
    with tempfile.TemporaryDirectory(prefix="visage-matrix-") as scratch:
        uv = find_uv(Path(scratch))
        first: list[dict[str, str]] = []
        for cell in cells:
            print(f"Python {cell.python}, {cell.resolution} versions ...", flush=True)
            table = run_cell(cell, uv, Path(scratch) / f"{cell.python}-{cell.resolution}")
            if table and first:
                cell.failures += differences(first, table)
            first = first or table
            for failure in cell.failures:
                print(f"FAILED Python {cell.python}, {cell.resolution}: {failure}", flush=True)
    print_matrix(cells)
    print(f"Pythons that are not on this machine: {', '.join(missing) or 'none'}")
    failed = sum(bool(cell.failures) for cell in cells)
    print(f"{failed} failed, {len(cells) - failed} passed" if failed else f"{len(cells)} passed", flush=True)
    return 1 if failed or not cells or (missing and options.all) else 0


def find_python(version: str) -> Path | None:
    """The interpreter of a version such as "3.12": on the PATH, of pyenv, or of uv."""
    candidates = [shutil.which(f"python{version}"), shutil.which("python3")]
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    installed = sorted(
        root.glob(f"versions/{version}.*/bin/python"), key=lambda path: len(path.parts[-3]), reverse=True
    )
    candidates += [str(path) for path in installed]
    if uv := shutil.which("uv"):
        asked = _output([uv, "python", "find", "--no-python-downloads", version])
        candidates += asked.split()[:1]
    for candidate in candidates:
        if candidate and _output([candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]) == version:
            return Path(candidate)
    return None


def find_uv(scratch: Path) -> str:
    """`uv` on the PATH if it works, else installed into a folder of its own."""
    if (uv := shutil.which("uv")) and _output([uv, "--version"]):
        return uv
    home = scratch / "uv"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", "--quiet", "uv"], check=True)
    return str(home / "bin" / "uv")


def run_cell(cell: Cell, uv: str, home: Path) -> list[dict[str, str]]:
    """Everything on one Python; the rows of the main job's table. Failures go into the cell."""
    began = time.monotonic()
    table: list[dict[str, str]] = []
    try:
        install(cell, uv, home)
        cache = home / "cache"  # of its own: what other libraries downloaded or prepared would hide that these can't
        own = {"VISAGE_MODEL_DIR": str(cache / "models"), "VISAGE_TEST_CACHE": str(cache)}
        visage, python = str(home / "bin" / "visage"), str(home / "bin" / "python")
        cell.help_seconds = min(_timed([visage, "--help"], own) for _ in range(HELP_RUNS))
        clip = _step("the sample clip", [python, "-c", FIND_CLIP, str(cache / "media")], own).split()[-1]
        _step("visage run", [visage, "run", clip, "--dst", str(home / "out"), "--quiet"], own)
        cell.first_row_seconds = _timed([python, "-c", FIRST_ROW, clip], own)
        table = read_table(home / "out")
        cell.rows = len(table)
        if not table:
            cell.failures.append("visage run: the table is empty")
        for name, command in {
            "visage serve --check": [visage, "serve", "--config", str(write_config(home)), "--check"],
            "visage doctor": [visage, "doctor"],
            "the smoke tests": [python, "-m", "pytest", "-q", "-m", "smoke", "-p", "no:cacheprovider"],
        }.items():
            try:
                output = _step(name, command, own)
            except StepFailed as error:
                cell.failures.append(str(error))
                continue
            if name == "the smoke tests":
                cell.tests = output.strip().splitlines()[-1].split(" in ")[0].strip("= ")
    except StepFailed as error:
        cell.failures.append(str(error))
    cell.seconds = time.monotonic() - began
    shutil.rmtree(home, ignore_errors=True)
    return table


def install(cell: Cell, uv: str, home: Path) -> None:
    """An environment with the versions that the resolution gives; wheels alone, as nobody compiles NumPy to try us."""
    _step("the environment", [uv, "venv", "--quiet", "--seed", "--python", str(cell.interpreter), str(home)])
    pins = home / "pins.txt"
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    resolve = [uv, "pip", "compile", "--quiet", str(ROOT / "pyproject.toml"), *extras, "-o", str(pins)]
    resolve += ["--python", str(cell.interpreter), "--only-binary", ":all:"]
    _step("the resolution", [*resolve, "--resolution", RESOLUTIONS[cell.resolution]])
    cell.versions = dict(line.split("==") for line in pins.read_text().split() if line.count("==") == 1)
    target = [uv, "pip", "install", "--quiet", "--python", str(home / "bin" / "python")]
    _step("the installation", [*target, "-r", str(pins)])
    _step("the installation of Visage", [*target, "--no-deps", "--editable", str(ROOT)])


def write_config(home: Path) -> Path:
    """A daemon's configuration with a folder, a page and events. JSON is YAML."""
    (home / "in").mkdir()
    path = home / "visage.yaml"
    path.write_text(
        f"""state_dir: {home}/state
folders:
  inbox:
    path: {home}/in
events:
  jsonl: {home}/events.jsonl
web:
  token_file: {home}/tokens.json
  audit_file: {home}/audit.jsonl
"""
    )
    return path


def read_table(folder: Path) -> list[dict[str, str]]:
    """The rows of the one CSV table of faces."""
    paths = list(folder.rglob("detections.csv"))
    if len(paths) != 1:
        raise StepFailed(f"visage run: {len(paths)} tables of faces instead of one")
    with paths[0].open(newline="") as file:
        return list(csv.DictReader(file))


def differences(first: list[dict[str, str]], table: list[dict[str, str]]) -> list[str]:
    """What keeps a table from being the first cell's: another number of rows, another frame, a box elsewhere."""
    if len(first) != len(table):
        return [f"{len(table)} rows; the first cell has {len(first)}"]
    boxes = [name for name in NUMBERS if name in first[0]] or [name for name in first[0] if "box" in name]
    frames = [name for name in first[0] if name in {"frame", "frame_index", "track", "track_id"}]
    worst = 0.0
    for mine, theirs in zip(table, first, strict=True):
        if any(mine[name] != theirs[name] for name in frames):
            return [f"frame or track {[mine[name] for name in frames]} instead of {[theirs[name] for name in frames]}"]
        worst = max([worst, *(abs(float(mine[name]) - float(theirs[name])) for name in boxes)])
    return [f"boxes up to {worst:.4f} px from the first cell's"] if worst > BOX_TOLERANCE else []


def print_matrix(cells: Sequence[Cell]) -> None:
    """One line per cell, as a Markdown table."""
    titles = ["Python", "versions", *(name.removesuffix("-python-headless") for name in STATED)]
    titles += ["rows", "smoke", "help s", "first row s", "cell s", "result"]
    print("\n| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    for cell in cells:
        values = [cell.python, cell.resolution, *(cell.versions.get(name, "-") for name in STATED)]
        values += [str(cell.rows), cell.tests, f"{cell.help_seconds:.2f}", f"{cell.first_row_seconds:.1f}"]
        values += [f"{cell.seconds:.0f}", "FAILED" if cell.failures else "ok"]
        print("| " + " | ".join(values) + " |")


def _step(name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Output of a command, with these variables beside the process's own.

    Raises:
        StepFailed: it failed, or took longer than `STEP_SECONDS`.
    """
    try:
        ran = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=STEP_SECONDS,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired:
        raise StepFailed(f"{name}: not done after {STEP_SECONDS} s") from None
    if ran.returncode:
        said = (ran.stdout + ran.stderr).strip().splitlines()
        raise StepFailed("\n    ".join([f"{name}: exit code {ran.returncode}", *said[-15:]]))
    return ran.stdout


def _timed(command: Sequence[str], environment: Mapping[str, str]) -> float:
    began = time.monotonic()
    _step(" ".join(command[:2]), command, environment)
    return time.monotonic() - began


def _output(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


if __name__ == "__main__":
    sys.exit(main())
