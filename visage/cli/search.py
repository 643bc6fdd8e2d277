"""`visage search`: where a face has been seen."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visage.cli.gallery import HERE, MAX_LISTED, GalleryKeyOption, GalleryOption, open_with
from visage.cli.options import ModelDirOption

if TYPE_CHECKING:
    from visage.people.records import Sighting

__all__ = ["parse_when", "search"]

AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def search(
    picture: Annotated[Path, typer.Argument(help="A photograph of the face to look for.", exists=True, dir_okay=False)],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    person: Annotated[str | None, typer.Option(help="Only sightings of this person or unknown.")] = None,
    source: Annotated[str | None, typer.Option(help="Only sightings in this source, or a pattern: 'cam-*'.")] = None,
    since: Annotated[
        float | None,
        typer.Option(
            parser=parse_when, metavar="WHEN", help="Only sightings after this: a date, or 2h for two hours ago."
        ),
    ] = None,
    until: Annotated[
        float | None, typer.Option(parser=parse_when, metavar="WHEN", help="Only sightings before this: as --since.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LISTED, help="Maximum number of results.")] = 20,
    least: Annotated[
        float | None, typer.Option(help="Minimum cosine similarity.", show_default="the model's threshold")
    ] = None,
    face: Annotated[
        int | None, typer.Option(min=1, help="Number of the face to use, counted from left to right.")
    ] = None,
    largest: Annotated[bool, typer.Option("--largest", help="Use the largest of several faces.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
    model_dir: ModelDirOption = None,
) -> None:
    """Find the sightings of a face, best first, with the cosine similarity of each (at most 1)."""
    from visage.people import choose_face  # noqa: PLC0415

    with open_with(gallery, gallery_key, model_dir, create=False) as (opened, reader):
        query = choose_face(reader().read(picture), number=face, largest=largest)
        matches = opened.search(
            query.embedding,
            person=person,
            source=source,
            since=since,
            until=until,
            limit=limit,
            least_similarity=opened.threshold if least is None else least,
        )
        whom = "everybody" if person is None else opened.identifier(person)  # names do not belong in the trail
        opened.database.audit("search", whom, f"{len(matches)} found")
    if as_json:
        print(json.dumps([_record(match.sighting, match.similarity) for match in matches], indent=2))
        return
    for match in matches:
        seen = match.sighting
        when = datetime.fromtimestamp(seen.started_at, timezone.utc).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        span = f"{seen.start_seconds:.1f}-{seen.end_seconds:.1f} s"
        origin = "" if seen.time_origin == "capture" else f" ({seen.time_origin})"
        print(f"{match.similarity:.2f}  {seen.name:<20}  {seen.source:<20}  {span:<16}  {when}{origin}")
    if not matches:
        print("no similar face was seen; --least 0 shows the closest ones")


def parse_when(text: str) -> float:
    """Seconds since the epoch of "2h" (ago), "2026-11-24" or "2026-11-24T18:30", with Z for UTC.

    Raises typer.BadParameter.
    """
    ago = AGO.fullmatch(text.strip())
    if ago is not None:
        return time.time() - float(ago[1]) * UNITS[ago[2]]
    written = re.sub(
        r"(?<=\d)Z$", "+00:00", text.strip(), flags=re.IGNORECASE
    )  # Python 3.10 does not read the Z of UTC
    try:
        return datetime.fromisoformat(written).astimezone().timestamp()
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time: write 30m, 2h, 7d or 2026-11-24T18:30") from None


def _record(seen: Sighting, similarity: float) -> dict[str, object]:
    # A sighting has a similarity of its own: to whom it was recognised as.
    return {**asdict(seen), "similarity": round(similarity, 4)}
