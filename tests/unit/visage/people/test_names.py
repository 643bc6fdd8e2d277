"""What people may be called."""

from __future__ import annotations

import unicodedata

import pytest

from visage.people.errors import NameRefused
from visage.people.names import clean_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  Ada   Lovelace ", "Ada Lovelace"),
        (unicodedata.normalize("NFD", "José"), "José"),
        ("<b>../etc</b>", "<b>../etc</b>"),
        ("علی\u200cرضا", "علی\u200cرضا"),  # a joiner that Persian is written with
        ("Unknown Soldier", "Unknown Soldier"),
    ],
)
def test_one_name_has_one_spelling(text: str, name: str) -> None:
    assert clean_name(text) == name


@pytest.mark.parametrize(
    "text", ["", " \t\n", "Ada\x1b[2J", "abc\u202e", "all", "UNKNOWN", "Unknown 17", "p7", "x" * 201]
)
def test_what_means_nothing_or_something_else_is_refused(text: str) -> None:
    with pytest.raises(NameRefused):
        clean_name(text)
