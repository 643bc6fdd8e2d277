"""What commands about people share: which gallery, and a reader of photographs that loads networks when first used."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from visage.people import FaceReader, Gallery

__all__ = ["GalleryKeyOption", "GalleryOption", "open_with"]

GalleryOption: TypeAlias = Annotated[
    Path, typer.Option("--gallery", "-g", envvar="VISAGE_GALLERY", help="The gallery's folder.")
]
GalleryKeyOption: TypeAlias = Annotated[
    Path | None, typer.Option(envvar="VISAGE_GALLERY_KEY", help="Key file of an encrypted gallery.")
]


@contextlib.contextmanager
def open_with(
    gallery: Path, key_file: Path | None, model_dir: Path | None, *, model: str | None = None, create: bool = True
) -> Iterator[tuple[Gallery, Callable[[], FaceReader]]]:
    """An open gallery and its reader of photographs; both are closed afterwards. Raises PeopleError."""
    from visage.cli.session import make_settings  # noqa: PLC0415
    from visage.people import FaceReader, open_gallery  # noqa: PLC0415

    readers: list[FaceReader] = []
    with (
        contextlib.ExitStack() as stack,
        open_gallery(gallery, model=model, model_dir=model_dir, key_file=key_file, create=create) as opened,
    ):

        def reader() -> FaceReader:
            if not readers:
                settings = make_settings({"embedder": opened.model, "model_dir": model_dir})
                readers.append(stack.enter_context(FaceReader(settings)))
            return readers[0]

        yield opened, reader
