"""What the commands about people share: which gallery, and a reader of photographs that loads networks on first use."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from visage.cli.options import parse_output

if TYPE_CHECKING:
    from visage.people import FaceReader, Gallery

__all__ = ["HERE", "MAX_LISTED", "GalleryKeyOption", "GalleryOption", "count", "open_with"]

HERE = Path("people")

MAX_LISTED = 1_000_000
"""Nobody reads more; what searches and counts has limits of its own."""

GalleryOption: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--gallery", "-g", parser=parse_output, metavar="PATH", envvar="VISAGE_GALLERY", help="Folder of the gallery."
    ),
]
GalleryKeyOption: TypeAlias = Annotated[
    Path | None, typer.Option(envvar="VISAGE_GALLERY_KEY", help="Key file for an encrypted gallery.")
]


@contextlib.contextmanager
def open_with(
    gallery: Path, key_file: Path | None, model_dir: Path | None, *, model: str | None = None, create: bool = True
) -> Iterator[tuple[Gallery, Callable[[], FaceReader]]]:
    """An open gallery and its reader of photographs; both are closed afterwards.

    The index is where the environment says (`VISAGE_INDEX_URL`), as for a run. Raises PeopleError.
    """
    from visage.cli.run_settings import make_settings  # noqa: PLC0415
    from visage.people import FaceReader, gallery_of  # noqa: PLC0415

    settings = make_settings({"gallery": gallery, "gallery_key": key_file, "model_dir": model_dir})
    if create and not (gallery / "gallery.sqlite").exists():
        print(f"visage: {gallery}: a new gallery, with no one in it yet", file=sys.stderr)
    readers: list[FaceReader] = []
    with contextlib.ExitStack() as stack, gallery_of(settings, model=model, create=create) as opened:

        def reader() -> FaceReader:
            if not readers:
                own = settings.model_copy(update={"embedder": opened.model})
                readers.append(stack.enter_context(FaceReader(own)))
            return readers[0]

        yield opened, reader


def count(number: int, what: str) -> str:
    """Return a number, at least 0, with its noun: "1 picture", "2 pictures"."""
    return f"{number} {what}{'' if number == 1 else 's'}"
