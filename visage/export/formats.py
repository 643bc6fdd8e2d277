"""The formats of exports, and how one is written: each file appears whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from stages.errors import OutputExists, SourceError
from stages.sink.staged import StagedFile, output_errors
from visage.export.annotations import write_iiif, write_web_annotations
from visage.export.captions import write_srt, write_webvtt
from visage.export.duckdb_file import write_duckdb
from visage.export.editing import write_edl, write_fcpxml, write_otio
from visage.export.elan import write_elan
from visage.export.film import Film, find_films
from visage.export.labelling import write_coco, write_cvat, write_label_studio, write_mot
from visage.export.sidecar import write_sidecar

__all__ = ["FORMATS", "Format", "export"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format.

    Attributes:
        suffix: what the file's name ends in, after the film's.
        write: writes text; None where the format is no text.
        make: makes a file of that name, where it is no text.
    """

    suffix: str
    write: Callable[[Film, TextIO], None] | None = None
    make: Callable[[Film, Path], None] | None = None


FORMATS: Mapping[str, Format] = {
    "elan": Format(".eaf", write_elan),
    "webvtt": Format(".vtt", write_webvtt),
    "srt": Format(".srt", write_srt),
    "web-annotation": Format(".jsonld", write_web_annotations),
    "iiif": Format(".manifest.json", write_iiif),
    "otio": Format(".otio", write_otio),
    "edl": Format(".edl", write_edl),
    "fcpxml": Format(".fcpxml", write_fcpxml),
    "cvat": Format(".cvat.xml", write_cvat),
    "label-studio": Format(".label-studio.json", write_label_studio),
    "coco": Format(".coco.json", write_coco),
    "mot": Format(".mot.txt", write_mot),
    "duckdb": Format(".duckdb", make=write_duckdb),
    "sidecar": Format(".visage.json", write_sidecar),
}


def export(
    results: str | os.PathLike[str],
    format: str,
    dst: str | os.PathLike[str] | None = None,
    *,
    people: Sequence[str] = (),
    partial: bool = False,
    force: bool = False,
) -> list[Path]:
    """Write stored results in another program's format, without analysing again.

    Args:
        results: a folder that `--dst` wrote, of one film or of several.
        format: one of `FORMATS`.
        dst: the file; for several films a folder. None puts each file beside its film's results.
        people: names or labels such as "Track 7" that are exported; everyone if empty.
        partial: take the results of a run that was cut short.
        force: replace what exists.

    Returns:
        The files that were written.

    Raises:
        ValueError: there is no such format. SourceError: there are no results, or nothing in them that the format can
            hold, or a person is not in them. OutputExists, OutputFailed. SinkError: a library is missing.
    """
    if format not in FORMATS:
        raise ValueError(f"there is no format {format}; choose one of {', '.join(FORMATS)}")
    chosen = FORMATS[format]
    films = [film.restricted_to(people) for film in find_films(Path(results), allow_partial=partial)]
    targets = [_target(film, chosen, None if dst is None else Path(dst), is_alone=len(films) == 1) for film in films]
    doubled = next((path for path in targets if targets.count(path) > 1), None)
    if doubled is not None:
        raise SourceError(f"{doubled}: two films have this name; export them one by one")
    for path in targets:
        if path.is_file() and not force:
            raise OutputExists(f"{path}: exists already; choose another name with --dst, or give --force to replace it")
    for film, path in zip(films, targets, strict=True):
        _write(film, chosen, path, force=force)
    return targets


def _target(film: Film, chosen: Format, dst: Path | None, *, is_alone: bool) -> Path:
    name = film.name + chosen.suffix
    if dst is None:
        return film.folder / name
    return dst if is_alone and not dst.is_dir() else dst / name


def _write(film: Film, chosen: Format, path: Path, *, force: bool) -> None:
    staged = StagedFile(path, force=force)
    try:
        with output_errors(path):
            if chosen.write is not None:
                text = io.TextIOWrapper(staged.file, encoding="utf-8", errors="backslashreplace", newline="\n")
                try:
                    chosen.write(film, text)
                    text.flush()
                finally:
                    text.detach()  # `staged` closes the file
            elif chosen.make is not None:
                with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
                    made = Path(folder) / "made"
                    chosen.make(film, made)
                    with made.open("rb") as file:
                        shutil.copyfileobj(file, staged.file)
        staged.seal()
        staged.publish()
    finally:
        staged.discard()
