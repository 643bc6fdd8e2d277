"""Real faces: enrolled from one photograph, named in others and in a clip; nobody else is."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image as Stored
from typer.testing import CliRunner

import visage
from tests.clips import write_clip
from tests.media import Media
from visage.cli.main import app
from visage.config import Settings
from visage.models import ModelStore
from visage.people import FaceReader, choose_face
from visage.people.errors import PictureRefused

Image = NDArray[np.uint8]

ENROLLED = {"A": "person_a_1.jpg", "B": "person_b_1.jpg", "C": "obama.jpg"}
SHOWN = {"person_a_2.jpg": "A", "person_b_2.jpg": "B", "obama2.jpg": "C", "obama3.jpg": "C", "impostor_1.jpg": "C"}
STRANGERS = ("biden.jpg", "impostor_2.jpg", "multi_face.jpg", "single_face.jpg")


@pytest.fixture
def settings(tmp_path: Path, media: Media, models: ModelStore) -> Settings:
    settings = Settings(model_dir=models.model_dir, gallery=tmp_path / "people")
    with visage.open_gallery(tmp_path / "people") as gallery, FaceReader(settings) as reader:
        for name, photograph in ENROLLED.items():
            path = media.path(photograph)
            gallery.add(name, choose_face(reader.read(path)), origin=path.name, content=path.read_bytes())
    return settings


def names(frame: visage.AnalyzedFrame) -> set[str]:
    return {face.identity.name for face in frame.faces if face.identity is not None}


def by_place(frame: visage.AnalyzedFrame) -> list[visage.Face]:
    return sorted(frame.faces, key=lambda face: face.box_xyxy[0])


def portrait(path: Path, width: int, height: int) -> Image:
    """The upper part of a photograph, so large."""
    image = cv2.imread(str(path))
    assert image is not None
    image = cv2.resize(image, (width, width * image.shape[0] // image.shape[1]), interpolation=cv2.INTER_AREA)
    return np.asarray(image[:height], np.uint8)


def swayed(image: Image, number: int) -> Image:
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 6 * np.sin(number / 4), 0.9)
    turn[:, 2] += (10 * np.sin(number / 3), 6 * np.cos(number / 5))
    return np.asarray(cv2.warpAffine(image, turn, (width, height)), np.uint8)


def test_people_are_named_in_other_photographs_and_nobody_else_is(settings: Settings, media: Media) -> None:
    for photograph, name in SHOWN.items():
        (frame,) = visage.analyze(media.path(photograph), settings)
        assert names(frame) == {name}, photograph
    for photograph in STRANGERS:
        (frame,) = visage.analyze(media.path(photograph), settings)
        assert names(frame) == {"unknown"}, photograph


def test_people_are_named_in_a_clip_and_their_tracks_are_sightings(
    settings: Settings, media: Media, tmp_path: Path
) -> None:
    image = cv2.imread(str(media.path("obama2.jpg")))
    assert image is not None
    image = cv2.resize(image, (480, 480 * image.shape[0] // image.shape[1] // 2 * 2))
    moved = [np.asarray(np.roll(image, 2 * step, axis=1), np.uint8) for step in range(12)]
    clip = write_clip(tmp_path / "clip.mp4", images=moved)
    frames = list(visage.analyze(clip, settings))
    assert [names(frame) for frame in frames] == [{"C"}] * 12
    with visage.open_gallery(tmp_path / "people") as gallery:
        assert [(seen.name, seen.source, seen.frames) for seen in gallery.sightings()] == [("C", "clip", 12)]


def test_people_and_a_stranger_in_one_picture_have_their_names_throughout(
    settings: Settings, media: Media, tmp_path: Path
) -> None:
    """Three portraits side by side, swaying; enrolled from other photographs, or not at all."""
    cast = {"person_a_2.jpg": "A", "impostor_1.jpg": "C", "impostor_2.jpg": "unknown"}
    portraits = [portrait(media.path(name), 300, 320) for name in cast]
    clip = write_clip(tmp_path / "three.mp4", images=[swayed(np.hstack(portraits), number) for number in range(24)])
    frames = list(visage.analyze(clip, settings))
    told = [[face.identity.name for face in by_place(frame) if face.identity is not None] for frame in frames]
    assert told == [list(cast.values())] * 24
    with visage.open_gallery(tmp_path / "people") as gallery:
        assert {(seen.name, seen.frames) for seen in gallery.sightings()} == {("A", 24), ("C", 24), ("Unknown 1", 24)}


@pytest.mark.parametrize("frameskip", [1, "auto"])
def test_who_is_embedded_only_now_and_then_has_the_same_name(
    frameskip: int | str, settings: Settings, media: Media, tmp_path: Path
) -> None:
    """Against `--embed all`; half a second later where people have changed places and no cut was noticed."""
    cast = ["person_a_2.jpg", "impostor_1.jpg", "impostor_2.jpg"]
    portraits = [portrait(media.path(name), 300, 320) for name in cast]
    images = [swayed(np.hstack(portraits), number) for number in range(48)]
    images += [swayed(np.hstack(portraits[::-1]), number) for number in range(48)]
    clip = write_clip(tmp_path / "three.mp4", images=images)

    def analysed(embed: str) -> tuple[list[list[str]], int]:
        chosen = settings.model_copy(update={"embed": embed, "frameskip": frameskip})
        faces = [by_place(frame) for frame in visage.analyze(clip, chosen)]
        named = [[face.identity.name for face in row if face.identity is not None] for row in faces]
        return named, sum(face.embedding is not None for row in faces for face in row)

    (every_name, all_embedded), (name, embedded) = analysed("all"), analysed("auto")
    late = [number for number, (one, other) in enumerate(zip(name, every_name, strict=True)) if one != other]
    assert set(late) <= set(range(48, 60))
    assert {one for row in name for one in row} == {"A", "C", "unknown"}
    assert embedded <= (all_embedded if frameskip == "auto" else all_embedded / 3)


def test_a_small_tilted_face_is_looked_at_closely(media: Media, models: ModelStore, tmp_path: Path) -> None:
    photograph = cv2.imread(str(media.path("obama2.jpg")))
    assert photograph is not None
    height, width = photograph.shape[:2]
    turned = cv2.getRotationMatrix2D((width / 2, height / 2), -25, 0.36)
    turned[:, 2] += (960 - width / 2, 640 - height / 2)
    cv2.imwrite(str(tmp_path / "group.png"), cv2.warpAffine(photograph, turned, (1920, 1280), flags=cv2.INTER_AREA))
    with FaceReader(Settings(model_dir=models.model_dir)) as reader:
        (portrait,) = reader.read(media.path("obama.jpg"))
        (small,) = reader.read(tmp_path / "group.png")
    assert small.embedding @ portrait.embedding > 0.6  # 0.20 with the landmarks of the whole picture
    assert np.abs(small.box_xyxy[:2] + small.box_xyxy[2:] - (1920, 1280)).max() < 240  # where it is in that picture


def test_every_format_of_photographs_is_found_in_a_folder(media: Media, models: ModelStore, tmp_path: Path) -> None:
    album = tmp_path / "album"
    album.mkdir()
    for photograph, suffix in (("obama.jpg", "avif"), ("obama2.jpg", "jp2"), ("obama3.jpg", "tif")):
        cv2.imwrite(str(album / f"photograph.{suffix}"), portrait(media.path(photograph), 600, 600))
    options = ["--gallery", str(tmp_path / "people"), "--model-dir", str(models.model_dir)]
    result = CliRunner().invoke(app, ["people", "add", "Ada", str(album), *options])
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == [
        "photograph.avif",
        "photograph.jp2",
        "photograph.tif",
    ]


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_a_photograph_on_its_side_is_turned(
    media: Media, models: ModelStore, tmp_path: Path, quarter_turns: int
) -> None:
    """Nothing in the file says so; the face alone does."""
    with FaceReader(Settings(model_dir=models.model_dir)) as reader:
        for photograph in ("person_b_1.jpg", "single_face.jpg"):
            image = cv2.imread(str(media.path(photograph)))
            assert image is not None
            cv2.imwrite(str(tmp_path / "turned.png"), np.rot90(image, quarter_turns))
            (upright,) = reader.read(media.path(photograph))
            (turned,) = reader.read(tmp_path / "turned.png")
            assert turned.embedding @ upright.embedding > 0.95, photograph  # 0.03 as it lies


def test_photographs_of_phones_are_found_and_other_files_are_named(
    media: Media, models: ModelStore, tmp_path: Path
) -> None:
    """A HEIC made of tiles, and a TIFF with JPEG inside that lies on its side, as its orientation says."""
    album = tmp_path / "album"
    (album / "older").mkdir(parents=True)
    (album / "notes.txt").write_text("x")
    (album / ".DS_Store").write_text("x")
    pillow_heif.register_heif_opener()
    with Stored.open(media.path("obama2.jpg")) as photograph:
        photograph.save(album / "IMG_1.HEIC", format="HEIF", tile_size=512)
    exif = Stored.Exif()
    exif[0x0112] = 6
    with Stored.open(media.path("obama3.jpg")) as photograph:
        photograph.transpose(Stored.Transpose.ROTATE_90).save(album / "scan.tif", compression="jpeg", exif=exif)
    options = ["--gallery", str(tmp_path / "people"), "--model-dir", str(models.model_dir)]
    result = CliRunner().invoke(app, ["people", "add", "Ada", str(album), *options])
    assert result.exit_code == 0
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == ["IMG_1.HEIC", "scan.tif"]
    assert f"visage: {album}: not photographs, left out: notes.txt, older/" in result.stderr.splitlines()
    (frame,) = visage.analyze(album / "IMG_1.HEIC", Settings(model_dir=models.model_dir, gallery=tmp_path / "people"))
    assert names(frame) == {"Ada"}


def test_a_blurred_photograph_is_too_poor(media: Media, models: ModelStore, tmp_path: Path) -> None:
    photograph = cv2.imread(str(media.path("obama2.jpg")))
    assert photograph is not None
    cv2.imwrite(str(tmp_path / "blurred.png"), cv2.GaussianBlur(photograph, (0, 0), 24))
    with FaceReader(Settings(model_dir=models.model_dir)) as reader:
        faces = reader.read(tmp_path / "blurred.png")
    with pytest.raises(PictureRefused, match=r"too poor|no face|not recognisable: .* blurred"):
        choose_face(faces)


def test_a_search_gives_the_similarity_to_the_face_that_was_searched_for(settings: Settings, media: Media) -> None:
    """Of strangers, who resemble nobody known, as of people, who were recognised by another photograph."""
    assert settings.gallery is not None
    for photograph in ("biden.jpg", "obama2.jpg"):
        list(visage.analyze(media.path(photograph), settings))
        options = ["--gallery", str(settings.gallery), "--model-dir", str(settings.model_dir), "--json"]
        result = CliRunner().invoke(app, ["search", str(media.path(photograph)), *options])
        (found,) = json.loads(result.stdout)
        assert found["similarity"] > 0.9, photograph


@pytest.mark.parametrize("turn", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE])
def test_a_turned_face_is_named_right(turn: int, settings: Settings, media: Media, tmp_path: Path) -> None:
    """By upright landmarks turned faces resemble each other; enrolment and a run find out how they are turned."""
    with FaceReader(settings) as reader:
        for name, photograph in ENROLLED.items():
            image = cv2.imread(str(media.path(photograph)))
            assert image is not None
            path = tmp_path / f"turned-{photograph}"
            cv2.imwrite(str(path), cv2.rotate(image, turn))
            (frame,) = visage.analyze(path, settings)
            assert names(frame) == {name}
            upright = choose_face(reader.read(media.path(photograph)), largest=True)
            enrolled = choose_face(reader.read(path), largest=True)  # which turns the photograph back
            assert enrolled.embedding @ upright.embedding > 0.9


def test_a_source_that_is_turned_back_is_named(settings: Settings, media: Media, tmp_path: Path) -> None:
    image = cv2.imread(str(media.path("person_a_2.jpg")))
    assert image is not None
    for turn, degrees in ((cv2.ROTATE_180, 180), (cv2.ROTATE_90_CLOCKWISE, 270)):
        path = tmp_path / f"turned-{degrees}.jpg"
        cv2.imwrite(str(path), cv2.rotate(image, turn))
        (frame,) = visage.analyze(path, settings.model_copy(update={"rotate": degrees}))
        assert names(frame) == {"A"}, degrees
