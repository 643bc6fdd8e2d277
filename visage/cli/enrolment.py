"""`visage people add`, `add-folders`: enrol people from photographs, or from a track in a run's results."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.decode.suffixes import PHOTOGRAPH_SUFFIXES, is_left_out
from visage.cli.gallery import HERE, GalleryKeyOption, GalleryOption, count, open_with
from visage.cli.options import ModelDirOption
from visage.cli.reporting import report

if TYPE_CHECKING:
    from visage.people import FaceReader, Gallery

__all__ = ["add", "add_folders"]

MAX_NAMED = 5
"""Of a folder's other files."""

FaceOption = Annotated[int | None, typer.Option(min=1, help="Number of the face to use, counted from left to right.")]
LargestOption = Annotated[bool, typer.Option("--largest", help="Use the largest of several faces.")]
KeepCropsOption = Annotated[
    bool | None,
    typer.Option("--keep-crops/--no-keep-crops", help="Store pictures of faces from now on.", show_default="off"),
]
EmbedderOption = Annotated[str | None, typer.Option(help="Embedder of a new gallery.", show_default="sface")]


def add(
    name: Annotated[str, typer.Argument(help="Name of the person.")],
    pictures: Annotated[
        list[Path],
        typer.Argument(help="Photographs or a folder of them; with --track, the results of a video.", exists=True),
    ],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    face: FaceOption = None,
    largest: LargestOption = False,
    track: Annotated[
        int | None, typer.Option(min=1, help="Enrol from this track in a video's results, the folder that --dst wrote.")
    ] = None,
    keep_crops: KeepCropsOption = None,
    embedder: EmbedderOption = None,
    model_dir: ModelDirOption = None,
) -> None:
    """Enrol a person from photographs with one face each, or from a track."""
    if track is None:
        files = [found for path in pictures for found in _files(path)]
        if not files:
            raise typer.BadParameter(f"no photograph in {', '.join(map(str, pictures))}")
    with open_with(gallery, gallery_key, model_dir, model=embedder) as (opened, reader):
        if keep_crops is not None:
            switch_crops(opened, keep=keep_crops)
        if track is not None:
            done = [_enrol_track(opened, name, folder, track) for folder in pictures]
        else:
            done = [_enrol(opened, reader, name, path, face=face, largest=largest) for path in files]
    raise typer.Exit(0 if all(done) else 1)


def add_folders(
    folder: Annotated[
        Path, typer.Argument(help="Folder with one subfolder per person, named after them.", exists=True)
    ],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    largest: LargestOption = False,
    keep_crops: KeepCropsOption = None,
    embedder: EmbedderOption = None,
    model_dir: ModelDirOption = None,
) -> None:
    """Enrol many people from one folder of photographs each."""
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []
    people = {path.name: _files(path) for path in folders if not is_left_out(path.name)}
    if not any(people.values()):
        raise typer.BadParameter(f"{folder} holds no folders with photographs")
    with open_with(gallery, gallery_key, model_dir, model=embedder) as (opened, reader):
        if keep_crops is not None:
            switch_crops(opened, keep=keep_crops)
        done = [
            _enrol(opened, reader, name, path, face=None, largest=largest)
            for name, files in people.items()
            for path in files
        ]
    raise typer.Exit(0 if all(done) else 1)


def switch_crops(opened: Gallery, *, keep: bool) -> None:
    """Switch the storing of crops on or off, say what that means, and offer to delete those that are stored.

    Raises typer.Abort if the user interrupts the question.
    """
    opened.keeps_crops = keep
    if keep:
        print("visage: from now on pictures of faces are stored, also by a running daemon", file=sys.stderr)
        return
    print("visage: from now on no pictures of faces are stored, also by a running daemon", file=sys.stderr)
    if not (stored := opened.crops()):
        return
    if sys.stdin.isatty() and typer.confirm(
        f"{count(stored, 'picture')} stored before: delete?", default=False, err=True
    ):
        print(f"visage: {count(opened.delete_crops(), 'picture')} deleted", file=sys.stderr)
    else:
        left = f"{count(stored, 'picture')} stored before {'is' if stored == 1 else 'are'} hidden, not deleted"
        print(f"visage: {left}; `visage people delete-crops` deletes them", file=sys.stderr)


def _enrol(
    opened: Gallery, reader: Callable[[], FaceReader], name: str, path: Path, *, face: int | None, largest: bool
) -> bool:
    """Enrol the face of a photograph and say so; False where it was refused, with the reason on standard error."""
    from stages.errors import SourceError  # noqa: PLC0415
    from visage.people import choose_face  # noqa: PLC0415
    from visage.people.errors import PictureKnown, PictureRefused  # noqa: PLC0415

    try:
        chosen = choose_face(reader().read(path), number=face, largest=largest)
        done = opened.add(name, chosen, origin=path.name, content=path.read_bytes())
    except PictureKnown as known:  # to add a folder again is no failure
        print(f"{path.name}: {known}")
        return True
    except (PictureRefused, SourceError, OSError) as refusal:
        report(refusal, about=path.name)
        return False
    print(f"{path.name}: {name} {done.picture_id}, quality {done.quality:.2f}{done.note and '; ' + done.note}")
    return True


def _enrol_track(opened: Gallery, name: str, folder: Path, track: int) -> bool:
    from stages.errors import SourceError  # noqa: PLC0415
    from visage.people.errors import PictureKnown, PictureRefused  # noqa: PLC0415
    from visage.people.result_track import read_track  # noqa: PLC0415

    about = f"{folder.name} track {track}"
    try:
        chosen = read_track(folder, track, model=opened.model)
        done = opened.add(name, chosen, origin=about, content=chosen.embedding.tobytes())
    except PictureKnown as known:
        print(f"{about}: {known}")
        return True
    except (PictureRefused, SourceError) as refusal:
        report(refusal, about=folder.name)
        return False
    print(f"{about}: {name} {done.picture_id}, quality {done.quality:.2f}{done.note and '; ' + done.note}")
    return True


def _files(path: Path) -> list[Path]:
    """The photographs in a folder, or the file itself. What else lies in the folder is said in one line."""
    if not path.is_dir():
        return [path]
    visible = sorted(found for found in path.iterdir() if not is_left_out(found.name))
    photographs = [found for found in visible if found.suffix.lower() in PHOTOGRAPH_SUFFIXES and not found.is_dir()]
    left_out = [f"{found.name}/" if found.is_dir() else found.name for found in visible if found not in photographs]
    if left_out:
        more = len(left_out) - MAX_NAMED
        names = ", ".join(left_out[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
        print(f"visage: {path}: not photographs, left out: {names}", file=sys.stderr)
    return photographs
