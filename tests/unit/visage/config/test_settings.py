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


@pytest.mark.parametrize("where", ["argument", "environment"])
def test_a_former_name_works_and_says_so(
    where: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if where == "environment":
        monkeypatch.setenv("VISAGE_MIN_FACE", "24")
    settings = Settings() if where == "environment" else Settings.model_validate({"min_face": 24})
    assert settings == Settings.model_validate({"min_face_pixels": 24})
    assert "min_face" not in settings.model_dump()
    assert "min_face is now called min_face_pixels" in caplog.text


def test_todays_name_wins_over_a_former_one() -> None:
    assert Settings.model_validate({"min_face": 24, "min_face_pixels": 40}).min_face_pixels == 40
