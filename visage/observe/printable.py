"""Text from elsewhere, such as a file's name, as one line that moves no cursor and changes no colour."""

from __future__ import annotations

import unicodedata

__all__ = ["printable"]

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of Unicode: control, format (such as right-to-left overrides), surrogates, line and paragraph ends."""
JOINERS = frozenset("\u200c\u200d")  # part of how some scripts and emoji are written


def printable(text: str, *, keep: str = "") -> str:
    r"""Return the text with characters that do not print escaped: `\n`, `\x1b`, `\u202e`.

    Args:
        keep: characters to leave as they are.
    """
    if text.isprintable():
        return text
    kept = JOINERS.union(keep)
    return "".join(
        character.encode("unicode_escape").decode() if _is_hidden(character) and character not in kept else character
        for character in text
    )


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in HIDDEN
