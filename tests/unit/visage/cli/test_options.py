"""Times as people write them."""

from __future__ import annotations

import pytest
import typer

from visage.cli.options import parse_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("90", 90.0), ("1.5", 1.5), ("1:30", 90.0), ("01:02:03.25", 3723.25), (" 2:00 ", 120.0)],
)
def test_times_are_seconds_or_clock_times(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3", "1:2:3:4", "1:", "5 s", "nan"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a time"):
        parse_seconds(text)
