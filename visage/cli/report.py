"""`visage report`: the content of a gallery as a page."""

from __future__ import annotations

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
) -> None:
    """Write a report of who is on screen, when and with whom: a single HTML file that loads nothing else."""
    from visage.report import write_report  # noqa: PLC0415

    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        print(f"written to {write_report(opened, out)}")
