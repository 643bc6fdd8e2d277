"""An archive of people is a file from elsewhere: what it may expand to is bounded, whatever it says of itself."""

from __future__ import annotations

import base64
import json
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.unit.visage.people.scenes import gallery, person
from visage.cli.main import main
from visage.people.errors import GalleryBroken, OtherModel
from visage.people.exchange import exported_model, import_gallery

MIB = 1 << 20


def document(*crops: str | None, quality: float = 0.8, padding: str = "") -> str:
    """An export of one picture for each crop."""
    pictures = [
        {"origin": "x", "quality": quality, "crop": crop, "embedding": base64.b64encode(person(n).tobytes()).decode()}
        for n, crop in enumerate(crops)
    ]
    people = [{"name": "Ada", "pictures": pictures}]
    return json.dumps({"format": "visage.people/1", "model": "sface", "people": people, "x": padding})


def archive(folder: Path, text: str, crops: dict[str, bytes] | None = None, method: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "people.zip"
    with zipfile.ZipFile(path, "w", method) as made:
        made.writestr("people.json", text)
        for name, content in (crops or {}).items():
            made.writestr(name, content)
    return path


def test_a_document_that_expands_is_refused_unread(tmp_path: Path) -> None:
    path = archive(tmp_path, document(None, padding="0" * (64 * MIB)))
    tracemalloc.start()
    try:
        with pytest.raises(GalleryBroken, match=r"people\.json would expand to"):
            exported_model(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


def test_embeddings_made_elsewhere_are_taken_where_the_digest_is_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By another program: its own name for the model, neither crop nor quality nor origin, and not normalised."""
    with gallery(tmp_path / "g") as opened:
        (digest, *_) = opened.model_sha256
        made = {"embedding": base64.b64encode((7 * person(1)).tobytes()).decode()}
        elsewhere = {
            "format": "visage.people/1",
            "model": "face_recognition_sface_2021dec",
            "model_sha256": digest,
            "people": [{"name": "Ada", "pictures": [made]}],
        }
        path = archive(tmp_path, json.dumps(elsewhere))
    with pytest.raises(SystemExit) as ended:
        main(["people", "import", str(path), "-g", str(tmp_path / "g")])
    assert ended.value.code in (0, None)
    assert "1 picture added" in capsys.readouterr().out
    with gallery(tmp_path / "g") as opened:
        assert np.allclose(opened.roll.embeddings("Ada"), person(1), atol=1e-6)
        path = archive(tmp_path, json.dumps({**elsewhere, "model": "sface", "model_sha256": "0" * 64}))
        with pytest.raises(OtherModel, match=r"embeddings of sface, SHA-256 000000000000\.\.\.; this gallery"):
            import_gallery(opened, path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_expand_without_bound_are_refused(tmp_path: Path, method: int) -> None:
    with pytest.raises(GalleryBroken):
        exported_model(archive(tmp_path, document(None), method=method))


@pytest.mark.parametrize(
    ("text", "crops", "message"),
    [
        (document("crops/a"), {"crops/a": b"\0" * (8 * MIB)}, "crops/a would expand to"),
        (document("crops/a"), {"crops/a": np.random.default_rng(1).bytes(2 * MIB)}, "crops/a would expand to"),
        (document("crops/a", "crops/a"), {"crops/a": b"jpeg"}, "share the crop"),
        (document(None, quality=float("nan")), {}, "quality"),
        ("[" * 60_000, {}, "not an export of people"),
    ],
)
def test_what_no_export_holds_leaves_the_gallery_as_it_was(
    tmp_path: Path, text: str, crops: dict[str, bytes], message: str
) -> None:
    path = archive(tmp_path, text, crops)
    with gallery(tmp_path / "g") as opened:
        opened.keeps_crops = True
        with pytest.raises(GalleryBroken, match=message):
            import_gallery(opened, path)
        assert opened.people() == []


def test_an_honest_archive_of_many_pictures_is_taken(tmp_path: Path) -> None:
    path = archive(tmp_path, document(*[None] * 2000))
    with gallery(tmp_path / "g") as opened:
        assert import_gallery(opened, path) == (2000, 0)


def test_a_new_gallery_is_announced_and_a_mistyped_one_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands that write say that the gallery is new, those that read refuse."""
    path, new, mistyped = archive(tmp_path, document(None)), tmp_path / "people", tmp_path / "poeple"
    for arguments in (["import", str(path), "-g", str(new)], ["list", "-g", str(new)]):
        with pytest.raises(SystemExit) as ended:
            main(["people", *arguments])
        assert ended.value.code == 0
    captured = capsys.readouterr()
    assert captured.err == f"visage: {new}: a new gallery, with no one in it yet\n"
    assert "Ada" in captured.out
    for arguments in (["list"], ["unknowns"], ["forget", "Ada"], ["audit"], ["export", str(tmp_path / "e.zip")]):
        with pytest.raises(SystemExit) as ended:
            main(["people", *arguments, "-g", str(mistyped)])
        assert ended.value.code == 1
    assert not mistyped.exists()
