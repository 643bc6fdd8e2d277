"""Writes what follows from the code: configuration.md, commands.md, metrics.md, the reference in python-api.md, the
schema of redaction plans, and the options that are settings.

    python docs/generate.py

A test fails where the committed pages differ from what this gives. The pages depend on nothing but the code: no value
of this machine or of its environment appears in them.
"""

from __future__ import annotations

import inspect
import json
import runpy
import types
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import typer
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from visage.config.service import ServiceConfig
from visage.config.settings import FORMER_NAMES, Settings
from visage.observe.metrics import PipelineMetrics
from visage.observe.service_metrics import CAMERA_STATES, ServiceMetrics, ServiceStatus
from visage.redaction.plan import Plan
from visage.runtime.queue import QueueStatistics
from visage.runtime.source import SourceStatistics
from visage.runtime.state import PipelineState, SourceState
from visage.runtime.statistics import PipelineStatistics

__all__ = ["pages"]

HERE = Path(__file__).parent
OPTIONS = HERE.parent / "visage/cli/settings.json"
NOTICE = "<!-- Made by docs/generate.py; edit the code instead. -->\n"
REFERENCE = "## Reference\n"
BOUNDS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}", "multiple_of": "a multiple of {}"}
WORDS = {bool: "true or false", int: "integer", float: "number", str: "text", Path: "path"}

RUN_SETTINGS = """\
Flags of `visage run` take precedence over the environment, which takes precedence over the defaults. An empty variable
counts as not set. `visage.analyze` takes the settings as keyword arguments, and the daemon's file in its section
`analysis`. A setting without a default is not set.

"""
SERVICE_FILE = """\
`visage serve` reads one YAML file. `--set key.key=value` takes precedence over the environment
(`VISAGE_SERVICE__KEY__KEY`), which takes precedence over the file.

"""
COMMAND_LINE = """\
`visage movie.mkv` is short for `visage run movie.mkv`. Options can be spelled with `_` or `-`. The exit code is 0 when
everything was done, 1 when something failed, 2 for a wrong command line, 130 after Ctrl-C and 143 after SIGTERM.
"""
SCRAPE = """\
The daemon serves these at `/metrics`, besides those of the process, Python and its garbage collector. `source` is a
source's name in the configuration; a source's series ends with it, and the totals keep what it counted.

"""


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    return {
        "configuration.md": "".join(configuration()),
        "commands.md": "".join(commands()),
        "metrics.md": "".join(metrics()),
        "python-api.md": "".join(python_api()),
        "redaction-plan.schema.json": json.dumps(Plan.model_json_schema(), indent=1) + "\n",
    }


def python_api() -> Iterator[str]:
    """The guide as it stands, then the reference of all public names."""
    guide, _, _ = (HERE / "python-api.md").read_text().partition(REFERENCE)
    yield f"{guide.rstrip()}\n\n{REFERENCE}\n{NOTICE}"
    yield from runpy.run_path(str(HERE / "python_reference.py"))["reference"]()


def configuration() -> Iterator[str]:
    """The settings of a run, then the keys of the daemon's file, section by section."""
    yield f"# Configuration\n\n{NOTICE}\n## Settings of a run\n\n"
    yield RUN_SETTINGS
    yield from table(
        ("setting", "environment", "values", "default", "meaning"),
        (
            (f"`{name}`", f"`VISAGE_{name.upper()}`", values(field), default(field), field.description or "")
            for name, field in Settings.model_fields.items()
        ),
    )
    yield "\n## The daemon's file\n\n"
    yield SERVICE_FILE
    yield from section(ServiceConfig, "", {})


def section(model: type[BaseModel], prefix: str, shown: dict[type[BaseModel], str]) -> Iterator[str]:
    """A table of the model's fields, then the sections of the models inside it. Each model is shown once."""
    yield from table(
        ("key", "values", "default", "meaning"),
        (
            (f"`{name}`", values(field), default(field), field.description or "")
            for name, field in model.model_fields.items()
        ),
    )
    for name, field in model.model_fields.items():
        inner, is_named = inner_model(field.annotation)
        if inner is not None and inner is not Settings:
            path = f"{prefix}{name}{'.NAME' if is_named else ''}"
            yield f"\n### `{path}`\n\n"
            if inner in shown:
                yield f"The same keys as `{shown[inner]}`.\n"
            else:
                shown[inner] = path
                yield from section(inner, f"{path}.", shown)


def inner_model(annotation: object) -> tuple[type[BaseModel] | None, bool]:
    """The model that a field holds, if any, and whether it holds several by their names."""
    is_plain = typing.get_origin(annotation) is None  # on Python 3.10 `tuple[int, ...]` counts as a type
    if is_plain and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    is_named = typing.get_origin(annotation) is dict
    for argument in typing.get_args(annotation):
        model, inside = inner_model(argument)
        if model is not None:
            return model, is_named or inside
    return None, False


def values(field: FieldInfo) -> str:
    """What a field may hold, with its bounds."""
    return ", ".join([kind(field.annotation), *bounds(field.metadata)])


def bounds(metadata: Iterable[object]) -> Iterator[str]:
    for item in metadata:
        for name, text in BOUNDS.items():
            limit = getattr(item, name, None)
            if limit is not None:
                yield text.format(number(limit))


