"""What the kernels are told about each picture and each part of one: one record each, laid out as in the .cu files."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray
from stages.imaging.base import MAX_SAMPLES
from stages.imaging.cut import Cut
from stages.imaging.device.picture import DevicePicture, SurfaceLayout
from stages.imaging.letterbox import Letterbox
from stages.imaging.patches import THUMBNAIL_SIZE, PatchWindow, thumbnail_stride

__all__ = [
    "CROP",
    "LETTERBOX",
    "PATCH",
    "PICTURE",
    "THUMBNAIL",
    "Records",
    "crop_records",
    "letterbox_records",
    "patch_records",
    "picture_records",
    "thumbnail_records",
]

Records = NDArray[np.void]

PICTURE = np.dtype(
    [
        ("luma", "<u8"),
        ("chroma", "<u8"),
        ("pitch", "<i4"),
        ("size", "<i4", 2),
        ("sample_bytes", "<i4"),
        ("black_neutral", "<f4", 2),
        ("to_bgr", "<f4", (3, 3)),
        ("tones", "<i4"),
    ]
)
LETTERBOX = np.dtype([("picture", PICTURE), ("map", "<f4", (2, 3)), ("content", "<i4", 4), ("samples", "<i4", 2)])
CROP = np.dtype([("map", "<f4", (2, 3)), ("picture", "<i4"), ("samples", "<i4")])
PATCH = np.dtype(
    [("map", "<f4", (2, 3)), ("picture", "<i4"), ("factor", "<i4"), ("first", "<i4", 2), ("size", "<i4", 2)]
)
THUMBNAIL = np.dtype(
    [("picture", PICTURE), ("map", "<f4", (2, 3)), ("size", "<i4", 2), ("stride", "<i4"), ("padding", "<i4", 3)]
)


def picture_records(pictures: list[DevicePicture]) -> Records:
    """Return a structured array PICTURE (P,): device addresses, pitches in bytes and sizes in pixels."""
    records = _filled(PICTURE, [_picture_template(picture.layout) for picture in pictures])
    _add_addresses(records, pictures)
    return records


def letterbox_records(pictures: list[DevicePicture], letterboxes: list[Letterbox]) -> Records:
    """Return a structured array LETTERBOX (P,): each picture's place in the input, in pixels."""
    placed = zip(pictures, letterboxes, strict=True)
    records = _filled(LETTERBOX, [_letterbox_template(picture.layout, letterbox) for picture, letterbox in placed])
    _add_addresses(records["picture"], pictures)
    return records


def crop_records(pictures: list[DevicePicture], transforms: list[FloatArray]) -> Records:
    """CROP (sum of n,): float32 (n, 2, 3) for each picture, as `Imaging.crop` takes them."""
    maps = np.concatenate(transforms).astype(np.float64)
    rows = np.repeat(np.arange(len(pictures)), [len(some) for some in transforms])
    # A crop pixel covers as much as its unit square becomes: the square root of the determinant is its side.
    side = np.sqrt(np.abs(maps[:, 0, 0] * maps[:, 1, 1] - maps[:, 0, 1] * maps[:, 1, 0]))
    records = np.empty(len(maps), CROP)
    records["map"] = _in_stored(np.array([_to_stored(picture.layout) for picture in pictures])[rows], maps)
    records["picture"] = rows
    records["samples"] = np.clip(np.rint(side), 1, MAX_SAMPLES)
    return records


def patch_records(pictures: list[DevicePicture], windows: list[tuple[int, PatchWindow]]) -> Records:
    """PATCH (n,): each window with its picture's place in the list."""
    records = []
    for place, window in windows:
        layout = pictures[place].layout
        cut = Cut.of(window, _to_stored_rows(layout), layout.width, layout.height)
        first, size = (cut.left, cut.top), (cut.columns, cut.rows)
        records.append(((cut.across, cut.down), place, cut.factor, first, size))
    return np.array(records, PATCH)


