"""`visage clips`: every appearance of a person, cut out of the films."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from visage.cli.options import parse_output

__all__ = ["clips", "parse_duration"]

DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)?")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


def clips(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The person; '*' for everybody who has a name.")],
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULTS…", help="Folders with the results of runs.", exists=True, file_okay=False),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", parser=parse_output, metavar="FOLDER", help="Folder to write to.")
    ] = Path("clips"),
    pad: Annotated[
        float,
        typer.Option(parser=parse_duration, metavar="TIME", help="Shown before and after each appearance: 2s, 500ms."),
    ] = 2.0,
    films: Annotated[
        Path | None,
        typer.Option(
            help="Folder with the films, if they are not where the results say.", exists=True, file_okay=False
        ),
    ] = None,
    encode: Annotated[
        bool, typer.Option("--encode", help="Encode the clips anew, for programs that do not heed edit lists.")
    ] = False,
    supercut: Annotated[bool, typer.Option("--supercut", help="Write one video of all appearances instead.")] = False,
    contact_sheet: Annotated[
        bool, typer.Option("--contact-sheet", help="Write a picture of the best shots instead.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Cut every appearance of a person out of the films, without loss and exact to the frame."""
    from stages.clips.supercut import Part, write_supercut  # noqa: PLC0415
    from visage.clips.appearances import find_appearances, result_folders  # noqa: PLC0415
    from visage.clips.contact_sheet import write_contact_sheet  # noqa: PLC0415
    from visage.clips.cut import cut_clips, file_name  # noqa: PLC0415

    found = find_appearances(result_folders(results), name, pad_seconds=pad, films=films)
    for person, of_films in sorted(found.items()):
        base = out / file_name(person)
        if contact_sheet:
            portraits = [one for film in of_films for one in film.portraits]
            path = base.with_name(base.name + ".jpg")
            print(f"{path}: {write_contact_sheet(person, portraits, path, force=force)} shots")
        if supercut:
            parts = [
                Part(film.film, one.start_seconds, one.end_seconds) for film in of_films for one in film.appearances
            ]
            path = base.with_name(base.name + ".mp4")
            print(f"{path}: {len(parts)} appearances, {write_supercut(parts, path, force=force):.1f} s")
        if not (contact_sheet or supercut):
            for clip in cut_clips(person, of_films, out, encode=encode, force=force):
                how = "copied" if clip.reason is None else f"encoded ({clip.reason})"
                print(f"{clip.path}: {clip.seconds:.1f} s, {how}")


def parse_duration(text: str) -> float:
    """Seconds of "2s", "500ms", "1.5m" or "2". Raises typer.BadParameter."""
    found = DURATION.fullmatch(str(text).strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a length of time: write 2s, 500ms or 1m")
    return float(found[1]) * UNITS[found[2]]
