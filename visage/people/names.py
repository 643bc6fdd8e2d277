"""Valid names of people: one line of text that means nothing else here and that no terminal interprets."""

from __future__ import annotations

import re
import unicodedata

from visage.people.errors import NameRefused

__all__ = ["clean_name", "folded", "tidy"]

MAX_CHARACTERS = 200
TAKEN = re.compile(r"all|anybody|unknown|unknown \d+|[pusi]\d+", re.IGNORECASE)
"""Ids, unknowns, and the words of `--blur` and `--refine`."""

DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""They make a text look like another one."""


def tidy(text: str) -> str:
    """Return the normal form of a name: Unicode's NFC, single spaces, none around it."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def folded(text: str) -> str:
    """Return the text without case, accents and surrounding spaces, as names are searched: "jose" finds "José"."""
    if text.isascii():  # nearly all are, and a list asks for thousands
        return " ".join(text.split()).lower()
    letters = text
    for _ in range(2):  # letters of signs such as "℡" have a case only once they are taken apart
        letters = unicodedata.normalize("NFKD", letters.casefold())
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(plain.split())  # last: some accents by themselves leave a space


def clean_name(text: str) -> str:
    """A name as it is stored. Raises NameRefused."""
    name = tidy(text)
    if not name:
        raise NameRefused("a name can't be empty")
    if len(name) > MAX_CHARACTERS:
        raise NameRefused(f"a name has at most {MAX_CHARACTERS} characters, not {len(name)}")
    if any(unicodedata.category(sign) in ("Cc", "Cs") or sign in DIRECTIONS for sign in name):
        raise NameRefused(f"the name {name!r} holds control characters")
    if TAKEN.fullmatch(name):
        raise NameRefused(f"{name!r} is reserved by Visage; choose another name")
    return name
