"""Writes the results of a folder in one format, a file for each film."""

from __future__ import annotations

import io
from pathlib import Path

from stages.sink.staged import StagedFile, output_errors
from visage.export.formats import FORMATS, Format
from visage.export.results import FilmResults, find_results

__all__ = ["export_results"]


def export_results(
    source: Path, format_name: str, destination: Path | None = None, *, force: bool = False
) -> list[Path]:
    """Write every film's results in a format, and return the files.

    Args:
        source: a folder that `--dst` wrote, of one or of several films.
        format_name: a key of `FORMATS`.
        destination: the file to write, for one film; or a folder, which is made; None for each film's own results.
        force: replace what is there.

    Raises:
        ValueError: there is no such format, or one file is asked for several films.
        SourceError: there are no results, or they can't be read.
        OutputExists, OutputFailed: the file is there already, or can't be written.
    """
    if format_name not in FORMATS:
        raise ValueError(f"there is no format {format_name}; known: {', '.join(FORMATS)}")
    chosen = FORMATS[format_name]
    suffix = chosen.suffix
    found = find_results(source)
    is_file = destination is not None and not destination.is_dir() and destination.name.endswith(suffix)
    if is_file and len(found) > 1:
        raise ValueError(f"{source} holds the results of {len(found)} films: name a folder, not the file {destination}")
    written = []
    for results in found:
        if is_file and destination is not None:
            path = destination
        else:
            name = results.folder.name if len(found) > 1 else results.film.name
            path = (destination or results.folder) / f"{name}{suffix}"
        _write(results, chosen, path, force=force)
        written.append(path)
    return written


def _write(results: FilmResults, chosen: Format, path: Path, *, force: bool) -> None:
    if chosen.has_boxes:
        _ = results.boxes  # what can't be read is said before anything is made
    _ = results.tracks
    staged = StagedFile(path, force=force)
    try:
        text = io.TextIOWrapper(staged.file, encoding="utf-8", newline="\n")
        with output_errors(path):
            chosen.write(results, text)
            text.detach()  # which flushes; the file stays its owner's
        staged.seal()
        staged.publish()
    finally:
        staged.discard()
