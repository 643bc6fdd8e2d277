"""`visage people`: who is in the gallery."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visage.cli.gallery import GalleryKeyOption, GalleryOption, open_with
from visage.cli.options import ModelDirOption
from visage.cli.reporting import report

if TYPE_CHECKING:
    from visage.people import FaceReader, Gallery

__all__ = ["app"]

HERE = Path("people")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")

app = typer.Typer(help="Name people, so that they are recognised; see, change and forget them.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(help="A name or an id.")]


FaceOption = Annotated[int | None, typer.Option(min=1, help="Which face, counted from left to right.")]
LargestOption = Annotated[bool, typer.Option("--largest", help="The largest of several faces.")]
KeepCropsOption = Annotated[
    bool | None,
    typer.Option("--keep-crops/--no-keep-crops", help="Store pictures of faces from now on.", show_default="off"),
]
EmbedderOption = Annotated[str | None, typer.Option(help="For a new gallery.", show_default="sface")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who it is.")],
    pictures: Annotated[
        list[Path],
        typer.Argument(help="Photographs, or a folder of them; with --track the results of a video.", exists=True),
    ],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    face: FaceOption = None,
    largest: LargestOption = False,
    track: Annotated[
        int | None, typer.Option(min=1, help="This track of a video's results, the folder that --dst wrote.")
    ] = None,
    keep_crops: KeepCropsOption = None,
    embedder: EmbedderOption = None,
    model_dir: ModelDirOption = None,
) -> None:
    """Enrol somebody from photographs with one face each, or from a track."""
    if track is None:
        files = [found for path in pictures for found in _files(path)]
        if not files:
            raise typer.BadParameter(f"no photograph in {', '.join(map(str, pictures))}")
    with open_with(gallery, gallery_key, model_dir, model=embedder) as (opened, reader):
        if keep_crops is not None:
            opened.keeps_crops = keep_crops
        if track is not None:
            done = [_enrol_track(opened, name, folder, track) for folder in pictures]
        else:
            done = [_enrol(opened, reader, name, path, face=face, largest=largest) for path in files]
    raise typer.Exit(0 if all(done) else 1)


@app.command()
def add_folders(
    folder: Annotated[Path, typer.Argument(help="Holds a folder a person, called like them.", exists=True)],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    largest: LargestOption = False,
    keep_crops: KeepCropsOption = None,
    embedder: EmbedderOption = None,
    model_dir: ModelDirOption = None,
) -> None:
    """Enrol many people: a folder a person, with their photographs."""
    people = {path.name: _files(path) for path in sorted(folder.iterdir()) if path.is_dir()} if folder.is_dir() else {}
    if not any(people.values()):
        raise typer.BadParameter(f"{folder} holds no folders with photographs")
    with open_with(gallery, gallery_key, model_dir, model=embedder) as (opened, reader):
        if keep_crops is not None:
            opened.keeps_crops = keep_crops
        done = [
            _enrol(opened, reader, name, path, face=None, largest=largest)
            for name, files in people.items()
            for path in files
        ]
    raise typer.Exit(0 if all(done) else 1)


@app.command("list")
def list_people(gallery: GalleryOption = HERE, gallery_key: GalleryKeyOption = None) -> None:
    """Everybody with a name."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.database.audit("list", "everybody")
        for one in opened.people():
            print(
                f"{one.person_id:<5} {one.name:<24} {_count(one.pictures, 'picture')}, "
                f"{_count(one.sightings, 'sighting')}, {one.seen_seconds:.1f} s, last {_day(one.last_seen)}"
            )


@app.command()
def unknowns(
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    everybody: Annotated[bool, typer.Option("--all", help="Also those seen too briefly.")] = False,
) -> None:
    """Who was seen and has no name yet."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.database.audit("list", "unknowns")
        for one in opened.unknowns(all_of_them=everybody):
            print(
                f"{one.name:<14} {_count(one.sightings, 'sighting')}, {one.seen_seconds:.1f} s in "
                f"{', '.join(one.sources)}, last {_day(one.last_seen)}"
            )


@app.command("name")
def name_unknown(
    unknown: Annotated[str, typer.Argument(help='"Unknown 17" or u17.')],
    name: Annotated[str, typer.Argument(help="Who it is.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Give an unknown a name, for all sightings so far and to come."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        person = opened.name_unknown(unknown, name)
        print(f"{person.name}: {_count(person.sightings, 'sighting')}")


@app.command()
def show(
    who: Who,
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet, where crops are kept.")] = None,
) -> None:
    """A person's pictures and last sightings."""
    from visage.people.contact_sheet import contact_sheet  # noqa: PLC0415

    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        person = opened.person(who)
        opened.database.audit("show", person.person_id)
        print(
            f"{person.name} ({person.person_id}): {_count(person.sightings, 'sighting')}, {person.seen_seconds:.1f} s"
        )
        pictures = opened.pictures(who)
        for picture in pictures:
            print(f"  {picture.picture_id:<5} {picture.origin}, quality {picture.quality:.2f}")
        for seen in opened.sightings(person=who, limit=10):
            print(f"  {seen.sighting_id:<7} {seen.source} {seen.start_seconds:.1f}-{seen.end_seconds:.1f} s")
        if sheet is not None:
            crops = [picture.crop for picture in pictures if picture.crop is not None]
            sheet.write_bytes(contact_sheet(crops))
            print(f"written to {sheet}")


