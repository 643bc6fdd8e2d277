"""What `--resume` leaves out, what it analyses again and what it refuses."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from stages.errors import OutputExists
from stages.sink.tracks import TracksParquet
from tests.unit.visage.people.scenes import track
from visage.assembly import describe_run
from visage.cli.resume import ANNOTATED, AnnotatedVideos, resume
from visage.config import Settings
from visage.config.sources import SourceSpec, expand_sources

SETTINGS = Settings(embed=None)


def films(folder: Path, *names: str) -> list[SourceSpec]:
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"film")
        os.utime(path, (1e9, 1e9))
    return expand_sources([str(folder / name) for name in names])


def finish(place: Path, film: Path, settings: Settings = SETTINGS, *, drawn: object = None, **more: object) -> None:
    """The metadata that a run leaves; `drawn` in its annotated video."""
    place.mkdir(parents=True, exist_ok=True)
    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    metadata = {
        "filepath": str(film),
        "complete": True,
        "started": started,
        "settings": {**describe_run(settings).settings, **({} if drawn is None else {ANNOTATED: drawn})},
    }
    (place / "metadata.json").write_text(json.dumps({**metadata, **more}))


def test_what_is_complete_with_the_same_settings_is_left_out(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    finish(tmp_path / "out" / "a", tmp_path / "a.mp4")
    finish(tmp_path / "out" / "b", tmp_path / "b.mp4", complete=False)
    left = resume(tmp_path / "out", specs, SETTINGS)
    assert [spec.source_id for spec in left.specs] == ["b", "c"]
    assert left.folders == {"b": tmp_path / "out" / "b", "c": tmp_path / "out" / "c"}
    assert left.describe() == "1 of 3 videos are done already with these settings"


def test_how_fast_it_goes_does_not_matter(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4")
    finish(tmp_path / "out", tmp_path / "a.mp4")
    again = resume(tmp_path / "out", specs, Settings(embed=None, threads=3, device="cpu", workers=2))
    assert (again.specs, again.done) == ([], 1)
    assert again.describe() == "1 video is done already with these settings"


def test_results_of_other_settings_are_refused_unless_forced(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4")
    finish(tmp_path / "out", tmp_path / "a.mp4", Settings(embed=None, frameskip=5))
    with pytest.raises(OutputExists, match=r"another frameskip \(5\); give --force"):
        resume(tmp_path / "out", specs, SETTINGS)
    assert [spec.source_id for spec in resume(tmp_path / "out", specs, SETTINGS, force=True).specs] == ["a"]


def test_a_film_that_changed_is_analysed_again(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4")
    finish(tmp_path / "out", tmp_path / "a.mp4", started="2001-01-01T00:00:00+00:00")
    assert resume(tmp_path / "out", specs, SETTINGS).specs == specs


def test_one_more_film_does_not_go_among_the_folders_of_others(tmp_path: Path) -> None:
    films(tmp_path, "a.mp4", "b.mp4")
    for name in "ab":
        finish(tmp_path / "out" / name, tmp_path / f"{name}.mp4")
    left = resume(tmp_path / "out", films(tmp_path, "c.mp4"), SETTINGS)
    assert left.folders == {"c": tmp_path / "out" / "c"}


def test_a_film_of_the_same_name_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    specs = films(tmp_path, "new/a.mp4", "old/a.mp4")
    finish(tmp_path / "out" / "a", tmp_path / "old" / "a.mp4")
    assert resume(tmp_path / "out", specs, SETTINGS).folders == {"a": tmp_path / "out" / "a-2"}


def test_what_is_not_ours_is_refused(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "detections.csv").write_text("frame")
    with pytest.raises(OutputExists):
        resume(tmp_path / "out", specs, SETTINGS)


def test_a_film_is_the_same_however_its_name_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    films(tmp_path, "a.mp4")
    monkeypatch.chdir(tmp_path)
    finish(tmp_path / "out", Path("a.mp4"))
    assert resume(tmp_path / "out", expand_sources([str(tmp_path / "a.mp4")]), SETTINGS).done == 1


SCAN = Settings(scan=True, track=True)
REFINED = Settings(scan=True, track=True, refine="anybody")


def scanned(place: Path, film: Path, *, faces: int) -> None:
    """The tables beside the metadata that a scan leaves."""
    finish(place, film, SCAN, scan={"looks": "0 250"}, fps=25.0)
    table = TracksParquet(place / "tracks.parquet", embedding_dimension=None)
    for number in range(1, faces + 1):
        table.append(track(None, number))
    table.seal()
    table.publish()


def test_a_scanned_film_is_refined_without_another_scan(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4", "b.mp4")
    scanned(tmp_path / "out" / "a", tmp_path / "a.mp4", faces=1)
    left = resume(tmp_path / "out", specs, REFINED)
    assert [spec.source_id for spec in left.specs] == ["a", "b"]
    assert left.scanned["a"].looks == [0, 250]
    assert left.folders["a"] == tmp_path / "out" / "a"


def test_a_refined_film_is_done_for_the_same_refinement_and_for_a_scan(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4")
    finish(tmp_path / "out", tmp_path / "a.mp4", REFINED)
    assert resume(tmp_path / "out", specs, REFINED).done == 1
    assert resume(tmp_path / "out", specs, SCAN).done == 1
    with pytest.raises(OutputExists, match="another"):
        resume(tmp_path / "out", specs, Settings())


def test_a_scanned_film_that_holds_nobody_of_interest_is_done(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4")
    scanned(tmp_path / "out", tmp_path / "a.mp4", faces=0)
    left = resume(tmp_path / "out", specs, REFINED)
    assert (left.specs, left.done) == ([], 1)


def test_a_scan_of_other_settings_is_refused(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4")
    finish(tmp_path / "out", tmp_path / "a.mp4", Settings(scan=True, detector_size=320))
    with pytest.raises(OutputExists, match="another detector size"):
        resume(tmp_path / "out", specs, REFINED)


def test_a_film_without_its_annotated_video_is_analysed_again(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4", "b.mp4", "c.mp4", "d.mp4")
    drawn: dict[str, object] = {"blur": "all", "boxes": True}
    videos = AnnotatedVideos({spec.source_id: tmp_path / "seen" / f"{spec.source_id}.mp4" for spec in specs}, drawn)
    finish(tmp_path / "out" / "a", tmp_path / "a.mp4", drawn=drawn)
    finish(tmp_path / "out" / "b", tmp_path / "b.mp4", drawn=drawn)
    finish(tmp_path / "out" / "c", tmp_path / "c.mp4", drawn={**drawn, "blur": None})
    (tmp_path / "seen").mkdir()
    for name in "ac":
        (tmp_path / "seen" / f"{name}.mp4").write_bytes(b"video")
    left = resume(tmp_path / "out", specs, SETTINGS, videos=videos)
    assert [spec.source_id for spec in left.specs] == ["b", "c", "d"]  # c shows faces that are to be blurred
    assert left.videos == {name: tmp_path / "seen" / f"{name}.mp4" for name in "bcd"}
    assert left.done == 1
    assert resume(tmp_path / "out", specs[:3], SETTINGS).specs == []  # for the tables alone all is there


def test_a_video_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.mp4", "b.mp4")
    videos = AnnotatedVideos({spec.source_id: tmp_path / f"own-{spec.source_id}.mp4" for spec in specs}, {})
    (tmp_path / "own-b.mp4").write_bytes(b"holidays")
    with pytest.raises(OutputExists, match=r"own-b.mp4: exists already"):
        resume(tmp_path / "out", specs, SETTINGS, videos=videos)
    assert len(resume(tmp_path / "out", specs, SETTINGS, videos=videos, force=True).specs) == 2


def test_a_still_among_films_has_no_video(tmp_path: Path) -> None:
    specs = films(tmp_path, "a.jpg", "b.mp4")
    videos = AnnotatedVideos({spec.source_id: tmp_path / "seen" / f"{spec.source_id}.mp4" for spec in specs}, {})
    finish(tmp_path / "out" / "a", tmp_path / "a.jpg", drawn={}, framecount=1)
    finish(tmp_path / "out" / "b", tmp_path / "b.mp4", drawn={}, framecount=100)
    assert [spec.source_id for spec in resume(tmp_path / "out", specs, SETTINGS, videos=videos).specs] == ["b"]
