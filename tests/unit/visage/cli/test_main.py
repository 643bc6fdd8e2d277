"""The command line finds its command and turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

import visage.cli.main
from stages.errors import OutputFailed
from visage import __version__
from visage.cli.main import main, with_command
from visage.cli.reporting import report
from visage.evaluation.layouts import LayoutError
from visage.people.errors import NoSuchPerson

HEAVY = ("av", "cv2", "h5py", "numpy", "onnxruntime", "openvino", "pyarrow", "pydantic", "structlog")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from visage.cli.main import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def grouped(error: Exception) -> Exception:
    """As a task in a task group of another raises it."""

    async def fail() -> None:
        async with anyio.create_task_group() as inner:
            inner.start_soon(raise_it)

    async def raise_it() -> None:
        raise error

    async def run() -> None:
        async with anyio.create_task_group() as outer:
            outer.start_soon(fail)

    try:
        anyio.run(run)
    except Exception as group:
        return group
    raise AssertionError("it passed")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["movie.mkv", "--dst", "out"], ["run", "movie.mkv", "--dst", "out"]),
        (["--frameskip", "24", "movie.mkv"], ["run", "--frameskip", "24", "movie.mkv"]),
        (["-q", "movie.mkv"], ["run", "-q", "movie.mkv"]),
        (["run", "movie.mkv"], ["run", "movie.mkv"]),
        (["./run"], ["run", "./run"]),
        (["doctor"], ["doctor"]),
        (["models", "list"], ["models", "list"]),
        (["--version"], ["--version"]),
        ([], ["--help"]),
    ],
)
def test_what_is_no_command_belongs_to_run(typed: list[str], meant: list[str]) -> None:
    assert with_command(typed) == meant


@pytest.mark.smoke
def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["--help"])
    assert exited.value.code == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in ("run", "demo", "doctor", "models"))


def test_threads_of_the_caller_do_not_end_its_process() -> None:
    """It would end with 0 and without a word, as a test run did, and all that was to come after would be missing."""
    program = """
import threading
from visage.cli.main import main
over = threading.Event()
threading.Thread(target=over.wait).start()
try:
    main(["--version"])
except SystemExit:
    print("still here")
finally:
    over.set()
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert found.stdout.endswith("still here\n")


def test_both_spellings_of_an_option_are_one(tmp_path: Path) -> None:
    for option in ("--log_level", "--log-level"):
        result = run("no-such.mp4", option, "nonsense")
        assert result.returncode == 2
        assert result.stderr.startswith("visage: error: Invalid value for '--log-level'")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--no-such-option", "movie.mp4"], "No such option: --no-such-option"),
        (["run"], "Missing argument 'SRC"),
        (["-"], "standard input"),
        (["movie.mp4", "--frameskip", "0"], "--frameskip"),
        (["movie.mp4", "--frameskip", "often"], "--frameskip"),
        (["movie.mp4", "--frameskip", "auto", "--no-propagate"], "it needs track and propagate"),
        (["movie.mp4", "--embed", "best", "--no-track"], "it needs track"),
        (["movie.mp4", "--start", "yesterday"], "'yesterday' is not a time"),
        (["movie.mp4", "--device", "gpu"], "--device: 'gpu' is not auto, cpu, cuda or cuda:N"),
        (["movie.mp4", "--detector-size", "100"], "--detector-size"),
        (["movie.mp4", "--gallery", ""], "the name is empty"),
        (["people", "list", "--gallery", ""], "the name is empty"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("visage: error: ")
    assert complaint in line


def test_a_wrong_environment_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VISAGE_FRAMESKIP", "often")
    with pytest.raises(SystemExit) as exited:
        main(["movie.mp4"])
    assert exited.value.code == 2
    assert "visage: error: VISAGE_FRAMESKIP: " in capsys.readouterr().err


@pytest.mark.smoke
def test_nothing_to_analyse_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main([str(tmp_path), str(tmp_path / "*.mp4")])
    assert exited.value.code == 1
    folder, pattern = capsys.readouterr().err.splitlines()
    assert folder == (
        f"visage: error: {tmp_path}: no videos in this folder or below it; name files or a pattern to say which"
    )
    assert pattern == f"visage: error: {tmp_path}/*.mp4: no file matches this pattern"


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (OutputFailed("out: disk full;\n free some"), "visage: error: out: disk full; free some", 1),
        (OSError("rtsp://admin:secret@cam: refused"), "visage: error: rtsp://***@cam: refused", 1),
        (NoSuchPerson("there is no person named 'Ada'"), "visage: error: there is no person named 'Ada'", 1),
        (FileExistsError(17, "File exists", "keys"), "visage: error: keys: File exists", 1),
        (grouped(OutputFailed("out: disk full")), "visage: error: out: disk full", 1),
        (KeyError("x"), "visage: error: KeyError: 'x' (this is a bug; --log-level debug shows where)", 1),
        (KeyboardInterrupt(), "visage: interrupted", 130),
    ],
)
def test_every_error_is_one_line(
    error: BaseException, line: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(visage.cli.main, "app", fail)
    monkeypatch.setattr(visage.cli.main, "with_command", list)
    with pytest.raises(SystemExit) as exited:
        main(["x"])
    assert exited.value.code == code
    assert capsys.readouterr().err == line + "\n"


def test_debug_logging_adds_the_traceback(tmp_path: Path) -> None:
    result = run(str(tmp_path), "--log-level", "debug")
    assert result.returncode == 1
    assert result.stderr.splitlines()[0].startswith(f"visage: error: {tmp_path}")
    assert "NotAVideo" in result.stderr


@pytest.mark.smoke
def test_help_loads_nothing_heavy() -> None:
    """A program that takes a second to print its help feels broken."""
    code = f"import sys, visage.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("given", [["--blur", "Ada"], ["--blur", "unknown"], ["--blur", "Adda", "--gallery"]])
def test_a_blur_that_would_leave_somebody_recognisable_is_refused(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"")
    given = [*given, str(tmp_path / "people")] if given[-1] == "--gallery" else given
    with pytest.raises(SystemExit) as exited:
        main([str(film), "--annotate", str(tmp_path / "out.mp4"), *given])
    assert exited.value.code == 2
    told = capsys.readouterr().err
    assert "needs --gallery" in told or "there is no person named 'Adda'" in told
    assert not (tmp_path / "out.mp4").exists()


def test_no_error_that_is_raised_on_purpose_is_called_a_bug(capsys: pytest.CaptureFixture[str]) -> None:
    """Every tree of errors, in whichever package: a new one has to be made known to the command line."""
    names = [module.name for module in pkgutil.walk_packages(visage.__path__, "visage.")]
    modules = [importlib.import_module(name) for name in names if name.endswith(".errors")]
    roots = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__bases__ == (Exception,)
    }
    assert {"ModelError", "PeopleError", "RuntimeFailure", "ServiceError", "WebError"} <= {
        kind.__name__ for kind in roots
    }
    for kind in (*roots, LayoutError):
        report(kind("it is not there"))
    assert "bug" not in capsys.readouterr().err


def test_the_package_runs_as_a_module() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "visage", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.strip() == f"visage {__version__}"


def test_a_report_is_not_written_to_a_file_and_without_a_gallery_makes_no_folder(tmp_path: Path) -> None:
    (tmp_path / "faces.csv").touch()
    for name, status, reason in (("seen", 1, "people"), ("faces.csv", 2, "is a file")):
        answer = run("report", str(tmp_path / name), "--gallery", str(tmp_path / "people"))
        assert answer.returncode == status
        assert reason in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["faces.csv"]
