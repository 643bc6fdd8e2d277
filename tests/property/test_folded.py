"""How names are searched: the same whatever the case, the accents and the spaces, and whatever was folded before."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visage.people.names import folded


@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(text: str) -> None:
    """A query that was copied from a folded name finds it."""
    assert folded(folded(text)) == folded(text)


@given(st.text(alphabet=st.characters(max_codepoint=0x24F, categories=["L"]), max_size=20))
def test_neither_case_nor_composition_matters(text: str) -> None:
    for other in (text.upper().lower(), unicodedata.normalize("NFD", text), f"  {text}\t"):
        assert folded(other) == folded(unicodedata.normalize("NFC", other))
    assert folded(unicodedata.normalize("NFD", text)) == folded(text)


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("José", "jose"),
        ("STRASSE", "straße"),
        ("Zoë  Müller", "zoe muller"),
        ("\u2121", "tel"),  # one sign of three capital letters, which have no case before they are taken apart
        ("\U0001d400da", "ada"),  # a bold A of mathematics
    ],
)
def test_a_name_is_found_as_a_person_would_type_it(name: str, query: str) -> None:
    assert folded(name) == folded(query)
