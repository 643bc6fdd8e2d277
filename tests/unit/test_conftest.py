"""The sentence about skipped tests at the end of a run."""

from __future__ import annotations

from tests.conftest import sentence_of_missing


def test_what_lacks_is_named_once_with_the_command() -> None:
    reasons = [
        "Skipped: needs Chromium: apt-get install chromium",
        "Skipped: needs Chromium: apt-get install chromium",
        "Skipped: needs promtool (apt install prometheus)",
        "Skipped: root may write everywhere",
    ]
    sentence = sentence_of_missing(reasons)
    assert sentence.startswith("3 skipped for want of Chromium, promtool")
    assert sentence.endswith("sudo apt-get install chromium prometheus")


def test_nothing_is_said_where_no_program_lacks() -> None:
    assert sentence_of_missing(["Skipped: root may write everywhere", "Skipped: this machine has one card"]) == ""
