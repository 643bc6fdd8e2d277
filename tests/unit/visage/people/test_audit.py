"""Who looked, enrolled and forgot, without a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.visage.people.scenes import add, gallery, person
from visage.cli.main import main


def test_looking_leaves_a_line_and_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada Lovelace", person(1))
    for command in (["list"], ["show", "Ada Lovelace"], ["rename", "Ada Lovelace", "Countess"]):
        with pytest.raises(SystemExit) as exited:
            main(["people", *command, "--gallery", str(tmp_path)])
        assert exited.value.code == 0
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["people", "audit", "--gallery", str(tmp_path)])
    lines = capsys.readouterr().out
    assert [line.split()[2:4] for line in lines.splitlines()] == [
        ["rename", "p1"],
        ["show", "p1"],
        ["list", "everybody"],
        ["enrol", "p1"],
    ]
    assert "Ada" not in lines
    assert "Countess" not in lines
