"""`visage people`: list, name, merge, split and forget the people in a gallery."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from visage.cli.corrections import correct, history, ignore, undo
from visage.cli.enrolment import add, add_folders
from visage.cli.gallery import HERE, GalleryKeyOption, GalleryOption, count, open_with
from visage.cli.upkeep import apply, audit, delete_crops, export_people, import_people, key, prune, reindex

__all__ = ["app"]

app = typer.Typer(help="Enrol people so that they are recognised; list, change and forget them.", no_args_is_help=True)

app.command()(add)
app.command()(add_folders)

Who = Annotated[str, typer.Argument(help="Name or id of the person.")]


@app.command("list")
def list_people(gallery: GalleryOption = HERE, gallery_key: GalleryKeyOption = None) -> None:
    """List everyone with a name."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.database.audit("list", "everybody")
        for one in opened.people():
            print(
                f"{one.person_id:<5} {one.name:<24} {count(one.pictures, 'picture')}, "
                f"{count(one.sightings, 'sighting')}, {one.seen_seconds:.1f} s, last {_day(one.last_seen)}"
            )


@app.command()
def unknowns(
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    everybody: Annotated[bool, typer.Option("--all", help="Include those seen only briefly.")] = False,
) -> None:
    """List the people who were seen but have no name yet."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.database.audit("list", "unknowns")
        for one in opened.unknowns(all_of_them=everybody):
            print(
                f"{one.name:<14} {count(one.sightings, 'sighting')}, {one.seen_seconds:.1f} s in "
                f"{', '.join(one.sources)}, last {_day(one.last_seen)}"
            )


@app.command("name")
def name_unknown(
    unknown: Annotated[str, typer.Argument(help='The unknown: "Unknown 17" or u17.')],
    name: Annotated[str, typer.Argument(help="Name of the person.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Name an unknown, for past and future sightings."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        person = opened.name_unknown(unknown, name)
        print(f"{person.name}: {count(person.sightings, 'sighting')}")


@app.command()
def show(
    who: Who,
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet to this file; needs stored crops.")] = None,
) -> None:
    """Show a person's pictures and last sightings."""
    from visage.people.contact_sheet import contact_sheet  # noqa: PLC0415

    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        person = opened.person(who)
        opened.database.audit("show", person.person_id)
        print(f"{person.name} ({person.person_id}): {count(person.sightings, 'sighting')}, {person.seen_seconds:.1f} s")
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
def rename(
    who: Who,
    name: Annotated[str, typer.Argument(help="New name.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Rename a person. Exits with 1 if another person has the name."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.rename(who, name)


@app.command()
def merge(
    kept: Annotated[str, typer.Argument(help="Person who keeps the name.")],
    merged: Annotated[str, typer.Argument(help="Person or unknown to add to the first.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Merge two people into one, or an unknown into a person."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.merge(kept, merged)
        person = opened.person(kept)
        print(f"{person.name}: pictures: {person.pictures}, sightings: {person.sightings}")


@app.command()
def split(
    who: Annotated[str, typer.Argument(help="Person, or unknown who is several people.")],
    name: Annotated[str | None, typer.Argument(help="Name of the new person; not for an unknown.")] = None,
    pictures: Annotated[list[str] | None, typer.Argument(help="Ids of the new person's pictures.")] = None,
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Split a person, or an unknown, who is several people.

    For example: visage people split Ada Grace i4 i7, or visage people split "Unknown 17".
    """
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        if name is None:
            print(" ".join(part.replace("u", "Unknown ") for part in opened.split_unknown(who)))
        elif not pictures:
            raise typer.BadParameter("which pictures are the new person's? `visage people show` lists their ids")
        else:
            opened.split(who, name, pictures)


@app.command()
def remove_image(
    who: Who,
    picture: Annotated[str, typer.Argument(help="Id of the picture.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Remove one picture of a person."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.roll.remove_picture(who, picture)


@app.command()
def forget(who: Who, gallery: GalleryOption = HERE, gallery_key: GalleryKeyOption = None) -> None:
    """Delete a person's pictures, embeddings, sightings and name, then verify that nothing is left.

    Exits with status 1 if a search still finds any of it.
    """
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        done = opened.forget(who)
    print(
        f"forgotten: {count(done.pictures, 'picture')}, {count(done.sightings, 'sighting')}, "
        f"{count(done.vectors, 'embedding')}, {count(done.crops, 'crop')}; "
        + ("a search finds none of them" if done.verified else "A SEARCH STILL FINDS SOME")
        + (
            "; the index is in use, unreachable or on a full disk, and will delete its copies later"
            if done.index_waits
            else ""
        )
    )
    raise typer.Exit(0 if done.verified else 1)


app.command()(correct)
app.command()(ignore)
app.command()(undo)
app.command()(history)
app.command()(apply)
app.command()(prune)
app.command()(delete_crops)
app.command()(audit)
app.command("export")(export_people)
app.command("import")(import_people)
app.command()(reindex)
app.command()(key)


def _day(at: float | None) -> str:
    return "never" if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
