"""Sample media come whole, once, and only with the right digest."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stages.errors import SourceNotFound, SourceUnreadable
from tests.media import Media
from visage.samples import FACE_RECOGNITION, SampleMedia


def test_samples_are_where_they_say(media: Media) -> None:
    assert media.path("obama.jpg").read_bytes()[:2] == b"\xff\xd8"
    assert media.path("WolfgangLanger_Pexels.mp4").read_bytes()[4:8] == b"ftyp"


def test_a_name_nobody_has_is_an_error(media: Media) -> None:
    with pytest.raises(SourceNotFound, match=r"no sample is called nobody\.jpg"):
        media.path("nobody.jpg")


def test_a_wrong_digest_leaves_nothing_behind(tmp_path: Path) -> None:
    forged = dataclasses.replace(FACE_RECOGNITION, sha256="0" * 64)
    with pytest.raises(SourceUnreadable, match="could not be fetched"):
        SampleMedia(tmp_path).fetch(forged)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    """No package of this name exists, so any attempt to fetch it would fail."""
    present = dataclasses.replace(FACE_RECOGNITION, name="visage-no-such-package")
    folder = tmp_path / f"{present.name}-{present.version}"
    folder.mkdir()
    (folder / "face.jpg").touch()
    assert SampleMedia(tmp_path, (present,)).path("face.jpg") == folder / "face.jpg"


def test_a_pip_that_breaks_says_of_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nprintf 'ERROR: Exception:\\nAttributeError: no ImpImporter\\n' >&2; exit 2\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    with pytest.raises(SourceUnreadable, match="could not be fetched: AttributeError: no ImpImporter; check"):
        SampleMedia(tmp_path / "samples").fetch(FACE_RECOGNITION)
