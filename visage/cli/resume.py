"""`--resume`: sources whose results are in the folder already are not analysed again.

A film is done where a folder holds its complete `metadata.json`, made with the same settings after the film was last
changed. What was interrupted, killed or damaged is analysed again, in the folder that it had. Complete results of other
settings are refused, as without `--resume`. With `--annotate` a film's video has to be there, too, drawn in the same
way: a video that shows a face which is to be blurred is not done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from stages.errors import OutputExists
from stages.sink.folder import METADATA, refuse_existing_outputs
from stages.sink.rows import spelled
from visage.cli.refining import scan_settings
from visage.config.result_settings import result_settings
from visage.config.settings import Settings
from visage.config.sources import SourceSpec
from visage.scanning import Findings, Interest, read_findings

__all__ = ["ANNOTATED", "AnnotatedVideos", "Resumption", "resume"]

ANNOTATED = "annotated"
"""Among the settings in `metadata.json`: what is drawn in the annotated video."""

FORMER_NAMES = {"min_face": "min_face_pixels"}
"""Of settings, in metadata of version 0.1."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """The sources that remain to be analysed.

    Attributes:
        specs: the sources that are not done.
        folders: the results folder of each, by its id.
        videos: the annotated video of each, by its id; empty without `--annotate`.
        done: the number of sources that are done.
        scanned: of the sources to be refined whose scan is done, what it found, by id.
    """

    specs: list[SourceSpec] = field(default_factory=list)
    folders: dict[str, Path] = field(default_factory=dict)
    videos: dict[str, Path] = field(default_factory=dict)
    done: int = 0
    scanned: dict[str, Findings] = field(default_factory=dict)

    def describe(self) -> str:
        """Return one line for the user: how many videos are done, and how many are not."""
        count = self.done + len(self.specs)
        videos = "1 video is" if count == 1 else f"{count} videos are"
        if not self.specs:
            return f"{'1 video is' if count == 1 else f'all {count} videos are'} done already with these settings"
        if not self.done:
            return f"nothing to resume: {videos} to be analysed"
        return f"{self.done} of {count} videos are done already with these settings"


@dataclass(frozen=True, slots=True)
class AnnotatedVideos:
    """The annotated videos of a run: where each is to be, by the source's id, and what is drawn in them."""

    paths: Mapping[str, Path]
    drawn: Mapping[str, object]


def resume(
    folder: Path,
    specs: Sequence[SourceSpec],
    settings: Settings,
    *,
    videos: AnnotatedVideos | None = None,
    force: bool = False,
) -> Resumption:
    """What is left of these sources.

    Args:
        folder: of the results; they lie in it or, of several sources, in folders below it.
        videos: what `--annotate` asks for.
        force: analyse those again that were done with other settings.

    Raises:
        OutputExists: a source was done with other settings, or its folder or video is something else.
    """
    known = dict(_results(folder))
    is_shared = len(specs) > 1 or any(place != folder for place, _ in known.values())
    taken = {place for place, _ in known.values()}
    left = Resumption()
    done = 0
    for spec in specs:
        place, metadata = known.get(_key(spec.display_uri), (None, {}))
        video = None if videos is None else videos.paths[spec.source_id]
        if place is None and video is not None and video.exists() and not force:
            raise OutputExists(f"{video}: exists already; choose another name or give --force to replace it")
        has_video = video is None or videos is None or _has_video(video, metadata, videos.drawn)
        if place is not None and has_video and _is_whole(spec, metadata):
            if _is_refined(metadata, settings):
                done += 1
                continue
            if (findings := _scanned(place, metadata, settings)) is not None:
                if not Interest(str(settings.refine)).promise(findings)[0]:  # nothing in it to refine
                    done += 1
                    continue
                left.scanned[spec.source_id] = findings
                left.specs.append(spec)
                left.folders[spec.source_id] = place
                continue
            is_only_scan = settings.refine is not None and _refined_for(metadata) is None
            difference = _difference(metadata, scan_settings(settings) if is_only_scan else settings)
            if difference is None and not is_only_scan:
                done += 1
                continue
            if difference is not None and not force:
                raise OutputExists(
                    f"{place / METADATA}: done already with another {difference}; "
                    "give --force to replace it, or choose another folder"
                )
        if place is None:
            place = _unused(folder / spec.source_id if is_shared else folder, taken)
            if not force:
                refuse_existing_outputs(place)
            taken.add(place)
        left.specs.append(spec)
        left.folders[spec.source_id] = place
        if video is not None:
            left.videos[spec.source_id] = video
    return Resumption(left.specs, left.folders, left.videos, done, left.scanned)