def number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def kind(annotation: object) -> str:
    """A type in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        inner = [limit for item in arguments[1:] for limit in bounds(getattr(item, "metadata", [item]))]
        return ", ".join([kind(arguments[0]), *inner])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(kind(argument) for argument in arguments if argument is not type(None)))
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (tuple, list):
        return f"list of {kind(arguments[0])}" if arguments[1:] in ((), (...,)) else "pair of numbers"
    model, is_named = inner_model(annotation)
    if origin is dict or model is not None:
        return "mapping" if model is None else "sections by name" if is_named else "section"
    return WORDS.get(annotation, "text") if isinstance(annotation, type) else "text"


def default(field: FieldInfo) -> str:
    """A field's default as the file would hold it."""
    if field.default_factory is not None or field.default in (None, (), ""):
        return ""
    if field.default is PydanticUndefined:
        return "required"
    return spelled(field.default)


def spelled(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(spelled(item) for item in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def commands() -> Iterator[str]:
    """Every command with its arguments and options."""
    from visage.cli.main import app  # noqa: PLC0415  # it reads what `options` gives

    root = typer.main.get_command(app)
    yield f"# Commands\n\n{NOTICE}\n"
    yield COMMAND_LINE
    yield from command(root, "visage")


def command(entry: typing.Any, path: str) -> Iterator[str]:
    children = getattr(entry, "commands", None)
    if children is not None:
        for name, child in children.items():
            yield from command(child, f"{path} {name}")
        return
    hints = typing.get_type_hints(inspect.unwrap(entry.callback))
    parameters = [
        parameter for parameter in entry.params if parameter.name != "help" and not getattr(parameter, "hidden", False)
    ]
    names = [metavar(parameter) for parameter in parameters if parameter.param_type_name == "argument"]
    usage = " ".join([path, *names, "[OPTIONS]"])
    yield f"\n## `{path}`\n\n```text\n{usage}\n```\n\n{inspect.cleandoc(entry.help)}\n\n"
    yield from table(
        ("argument or option", "values", "default", "meaning"),
        (
            (spelling(each), option_values(each, hints[each.name]), option_default(each), meaning(each))
            for each in parameters
        ),
    )


def metavar(parameter: typing.Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).strip("[]")
    return name if parameter.required else f"[{name}]"


def spelling(parameter: typing.Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{metavar(parameter)}`"
    return ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])


def option_values(parameter: typing.Any, annotation: object) -> str:
    if parameter.param_type_name == "argument":
        return ""
    if parameter.is_flag:
        return "flag"
    if parameter.metavar:
        return f"`{parameter.metavar}`"
    limits = [f"≥ {number(parameter.min)}"] if parameter.min is not None else []
    limits += [f"≤ {number(parameter.max)}"] if parameter.max is not None else []
    return ", ".join([kind(annotation), *limits])


def option_default(parameter: typing.Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    return "" if parameter.default in (None, False) else spelled(parameter.default)


def meaning(parameter: typing.Any) -> str:
    text = (parameter.help or "").replace("\\[", "[")
    return f"{text} Environment: `{parameter.envvar}`." if parameter.envvar else text


def metrics() -> Iterator[str]:
    """What a scrape of a daemon gives, from collectors that watch one source of each kind."""
    registry = CollectorRegistry()
    pipeline, service = PipelineMetrics(registry), ServiceMetrics(registry)
    pipeline.on_batch("detect", 1, 0.01)
    service.observe_latency("camera", 0.1)
    queue = QueueStatistics(1, 8, 1, 1, 0.0, 0.0)
    source = SourceStatistics("source", SourceState.RUNNING, 1, 1, 0, 1, None, 1.0, 1.0, queue)
    state = PipelineStatistics(PipelineState.RUNNING, (source,), (), {"sink": queue})
    camera = SimpleNamespace(source_id="camera", state=CAMERA_STATES[0], reconnects=0, frames_capped=0)
    one = {"one": 1}
    status = ServiceStatus((camera,), one, one, one, one, one, (1, 2))
    pipeline.watch(SimpleNamespace(statistics=lambda: state))
    service.watch(lambda: status)
    yield f"# Metrics\n\n{NOTICE}\n"
    yield SCRAPE
    families = sorted(registry.collect(), key=lambda family: family.name)
    yield from table(
        ("metric", "type", "labels", "meaning"),
        (
            (
                f"`{family.name}{'_total' if family.type == 'counter' else ''}`",
                family.type,
                ", ".join(f"`{label}`" for label in labels(family)),
                family.documentation,
            )
            for family in families
        ),
    )


def labels(family: typing.Any) -> list[str]:
    return list(dict.fromkeys(label for sample in family.samples for label in sample.labels if label != "le"))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |\n|{' --- |' * len(head)}\n"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n"


def options() -> str:
    """The fields of the settings as JSON, of which visage/cli/settings_options.py makes options."""
    fields = Settings.model_json_schema(mode="serialization")["properties"]
    found = {name: dict(option_field(name, schema)) for name, schema in fields.items() if name not in FORMER_NAMES}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def option_field(name: str, schema: dict[str, typing.Any]) -> Iterator[tuple[str, typing.Any]]:
    whole, *_ = [part for part in schema.get("anyOf", [schema]) if part.get("type") != "null"]
    kind = whole.get("type", "string")  # a choice of numbers and words has no type
    yield "type", "path" if whole.get("format") == "path" else kind
    if kind == "string" and "enum" in whole:
        yield "choices", [str(choice) for choice in whole["enum"]]
    for bound in ("minimum", "maximum"):
        if bound in whole:
            yield bound[:3], whole[bound]
    yield "default", plain(Settings.model_fields[name].default)
    yield "help", schema["description"]


def plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


if __name__ == "__main__":
    OPTIONS.write_text(options())
    for file_name, text in pages().items():
        (HERE / file_name).write_text(text)
