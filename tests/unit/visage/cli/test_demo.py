"""The demo replaces its own results only, and says what it did not find."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import OutputExists
from tests.unit.visage.people.scenes import gallery, person, track
from visage.cli.demo import NEWCOMER, _name_newcomer, demo
from visage.config import Settings
from visage.people.recorder import SightingRecorder


def test_a_gallery_that_is_no_demos_is_never_replaced(tmp_path: Path) -> None:
    """`visage demo --dst .` where somebody keeps a gallery by its usual name."""
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "gallery.sqlite").write_bytes(b"months of work")
    with pytest.raises(OutputExists, match="was not made by an earlier demo"):
        demo(dst=tmp_path, cache=tmp_path / "samples")
    assert (tmp_path / "people" / "gallery.sqlite").read_bytes() == b"months of work"


def test_without_an_unknown_person_the_demo_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "people"
    gallery(folder).close()
    told = _name_newcomer(Settings(gallery=folder), tmp_path)
    assert "Who was seen: no one.\nNo unknown person was found in the clip, so no one is given a name.\n" in told
    assert (tmp_path / "report.html").is_file()


def test_the_unknown_person_of_the_clip_gets_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "people"
    with gallery(folder) as opened:
        recorder = SightingRecorder(opened)
        recorder.record(track(person(1), source="clip"), uri="clip.mp4")
        recorder.close()
    told = _name_newcomer(Settings(gallery=folder), tmp_path)
    assert f"Unknown 1 is now named {NEWCOMER!r}, for the 2 s seen so far" in told