@app.command()
def rename(who: Who, name: str, gallery: GalleryOption = HERE, gallery_key: GalleryKeyOption = None) -> None:
    """Call somebody otherwise."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.rename(who, name)


@app.command()
def merge(
    kept: Annotated[str, typer.Argument(help="Who keeps the name.")],
    merged: Annotated[str, typer.Argument(help="Who becomes part of the first.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Make two people one."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.merge(kept, merged)


@app.command()
def split(
    who: Annotated[str, typer.Argument(help="A person, or an unknown who is several people.")],
    name: Annotated[str | None, typer.Argument(help="Of the new person; not for an unknown.")] = None,
    pictures: Annotated[list[str] | None, typer.Argument(help="Ids of the pictures that are the new person's.")] = None,
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Tell apart two who were taken for one: visage people split Ada Grace i4 i7, or split "Unknown 17"."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        if name is None:
            print(" ".join(part.replace("u", "Unknown ") for part in opened.split_unknown(who)))
        elif not pictures:
            raise typer.BadParameter("which pictures are the new person's? `visage people show` lists their ids")
        else:
            opened.roll.split(who, name, pictures)


@app.command()
def remove_image(
    who: Who,
    picture: Annotated[str, typer.Argument(help="Its id.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Remove one picture of a person."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.roll.remove_picture(who, picture)


@app.command()
def forget(who: Who, gallery: GalleryOption = HERE, gallery_key: GalleryKeyOption = None) -> None:
    """Remove everything of somebody: pictures, embeddings, sightings, the name; then check that nothing is found."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        done = opened.forget(who)
    print(
        f"forgotten: {_count(done.pictures, 'picture')}, {_count(done.sightings, 'sighting')}, "
        f"{_count(done.vectors, 'embedding')}, {_count(done.crops, 'crop')}; "
        + ("a search finds none of them" if done.verified else "A SEARCH STILL FINDS SOME")
        + ("; the index is in use or away, and drops its copies when it can" if done.index_waits else "")
    )
    raise typer.Exit(0 if done.verified else 1)


@app.command()
def prune(
    days: Annotated[float, typer.Option(min=0, help="Keep sightings and unknowns of so many days.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Remove what is older."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        print(f"removed {_count(opened.prune(older_than_seconds=days * 86_400), 'sighting')}")


@app.command()
def audit(gallery: GalleryOption = HERE, gallery_key: GalleryKeyOption = None, limit: int = 50) -> None:
    """Who enrolled, looked, named and forgot."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        for entry in opened.audit(limit):
            when = datetime.fromtimestamp(entry.at).astimezone().isoformat(timespec="seconds")
            print(f"{when}  {entry.actor}  {entry.action} {entry.subject} {entry.detail}".rstrip())


@app.command("export")
def export_people(target: Path, gallery: GalleryOption = HERE, gallery_key: GalleryKeyOption = None) -> None:
    """Write people, embeddings and crops to a zip file, not encrypted."""
    from visage.people.exchange import export_gallery  # noqa: PLC0415

    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        print(f"{_count(export_gallery(opened, target), 'picture')} written to {target}, not encrypted")


@app.command("import")
def import_people(
    archive: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Add the people of an export."""
    from visage.people.exchange import exported_model, import_gallery  # noqa: PLC0415

    with open_with(gallery, gallery_key, None, model=exported_model(archive)) as (opened, _):
        added, known = import_gallery(opened, archive)
        print(f"{_count(added, 'picture')} added, {known} known already")


@app.command()
def reindex(
    embedder: Annotated[str, typer.Option(help="The model to go over to.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    model_dir: ModelDirOption = None,
) -> None:
    """Recompute everything with another embedder, from the kept crops; what has none is lost and counted."""
    from visage.people.reindex import reindex_gallery  # noqa: PLC0415

    done, lost = reindex_gallery(gallery, embedder, key_file=gallery_key, model_dir=model_dir)
    print(f"{done} embeddings recomputed with {embedder}; {lost} had no crop to recompute from")


@app.command()
def key(file: Annotated[Path, typer.Argument(help="Where to write it; keep it apart from the gallery.")]) -> None:
    """Make a key for an encrypted gallery."""
    from visage.people.sealing import make_key  # noqa: PLC0415

    make_key(file)


def _enrol(
    opened: Gallery, reader: Callable[[], FaceReader], name: str, path: Path, *, face: int | None, largest: bool
) -> bool:
    """Enrol the face of a photograph and say so; False where it was refused, with the reason on standard error."""
    from stages.errors import SourceError  # noqa: PLC0415
    from visage.people import choose_face  # noqa: PLC0415
    from visage.people.errors import PictureRefused  # noqa: PLC0415

    try:
        chosen = choose_face(reader().read(path), number=face, largest=largest)
        done = opened.add(name, chosen, origin=path.name, content=path.read_bytes())
    except (PictureRefused, SourceError, OSError) as refusal:
        report(refusal, about=path.name)
        return False
    print(f"{path.name}: {name} {done.picture_id}, quality {done.quality:.2f}{done.note and '; ' + done.note}")
    return True


def _enrol_track(opened: Gallery, name: str, folder: Path, track: int) -> bool:
    from stages.errors import SourceError  # noqa: PLC0415
    from visage.people.errors import PictureRefused  # noqa: PLC0415
    from visage.people.result_track import read_track  # noqa: PLC0415

    about = f"{folder.name} track {track}"
    try:
        chosen = read_track(folder, track, model=opened.model)
        done = opened.add(name, chosen, origin=about, content=chosen.embedding.tobytes())
    except (PictureRefused, SourceError) as refusal:
        report(refusal, about=folder.name)
        return False
    print(f"{about}: {name} {done.picture_id}, quality {done.quality:.2f}{done.note and '; ' + done.note}")
    return True


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(found for found in path.iterdir() if found.suffix.lower() in PICTURES)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _day(at: float | None) -> str:
    return "never" if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
