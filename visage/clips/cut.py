"""Cuts each appearance into a file of its own: copied where MP4 can hold it, else encoded anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.clips.copy import CantCopy, copy_clip
from stages.clips.encode import encode_clip
from visage.clips.appearances import FilmAppearances

__all__ = ["Clip", "cut_clips", "file_name"]


@dataclass(frozen=True, slots=True)
class Clip:
    """A file that was written; `reason`: why it had to be encoded, None where it was copied."""

    path: Path
    seconds: float
    reason: str | None = None


def cut_clips(
    person: str, films: Sequence[FilmAppearances], out: Path, *, encode: bool = False, force: bool = False
) -> Iterator[Clip]:
    """Write `PERSON/FILM-0001.mp4` and so on into the folder; yields each as soon as it is there.

    Args:
        encode: encode all of them, for programs that do not heed edit lists.

    Raises:
        SourceError, OutputExists, OutputFailed
    """
    folder = out / file_name(person)
    for film in films:
        for number, one in enumerate(film.appearances, 1):
            path = folder / f"{file_name(film.film.stem)}-{number:04d}.mp4"
            seconds = one.end_seconds - one.start_seconds
            reason = "--encode" if encode else None
            if not encode:
                try:
                    copy_clip(film.film, path, one.start_seconds, one.end_seconds, force=force)
                except CantCopy as error:
                    reason = str(error.__cause__)
            if reason is not None:
                # Sound that MP4 can't hold goes into Matroska.
                path = path.with_suffix(".mp4" if encode else ".mkv")
                encode_clip(film.film, path, one.start_seconds, one.end_seconds, force=force)
            yield Clip(path, seconds, reason)


def file_name(name: str) -> str:
    """Return a name that every file system takes, of at most 80 letters."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[:80] or "_"
