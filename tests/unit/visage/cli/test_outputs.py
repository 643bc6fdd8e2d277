"""What a run would write is refused before the work, with inputs never among what `--force` replaces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer

from stages.errors import DisplayUnavailable, NotAVideo, OutputExists, OutputFailed
from stages.sink.metadata import RunDescription
from tests.unit.stages.sink.scenes import video
from visage.cli.outputs import OutputOptions, Outputs
from visage.config.sources import SourceSpec
from visage.runtime.source import Outcome
from visage.runtime.state import SourceState


def outputs(folder: Path, options: OutputOptions, *, names: tuple[str, ...] = ("clip",)) -> Outputs:
    sources = [SourceSpec(uri=str(folder / f"{name}.mp4"), source_id=name) for name in names]
    return Outputs(options, RunDescription(detector="yunet"), sources, knows_people=False)


@pytest.mark.parametrize("link", [os.link, os.symlink, None])
def test_the_video_to_be_read_is_never_replaced(tmp_path: Path, link: object) -> None:
    source, target = tmp_path / "clip.mp4", tmp_path / "other.mp4"
    source.touch()
    if callable(link):
        link(source, target)
    options = OutputOptions(annotate=target if link else tmp_path / "." / "clip.mp4", force=True)
    with pytest.raises(OutputFailed, match="is the input video"):
        outputs(tmp_path, options).check()


def test_nor_is_one_of_several(tmp_path: Path) -> None:
    """`clip.mp4` annotated into its own folder would be `clip.mp4`."""
    (tmp_path / "clip.mp4").touch()
    with pytest.raises(OutputFailed, match="is the input video"):
        outputs(tmp_path, OutputOptions(annotate=tmp_path, force=True), names=("clip", "other")).check()


@pytest.mark.parametrize("name", ["out", "out.2026-11-30", "run.v2", "St. Gallen", "made.srt"])
def test_folders_may_have_dots(tmp_path: Path, name: str) -> None:
    (tmp_path / "made.srt").mkdir()
    outputs(tmp_path, OutputOptions(dst=tmp_path / name)).check()


@pytest.mark.parametrize(
    ("options", "names", "message"),
    [
        (OutputOptions(annotate=Path("boxes")), ("clip",), "a video ends in .mp4"),
        (OutputOptions(annotate=Path("boxes.gif")), ("clip",), "a video ends in .mp4"),
        (OutputOptions(annotate=Path("boxes.mp4")), ("clip", "other"), "name a folder"),
        (OutputOptions(dst=Path("faces.json")), ("clip",), "a table ends in .csv"),
        (OutputOptions(dst=Path("faces.mp4")), ("clip",), "a table ends in .csv"),
        (OutputOptions(dst=Path("out.srt")), ("clip",), "a table ends in .csv"),
        (OutputOptions(dst=Path("out.hdf5")), ("clip",), "a table ends in .csv"),
        (OutputOptions(dst=Path("out.M4V")), ("clip",), "a table ends in .csv"),
        (OutputOptions(dst=Path("out.cvs")), ("clip", "other"), "a table ends in .csv"),
        (OutputOptions(boxes=False), ("clip",), "--no-boxes is for the annotated video"),
        (OutputOptions(show=True), ("clip", "other"), "plays one video"),
    ],
)
def test_what_can_not_be_meant_is_a_usage_error(
    tmp_path: Path, options: OutputOptions, names: tuple[str, ...], message: str
) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        outputs(tmp_path, options, names=names).check()


def test_a_folder_may_be_called_like_a_file(tmp_path: Path) -> None:
    (tmp_path / "faces.json").mkdir()
    outputs(tmp_path, OutputOptions(dst=tmp_path / "faces.json")).check()


def test_an_annotated_video_that_exists_or_has_no_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "boxes.mp4").touch()
    with pytest.raises(OutputExists):
        outputs(tmp_path, OutputOptions(annotate=tmp_path / "boxes.mp4")).check()
    with pytest.raises(OutputFailed, match="is a file"):
        outputs(tmp_path, OutputOptions(annotate=tmp_path / "boxes.mp4" / "boxes.mp4")).check()


def test_a_missing_display_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER", "SDL_VIDEO_DRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DisplayUnavailable):
        outputs(tmp_path, OutputOptions(show=True)).check()


def outcome(error: BaseException | None = None) -> dict[str, Outcome]:
    state = SourceState.DONE if error is None else SourceState.FAILED
    return {"clip": Outcome("clip", state, 0, 0, 0, error)}


def test_only_what_is_there_is_said_to_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    unopened = outputs(tmp_path, OutputOptions(dst=folder))
    folder.mkdir()
    assert unopened.describe(outcome(NotAVideo("clip.mp4 is empty"))) == "nothing was written"
    done = outputs(tmp_path, OutputOptions(dst=folder))
    done.open_shared(video())
    assert done.describe(outcome()) == f"written to {folder}"
    assert done.describe(outcome(OutputFailed("full"))) == "nothing was written"
    folder.rmdir()
    assert done.describe(outcome()) == "nothing was written"
