"""A gallery comes into being whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.visage.people.scenes import add, gallery, person
from visage.models.errors import UnknownModel
from visage.people.cipher import make_key
from visage.people.database import Database
from visage.people.errors import GalleryBroken, GalleryLocked
from visage.people.foundation import open_bound
from visage.people.gallery import open_gallery


@contextlib.contextmanager
def room_for(nbytes: int) -> Iterator[None]:
    """As on a disk that fills up: no file grows beyond this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (nbytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("nbytes", [0, 4096, 8192, 33000, 50000, 70000])
def test_on_a_full_disk_nothing_is_left(tmp_path: Path, nbytes: int) -> None:
    folder = tmp_path / "archive" / "people"
    with room_for(nbytes), pytest.raises(GalleryBroken, match=str(folder)):
        gallery(folder)
    assert list(tmp_path.iterdir()) == []
    with gallery(folder) as opened:
        add(opened, "Ada", person(1))


def test_a_refused_key_leaves_a_folder_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "ada.jpg").write_bytes(b"a picture")
    with pytest.raises(GalleryLocked, match="can't be read as a key"):
        gallery(tmp_path, tmp_path / "missing")
    assert os.listdir(tmp_path) == ["ada.jpg"]


def test_a_server_for_an_encrypted_gallery_is_refused_before_there_is_one(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    with pytest.raises(GalleryLocked, match="Qdrant server"):
        open_gallery(tmp_path / "people", model="sface", key_file=tmp_path / "key", index_url="http://127.0.0.1:1")
    assert os.listdir(tmp_path) == ["key"]


def test_an_unknown_model_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel):
        open_gallery(tmp_path / "people", model="nobody-knows-this")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_links", [True, False])
def test_whoever_is_first_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    """A makes a draft; B makes the gallery and enrols somebody; A has its draft ready and drops it."""
    if not has_links:
        monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    path = tmp_path / "gallery.sqlite"

    def bind(_: Database) -> None:
        if not path.exists():
            with gallery(tmp_path) as other:
                add(other, "Ada", person(1))

    database, _ = open_bound(path, bind)
    database.close()
    assert sorted(os.listdir(tmp_path)) == ["gallery.sqlite"]
    with gallery(tmp_path) as opened:
        assert [one.name for one in opened.people()] == ["Ada"]


def refuse(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")
