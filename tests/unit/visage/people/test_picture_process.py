"""Pictures of callers: read in another process, refused where they take too much, and none the worse for the next."""

from __future__ import annotations

import io
import os
import signal
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from stages.errors import NotAVideo
from tests.clips import picture, read_number
from visage.people.picture_process import PictureProcess

MEBIBYTE = 2**20


def encoded(number: int, width: int = 640, height: int = 360, *, name: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture(number, width, height)[..., ::-1])).save(content, name)
    return content.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.fixture
def pictures() -> Iterator[PictureProcess]:
    with PictureProcess(memory_bytes=24 * MEBIBYTE, timeout_seconds=60) as process:
        yield process


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_pictures_come_back_as_they_were_sent(pictures: PictureProcess, name: str) -> None:
    for number in (77, 78):
        assert read_number(pictures.read(encoded(number, name=name))) == number


def test_a_large_picture_is_scaled_down() -> None:
    with PictureProcess(kept_pixels=100_000) as pictures:
        image = pictures.read(encoded(5))
    assert image.shape[0] * image.shape[1] <= 100_000
    assert read_number(image) == 5


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000"])
def test_what_unfolds_into_more_than_the_limit_is_refused_and_the_next_is_read(
    pictures: PictureProcess, name: str
) -> None:
    """4000x3000 is 36 MB or more in memory, whatever the format, where 24 MB are allowed."""
    content = io.BytesIO()
    options = {"progressive": True} if name == "JPEG" else {}
    Image.new("RGB", (4000, 3000)).save(content, name, **options)
    with pytest.raises(NotAVideo, match=r"memory|can't be read|damaged"):
        pictures.read(content.getvalue())
    assert read_number(pictures.read(encoded(9))) == 9


def test_a_canvas_and_texts_that_unfold_are_refused_too(pictures: PictureProcess) -> None:
    frames = [Image.new("RGB", (3000, 2500), colour) for colour in ("red", "blue")]
    content = io.BytesIO()
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:])
    plain = encoded(3)
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(40 * MEBIBYTE)))
    profile = chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(40 * MEBIBYTE)))
    for unfolding in (content.getvalue(), plain[:33] + text + plain[33:], plain[:33] + profile + plain[33:]):
        with pytest.raises(NotAVideo):
            pictures.read(unfolding)
        assert read_number(pictures.read(encoded(9))) == 9


def test_a_size_beyond_the_limit_is_refused_by_its_header() -> None:
    with PictureProcess(max_pixels=100_000) as pictures, pytest.raises(NotAVideo, match=r"640x360; at most 0\.1 mega"):
        pictures.read(encoded(1))


def test_a_picture_that_takes_too_long_is_refused_and_the_next_is_read() -> None:
    """The process stands still, as in a decoder that does not come to an end."""
    with PictureProcess(timeout_seconds=2) as pictures:
        assert read_number(pictures.read(encoded(1))) == 1
        assert pictures.process_id is not None
        os.kill(pictures.process_id, signal.SIGSTOP)
        with pytest.raises(NotAVideo, match="longer than 2 s"):
            pictures.read(encoded(2))
        assert read_number(pictures.read(encoded(3))) == 3


def test_a_process_that_has_died_is_replaced(pictures: PictureProcess) -> None:
    pictures.read(encoded(1))
    first = pictures.process_id
    assert first is not None
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    assert read_number(pictures.read(encoded(2))) == 2
    assert pictures.process_id != first


def test_no_process_is_left_behind() -> None:
    pictures = PictureProcess()
    pictures.read(encoded(1))
    process_id = pictures.process_id
    assert process_id is not None
    pictures.close()
    pictures.close()
    assert pictures.process_id is None
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