def _results(folder: Path) -> Iterator[tuple[str, tuple[Path, Mapping[str, Any]]]]:
    """Of the folder and those in it: the source, where its results are, and their metadata."""
    for path in [folder / METADATA, *sorted(folder.glob(f"*/{METADATA}"))]:
        try:
            metadata = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        if isinstance(metadata, dict) and isinstance(metadata.get("filepath"), str):
            yield _key(metadata["filepath"]), (path.parent, metadata)


def _key(uri: str) -> str:
    """One for all spellings of a file's name."""
    return uri if "://" in uri else spelled(os.path.realpath(uri))


def _is_whole(spec: SourceSpec, metadata: Mapping[str, Any]) -> bool:
    """Whether it was read to its end, and has not been changed since."""
    if metadata.get("complete") is not True or spec.is_live:
        return False
    try:
        begun = datetime.fromisoformat(metadata["started"]).timestamp()
        return "://" in spec.uri or os.stat(spec.uri).st_mtime <= begun + 1
    except (KeyError, TypeError, ValueError):
        return False
    except OSError:  # the film is gone: opening it tells
        return False


def _is_refined(metadata: Mapping[str, Any], settings: Settings) -> bool:
    """Whether only a scan is wanted, and more than that is there."""
    return (
        settings.scan
        and settings.refine is None
        and _refined_for(metadata) is not None
        and (_difference(_without_refine(metadata), settings) is None)
    )


def _scanned(place: Path, metadata: Mapping[str, Any], settings: Settings) -> Findings | None:
    """What the scan found, where a scan with these settings is done and its refinement is not."""
    if settings.refine is None or _refined_for(metadata) is not None:
        return None
    if _difference(metadata, scan_settings(settings)) is not None:
        return None
    return read_findings(place)


def _refined_for(metadata: Mapping[str, Any]) -> object:
    before = metadata.get("settings")
    return before.get("refine") if isinstance(before, dict) else None


def _without_refine(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {**metadata, "settings": {**metadata["settings"], "refine": None}}


def _has_video(video: Path, metadata: Mapping[str, Any], drawn: Mapping[str, object]) -> bool:
    """Whether a film has its annotated video; among others a still has none."""
    settings = metadata.get("settings")
    was_drawn = isinstance(settings, dict) and settings.get(ANNOTATED) == drawn
    return was_drawn and (video.is_file() or metadata.get("framecount") == 1)


def _difference(metadata: Mapping[str, Any], settings: Settings) -> str | None:
    """The first setting that is another; those that an older version did not have count as their defaults."""
    before = metadata.get("settings")
    if not isinstance(before, dict):
        return "version's settings"
    defaults = result_settings(Settings.model_construct())
    before = {FORMER_NAMES.get(name, name): value for name, value in before.items()}
    for name, value in result_settings(settings).items():
        if before.get(name, defaults.get(name)) != value:
            return f"{name.replace('_', ' ')} ({before.get(name)})"
    return None


def _unused(place: Path, taken: set[Path]) -> Path:
    candidate, number = place, 1
    while candidate in taken:
        number += 1
        candidate = place.with_name(f"{place.name}-{number}")
    return candidate
