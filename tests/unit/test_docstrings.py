"""Public docstrings state what a caller can't see in the signature; the share that does has a lower bound.

`python tests/unit/test_docstrings.py` prints the share of every package; with packages named, also the items that
state nothing. A statement is one of: an array's shape or dtype, a number's unit or range, what is raised, what None
or False stands for, who owns or closes what, which threads may call, or a source (a paper, a standard).
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MIN_SHARE = 0.45
MIN_WORDS = 5

STATEMENTS = re.compile(
    r"""
    \([A-Z]\w*,[^)]*\)                                                      # a shape: (N, 4), (H, W, 3)
    | \b(u?int(8|16|32|64)|float(16|32|64)|BGR|RGB|NV12)\b                  # a dtype or colour order
    | \b(pixels?|(milli|micro|nano)?seconds?|hours?|days?|bytes?|[KMG]i?B|degrees?|percent|UTC)\b  # a unit
    | \b(zero-based|(0|1|-1)[ ]to[ ]\d+|at[ ](most|least)[ ]\d+|of[ ]length)\b  # a range
    | \b([Rr]aises?|raised|[A-Z]\w+(Error|Failed|Exception)|HTTP[ ][345]\d\d|[Ee]xits?[ ](code|status|with))\b
    | \b(None|False|[Ii]dempotent|[Ss]afe[ ]to[ ]call[ ]twice)\b
    | \b([Oo]wns|owned[ ]by|owner|closes|releases|(must|to)[ ](close|release))\b  # who closes it
    | \b(any[ ]thread|one[ ]thread|blocks?[ ]until)\b
    | \b(arXiv|RFC|ISO|ITU|et[ ]al|BT\.\d+|CVPR|ICCV|ECCV)\b                 # a source
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Item:
    """A public class, function, method or property with its docstring, None where it has none."""

    package: str
    place: str
    docstring: str | None

    @property
    def states_something(self) -> bool:
        """Whether the docstring holds at least one of the statements that are named above."""
        return bool(self.docstring and STATEMENTS.search(self.docstring))


def package(path: Path) -> str:
    """`stages/detect` for everything below that folder, `stages` for a file that lies directly in it."""
    parts = path.relative_to(ROOT).parts
    return "/".join(parts[: min(2, len(parts) - 1)])


def members(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, int, str | None]]:
    """Name, line and docstring of the public definitions in a body and in its public classes; not of overrides."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
        if decorators & {"overload", "override"} or any(name.endswith(".setter") for name in decorators):
            continue
        yield prefix + node.name, node.lineno, ast.get_docstring(node)
        if isinstance(node, ast.ClassDef):
            yield from members(node.body, f"{prefix}{node.name}.")


def items() -> list[Item]:
    """Every public item of both packages that has a docstring, in the order of files and lines."""
    found = []
    for root in ("stages", "visage"):
        for path in sorted((ROOT / root).rglob("*.py")):
            for name, line, docstring in members(ast.parse(path.read_text()).body, ""):
                found.append(Item(package(path), f"{path.relative_to(ROOT)}:{line} {name}", docstring))
    return found


ITEMS = items()
PACKAGES = sorted({item.package for item in ITEMS})


def share(name: str) -> tuple[int, int]:
    """How many docstrings of the package state something, and how many there are."""
    documented = [item for item in ITEMS if item.package == name and item.docstring]
    return sum(item.states_something for item in documented), len(documented)


@pytest.mark.parametrize("name", PACKAGES)
def test_enough_docstrings_of_a_package_state_something(name: str) -> None:
    stating, documented = share(name)
    assert stating >= MIN_SHARE * documented, f"{name}: {stating} of {documented}; run: python {__file__} {name}"


def test_no_docstring_is_a_mere_label() -> None:
    """A few words that repeat the name help no one. "See `Head`." refers to the contract and is enough."""
    labels = [
        item.place
        for item in ITEMS
        if item.docstring
        and len(item.docstring.split()) < MIN_WORDS
        and not item.states_something
        and not item.docstring.startswith("See `")
    ]
    assert labels == []


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("The faces of a frame.", False),
        ("Return the boxes, float32 (N, 4).", True),
        ("Wait at most `timeout_seconds` seconds.", True),
        ("Start the camera. Raises SourceTaken.", True),
        ("Return the token, or None.", True),
        ("Close the file. Idempotent.", True),
    ],
)
def test_what_counts_as_a_statement(docstring: str, expected: bool) -> None:
    assert Item("stages", "stages/x.py:1 f", docstring).states_something is expected


if __name__ == "__main__":
    for name in PACKAGES:
        stating, documented = share(name)
        print(f"{name:20} {stating:4} of {documented:4}  {stating / max(documented, 1):4.0%}")  # noqa: T201  # a script
        for item in ITEMS if name in sys.argv[1:] else ():
            if item.package == name and item.docstring and not item.states_something:
                print(f"    {item.place}: {item.docstring!r}")  # noqa: T201
