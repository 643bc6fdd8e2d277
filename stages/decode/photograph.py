"""Photographs as they are meant to be seen, read by Pillow and pillow-heif.

FFmpeg reads many of them as well, but it shows one tile of a HEIC, ignores a TIFF's orientation and can't read JPEG in
it, and takes CMYK and wide colours for sRGB. Every picture comes out upright (EXIF, mirrored ones included), in
sRGB and with 8 bits. Transparency is left out: the colours below it stay. Moving pictures (PNG, WebP, AVIF) give all
their pictures, and so do the pages of a TIFF.

Sizes are checked before pixels are allocated, but a format's own tables are not: read what others send in a process
with a memory limit.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from pillow_heif import HeifImageFile

from stages.closing import Closing
from stages.decode.photograph_format import HEAD_BYTES, photograph_format
from stages.errors import NotAVideo, SourceNotFound, SourceUnreadable

__all__ = ["MAX_PIXELS", "Photograph"]

MAX_PIXELS = 500_000_000
"""Cameras have up to 250 megapixels."""

# Not `Image.open`: it tries every format that Pillow knows, and its limits belong to the whole process.
_OPENERS: dict[str, type[ImageFile.ImageFile]] = {
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "HEIF": HeifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_CODECS = {"AVIF": "av1", "HEIF": "hevc", "JPEG": "mjpeg"}  # as FFmpeg calls them
_MOVING = {"AVIF", "GIF", "PNG", "WEBP"}

# What Pillow's readers raise for damaged files; warnings where they are errors. libtiff and libheif report through
# RuntimeError and OSError.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, RuntimeError),
    *(struct.error, zlib.error, AssertionError, AttributeError, Warning, Image.DecompressionBombError),
)

ORIENTATION = 0x0112  # EXIF 2.3, 4.6.4 A
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,  # Pillow turns counter-clockwise
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_CLOCKWISE_DEGREES = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}

NEW_SUBFILE_TYPE = 0x00FE  # TIFF 6.0, section 8
REDUCED = 1
"""A page that is another one, smaller."""

DEFAULT_MILLISECONDS = 100.0
"""For pictures that are to be shown for no time, and for pages; browsers wait as long."""

DRAFT = 0.8
"""Of the width that is kept: a JPEG may come out so much smaller, if that saves decoding all of it."""

_SRGB = ImageCms.createProfile("sRGB")


class Photograph(Closing):
    """An open photograph. Use as a context manager, or close it.

    Attributes:
        label: its name, for messages.
        codec: FFmpeg's name of its coding, for example "mjpeg".
        frame_count: 1, unless it is animated or has pages.
        rotation_degrees: clockwise turn that the first picture needed to be upright; known once it was read.
    """

    def __init__(
        self, source: str | Path | bytes, *, max_pixels: int = MAX_PIXELS, kept_pixels: int | None = None
    ) -> None:
        """
        Args:
            source: a path, or a file's content.
            max_pixels: refuse larger pictures.
            kept_pixels: scale pictures with more pixels down to at most as many.

        Raises SourceNotFound, SourceUnreadable, NotAVideo.
        """
        self.label = "the picture" if isinstance(source, bytes) else str(source)
        self._max_pixels = max_pixels
        self._kept_pixels = kept_pixels
        self.rotation_degrees = 0
        try:
            self._file: BinaryIO = io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb")  # noqa: SIM115
        except FileNotFoundError as exc:
            raise SourceNotFound(f"{self.label}: no such file") from exc
        except OSError as exc:
            raise SourceUnreadable(f"{self.label}: {exc.strerror}") from exc
        try:
            self.format = photograph_format(self._file.read(HEAD_BYTES)) or ""
            if self.format not in _OPENERS:
                raise NotAVideo(
                    f"{self.label} is not a photograph that can be read: give a JPEG, PNG, HEIC, AVIF, WebP or TIFF"
                )
            self._file.seek(0)
            try:
                self._image = _OPENERS[self.format](self._file, None if isinstance(source, bytes) else str(source))
                self._pages = self._shown()
            except _DAMAGE as exc:
                raise NotAVideo(f"{self.label} can't be read as {self.format} ({_reason(exc)})") from exc
            self._check_size()
        except BaseException:
            self._file.close()
            raise
        self.codec = _CODECS.get(self.format, self.format.lower())
        self.frame_count = len(self._pages)

    def __repr__(self) -> str:
        return f"<Photograph {self.label} {self.format}, {self.frame_count} pictures>"

    def frames(self) -> Iterator[tuple[NDArray[np.uint8], float]]:
        """Each picture, uint8 (H, W, 3), BGR, and how long it is shown, in seconds.

        Raises NotAVideo at a picture that is damaged, missing or too large.
        """
        for number, page in enumerate(self._pages):
            try:
                if page:
                    self._image.seek(page)
                    self._check_size()
                pixels = self._read()
            except _DAMAGE as exc:
                if isinstance(exc, NotAVideo):
                    raise
                if "memory" in str(exc).lower():
                    raise NotAVideo(f"{self.label} takes too much memory to be read; make it smaller") from exc
                which = f"picture {number + 1} of {self.frame_count} of {self.label}" if number else self.label
                raise NotAVideo(f"{which} is damaged or cut short ({_reason(exc)})") from exc
            yield pixels, float(self._image.info.get("duration") or DEFAULT_MILLISECONDS) / 1000

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._image.close()
        self._file.close()

    def _shown(self) -> list[int]:
        """Numbers of the pictures to be seen, as Pillow counts them."""
        count = getattr(self._image, "n_frames", 1)
        if self.format == "TIFF" and count > 1:
            pages = [page for page in range(count) if not self._is_reduced(page)] or [0]
            self._image.seek(0)
            return pages
        if self.format in _MOVING and count > 1:
            # A PNG may have a picture for viewers that can't play it, which is not among those that move.
            return list(range(1 if self._image.info.get("default_image") else 0, count))
        return [0]

    def _is_reduced(self, page: int) -> bool:
        self._image.seek(page)
        return bool(self._image.tag_v2.get(NEW_SUBFILE_TYPE, 0) & REDUCED)  # type: ignore[attr-defined]  # TIFF's

    def _check_size(self) -> None:
        width, height = self._image.size
        if not 0 < width * height <= self._max_pixels:
            most = self._max_pixels / 1e6
            raise NotAVideo(f"{self.label} is {width}x{height}; at most {most:g} megapixels are read")

    def _read(self) -> NDArray[np.uint8]:
        image: Image.Image = self._image
        profile = image.info.get("icc_profile")
        wanted = self._kept(image.size)
        if wanted != image.size and self.format == "JPEG":
            # The decoder scales by a half, a quarter or an eighth, to no less than this.
            self._image.draft(None, (round(wanted[0] * DRAFT), round(wanted[1] * DRAFT)))
        image.load()
        orientation = 1 if self.format == "TIFF" else _orientation(image)  # Pillow turns TIFF itself
        image = _eight_bits(image)
        wanted = self._kept(image.size)
        if wanted != image.size:
            image = image.resize(wanted, Image.Resampling.BOX, reducing_gap=2.0)
        image = _srgb(image, profile)
        if orientation in _TURNS:
            image = image.transpose(_TURNS[orientation])
        self.rotation_degrees = _CLOCKWISE_DEGREES.get(orientation, 0)
        # Straight into BGR: an array of RGB turned round would be one copy more.
        return np.frombuffer(image.tobytes("raw", "BGR"), np.uint8).reshape(image.height, image.width, 3)

    def _kept(self, size: tuple[int, int]) -> tuple[int, int]:
        pixels = size[0] * size[1]
        if self._kept_pixels is None or pixels <= self._kept_pixels:
            return size
        scale = math.sqrt(self._kept_pixels / pixels)
        return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except _DAMAGE:  # nonsense where the camera's notes should be
        return 1


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gray, RGB, CMYK or Lab with 8 bits; the image itself where it is already."""
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):  # whatever the numbers mean, the largest is white
        values = np.asarray(image, np.float32)
        top = float(np.nanmax(values))
        white = next((white for white in (1.0, 255.0, 65_535.0) if top <= white), top)
        return Image.fromarray(np.nan_to_num(np.clip(values * (255 / white), 0, 255)).astype(np.uint8))
    if image.mode in ("1", "LA", "La"):
        return image.convert("LA" if image.mode == "La" else "L").convert("L")
    return image.convert("RGBA").convert("RGB") if image.mode == "RGBa" else image.convert("RGB")


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours of the profile, if there is one that fits, as sRGB; mode RGB."""
    source: ImageCms.ImageCmsProfile | None = None
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if image.mode == "RGB" and "sRGB" in ImageCms.getProfileDescription(source):
                return image
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):  # of another colour space, or damaged
            pass
    if image.mode == "LAB":
        lab = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _SRGB, "LAB", "RGB")
        converted = ImageCms.applyTransform(image, lab)
        return image.convert("L").convert("RGB") if converted is None else converted
    return image.convert("RGB")


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text.partition(" <_io")[0] or type(error).__name__
