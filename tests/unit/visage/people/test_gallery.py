"""Enrolling, renaming, merging, splitting, forgetting; the model, the key, the roster."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import sqlite3
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.frames import FloatArray, Identity
from stages.sink.tracks import TracksParquet
from tests.unit.visage.people.scenes import DIMENSION, add, face, gallery, near, person, track
from visage.cli.main import main
from visage.people import SightingRecorder, choose_face
from visage.people.cipher import make_key
from visage.people.errors import GalleryBroken, GalleryLocked, NameTaken, NoSuchPerson, OtherModel, PictureRefused
from visage.people.exchange import export_gallery, import_gallery
from visage.people.gallery import Gallery, open_gallery

ADA, BOB = person(1), person(2)


def record(opened: Gallery, *tracks: object) -> None:
    recorder = SightingRecorder(opened)
    for item in tracks:
        assert recorder.record(item, uri="file.mp4", crop=b"jpeg")  # type: ignore[arg-type]
    recorder.close()
    assert recorder.statistics().failure == ""


@pytest.mark.smoke
def test_people_are_there_when_it_is_opened_again(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        add(opened, "Ada", near(ADA, 1))
        add(opened, "Bob", BOB)
    with gallery(tmp_path) as opened:
        assert [(one.name, one.pictures) for one in opened.people()] == [("Ada", 2), ("Bob", 1)]
        assert opened.person("ada").person_id == opened.person("p1").person_id == "p1"
        found = opened.roster().closest(near(BOB, 5)[None])
        assert opened.roster().people[found.best[0]].name == "Bob"


def test_what_was_stored_or_forgotten_survives_a_power_cut(tmp_path: Path) -> None:
    """In WAL mode every commit is brought to disk by FULL (2)."""
    with gallery(tmp_path) as opened:
        assert opened.database.row("PRAGMA synchronous")[0] == 2  # type: ignore[index]


def undo_version_4(file: sqlite3.Connection) -> None:
    """Make a gallery as version 3 had it."""
    for index in ("sightings_together", "unknowns_in_stills"):
        file.execute(f"DROP INDEX {index}")
    for table, column in (("sightings", "is_still"), ("sightings", "session"), ("unknowns", "is_settled")):
        file.execute(f"ALTER TABLE {table} DROP COLUMN {column}")


def test_a_gallery_of_version_1_tells_cameras_by_their_addresses(tmp_path: Path) -> None:
    """It did not store which sources were live."""
    uris = ["rtsp://door/1", "/dev/video0", "http://door/live.m3u8", "/films/rtsp.mp4", "rtsp"]
    with gallery(tmp_path) as opened:
        recorder = SightingRecorder(opened)
        for number, uri in enumerate(uris):
            recorder.record(track(near(ADA, number), at=100.0 - number), uri=uri)
        recorder.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "gallery.sqlite")) as file:
        undo_version_4(file)
        file.execute("ALTER TABLE sightings DROP COLUMN is_live")
        for index in ("pictures_with_crop", "person_with_crop", "unknown_with_crop"):
            file.execute(f"DROP INDEX {index}")
        file.execute("PRAGMA user_version = 1")
    for _ in range(2):
        with gallery(tmp_path) as opened:
            assert [(seen.uri, seen.is_live) for seen in opened.sightings()] == [(uri, uri in uris[:2]) for uri in uris]
    with contextlib.closing(sqlite3.connect(tmp_path / "gallery.sqlite")) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(GalleryBroken, match=r"newer Visage \(version 99\); update this one"):
        gallery(tmp_path)


def test_of_several_pictures_all_are_enrolled_or_none(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        good, other = (face(ADA), b"first"), (face(near(ADA, 1)), b"second")
        with pytest.raises(PictureRefused, match="has this picture already"):
            opened.add_all("Ada", [good, other, good], origin="upload")
        assert opened.people() == []
        assert opened.audit() == []
        assert len(opened.add_all("Ada", [good, other], origin="upload")) == 2
        assert [(one.name, one.pictures) for one in opened.people()] == [("Ada", 2)]


def test_a_list_of_people_is_never_an_old_one(tmp_path: Path) -> None:
    """It is kept until the file changes: here, in another process, or in a transaction that is rolled back."""

    def names(opened: Gallery) -> list[str]:
        return [one.name for one in opened.people()]

    with gallery(tmp_path) as opened, gallery(tmp_path) as other:
        assert names(opened) == []
        add(opened, "Ada", ADA)
        assert names(opened) == names(opened) == ["Ada"]
        add(other, "Bob", BOB)
        assert names(opened) == ["Ada", "Bob"]
        with contextlib.suppress(KeyError), opened.database.transaction():
            opened.rename("Bob", "Rob")
            assert names(opened) == ["Ada", "Rob"]
            raise KeyError
        assert names(opened) == ["Ada", "Bob"]
        record(other, track(near(ADA, 1), 1, identity=Identity("p1", "Ada", 0.8, 0.0)))
        assert [one.sightings for one in opened.people()] == [1, 0]
        opened.people().clear()
        assert names(opened) == ["Ada", "Bob"]


def test_a_track_is_recorded_for_whom_it_shows(tmp_path: Path) -> None:
    """The pipeline's decision first, unless its person is gone; then the whole track's likeness; else an unknown."""
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        opened.record(track(near(BOB, 1), 1, at=4.0, identity=Identity("p1", "Ada", 0.8, 0.0)), uri="a.mp4")
        opened.record(track(near(ADA, 2), 2, at=3.0, identity=Identity("p99", "Gone", 0.8, 0.0)), uri="a.mp4")
        opened.record(track(near(BOB, 3), 3, at=2.0), uri="a.mp4", crop=b"jpeg")
        opened.record(track(None, 4, at=1.0), uri="a.mp4")
        assert [one.name for one in opened.sightings()] == ["Ada", "Ada", "Unknown 1", "unknown"]


def test_lists_say_who_has_a_crop(tmp_path: Path) -> None:
    """By a picture, by a sighting alone, not at all; unknowns likewise. A gallery of version 2 is brought up to it."""
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        opened.keeps_crops = True
        add(opened, "Bob", BOB)
        record(opened, track(person(3), 1, seconds=5.0))
        opened.name_unknown("u1", "Eve")
        record(opened, track(person(4), 2, seconds=5.0))
    with contextlib.closing(sqlite3.connect(tmp_path / "gallery.sqlite")) as file:
        undo_version_4(file)
        for index in ("pictures_with_crop", "person_with_crop", "unknown_with_crop"):
            file.execute(f"DROP INDEX {index}")
        file.execute("PRAGMA user_version = 2")
    with gallery(tmp_path) as opened:
        assert {one.name: one.has_crop for one in opened.people()} == {"Ada": False, "Bob": True, "Eve": True}
        assert [one.has_crop for one in opened.unknowns()] == [True]
        assert opened.person_ids() == {"p1", "p2", "p3"}


@pytest.mark.parametrize("how", ["forgotten", "pruned"])
def test_an_embedding_that_is_gone_is_in_no_file(tmp_path: Path, how: str) -> None:
    seen, other = near(ADA, 1), near(BOB, 1)

    def files_with(embedding: FloatArray) -> list[str]:
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        return [path.name for path in files if holds(path.read_bytes(), embedding[9:12])]

    def holds(content: bytes, part: FloatArray) -> bool:
        if part.tobytes() in content or part[:1].astype(">f4").tobytes() in content:  # the latter in Edge's log
            return True
        # Edge normalises what it stores; the last bits are the processor's.
        values = np.frombuffer(content, np.float32, count=len(content) // 4)
        with np.errstate(invalid="ignore"):  # not all that is stored are numbers
            places = np.flatnonzero(np.abs(values[: -len(part)] - part[0]) < 1e-6)
        return any(np.allclose(values[place : place + len(part)], part, rtol=0, atol=1e-6) for place in places)

    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        record(opened, track(seen, 1, at=100.0), track(other, 2, at=5000.0))
        assert files_with(seen)
        if how == "forgotten":
            opened.forget("Ada")
        else:
            opened.prune(older_than_seconds=1000.0, now=2000.0)
        assert (files_with(seen), opened.search(other)[0].sighting.track_id) == ([], 2)
    assert files_with(seen) == []
    assert files_with(other)


def test_the_same_picture_is_noticed(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        with pytest.raises(PictureRefused, match="already"):
            add(opened, "Ada", ADA)
        again = opened.add("Bob", face(ADA), origin="b.jpg", content=b"b")
        assert "also a picture of Ada" in again.note


def test_rename_merge_split_and_remove(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        add(opened, "Bob", BOB)
        with pytest.raises(NameTaken):
            opened.rename("Ada", "bob")
        opened.rename("Ada", "Countess")
        opened.merge("Countess", "Bob")
        assert [one.name for one in opened.people()] == ["Countess"]
        pictures = opened.pictures("Countess")
        opened.roll.split("Countess", "Robert", [pictures[1].picture_id])
        assert [(one.name, one.pictures) for one in opened.people()] == [("Countess", 1), ("Robert", 1)]
        opened.roll.remove_picture("Robert", pictures[1].picture_id)
        assert opened.person("Robert").pictures == 0
        with pytest.raises(NoSuchPerson, match="there is no person named 'Bob'"):
            opened.person("Bob")
        with pytest.raises(PictureRefused):
            opened.roll.remove_picture("Countess", "i999")


def test_changes_reach_the_roster_of_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visage.people.roster_cache.ROSTER_SECONDS", 0.0)
    with gallery(tmp_path) as one, gallery(tmp_path) as other:
        assert len(other.roster()) == 0
        add(one, "Ada", ADA)
        assert [someone.name for someone in other.roster().people] == ["Ada"]
        one.rename("Ada", "Countess")
        assert [someone.name for someone in other.roster().people] == ["Countess"]


def test_another_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    gallery(tmp_path).close()
    with pytest.raises(OtherModel, match="reindex"):
        open_gallery(tmp_path, model="dlib")


def test_forgetting_leaves_nothing(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada Lovelace", ADA)
        add(opened, "Bob", BOB)
        opened.keeps_crops = True
        record(opened, track(near(ADA, 1)), track(near(ADA, 2), 2), track(near(BOB, 1), 3))
        done = opened.forget("Ada Lovelace")
        assert (done.pictures, done.sightings, done.vectors, done.crops, done.verified) == (1, 2, 3, 2, True)
        assert [match.sighting.name for match in opened.search(near(ADA, 3))] == ["Bob"]
        assert [match.sighting.name for match in opened.search(ADA, person="Bob")] == ["Bob"]
        assert opened.sighting_store.index().count() == 1
        with pytest.raises(NoSuchPerson):
            opened.forget("Ada Lovelace")
        assert "forget" in {entry.action for entry in opened.audit()}
    files = b"".join(path.read_bytes() for path in tmp_path.glob("gallery.sqlite*"))
    assert b"Ada Lovelace" not in files
    assert ADA.tobytes() not in files


@pytest.mark.smoke
def test_an_encrypted_gallery_needs_its_key_and_shows_no_embedding(tmp_path: Path) -> None:
    folder, key, other = tmp_path / "g", tmp_path / "key", tmp_path / "other"
    make_key(key)
    make_key(other)
    with gallery(folder, key) as opened:
        opened.keeps_crops = True
        add(opened, "Ada", ADA)
        record(opened, track(near(ADA, 1)))
    with gallery(folder, key) as opened:
        assert opened.portrait("Ada") == b"jpeg"
        assert [match.sighting.name for match in opened.search(ADA)] == ["Ada"]
    for wrong in (None, other):
        with pytest.raises(GalleryLocked):
            gallery(folder, wrong)
    assert not (folder / "sightings").exists()
    connection = sqlite3.connect(folder / "gallery.sqlite")
    stored = connection.execute("SELECT embedding, crop FROM pictures").fetchall()
    connection.close()
    assert all(ADA.tobytes() not in vector and b"jpeg" not in crop for vector, crop in stored)


def test_crops_are_kept_only_where_asked(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        assert opened.portrait("Ada") is None
        opened.keeps_crops = True
        add(opened, "Ada", near(ADA, 1))
        assert opened.portrait("Ada") == b"jpeg"


def test_a_picture_is_refused_with_a_hint() -> None:
    one = face(ADA)
    with pytest.raises(PictureRefused, match="no face"):
        choose_face([])
    with pytest.raises(PictureRefused, match="--face 2"):
        choose_face([one, face(BOB)])
    with pytest.raises(PictureRefused, match="no face 3"):
        choose_face([one, face(BOB)], number=3)
    assert choose_face([one, face(BOB)], largest=True) is one
    small = type(one)(np.array([0, 0, 10, 10], np.float32), 0.9, 0.8, ADA, b"")
    with pytest.raises(PictureRefused, match="10 pixels"):
        choose_face([small])
    poor = type(one)(one.box_xyxy, 0.9, 0.01, ADA, b"")
    with pytest.raises(PictureRefused, match="too poor"):
        choose_face([poor])


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"box_xyxy": np.array([0, 0, 30, 38], np.float32)}, "it is only 30 pixels large; choose a larger picture"),
        ({"sharpness": 0.1}, "it is blurred; choose a sharper picture"),
        ({"pose": 0.2}, "it is turned away; choose one that looks at the camera"),
        ({}, "it may be covered, lit badly or upside down"),
    ],
)
def test_a_face_that_is_not_recognisable_is_refused_with_what_ails_it(told: dict[str, Any], reason: str) -> None:
    unknown = replace(face(np.zeros_like(ADA)), sharpness=0.9, pose=0.8)
    with pytest.raises(PictureRefused, match=f"^the face is not recognisable: {reason}"):
        choose_face([replace(unknown, **told)])


def test_a_merge_with_an_unknown_names_it(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        opened.record(track(BOB), uri="a.mp4")
        with pytest.raises(NoSuchPerson, match="'Unknown 1' has no name yet; `visage people name"):
            opened.merge("Unknown 1", "Ada")
        with pytest.raises(NoSuchPerson, match="there is no person named 'Eve'"):
            opened.merge("Ada", "Eve")
        opened.merge("ada", "Unknown 1")
        assert [(one.name, one.sightings) for one in opened.people()] == [("Ada", 1)]
        assert opened.unknowns(all_of_them=True) == []


def test_people_go_elsewhere_and_come_back(tmp_path: Path) -> None:
    archive = tmp_path / "people.zip"
    with gallery(tmp_path / "one") as opened:
        opened.keeps_crops = True
        add(opened, "Ada", ADA)
        add(opened, "Bob", BOB)
        assert export_gallery(opened, archive) == 2
        with pytest.raises(FileExistsError):
            export_gallery(opened, archive)
    assert archive.stat().st_mode & 0o077 == 0
    with gallery(tmp_path / "two") as other:
        other.keeps_crops = True
        add(other, "Ada", ADA)
        assert import_gallery(other, archive) == (1, 1)
        assert [(one.name, one.pictures) for one in other.people()] == [("Ada", 1), ("Bob", 1)]
        assert other.portrait("Bob") == b"jpeg"
        assert "import" in {entry.action for entry in other.audit()}


@pytest.mark.parametrize("content", [b"no zip", b"PK", None])
def test_what_is_no_export_leaves_the_gallery_as_it_was(tmp_path: Path, content: bytes | None) -> None:
    archive = tmp_path / "people.zip"
    if content is None:  # the second person's embedding is cut short
        people = [
            {"name": name, "pictures": [{"origin": "x", "quality": 1, "embedding": text, "crop": None}]}
            for name, text in (("Ada", base64.b64encode(ADA.tobytes()).decode()), ("Bob", "AAAA"))
        ]
        with zipfile.ZipFile(archive, "w") as made:
            made.writestr("people.json", json.dumps({"format": "visage.people/1", "model": "sface", "people": people}))
    else:
        archive.write_bytes(content)
    with gallery(tmp_path / "g") as opened:
        with pytest.raises(GalleryBroken, match=r"people\.zip"):
            import_gallery(opened, archive)
        assert opened.people() == []


def test_a_split_takes_the_sightings_along(tmp_path: Path) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
        add(opened, "Bob", BOB)
        record(opened, track(near(ADA, 1), 1), track(near(BOB, 1), 2), track(near(BOB, 2), 3))
        opened.merge("Ada", "Bob")
        assert opened.person("Ada").sightings == 3
        opened.roll.split("Ada", "Bob", [opened.pictures("Ada")[1].picture_id])
        assert {seen.track_id for seen in opened.sightings(person="Bob")} == {2, 3}
        assert {match.sighting.track_id for match in opened.search(BOB, person="Ada")} == {1}


def test_a_track_of_a_result_is_somebody_to_enrol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "movie"
    results.mkdir()
    tracks = TracksParquet(results / "tracks.parquet", embedding_dimension=DIMENSION)
    tracks.append(track(ADA, 3))
    tracks.append(track(None, 4))
    tracks.seal()
    tracks.publish()
    (results / "metadata.json").write_text('{"embedder": "sface"}')

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as exited:
            main(["people", "add", "Ada", *arguments, "--gallery", str(tmp_path / "people")])
        told = capsys.readouterr()
        return int(str(exited.value.code)), told.out + told.err

    code, told = run(str(results), "--track", "3")
    assert (code, told.splitlines()[0]) == (0, "movie track 3: Ada i1, quality 0.70")
    code, told = run(str(results), "--track", "3")  # adding a known picture again is no failure
    assert (code, told.splitlines()[0]) == (0, "movie track 3: Ada has this picture already")
    assert "there is no track 9" in run(str(results), "--track", "9")[1]
    assert "was not embedded" in run(str(results), "--track", "4")[1]
    assert "no results with tracks" in run(str(tmp_path), "--track", "3")[1]
    (results / "metadata.json").write_text('{"embedder": "dlib"}')
    assert run(str(results), "--track", "3")[0] == 1
    with gallery(tmp_path / "people") as opened:
        assert opened.roster().closest(near(ADA, 1)[None]).similarity[0] == pytest.approx(0.8, abs=1e-3)


def test_who_is_there_is_known_after_a_rollback_and_beside_another_process(tmp_path: Path) -> None:
    """The embeddings in memory are those of the file, however it changed."""
    with gallery(tmp_path) as opened, gallery(tmp_path) as other:
        add(opened, "Ada", ADA)
        with contextlib.suppress(KeyError), opened.database.transaction():
            add(opened, "Eve", BOB)
            raise KeyError
        add(opened, "Eve", BOB)
        with pytest.raises(PictureRefused, match="has this picture already"):
            other.add("Eve", face(BOB), origin="again.jpg", content=b"encoded again")
        other.forget("Eve")
        add(opened, "Eve", BOB)
        assert len(opened.roll.vectors()[0]) == 2


def test_names_of_files_that_are_not_utf_8_are_spelled_out(tmp_path: Path) -> None:
    strange = os.fsdecode(b"p\xff.jpg")
    with gallery(tmp_path) as opened:
        opened.add("Ada", face(ADA), origin=strange, content=b"1")
        assert [picture.origin for picture in opened.pictures("Ada")] == [r"p\udcff.jpg"]
        assert opened.search(ADA, source=strange) == []
        with pytest.raises(NoSuchPerson, match="there is no person named"):
            opened.person(strange)


@pytest.mark.parametrize(
    "command", [["show", "p"], ["forget", "u"], ["forget", "Unknown "], ["remove-image", "Ada", "i"]]
)
def test_numbers_that_no_database_could_hold_are_nobodys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    with gallery(tmp_path) as opened:
        add(opened, "Ada", ADA)
    *words, last = command
    with pytest.raises(SystemExit):
        main(["people", *words, last + "9" * 30, "--gallery", str(tmp_path)])
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(r"visage: error: (there is no person named|there is no picture)", line)


def test_limits_have_a_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with gallery(tmp_path / "people"):
        pass
    (tmp_path / "a.jpg").touch()
    for command in (["search", str(tmp_path / "a.jpg")], ["people", "audit"]):
        with pytest.raises(SystemExit):
            main([*command, "--limit", "9" * 20, "--gallery", str(tmp_path / "people")])
        assert "Invalid value for '--limit'" in capsys.readouterr().err
