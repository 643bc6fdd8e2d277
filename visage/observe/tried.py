"""Which versions of its dependencies Visage was tried with, as its package metadata states them."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from importlib import metadata

__all__ = ["DISTRIBUTION", "untried", "untried_line", "warn_of_untried"]

DISTRIBUTION = "visage-video"


def untried(requirements: Iterable[str] | None = None) -> list[str]:
    """Return the installed packages outside of the stated ranges, as "numpy 3.0.1 (tried: >=2.1,<3)".

    Of a package that several extras name, any of their ranges will do. Nothing is outside where the metadata is
    missing, as in a copied tree.

    Args:
        requirements: as a package's metadata has them; by default those of Visage itself.
    """
    if requirements is None:
        try:
            requirements = metadata.requires(DISTRIBUTION) or ()
        except metadata.PackageNotFoundError:
            return []
    ranges: defaultdict[str, list[str]] = defaultdict(list)
    for requirement in requirements:
        match = re.match(r"([\w.-]+)(?:\[[^]]*])?\s*\(?([^;)]*)", requirement)
        if match is not None:
            ranges[match[1]].append(match[2].strip())
    outside = []
    for name, tried in ranges.items():
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if not any(_is_within(version, limits) for limits in tried):
            outside.append(f"{name} {version} (tried: {' or '.join(tried)})")
    return outside


def untried_line() -> str | None:
    """Return a one-sentence warning about untried versions; None if there are none."""
    outside = untried()
    return f"Visage was not tried with {', '.join(outside)}." if outside else None


def warn_of_untried() -> None:
    """Print the warning of `untried_line` to standard error, if there is one."""
    line = untried_line()
    if line is not None:
        sys.stderr.write(f"warning: {line}\n")


def _is_within(version: str, limits: str) -> bool:
    found = _numbers(version)
    for limit in filter(None, (part.strip() for part in limits.split(","))):
        bound = _numbers(limit.lstrip("<>=~!"))
        if (
            (limit.startswith(">=") and found < bound)
            or (limit.startswith("<") and found >= bound)
            or (limit.startswith("==") and found != bound)
        ):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and not numbers[-1]:  # 3.0 is 3
        numbers.pop()
    return tuple(numbers)
