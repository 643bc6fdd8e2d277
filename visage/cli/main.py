"""`visage`: finds the command, and turns errors into one line and an exit status.

`visage movie.mkv` means `visage run movie.mkv`: a first argument that is no command's name belongs to `run`. A file
that is called like a command is given as `./serve`. Commands import what is heavy when they run, so that `--help` is
quick.

Exit codes: 0 done; 1 something failed, the rest is done; 2 the command line was wrong; 130 after Ctrl-C, 143 after
SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, NoReturn

import typer

from visage import __version__
from visage.cli import cluster, evaluate, models, people, redact, token
from visage.cli.bench import bench
from visage.cli.clips import clips
from visage.cli.demo import demo
from visage.cli.doctor import doctor
from visage.cli.export import export
from visage.cli.open import open_page
from visage.cli.report import report as report_people
from visage.cli.reporting import report
from visage.cli.run import run
from visage.cli.search import search
from visage.cli.serve import serve

__all__ = ["EXIT_FAILED", "EXIT_USAGE", "app", "main"]

EXIT_FAILED = 1
EXIT_USAGE = 2

ENDING_SECONDS = 1.0

app = typer.Typer(
    name="visage",
    help="Find and recognise faces in video.",
    epilog="`visage movie.mkv --dst out/` is short for `visage run movie.mkv --dst out/`.",
    pretty_exceptions_enable=False,
    # --log_level and --log-level are one option, here and in every group below.
    context_settings={"token_normalize_func": lambda token: token.replace("_", "-")},
)
app.command()(run)
app.command()(demo)
app.command()(doctor)
app.command()(bench)
app.command()(export)
app.command()(search)
app.command()(clips)
app.command("report")(report_people)
app.command()(serve)
app.command("open")(open_page)
app.add_typer(models.app, name="models")
app.add_typer(people.app, name="people")
app.add_typer(evaluate.app, name="eval")
app.add_typer(redact.app, name="redact")
app.add_typer(token.app, name="token")
app.add_typer(cluster.app, name="cluster")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"visage {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Find and recognise faces in video."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and exit the process with its status: raises SystemExit.

    Args:
        arguments: without the program's name; None takes those of the process.
    """
    signal.signal(signal.SIGTERM, _terminate)
    if arguments is None:
        # Pillow's remarks on odd photographs would stand among our lines; what makes one unreadable is an error.
        warnings.filterwarnings("ignore", module=r"PIL\.")
    code = _run(with_command(sys.argv[1:] if arguments is None else arguments))
    if arguments is None:  # otherwise the process, and its threads, are the caller's
        _leave_threads_that_hang(code)
    sys.exit(code)


def with_command(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with a command's name first, `run` if they have none. Without arguments: `--help`."""
    if not arguments:
        return ["--help"]
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    groups = {group.name for group in app.registered_groups}
    if arguments[0] in {*commands, *groups, "--help", "--version", "--install-completion", "--show-completion"}:
        return list(arguments)
    return ["run", *arguments]


def _run(arguments: list[str]) -> int:
    try:
        code: int = app(arguments, prog_name="visage", standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except typer.TyperException as error:
        return _report_usage(error)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("visage: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain again when it flushes at exit.
        sys.stdout = None
        return EXIT_FAILED
    except Exception as error:  # the process's edge
        report(_fault_of_output() or error)
        return EXIT_FAILED


def _fault_of_output() -> OSError | None:
    """Why standard output takes no more, for example as its disk is full; errors of writing do not name the file."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()  # what could not be written is still there, and fails again
    except OSError as error:
        sys.stdout = None  # Python would complain again when it flushes at exit
        return OSError(error.errno, error.strerror, "standard output")
    return None


def _report_usage(error: typer.TyperException) -> int:
    message = error.format_message().removeprefix("Invalid value: ").replace("Value error, ", "", 1)
    if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: the message is its help
        print(message)
    else:
        print(f"visage: error: {message} (see visage --help)", file=sys.stderr)
    return EXIT_USAGE


def _leave_threads_that_hang(code: int) -> None:
    """A thread in FFmpeg that waits for a server can't be ended, and Python would wait for it. All that it could have
    written is closed by now.
    """
    until = time.monotonic() + ENDING_SECONDS
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)
