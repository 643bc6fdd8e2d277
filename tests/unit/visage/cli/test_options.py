"""Times and names as people write them."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
import typer

from visage.cli.options import parse_output, parse_seconds
from visage.cli.search import parse_when


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("1.5", 1.5), ("1:30", 90), ("01:02:03.25", 3723.25), (" 2:00 ", 120), ("90:00", 5400)],
)
def test_times_are_seconds_or_clock_times(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3", "1:2:3:4", "1:", "5 s", "nan", "1:99", "1:60:00"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a time"):
        parse_seconds(text)


def test_an_output_without_a_name_is_refused() -> None:
    assert parse_output(".") == Path()
    with pytest.raises(typer.BadParameter, match="empty"):
        parse_output("")


@pytest.mark.parametrize(
    "text", ["2026-11-24T18:30:00Z", "2026-11-24T18:30z", "2026-11-24T18:30:00+00:00", "2026-11-24T19:30+01:00"]
)
def test_moments_may_have_a_zone(text: str) -> None:
    assert parse_when(text) == datetime(2026, 11, 24, 18, 30, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize("text", ["Z", "soonZ", "2026-11-24T18:30+00:00Z"])
def test_a_z_alone_makes_no_moment(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a time"):
        parse_when(text)
