"""What the environment leaves empty, and what no setting takes."""

from __future__ import annotations

import pydantic
import pytest

from visage.config import Settings


@pytest.mark.parametrize("name", ["GALLERY", "GALLERY_KEY", "MODEL_DIR", "EMBED", "FRAMESKIP", "DEVICE"])
def test_an_empty_variable_is_as_good_as_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`${GALLERY:-}` in a Compose file is one; it is not the working directory."""
    monkeypatch.delenv(f"VISAGE_{name}", raising=False)
    expected = Settings()
    monkeypatch.setenv(f"VISAGE_{name}", "")
    assert Settings() == expected


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["start_seconds", "end_seconds", "retention_days", "drain_seconds"])
def test_a_number_that_is_none_is_refused(name: str, number: float) -> None:
    with pytest.raises(pydantic.ValidationError, match=r"finite number|greater than"):
        Settings.model_validate({name: number})


@pytest.mark.parametrize("name", ["gallery", "gallery_key", "model_dir"])
def test_an_empty_path_is_not_the_working_directory(name: str) -> None:
    with pytest.raises(pydantic.ValidationError, match="is empty"):
        Settings.model_validate({name: ""})
