"""The public names of `visage` as Markdown, from their signatures and docstrings; part of docs/generate.py."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator

import stages.errors
import visage
from stages.frames import Identity
from visage.config.settings import Settings
from visage.people import errors, records

__all__ = ["reference"]

SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises):$")
ENTRY = re.compile(r"([*\w][\w*., ]*): (.*)")
HEADINGS = {"Args": "Arguments"}
INDENT = 4
WIDTH = 100

RECORDS = [Identity, *(getattr(records, name) for name in records.__all__)]
ERRORS = [getattr(module, name) for module in (stages.errors, errors) for name in module.__all__]


def reference() -> Iterator[str]:
    """Functions and classes in the order of `visage.__all__`; of a class its fields and public methods."""
    for name in visage.__all__:
        value = getattr(visage, name)
        if not callable(value):
            continue
        yield f"\n### `visage.{name}`\n\n"
        if value is Settings:
            yield f"{inspect.getdoc(value)}\n\n"
            yield "Its fields are the [settings of a run](configuration.md#settings-of-a-run).\n"
        elif inspect.isclass(value):
            yield from of_class(name, value)
        else:
            yield from of_function(name, value)

    yield "\n## Records\n\nWhat `Face.identity` and the methods of `Gallery` give.\n"
    for record in RECORDS:
        yield f"\n### `{record.__name__}`\n\n"
        yield from of_class(record.__name__, record)
    yield "\n## Errors\n\n"
    for error in ERRORS:
        base = error.__mro__[1].__name__
        yield f"- `{error.__module__}.{error.__name__}` ({base}): {(inspect.getdoc(error) or '').splitlines()[0]}\n"


def of_class(name: str, value: type) -> Iterator[str]:
    yield from markdown(inspect.getdoc(value) or "")
    if dataclasses.is_dataclass(value):
        fields = (f"{field.name}: {field.type}" for field in dataclasses.fields(value))
        yield f"\n```py\nclass {name}:\n    " + "\n    ".join(fields) + "\n```\n"
    for member, item in vars(value).items():
        if member.startswith("_"):
            continue
        if isinstance(item, property):
            yield f"\n#### `{name}.{member}`\n\n"
            yield from markdown(inspect.getdoc(item) or "")
        elif inspect.isfunction(item):
            yield "\n#"
            yield from of_function(f"{name}.{member}", item)


def of_function(name: str, value: typing.Any) -> Iterator[str]:
    if "." in name:
        yield f"### `{name}`\n\n"
    yield f"```py\n{signature(name.rpartition('.')[2], value)}\n```\n\n"
    yield from markdown(inspect.getdoc(value) or "")


def signature(name: str, value: typing.Any) -> str:
    """On one line or, where that is long, with a line for each parameter."""
    found = inspect.signature(value)
    kept = [parameter for parameter in found.parameters.values() if parameter.name != "self"]
    line = f"{name}{found.replace(parameters=kept)}".replace("'", "")
    if len(line) <= WIDTH:
        return line
    texts = []
    is_keyword_only = False
    for parameter in kept:
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword_only:
            is_keyword_only = True
            texts.append("*")
        texts.append(str(parameter).replace("'", ""))
    inside = "".join(f"    {text},\n" for text in texts)
    return f"{name}(\n{inside}) -> {str(found.return_annotation).strip(chr(39))}"


def markdown(docstring: str) -> Iterator[str]:
    """Paragraphs as they are, and each section as a list."""
    section = ""
    for line in docstring.splitlines():
        heading = SECTION.fullmatch(line)
        entry = ENTRY.fullmatch(line.strip())
        if heading is not None:
            section = heading[1]
            yield f"**{HEADINGS.get(section, section)}**\n\n"
        elif not line.strip():
            section = ""
            yield "\n"
        elif section in ("", "Returns", "Yields"):
            yield f"{line.strip()}\n" if section else f"{line}\n"
        elif entry is not None and len(line) - len(line.lstrip()) == INDENT:
            yield f"- `{entry[1]}`: {entry[2]}\n"
        elif section == "Raises" and len(line) - len(line.lstrip()) == INDENT:
            yield f"- `{line.strip()}`\n"
        else:
            yield f"  {line.strip()}\n"
