"""A version that was not tried is named; a major version that was not tried is not allowed in."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from visage.observe import tried
from visage.observe.tried import untried, untried_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = Path(__file__).parents[4] / "pyproject.toml"
TOOLS = {"types-PyYAML", "types-psutil", "playwright", "axe-playwright-python", "hypothesis", "mypy", "pytest"}
TOOLS |= {"pytest-timeout", "ruff", "nvidia-cuda-nvrtc-cu12", "cuda-core[cu13]"}


def requirements() -> list[str]:
    project = tomllib.loads(PROJECT.read_text())["project"]
    return [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]


def test_no_dependency_resolves_to_a_major_version_that_was_not_tried() -> None:
    assert untried(requirements()) == []
    bounded = [one for one in requirements() if "<" in one.partition(";")[0] or "==" in one.partition(";")[0]]
    unbounded = {one.partition(">=")[0] for one in requirements() if one not in bounded}
    assert unbounded <= TOOLS


@pytest.mark.parametrize("limits", [">=1000", "<1", "==0.0.1", ">=0.1,<1"])
def test_a_version_outside_is_named(limits: str) -> None:
    version = metadata.version("numpy")
    assert untried([f"numpy{limits}; python_version > '3'"]) == [f"numpy {version} (tried: {limits})"]


def test_one_of_several_ranges_is_enough() -> None:
    assert untried(["numpy>=1000; extra == 'a'", "numpy>=1; extra == 'b'", "not-installed-anywhere<1"]) == []


def test_a_copied_tree_without_metadata_is_no_reason_to_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tried, "DISTRIBUTION", "not-installed-anywhere")
    assert untried_line() is None
