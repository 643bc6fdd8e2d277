"""Reads one YAML file and remembers on which line each key stands, so that an error can say where it is.

Values from the environment and from flags are laid over the file's; an error in one of those names it instead.
A key that stands twice is an error: YAML would silently take the second. Anchors and `<<` work, so that cameras can
share what they have in common; a section without content is as good as none. What they expand to is bounded, so that
aliases that double can't fill the memory. Whatever is wrong with a file is a ConfigError, because a daemon reads it
again while it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

__all__ = ["ConfigError", "KeyPath", "YamlFile"]

KeyPath: TypeAlias = tuple[str, ...]
MERGE = "tag:yaml.org,2002:merge"
MAX_BYTES = 4 << 20
MAX_NODES = 100_000
"""Keys and values after aliases are expanded: some thousand cameras."""


class YamlFile:
    """A YAML mapping and the line of each of its keys. At most 4 MiB (`MAX_BYTES`) are read.

    Attributes:
        values: plain dicts, lists and scalars.
    """

    def __init__(self, path: Path) -> None:
        """Read the file. Raises ConfigError: it can't be read, is not YAML, or is not a mapping."""
        self._path = path
        self._origins: dict[KeyPath, str] = {}
        self._node_count = 0
        self.values: dict[str, object] = {}
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise ConfigError([f"{path}: is larger than {MAX_BYTES >> 20} MiB; is it the right file?"])
            text = content.decode()
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except OSError as error:
            raise ConfigError([f"{path}: can't be read: {error.strerror}"]) from error
        except UnicodeDecodeError as error:
            raise ConfigError([f"{path}: is not UTF-8; save it as such"]) from error
        except yaml.MarkedYAMLError as error:
            line = 1 if error.problem_mark is None else error.problem_mark.line + 1
            raise ConfigError([f"{path}:{line}: {error.problem or 'is not YAML'}"]) from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise ConfigError([f"{path}:{line}: holds the character #x{error.character:02x}; remove it"]) from error
        except RecursionError as error:
            raise ConfigError([f"{path}: is nested too deeply"]) from error
        if root is None:
            return
        if not isinstance(root, MappingNode):
            raise ConfigError([f"{path}:1: must hold keys with values, such as `cameras:`"])
        problems: list[str] = []
        try:
            value = self._plain(root, (), problems)
        except RecursionError as error:
            raise ConfigError([f"{path}: contains itself, or is nested too deeply"]) from error
        if problems:
            raise ConfigError(problems)
        assert isinstance(value, dict)
        self.values = {key: section for key, section in value.items() if section is not None}

    def lay_over(self, key_path: KeyPath, text: str, *, origin: str) -> None:
        """Replace a value of the file; `text` is read as YAML. Raises ConfigError."""
        problems: list[str] = []
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            value = None if root is None else self._plain(root, key_path, problems)
        except (yaml.YAMLError, RecursionError) as error:
            raise ConfigError([f"{origin}: {text!r} is not a valid value"]) from error
        if problems:
            raise ConfigError([f"{origin}: {text!r} is not a valid value"])
        place: dict[str, object] = self.values
        for key in key_path[:-1]:
            below = place.setdefault(key, {})
            if not isinstance(below, dict):
                raise ConfigError([f"{origin}: {key} holds no keys"])
            place = below
        place[key_path[-1]] = value
        self._origins = {path: where for path, where in self._origins.items() if path[: len(key_path)] != key_path}
        self._origins[key_path] = origin

    def origin(self, key_path: KeyPath) -> str:
        """Return where a key, or the nearest key above it, was given: "visage.yaml:12", or the origin of an overlay."""
        for length in range(len(key_path), 0, -1):
            if key_path[:length] in self._origins:
                return self._origins[key_path[:length]]
        return str(self._path)

    def _plain(self, node: Node, at: KeyPath, problems: list[str]) -> object:
        self._count(node)
        if isinstance(node, MappingNode):
            return self._mapping(node, at, problems)
        if isinstance(node, SequenceNode):
            for number, item in enumerate(node.value):
                self._origins[(*at, str(number))] = self._where(item)
            return [self._plain(item, (*at, str(number)), problems) for number, item in enumerate(node.value)]
        try:
            return yaml.SafeLoader("").construct_object(node)
        except yaml.MarkedYAMLError as error:
            problems.append(f"{self._where(node)}: {error.problem}")
        except ValueError as error:  # looks like a date, a number, ... and is none
            problems.append(f"{self._where(node)}: {node.value!r} is not a valid value: {error}")
        # PyYAML takes the words of an explicit tag on trust: `!!bool x` looks x up, `!!int ""` takes its first letter.
        except (LookupError, TypeError, AttributeError, ArithmeticError):
            problems.append(f"{self._where(node)}: {node.value!r} is not a valid {node.tag.rpartition(':')[2]}")
        return None

    def _count(self, node: Node) -> None:
        self._node_count += 1
        if self._node_count > MAX_NODES:
            expanded = f"more than {MAX_NODES} keys and values once its aliases are expanded"
            raise ConfigError([f"{self._where(node)}: the file holds {expanded}"])

    def _mapping(self, node: MappingNode, at: KeyPath, problems: list[str]) -> Mapping[str, object]:
        values: dict[str, object] = {}
        shared: dict[str, object] = {}
        for key_node, value_node in node.value:
            self._count(key_node)
            if key_node.tag == MERGE:
                shared = {**self._shared(value_node, at, problems), **shared}
                continue
            if not isinstance(key_node, ScalarNode):
                problems.append(f"{self._where(key_node)}: a key must be a word")
                continue
            key = str(key_node.value)
            if key in values:
                problems.append(f"{self._where(key_node)}: {'.'.join((*at, key))} is given a second time")
            self._origins[(*at, key)] = self._where(key_node)
            values[key] = self._plain(value_node, (*at, key), problems)
        return {**shared, **values}

    def _shared(self, node: Node, at: KeyPath, problems: list[str]) -> Mapping[str, object]:
        """What `<<` brings: a mapping, or several, of which the first has the last word."""
        shared: dict[str, object] = {}
        for one in node.value if isinstance(node, SequenceNode) else [node]:
            if isinstance(one, MappingNode):
                shared = {**self._mapping(one, at, problems), **shared}
            else:
                problems.append(f"{self._where(one)}: << takes keys with values, such as *name")
        return shared

    def _where(self, node: Node) -> str:
        return f"{self._path}:{node.start_mark.line + 1}"


class ConfigError(ValueError):
    """Raised for a wrong configuration; the message has one line per problem, with file, line and key."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
