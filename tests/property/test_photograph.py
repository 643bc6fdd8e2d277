"""A photograph comes out upright, pixel by pixel, at most as large as asked; damaged ones are refused, never worse."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from stages.decode.photograph import Photograph
from stages.decode.photograph_format import HEAD_BYTES, photograph_format
from stages.errors import NotAVideo

EXIF_ORIENTATION = 0x0112
LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True, "exact": True},
    "TIFF": {"compression": "tiff_lzw"},
}
TYPES = ("PNG", "WEBP", "TIFF", "JPEG", "GIF", "BMP")

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """What EXIF 2.32, 4.6.4 says of where the first row and column of the stored picture (H, W, 3) are."""
    turned = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: pixels[::-1].swapaxes(0, 1),
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: pixels[:, ::-1].swapaxes(0, 1),
    }
    return turned[orientation]


def noise(size: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)


def written(pixels: NDArray[np.uint8], kind: str, orientation: int = 1) -> bytes:
    """RGB pixels as a file of this kind."""
    file = io.BytesIO()
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    named: dict[str, Any] = {} if kind in ("GIF", "BMP") else {"exif": exif}
    Image.fromarray(pixels).save(file, kind, **named, **LOSSLESS.get(kind, {}))
    return file.getvalue()


@given(sizes, st.sampled_from(sorted(LOSSLESS)), st.integers(1, 8), st.integers(0, 99))
def test_every_pixel_is_where_a_viewer_shows_it(size: tuple[int, int], kind: str, orientation: int, seed: int) -> None:
    pixels = noise(size, seed)
    with Photograph(written(pixels, kind, orientation)) as photograph:
        ((found, seconds),) = photograph.frames()
    np.testing.assert_array_equal(found[..., ::-1], upright(pixels, orientation))
    assert found.dtype == np.uint8
    assert seconds > 0


@given(sizes, st.sampled_from(TYPES), st.integers(1, 2000))
def test_a_picture_is_scaled_to_no_more_pixels_than_are_kept(size: tuple[int, int], kind: str, kept: int) -> None:
    width, height = size
    with Photograph(written(noise(size, 1), kind), kept_pixels=kept) as photograph:
        ((found, _),) = photograph.frames()
    rows, columns, channels = found.shape
    assert channels == 3
    if width * height <= kept:
        assert (columns, rows) == size
    else:
        assert rows * columns <= max(kept, width, height)  # a side is at least one pixel
        scale = (kept / (width * height)) ** 0.5
        least = 0.8 if kind == "JPEG" else 1.0  # a JPEG's decoder scales, and may go a little below
        assert least * width * scale - 1 <= columns <= width * scale + 1
        assert least * height * scale - 1 <= rows <= height * scale + 1


@given(sizes, st.sampled_from(TYPES), st.integers(0, 1600))
def test_a_picture_that_is_too_large_is_refused_unread(size: tuple[int, int], kind: str, most: int) -> None:
    content = written(noise(size, 1), kind)
    if size[0] * size[1] > most:
        with pytest.raises(NotAVideo, match=r"at most .* megapixels"):
            Photograph(content, max_pixels=most)
    else:
        Photograph(content, max_pixels=most).close()


@settings(max_examples=300)
@given(
    st.sampled_from(TYPES),
    st.integers(0, 3000),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
)
def test_what_is_damaged_is_read_or_refused(kind: str, length: int, changes: list[tuple[int, int]]) -> None:
    """Cut anywhere, with any bytes exchanged."""
    content = bytearray(written(noise((20, 15), 3), kind))
    for place, value in changes:
        content[place % len(content)] = value
    reason = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of what it makes do with
        try:
            with Photograph(bytes(content[:length]), max_pixels=100_000) as photograph:
                for pixels, seconds in photograph.frames():
                    assert pixels.dtype == np.uint8
                    assert pixels.shape[2] == 3
                    assert seconds >= 0
        except NotAVideo as error:
            reason = str(error)
    assert "\n" not in reason


@given(st.binary(max_size=HEAD_BYTES))
def test_any_bytes_are_some_format_or_none(head: bytes) -> None:
    assert photograph_format(head) in {None, "JPEG", "PNG", "TIFF", "BMP", "GIF", "JPEG2000", "WEBP", "AVIF", "HEIF"}


@given(st.sampled_from(TYPES), sizes)
def test_a_file_is_known_by_its_first_bytes(kind: str, size: tuple[int, int]) -> None:
    assert photograph_format(written(noise(size, 2), kind)[:HEAD_BYTES]) == kind
