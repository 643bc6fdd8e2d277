"""`visage people correct`, `ignore`, `undo`, `history`: say whom a sighting shows, for good, and take it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from visage.cli.gallery import HERE, MAX_LISTED, GalleryKeyOption, GalleryOption, count, open_with

if TYPE_CHECKING:
    from visage.people import Gallery
    from visage.people.records import CorrectionRecord, Preview

__all__ = ["correct", "history", "ignore", "undo"]

MAX_SHOWN = 20

SightingIds = Annotated[
    list[str], typer.Argument(help="Ids of sightings, such as s12; `visage people show` lists them.")
]
PreviewOption = Annotated[
    bool, typer.Option("--preview", help="Change nothing; say which past sightings would have another name.")
]


def correct(
    sightings: SightingIds,
    is_name: Annotated[str | None, typer.Option("--is", metavar="NAME", help="They show this person.")] = None,
    is_not: Annotated[
        str | None, typer.Option("--is-not", metavar="NAME", help="They do not show this person.")
    ] = None,
    different: Annotated[bool, typer.Option("--different", help="These two show different people.")] = False,
    preview: PreviewOption = False,
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """State whom sightings show, or do not show. Corrections last when their film is analysed again.

    For example: visage people correct s12 s15 --is Ada, or visage people correct s3 s4 --different.
    """
    from visage.people.correction_rule import CorrectionKind  # noqa: PLC0415

    if (is_name is not None) + (is_not is not None) + different != 1:
        raise typer.BadParameter("give one of --is NAME, --is-not NAME and --different")
    kind = CorrectionKind.IS if is_name is not None else CorrectionKind.IS_NOT
    kind = CorrectionKind.DIFFERENT if different else kind
    name = is_name if is_name is not None else is_not
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        _make(opened, lambda: opened.correct(sightings, kind, name=name), preview=preview)


def ignore(
    sightings: SightingIds,
    preview: PreviewOption = False,
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Ignore sightings of posters, statues or passers-by. Similar faces are ignored from then on, too."""
    from visage.people.correction_rule import CorrectionKind  # noqa: PLC0415

    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        _make(opened, lambda: opened.correct(sightings, CorrectionKind.IGNORE), preview=preview)


def undo(
    correction: Annotated[
        str | None, typer.Argument(help="Id of the correction, such as c4; default: the last.")
    ] = None,
    preview: PreviewOption = False,
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
) -> None:
    """Take a correction back: the sightings become what they were, as far as that is still there."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        _make(opened, lambda: [opened.undo_correction(correction)], preview=preview)


def history(
    gallery: GalleryOption = HERE,
    gallery_key: GalleryKeyOption = None,
    limit: Annotated[int, typer.Option(min=1, max=MAX_LISTED, help="Maximum number of entries.")] = 50,
) -> None:
    """List the corrections, newest first: who said what about which sightings, and what was undone."""
    with open_with(gallery, gallery_key, None, create=False) as (opened, _):
        opened.database.audit("list", "corrections")
        for record in opened.correction_history(limit):
            when = datetime.fromtimestamp(record.at).astimezone().isoformat(timespec="seconds")
            print(f"{when}  {record.actor}  {_line(record)}{', undone' if record.undone_at is not None else ''}")


def _make(opened: Gallery, change: Callable[[], list[CorrectionRecord]], *, preview: bool) -> None:
    """Make corrections and print them; where only a preview is wanted, print what they would do."""
    if preview:
        _print_preview(opened.preview(change))
        return
    for record in change():
        print(_line(record))


def _print_preview(found: Preview) -> None:
    """Print which sightings would have another name, the first of them one by one."""
    print(f"{len(found.changes)} of {count(found.total, 'sighting')} would have another name")
    for change in found.changes[:MAX_SHOWN]:
        print(f"  {change.sighting_id:<7} {change.before} -> {change.after}")
    if len(found.changes) > MAX_SHOWN:
        print(f"  and {len(found.changes) - MAX_SHOWN} more")


def _line(record: CorrectionRecord) -> str:
    who = " ".join(record.sightings) or f"{record.source} at {record.seconds:.1f} s"
    return f"{record.correction_id}: {who} {record.kind} {record.name}".rstrip()
