"""Photographs of every common kind come out upright, whole, in their colours and with 8 bits."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from stages.decode.photograph import ORIENTATION, Photograph
from stages.decode.photograph_format import file_format
from stages.decode.photograph_source import PhotographSource
from stages.decode.source_options import SourceOptions
from stages.errors import NotAVideo, SourceBroken, SourceNotFound
from stages.imaging.host.admission import HostAdmission
from stages.imaging.host.imaging import HostImaging
from stages.imaging.letterbox import DetectorInput
from tests.clips import picture, read_number, write_clip

NUMBER = 345
UPRIGHT = picture(NUMBER, 1280, 720)

TURNED_BACK: dict[int, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, 1),
    7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    8: lambda image: np.rot90(image, -1),
}
"""How a camera stores an upright picture that it marks with this EXIF orientation."""


def image_of(bgr: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(bgr[..., ::-1]))


def read(path: Path) -> NDArray[np.uint8]:
    with Photograph(path) as photograph:
        ((pixels, _),) = photograph.frames()
    return pixels


def closeness(pixels: NDArray[np.uint8]) -> float:
    """Mean difference to the upright picture, of 255."""
    assert pixels.shape == UPRIGHT.shape
    return float(np.abs(pixels.astype(int) - UPRIGHT).mean())


pillow_heif.register_heif_opener()  # so that Pillow writes HEIC too


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("photo.jpg", {"quality": 95}),
        ("photo.png", {}),
        ("photo.webp", {"quality": 95}),
        ("photo.avif", {"quality": 95}),
        ("photo.bmp", {}),
        ("photo.jp2", {}),
        ("plain.tif", {}),
        ("jpeg.tif", {"compression": "jpeg"}),
        ("lzw.tif", {"compression": "tiff_lzw"}),
        ("deflate.tif", {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_formats(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    image_of(UPRIGHT).save(tmp_path / name, **options)  # type: ignore[arg-type]  # Pillow's are of each format
    assert closeness(read(tmp_path / name)) < 5


@pytest.mark.parametrize("options", [{}, {"tile_size": 512}])
def test_heic_is_read_whole_also_where_it_is_made_of_tiles(tmp_path: Path, options: dict[str, int]) -> None:
    image_of(UPRIGHT).save(tmp_path / "photo.heic", **options)  # type: ignore[arg-type]  # as above
    assert file_format(tmp_path / "photo.heic") == "HEIF"
    assert closeness(read(tmp_path / "photo.heic")) < 5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif", "heic"])
def test_every_orientation_is_obeyed_mirrored_ones_too(tmp_path: Path, suffix: str, orientation: int) -> None:
    stored = image_of(TURNED_BACK[orientation](UPRIGHT))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"photo.{suffix}"
    stored.save(path, exif=exif.tobytes())
    assert closeness(read(path)) < 6


def test_colours_of_cmyk_and_of_palettes_and_gray_of_sixteen_bits(tmp_path: Path) -> None:
    image_of(UPRIGHT).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    image_of(UPRIGHT).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "palette.png", transparency=0)
    image_of(UPRIGHT).convert("RGBA").save(tmp_path / "alpha.png")
    for name in ("cmyk.jpg", "palette.png", "alpha.png"):
        assert closeness(read(tmp_path / name)) < 5, name
    gray = np.asarray(image_of(UPRIGHT).convert("L"))
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "gray.png")
    assert np.array_equal(read(tmp_path / "gray.png"), np.dstack([gray] * 3))
    Image.fromarray(gray.astype(np.float32) / 255).save(tmp_path / "gray.tif")
    assert np.abs(read(tmp_path / "gray.tif").astype(int) - gray[..., None]).max() <= 1


def test_a_colour_profile_is_obeyed(tmp_path: Path) -> None:
    """Lab has a profile of its own: read as if it were RGB, the picture is a wash of pink."""
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(image_of(UPRIGHT), to_lab)
    assert lab is not None
    lab.save(tmp_path / "lab.tif")
    assert closeness(read(tmp_path / "lab.tif")) < 5


def test_a_profile_of_another_colour_space_is_left_out(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for number, profile in enumerate((lab, b"no profile at all")):
        image_of(UPRIGHT).save(tmp_path / f"{number}.png", icc_profile=profile)
        assert np.array_equal(read(tmp_path / f"{number}.png"), UPRIGHT)


def test_content_is_read_as_a_file_is_and_scaled_down_where_that_is_asked_for() -> None:
    for name in ("JPEG", "PNG"):
        content = io.BytesIO()
        image_of(UPRIGHT).save(content, name)
        with Photograph(content.getvalue(), kept_pixels=100_000) as photograph:
            ((pixels, _),) = photograph.frames()
        assert pixels.shape[0] * pixels.shape[1] <= 100_000
        assert abs(pixels.shape[1] / pixels.shape[0] - 1280 / 720) < 0.01
        assert read_number(pixels) == NUMBER


def test_what_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="no such file"):
        Photograph(tmp_path / "none.jpg")
    with pytest.raises(NotAVideo, match="not a photograph that can be read"):
        Photograph(b"text")
    image_of(UPRIGHT).save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    with pytest.raises(NotAVideo, match=r"1280x720; at most 0\.5 megapixels"):
        Photograph(content, max_pixels=500_000)
    with Photograph(content[: len(content) // 2]) as photograph, pytest.raises(NotAVideo, match="cut short") as refusal:
        list(photograph.frames())
    assert "\n" not in str(refusal.value)


def test_films_are_no_photographs(tmp_path: Path) -> None:
    assert file_format(write_clip(tmp_path / "clip.mp4", frames=2)) is None
    assert file_format(write_clip(tmp_path / "film.mjpeg", frames=2, codec="mjpeg", pix_fmt="yuvj420p")) is None
    assert file_format(tmp_path) is None


def moving(path: Path, *, count: int = 6) -> Path:
    first, *others = (image_of(picture(number)) for number in range(count))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # In a PNG the profile comes before what says that it moves; FFmpeg then showed one picture of six.
    first.save(path, save_all=True, append_images=others, duration=40, icc_profile=profile)
    return path


def opened(path: Path, **options: float) -> PhotographSource:
    admission = HostAdmission(DetectorInput(160), capacity=20)
    chosen = SourceOptions(**options)  # type: ignore[arg-type]
    return PhotographSource(source_id="photo", path=str(path), admission=admission, options=chosen)


@pytest.mark.parametrize("suffix", ["png", "webp", "avif", "tif"])
def test_all_pictures_of_a_moving_one_are_frames(tmp_path: Path, suffix: str) -> None:
    source = opened(moving(tmp_path / f"moving.{suffix}"))
    info = source.open()
    frames = list(source.frames())
    source.close()
    imaging = HostImaging(max_batch=1)
    assert [read_number(imaging.to_bgr(frame.picture)) for frame in frames] == list(range(6))
    step = 0.1 if suffix == "tif" else 0.04
    assert [frame.pts_seconds for frame in frames] == pytest.approx([number * step for number in range(6)])
    assert (info.frame_count, source.frames_decoded) == (6, 6)
    assert info.fps == pytest.approx(1 / step)
    for frame in frames:
        frame.release()


def test_frames_of_a_moving_picture_are_selected_as_those_of_a_video(tmp_path: Path) -> None:
    path = moving(tmp_path / "moving.png")
    for options, expected in (({"frameskip": 2}, [0, 2, 4]), ({"start_seconds": 0.1, "end_seconds": 0.19}, [3, 4])):
        source = opened(path, **options)
        source.open()
        frames = list(source.frames())
        assert [frame.index for frame in frames] == expected
        for frame in frames:
            frame.release()
        source.close()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "heic", "tif", "bmp", "jp2", "gif"])
def test_damaged_photographs_are_read_or_refused_in_one_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"whole.{suffix}"
    image_of(picture(NUMBER)).save(path)
    content = path.read_bytes()
    chance = random.Random(27)  # not a secret
    refused = 0
    for number in range(60):
        damaged = bytearray(content)
        if number % 3 == 0:
            del damaged[chance.randrange(len(content)) :]
        for _ in range(chance.choice((1, 8))):
            if damaged:
                damaged[chance.randrange(min(len(damaged), 400 if number % 3 == 1 else 10**9))] ^= chance.randrange(
                    1, 256
                )
        try:
            with Photograph(bytes(damaged), max_pixels=10_000_000) as photograph:
                for pixels, _ in photograph.frames():
                    assert pixels.ndim == 3
        except NotAVideo as refusal:
            assert "\n" not in str(refusal)  # noqa: PT017 - most are refused, but not all
            refused += 1
    assert refused > 5


@pytest.mark.parametrize("suffix", ["png", "webp", "avif"])
def test_a_moving_picture_that_is_cut_short_breaks_off(tmp_path: Path, suffix: str) -> None:
    path = moving(tmp_path / f"moving.{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    source = opened(path)
    seen = []

    def play() -> None:
        source.open()
        for frame in source.frames():
            seen.append(frame.index)
            frame.release()

    with pytest.raises((SourceBroken, NotAVideo)):
        play()
    source.close()
    assert len(seen) < 6
