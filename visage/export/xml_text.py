"""Text as XML 1.0 takes it: characters that no XML file may hold become U+FFFD."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

__all__ = ["attribute", "text"]

NOT_ALLOWED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(value: str) -> str:
    """Return an element's text, with `&`, `<` and `>` as entities."""
    return escape(NOT_ALLOWED.sub("\ufffd", value))


def attribute(value: str) -> str:
    """Return an attribute's value within quotes, with entities where they are needed."""
    return quoteattr(NOT_ALLOWED.sub("\ufffd", value))
