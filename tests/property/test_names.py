"""What people may be called: any name that is taken is one line, is found again as it is stored, and is no id."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visage.people.errors import NameRefused
from visage.people.names import MAX_CHARACTERS, clean_name, tidy
from visage.people.person_store import number_of

SPACES = st.sampled_from(["", " ", "  ", "\t", "\n", "\u00a0", "\u2003"])


@given(st.text(max_size=40))
def test_a_name_that_is_taken_is_one_line_and_stays_as_it_is(text: str) -> None:
    try:
        name = clean_name(text)
    except NameRefused:
        return
    assert clean_name(name) == name == tidy(text)
    assert name.isspace() is False
    assert len(name.splitlines()) == 1
    assert unicodedata.is_normalized("NFC", name)
    assert not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name)
    assert all(number_of(name, kind) is None for kind in "puis")


@given(st.lists(st.sampled_from(["Zoë", "Zoe\u0308", "Müller", "Mu\u0308ller", "李"]), min_size=1, max_size=4), SPACES)
def test_spellings_of_one_name_are_one_name(words: list[str], around: str) -> None:
    spelled = unicodedata.normalize("NFD", f"{around}{'  '.join(words)}{around}")
    assert clean_name(spelled) == clean_name(" ".join(words))


@given(st.sampled_from("pusi"), st.integers(0, 10**17), st.sampled_from(["", "Unknown "]), st.booleans())
def test_what_is_an_id_or_an_unknown_is_refused(kind: str, number: int, prefix: str, is_upper: bool) -> None:
    text = f"{prefix}{number}" if prefix else f"{kind}{number}"
    with pytest.raises(NameRefused, match="choose another name"):
        clean_name(text.upper() if is_upper else text)


@given(st.integers(1, 400))
def test_a_longer_name_is_refused(length: int) -> None:
    if length > MAX_CHARACTERS:
        with pytest.raises(NameRefused, match=f"at most {MAX_CHARACTERS} characters, not {length}"):
            clean_name("x" * length)
    else:
        assert clean_name("x" * length) == "x" * length


@given(st.sampled_from("puis"), st.integers(0, 10**17))
def test_an_id_is_spelled_in_one_way(kind: str, number: int) -> None:
    assert number_of(f"{kind}{number}", kind) == number
    for wrong in (f"{kind}0{number}", f"{kind}{number} ", f"{kind}+{number}", f"{kind}-{number}", f"x{number}", kind):
        assert number_of(wrong, kind) is None
