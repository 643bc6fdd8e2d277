"""The options of `visage run` that are settings: their types, help texts and defaults follow from `Settings`.

`--help` must be quick and loading Pydantic takes as long as all else of it, so the fields are read from settings.json,
which docs/generate.py makes of `Settings.model_fields`; a test fails where the two differ.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, TypeVar

import typer

from visage.cli.options import parse_output, parse_seconds

__all__ = ["ANALYSIS", "INPUT", "SETTINGS_FILE", "SHOWN", "Shown", "with_settings"]

INPUT = "Input"
ANALYSIS = "Analysis"
COMPUTE = "Hardware"

SETTINGS_FILE = Path(__file__).with_name("settings.json")
TYPES: dict[str, type] = {"integer": int, "number": float, "string": str, "path": Path}

CommandT = TypeVar("CommandT", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Shown:
    """How a setting is shown as an option; what is empty or None follows from the setting."""

    panel: str
    flag: str = ""
    metavar: str | None = None
    parser: Callable[[str], Any] | None = None
    type: type | None = None
    help: str = ""


SHOWN = {
    "frameskip": Shown(INPUT, metavar="N|auto", type=str),
    "start_seconds": Shown(
        INPUT, "--start", "TIME", parser=parse_seconds, help="Start at this time: seconds or hh:mm:ss."
    ),
    "end_seconds": Shown(INPUT, "--end", "TIME", parser=parse_seconds),
    "rotate": Shown(INPUT, metavar="DEGREES|auto"),
    "min_face_pixels": Shown(ANALYSIS),
    "score_threshold": Shown(ANALYSIS),
    "keep_threshold": Shown(ANALYSIS),
    "embed": Shown(
        ANALYSIS,
        help="Embed all detected faces, or only the best shots of each track; auto: with a gallery, the best shots and "
        "what can change a name, otherwise all.",
    ),
    "gallery": Shown(ANALYSIS, metavar="PATH", parser=parse_output),
    "gallery_key": Shown(ANALYSIS),
    "detector": Shown(ANALYSIS),
    "detector_size": Shown(ANALYSIS),
    "embedder": Shown(ANALYSIS),
    "device": Shown(COMPUTE),
    "backend": Shown(COMPUTE),
    "precision": Shown(COMPUTE),
    "threads": Shown(COMPUTE),
    "detect_batch": Shown(COMPUTE),
    "embed_batch": Shown(COMPUTE),
    "workers": Shown(COMPUTE),
}
"""The settings that are options, in the order of the help."""


def with_settings(command: CommandT) -> CommandT:
    """Give a command that takes `**settings` an option for each setting; its value is None where it is not given.

    The options stand where `**settings` stands in the help: before the parameters that follow `*`.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())
    named = [parameter for parameter in own if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
    ahead = [parameter for parameter in named if parameter.kind is not inspect.Parameter.KEYWORD_ONLY]
    behind = [parameter for parameter in named if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
    options = list(_options())
    everything = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*ahead, *options, *behind)]
    command.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]  # what Typer reads
    command.__annotations__.pop("settings")
    command.__annotations__.update({option.name: option.annotation for option in options})
    return command


def _options() -> Iterator[inspect.Parameter]:
    fields = json.loads(SETTINGS_FILE.read_text(encoding="utf-8"))
    for name, shown in SHOWN.items():
        field = fields[name]
        text, _, said = field["help"].removesuffix(".").partition("; default: ")
        default = said or ("" if field["default"] is None or shown.parser else str(field["default"]))
        kind = Literal.__getitem__(tuple(field["choices"])) if "choices" in field else TYPES[field["type"]]
        option = typer.Option(
            *([shown.flag] if shown.flag else []),
            help=shown.help or text + ".",
            show_default=default or False,
            rich_help_panel=shown.panel,
            metavar=shown.metavar,
            parser=shown.parser,
            **({} if shown.metavar else {bound: field[bound] for bound in ("min", "max") if bound in field}),
        )
        yield inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[Optional[shown.type or kind], option],  # noqa: UP045  # a type that is only known now
        )
