"""ELAN's annotation format 3.0 (`.eaf`): a tier for each person.

ELAN has milliseconds: a frame is the one that begins nearest to the time, up to 500 frames a second. Each annotation's
value is the frames that it covers, so that a variable rate loses none.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TextIO

from visage.export.film import Film
from visage.export.xml_text import attribute, text

__all__ = ["write_elan"]

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="visage" DATE="{date}" FORMAT="3.0" VERSION="3.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
    <MEDIA_DESCRIPTOR MEDIA_URL={url} MIME_TYPE="video/*"/>
    <PROPERTY NAME="lastUsedAnnotationId">{annotations}</PROPERTY>
  </HEADER>
  <TIME_ORDER>
"""
TAIL = """  <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="on-screen" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""


def write_elan(film: Film, out: TextIO) -> None:
    """Write the document. Raises SourceError for results without tracks."""
    people = film.people
    every = [one for stretches in people.values() for one in stretches]
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    url = film.source if "://" in film.source else f"file://{film.source}"
    out.write(HEAD.format(date=date, url=attribute(url), annotations=len(every)))
    moments = [(round(seconds * 1000), 2 * row + end) for row, one in enumerate(every, 1)
               for end, seconds in enumerate((one.start, one.end))]  # fmt: skip
    for milliseconds, slot in sorted(moments):
        out.write(f'    <TIME_SLOT TIME_SLOT_ID="ts{slot}" TIME_VALUE="{milliseconds}"/>\n')
    out.write("  </TIME_ORDER>\n")
    row = 0
    for label, stretches in people.items():
        out.write(f'  <TIER LINGUISTIC_TYPE_REF="on-screen" TIER_ID={attribute(label)}>\n')
        for one in stretches:
            row += 1
            out.write(
                f'    <ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{row}" TIME_SLOT_REF1="ts{2 * row}" '
                f'TIME_SLOT_REF2="ts{2 * row + 1}"><ANNOTATION_VALUE>{text(one.frames)}</ANNOTATION_VALUE>'
                "</ALIGNABLE_ANNOTATION></ANNOTATION>\n"
            )
        out.write("  </TIER>\n")
    out.write(TAIL)
