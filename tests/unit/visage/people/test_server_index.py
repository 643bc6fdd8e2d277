"""A gallery whose index is on a Qdrant server (a stand-in over real HTTP): its own, for runs and commands alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.congruence.qdrant_stand_in import QdrantStandIn
from tests.unit.visage.people.scenes import add, near, person, track
from visage.cli.main import main
from visage.config import Settings
from visage.people import SightingRecorder, gallery_of
from visage.people.cipher import make_key
from visage.people.errors import GalleryLocked

ADA = person(1)


def test_two_galleries_share_a_server_and_commands_find_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with QdrantStandIn() as stand_in:
        monkeypatch.setenv("VISAGE_INDEX_URL", stand_in.url)
        for name in ("home", "work"):
            with gallery_of(Settings(gallery=tmp_path / name)) as opened:
                add(opened, "Ada", ADA)
                recorder = SightingRecorder(opened)
                recorder.record(track(near(ADA, 1)), uri="x")
                recorder.close()
        assert [len(collection["points"]) for collection in stand_in.collections.values()] == [1, 1]
        with pytest.raises(SystemExit) as exited:
            main(["people", "forget", "Ada", "--gallery", str(tmp_path / "home")])
        assert exited.value.code == 0
        assert "a search finds none of them" in capsys.readouterr().out
        assert sorted(len(collection["points"]) for collection in stand_in.collections.values()) == [0, 1]
    assert not (tmp_path / "home" / "sightings").exists()


def test_an_encrypted_gallery_does_not_go_to_a_server(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    with pytest.raises(GalleryLocked, match="a Qdrant server would hold its embeddings readable"):
        gallery_of(Settings(gallery=tmp_path / "g", gallery_key=tmp_path / "key", index_url="http://127.0.0.1:1"))
