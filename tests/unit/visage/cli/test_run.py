"""Flags become settings; what is not given is left to the environment and the defaults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import typer

from visage.cli.run import run
from visage.cli.run_settings import make_settings
from visage.config.settings import Settings


def flags() -> dict[str, Any]:
    """The typer options of `run` by parameter name."""
    found = {}
    for name, hint in get_type_hints(run, include_extras=True).items():
        # Before 3.11 a default of None wraps the whole annotation in Optional.
        for part in (hint, *get_args(hint)):
            if get_origin(part) is Annotated:
                found[name] = get_args(part)[1]
    return found


def test_what_is_not_given_keeps_its_default() -> None:
    assert make_settings({"frameskip": None, "device": None}) == Settings()


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGE_FRAMESKIP", "5")
    monkeypatch.setenv("VISAGE_MIN_FACE_PIXELS", "20")
    settings = make_settings({"frameskip": 24, "min_face_pixels": None})
    assert (settings.frameskip, settings.min_face_pixels) == (24, 20)


def test_the_defaults_that_help_shows_are_the_settings_own() -> None:
    """They are written out in the options, so that help need not load the settings."""
    defaults = Settings()
    shown = {
        name: option.show_default
        for name, option in flags().items()
        if name in Settings.model_fields and isinstance(option.show_default, str)
    }
    literal = {name: text for name, text in shown.items() if re.fullmatch(r"[\w.~/]+", text)}
    assert {name: str(Path(text).expanduser()) for name, text in literal.items()} == {
        name: str(getattr(defaults, name)) for name in literal
    }
    assert {"frameskip", "detector", "device", "model_dir"} <= literal.keys()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"frameskip": "0"}, r"^--frameskip: '0' is neither"),
        ({"frameskip": "often"}, r"^--frameskip: 'often' is neither a number from 1 up nor auto"),
        ({"frameskip": "auto", "track": False}, r"^frameskip auto follows faces"),
        ({"start_seconds": 5.0, "end_seconds": 2.0}, r"^the end, 2 s, must come after the start, 5 s"),
    ],
)
def test_a_wrong_value_is_told_in_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        make_settings(given)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISAGE_FRAMESKIP", "often")
    with pytest.raises(typer.BadParameter, match=r"^VISAGE_FRAMESKIP: 'often'"):
        make_settings({})
