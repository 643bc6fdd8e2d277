"""The pages in docs that are made from the code say what the code says, and every page has its place."""

from __future__ import annotations

import inspect
import runpy
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

import visage
from visage.config.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
GENERATOR = runpy.run_path(str(DOCS / "generate.py"))
GENERATED: dict[str, str] = GENERATOR["pages"]()


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == GENERATED[name], "run: python docs/generate.py"


def test_the_options_follow_from_the_settings() -> None:
    assert GENERATOR["OPTIONS"].read_text() == GENERATOR["options"](), "run: python docs/generate.py"


def test_the_reference_knows_every_setting_and_command() -> None:
    for name in Settings.model_fields:
        assert f"`VISAGE_{name.upper()}`" in GENERATED["configuration.md"]
    for path in ("run", "serve", "people add", "models quantize", "eval detection", "token revoke"):
        assert f"## `visage {path}`" in GENERATED["commands.md"]


def test_the_python_reference_knows_every_public_name_and_method() -> None:
    page = GENERATED["python-api.md"]
    for name in set(visage.__all__) - {"__version__"}:
        assert f"### `visage.{name}`" in page
    for name, member in inspect.getmembers(visage.Gallery):
        if not name.startswith("_") and callable(member):
            assert f"#### `Gallery.{name}`\n\n```py\n{name}(" in page, name


def test_the_environment_does_not_change_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default that was read from the environment or from HOME would make the pages this machine's."""
    monkeypatch.setenv("VISAGE_FRAMESKIP", "24")
    monkeypatch.setenv("HOME", "/nowhere")
    assert runpy.run_path(str(DOCS / "generate.py"))["pages"]() == GENERATED


def pages_in(navigation: object) -> list[str]:
    """The paths that the `nav` of mkdocs.yml names, at any depth."""
    if isinstance(navigation, str):
        return [navigation]
    inside = navigation.values() if isinstance(navigation, dict) else navigation
    assert isinstance(inside, Iterable)
    return [path for entry in inside for path in pages_in(entry)]


def test_every_page_is_in_the_navigation_once() -> None:
    """`make docs` is strict about it as well, but not every machine has MkDocs."""
    listed = pages_in(yaml.safe_load((DOCS.parent / "mkdocs.yml").read_text())["nav"])
    assert sorted(listed) == sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))
