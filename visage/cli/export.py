"""`visage export`: stored results in the formats of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from visage.cli.options import parse_output

__all__ = ["export"]


def export(
    results: Annotated[Path, typer.Argument(help="Folder that --dst wrote, of one film or of several.")],
    format_name: Annotated[
        str,
        typer.Option(
            "--format",
            help="elan, webvtt, srt, web-annotation, iiif, otio, edl, fcpxml, cvat, label-studio, coco, mot, duckdb "
            "or sidecar.",
        ),
    ],
    dst: Annotated[
        Path | None,
        typer.Option(
            parser=parse_output,
            metavar="PATH",
            help="File to write; a folder for several films.",
            show_default="beside the results",
        ),
    ] = None,
    person: Annotated[
        list[str] | None, typer.Option(help="Export this person alone; can be repeated.", show_default="everyone")
    ] = None,
    partial: Annotated[bool, typer.Option(help="Export the results of a run that was cut short.")] = False,
    force: Annotated[bool, typer.Option(help="Replace files that exist.")] = False,
) -> None:
    """Write stored results for ELAN, players, editing and labelling programs; nothing is analysed again."""
    from stages.errors import StageError  # noqa: PLC0415
    from visage.cli.reporting import report  # noqa: PLC0415
    from visage.export import FORMATS  # noqa: PLC0415
    from visage.export import export as export_results  # noqa: PLC0415

    if format_name not in FORMATS:
        raise typer.BadParameter(f"there is no format {format_name}; choose one of {', '.join(FORMATS)}")
    try:
        written = export_results(results, format_name, dst, people=person or (), partial=partial, force=force)
    except (StageError, OSError) as error:
        report(error)
        raise typer.Exit(1) from error
    for path in written:
        print(f"written to {path}")
