"""`visage report`: what a gallery holds, or the results of many runs, as a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from visage.cli.gallery import HERE, GalleryKeyOption, GalleryOption, open_with

__all__ = ["report"]


def report(
    out: Annotated[
        Path,
        typer.Argument(help="Folder that report.html is written to.", file_okay=False),
    ],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            "--results",
            help="Report on these results of runs instead of a gallery: folders, or folders of such folders.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    films: Annotated[
        Path | None,
        typer.Option(
            "--films",
            help="With --results: CSV with a column film and others, such as director and year.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Write a report of who is on screen, when and with whom: one HTML file that needs nothing else.

    With --results it covers an archive: a page that loads its data as it is read, and a Parquet data set.
    """
    if results:
        _report_archive(out, results, films)
        return
    if films is not None:
        raise typer.BadParameter("--films describes the films of --results: give both")
    from visage.report import write_report  # noqa: PLC0415

    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        print(f"written to {write_report(opened, out)}")


def _report_archive(out: Path, results: list[Path], films: Path | None) -> None:
    from visage.report.archive import read_archive  # noqa: PLC0415
    from visage.report.archive_dataset import write_dataset  # noqa: PLC0415
    from visage.report.archive_page import write_archive_page  # noqa: PLC0415

    archive, problems = read_archive(results, films)
    for problem in problems:
        print(f"visage: {problem}", file=sys.stderr)
    out.mkdir(parents=True, exist_ok=True)
    write_dataset(archive, out / "dataset")
    print(f"written to {write_archive_page(archive, out)}: {len(archive.films)} films; {out / 'dataset'}")
