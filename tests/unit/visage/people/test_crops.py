"""Pictures of faces, switched on and off by a command while another process records; and deleted."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.frames import Picture
from tests.unit.visage.people.scenes import add, gallery, near, person, track
from tests.unit.visage.service.scenes import observe
from visage.cli.main import main
from visage.config import Settings
from visage.people import FaceReader, Gallery, GallerySession, SightingRecorder
from visage.people.errors import PictureKnown
from visage.people.sink import SightingSink
from visage.web.errors import NotFound
from visage.web.gallery_people import GalleryPeople

ADA = person(1)


def stored(opened: Gallery) -> list[bool]:
    rows = opened.database.rows("SELECT crop IS NOT NULL FROM sightings ORDER BY id")
    return [bool(row[0]) for row in rows]


def record(opened: Gallery, number: int) -> None:
    with contextlib.closing(SightingRecorder(opened)) as recorder:
        assert recorder.record(track(near(ADA, number), number), uri="cam", crop=b"jpeg")


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["people", *arguments])
    return int(ended.value.code or 0)


def test_a_switch_by_another_process_holds_for_the_next_sighting(tmp_path: Path) -> None:
    """Also for pictures that were cut before."""
    with gallery(tmp_path) as daemon, gallery(tmp_path) as other:
        record(daemon, 1)
        other.keeps_crops = True
        record(daemon, 2)
        other.keeps_crops = False
        record(daemon, 3)
        assert stored(daemon) == [False, True, False]


@pytest.mark.parametrize("is_daemon", [True, False])
def test_a_daemon_holds_pictures_for_a_switch_to_come(tmp_path: Path, is_daemon: bool) -> None:
    with GallerySession(Settings(gallery=tmp_path), is_daemon=is_daemon) as session:
        assert session.needs_pixels is is_daemon


def test_no_picture_is_cut_while_none_is_kept(tmp_path: Path) -> None:
    wanted, cut = [False, True], []

    def to_bgr(picture: Picture, max_width: int | None = None) -> NDArray[np.uint8]:
        cut.append(picture)
        return np.zeros((picture.height, picture.width, 3), np.uint8)

    with gallery(tmp_path) as opened, contextlib.closing(SightingRecorder(opened)) as recorder:
        sink = SightingSink(recorder, to_bgr=to_bgr, keeps_crops=lambda: wanted.pop(0))
        sink.write(observe(0, [1]))
        assert cut == []
        sink.write(observe(1, [1]))
        assert len(cut) == 1
        sink.abandon()


def test_the_command_says_what_is_left_and_deletes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph = tmp_path / "empty.jpg"
    photograph.write_bytes(b"")
    here = ["-g", str(tmp_path / "g")]
    with gallery(tmp_path / "g") as opened:
        opened.keeps_crops = True
        ada = add(opened, "Ada", ADA)
        record(opened, 1)
        record(opened, 2)
        people = GalleryPeople(opened, no_reader)
        assert people.portrait(ada) == b"jpeg"
        command("add", "Ada", str(photograph), *here, "--no-keep-crops")
        said = capsys.readouterr().err
        assert "from now on no pictures of faces are stored, also by a running daemon" in said
        assert "3 pictures stored before are hidden, not deleted; `visage people delete-crops` deletes them" in said
        with pytest.raises(NotFound):
            people.portrait(ada)
        monkeypatch.setattr("sys.stdin.read", lambda: "")
        assert command("delete-crops", *here) == 1  # no one answers
        assert stored(opened) == [True, True]
        assert command("delete-crops", "--yes", *here) == 0
        assert capsys.readouterr().out.endswith("deleted 3 pictures\n")
        assert stored(opened) == [False, False]
        assert opened.person("Ada").sightings == 2
        assert opened.audit(1)[0].action == "delete-crops"
        assert b"jpeg" not in b"".join(path.read_bytes() for path in (tmp_path / "g").glob("gallery.sqlite*"))


def no_reader() -> FaceReader:
    raise AssertionError("no picture is read")


def test_adding_the_same_track_again_is_no_failure(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        with pytest.raises(PictureKnown, match="Ada has this picture already"):
            add(opened, "Ada", ADA)
