"""`visage people apply`, `prune`, `audit`, `export`, `import`, `reindex`, `key`: maintain and move a gallery."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from visage.cli.gallery import HERE, MAX_LISTED, GalleryKeyOption, GalleryOption, count, open_with
from visage.cli.options import ModelDirOption

__all__ = ["apply", "audit", "delete_crops", "export_people", "import_people", "key", "prune", "reindex"]


def prune(
    days: Annotated[float, typer.Option(min=0, help="Keep sightings and unknowns of this many days.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Remove sightings and unknowns that are older than a number of days."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        print(f"removed {count(opened.prune(older_than_seconds=days * 86_400), 'sighting')}")


def delete_crops(
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete all stored pictures of faces; people, embeddings and sightings stay."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        stored = opened.crops()
        if stored and not yes:
            typer.confirm(f"Delete {count(stored, 'picture')} for good?", abort=True)
        print(f"deleted {count(opened.delete_crops(), 'picture')}")


def apply(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Folders or tables that --dst wrote.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Update a run's tables with names that were given later; unknowns get their numbers."""
    from visage.people.result_names import apply_names  # noqa: PLC0415

    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        for path in results:
            applied = apply_names(opened, path)
            opened.database.audit("apply", "everybody", f"{applied.rows} rows")
            unmatched = f", {count(applied.unmatched, 'row')} not in this gallery" if applied.unmatched else ""
            print(f"{path}: {count(applied.rows, 'row')} updated in {count(applied.tables, 'table')}{unmatched}")


def audit(
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LISTED, help="Maximum number of entries.")] = 50,
) -> None:
    """List the audit log: who enrolled, viewed, named or forgot whom, and when."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        for entry in opened.audit(limit):
            when = datetime.fromtimestamp(entry.at).astimezone().isoformat(timespec="seconds")
            print(f"{when}  {entry.actor}  {entry.action} {entry.subject} {entry.detail}".rstrip())


def export_people(
    target: Annotated[Path, typer.Argument(help="Zip file to write; it must not exist yet.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Export people, embeddings and crops to a zip file. The file is not encrypted; its owner protects it."""
    from visage.people.exchange import export_gallery  # noqa: PLC0415

    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        print(f"{count(export_gallery(opened, target), 'picture')} written to {target}, not encrypted")


def import_people(
    archive: Annotated[
        Path, typer.Argument(help="Zip file in the format of `visage people export`.", exists=True, dir_okay=False)
    ],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Import the people of an export."""
    from visage.people.exchange import exported_model, import_gallery  # noqa: PLC0415

    model = exported_model(archive)
    is_new = not (gallery / "gallery.sqlite").exists()  # otherwise the embeddings' digest may say more than the name
    with open_with(gallery, gallery_key, None, model=model if is_new else None) as (opened, _):
        added, known = import_gallery(opened, archive)
        print(f"{count(added, 'picture')} added, {known} already present")


def reindex(
    embedder: Annotated[str, typer.Option(help="Embedder to change to.")],
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    model_dir: ModelDirOption = None,
) -> None:
    """Recompute the embeddings from the stored crops with another embedder.

    Faces without a crop are lost, and counted.
    """
    from visage.people.reindex import reindex_gallery  # noqa: PLC0415

    done, lost = reindex_gallery(gallery, embedder, key_file=gallery_key, model_dir=model_dir)
    print(f"{done} embeddings recomputed with {embedder}; {lost} had no crop to recompute from")


def key(file: Annotated[Path, typer.Argument(help="Key file to write; keep it apart from the gallery.")]) -> None:
    """Create a key for an encrypted gallery."""
    from visage.people.cipher import make_key  # noqa: PLC0415

    make_key(file)
