"""`visage serve`: the daemon."""

from __future__ import annotations

import functools
import importlib.util
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from visage.cli.options import LogFormatOption, LogLevelOption
from visage.observe.printable import printable

if TYPE_CHECKING:
    from visage.config.service import ServiceConfig

__all__ = ["serve"]

NEEDED = ("aiomqtt", "fastapi", "uvicorn", "watchfiles", "yaml")


def serve(
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML configuration file.")],
    overlays: Annotated[
        list[str] | None, typer.Option("--set", help="Override a setting of the file: key.key=value; may be repeated.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Report what is wrong with the file, and exit.")] = False,
    log_level: LogLevelOption = "info",
    log_format: LogFormatOption = "auto",
) -> None:
    """Watch cameras and folders until stopped.

    SIGTERM or Ctrl-C finishes what is in flight, a second one drops it; SIGHUP reads the configuration again. The
    exit code is 0 after a requested stop, 1 if the pipeline can't continue, 2 for an invalid configuration.
    """
    from visage.heap import keep_heap_small  # noqa: PLC0415
    from visage.observe.logging import configure_logging  # noqa: PLC0415
    from visage.observe.tried import warn_of_untried  # noqa: PLC0415

    configure_logging(log_level, log_format)
    keep_heap_small()  # a daemon lives long: every thread that ever read a film would keep a heap of its pictures
    warn_of_untried()
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        from stages.installing import install_command  # noqa: PLC0415

        raise typer.BadParameter(f"the daemon needs {', '.join(missing)}: {install_command('serve')}")
    from visage.config.service_file import load_service_config, with_origins  # noqa: PLC0415
    from visage.config.yaml_file import ConfigError  # noqa: PLC0415

    load = functools.partial(load_service_config, config, flags=overlays or ())
    try:
        loaded = load()
        from visage.service.review import refuse_unusable, review  # noqa: PLC0415

        if check:
            _print_review(config, loaded, with_origins(review(loaded), config, flags=overlays or ()))
            return
        from visage.service.assembly import serve_daemon  # noqa: PLC0415
        from visage.service.places import waited_for  # noqa: PLC0415
        from visage.web.errors import BindRefused  # noqa: PLC0415

        try:
            refuse_unusable(loaded)
            for line in with_origins(waited_for(loaded), config, flags=overlays or ()):
                logging.getLogger(__name__).warning("%s", line)
            anyio.run(serve_daemon, loaded, load)
        except ConfigError as error:
            raise ConfigError(with_origins(error.problems, config, flags=overlays or ())) from error
        except BindRefused as error:
            raise ConfigError(with_origins([f"web.port: {error}"], config, flags=overlays or ())) from error
    except ConfigError as error:  # also from the daemon: a secret that is not there
        for problem in error.problems:
            print(f"visage: error: {printable(problem)}", file=sys.stderr)
        raise typer.Exit(2) from error


def _print_review(path: Path, config: ServiceConfig, warnings: Sequence[str]) -> None:
    for line in warnings:
        print(f"visage: warning: {printable(line)}", file=sys.stderr)
    verdict = "see the warnings" if warnings else "no problems found"
    print(f"{path}: cameras: {len(config.cameras)}, folders: {len(config.folders)}; {verdict}")
