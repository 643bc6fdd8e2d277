"""The pages in docs that are made from the code say what the code says, and every page has its place."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from visage.config.settings import Settings

DOCS = Path(__file__).parents[2] / "docs"
GENERATED: dict[str, str] = runpy.run_path(str(DOCS / "generate.py"))["pages"]()


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text() == GENERATED[name], "run: python docs/generate.py"


def test_the_reference_knows_every_setting_and_command() -> None:
    for name in Settings.model_fields:
        assert f"`VISAGE_{name.upper()}`" in GENERATED["configuration.md"]
    for path in ("run", "serve", "people add", "models quantize", "eval detection", "token revoke"):
        assert f"## `visage {path}`" in GENERATED["commands.md"]


def test_the_environment_does_not_change_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default that was read from the environment or from HOME would make the pages this machine's."""
    monkeypatch.setenv("VISAGE_FRAMESKIP", "24")
    monkeypatch.setenv("HOME", "/nowhere")
    assert runpy.run_path(str(DOCS / "generate.py"))["pages"]() == GENERATED
