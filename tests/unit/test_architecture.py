"""The rooms of the house and the arrows between them: imports run one way only.

`python tests/unit/test_architecture.py` prints every room with the rooms that it imports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("stages", "visage")


def room(module: str) -> str:
    """A package's folder, or a file that lies directly in the package."""
    return ".".join(module.split(".")[:2])


def imported(path: Path) -> Iterator[str]:
    """Every module of ours that a file imports anywhere, inside functions too, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from visage import samples` imports the room `visage.samples`.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in PACKAGES)


def arrows() -> dict[str, set[str]]:
    """For every room, the other rooms that it imports."""
    found: dict[str, set[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            targets = found.setdefault(room(module), set())
            targets.update(room(name) for name in imported(path))
    rooms = set(found)
    return {name: (targets & rooms) - {name, *PACKAGES} for name, targets in found.items()}


def circles(graph: dict[str, set[str]]) -> list[str]:
    """Rooms from which a way of imports leads back to themselves."""

    def reachable(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += graph[name]
        return seen

    return [name for name in graph if name in reachable(name)]


def test_stages_never_import_visage() -> None:
    backwards = {
        path.relative_to(ROOT).as_posix(): names
        for path in (ROOT / "stages").rglob("*.py")
        if (names := [name for name in imported(path) if name.startswith("visage")])
    }
    assert backwards == {}


def test_no_way_of_imports_leads_back_to_where_it_began() -> None:
    assert circles(arrows()) == []


def test_a_circle_would_be_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == ["a", "b", "c"]


if __name__ == "__main__":
    graph = arrows()
    for name, targets in sorted(graph.items()):
        print(f"{name}: {', '.join(sorted(targets)) or '-'}")  # noqa: T201  # a script prints
    print(f"{len(graph)} rooms, {sum(map(len, graph.values()))} arrows")  # noqa: T201
