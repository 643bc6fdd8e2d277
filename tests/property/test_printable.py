"""Text from elsewhere moves no cursor, and says the same: what is escaped can be read back."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from visage.observe.printable import HIDDEN, JOINERS, printable


@given(st.text(max_size=60))
def test_nothing_that_hides_or_breaks_the_line_is_left(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(sign) in HIDDEN for sign in shown if sign not in JOINERS)
    assert len(shown.splitlines()) <= 1


@given(st.text(alphabet=st.characters(exclude_characters="\\"), max_size=60))
def test_what_is_escaped_can_be_read_back(text: str) -> None:
    back = "".join(
        sign if unicodedata.category(sign) not in HIDDEN or sign in JOINERS else sign.encode("unicode_escape").decode()
        for sign in text
    )
    assert printable(text) == back
    assert printable(printable(text)) == printable(text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_what_is_kept_stays(before: str, after: str) -> None:
    assert "\n" in printable(f"{before}\n{after}", keep="\n")