def thumbnail_records(pictures: list[DevicePicture]) -> Records:
    """Return a structured array THUMBNAIL (P,): how each picture is sampled for its thumbnail."""
    records = _filled(THUMBNAIL, [_thumbnail_template(picture.layout) for picture in pictures])
    _add_addresses(records["picture"], pictures)
    return records


def _filled(dtype: np.dtype[np.void], templates: list[Records]) -> Records:
    """A record like each of these; at once where all are the same one, as a rule: row by row takes far longer."""
    records = np.empty(len(templates), dtype)
    if len(set(map(id, templates))) == 1:
        records[:] = templates[0]
    else:
        for row, template in enumerate(templates):
            records[row] = template
    return records


def _add_addresses(records: Records, pictures: list[DevicePicture]) -> None:
    """Templates know the planes' distances from the first luma sample."""
    addresses = np.array([picture.luma for picture in pictures], np.uint64)
    records["luma"] += addresses
    records["chroma"] += addresses


@functools.lru_cache(maxsize=256)
def _picture_template(layout: SurfaceLayout) -> Records:
    record = np.zeros((), PICTURE)
    black, neutral, _ = layout.samples.black(layout.encoding)
    record["chroma"] = layout.chroma_offset
    record["pitch"] = layout.pitch
    record["size"] = layout.width, layout.height
    record["sample_bytes"] = layout.sample_bytes
    record["black_neutral"] = black, neutral
    record["to_bgr"] = layout.samples.to_bgr(layout.encoding)[:, :3]
    record["tones"] = layout.encoding.tones.code
    return record


@functools.lru_cache(maxsize=256)
def _letterbox_template(layout: SurfaceLayout, letterbox: Letterbox) -> Records:
    # The centre of input pixel c is at (c + 0.5 - offset) / scale from the picture's outer corner, half a pixel before
    # which lies index 0.
    upright = np.array(
        [
            [1 / letterbox.scale_x, 0, (0.5 - letterbox.offset_x) / letterbox.scale_x - 0.5],
            [0, 1 / letterbox.scale_y, (0.5 - letterbox.offset_y) / letterbox.scale_y - 0.5],
        ]
    )
    left, top = letterbox.offset_x, letterbox.offset_y
    record = np.zeros((), LETTERBOX)
    record["picture"] = _picture_template(layout)
    record["map"] = _in_stored(_to_stored(layout), upright)
    record["content"] = left, top, left + letterbox.content_width, top + letterbox.content_height
    record["samples"] = [_samples(letterbox.scale_x), _samples(letterbox.scale_y)]
    return record


@functools.lru_cache(maxsize=256)
def _thumbnail_template(layout: SurfaceLayout) -> Records:
    stored = layout.orientation.upright_size(*THUMBNAIL_SIZE)
    record = np.zeros((), THUMBNAIL)
    record["picture"] = _picture_template(layout)
    record["map"] = layout.orientation.to_coded(*stored)
    record["size"] = stored
    record["stride"] = thumbnail_stride(layout.width, layout.height)
    return record


def _samples(scale: float) -> int:
    # 1 / (640 / 1920) may come out a hair above 3.
    return min(MAX_SAMPLES, max(1, math.ceil(1 / scale - 1e-6)))


@functools.lru_cache(maxsize=256)
def _to_stored(layout: SurfaceLayout) -> NDArray[np.float64]:
    return layout.orientation.to_coded(layout.width, layout.height)


@functools.lru_cache(maxsize=256)
def _to_stored_rows(layout: SurfaceLayout) -> list[list[float]]:
    rows: list[list[float]] = _to_stored(layout).tolist()
    return rows


def _in_stored(to_stored: NDArray[np.float64], maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 2, 3) maps to the upright picture, as maps to the stored one."""
    stored: NDArray[np.float64] = to_stored[..., :2] @ maps
    stored[..., 2] += to_stored[..., 2]
    return stored
