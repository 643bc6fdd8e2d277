"""A person's best shots on one picture, with film and time below each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from stages.errors import OutputExists
from stages.imaging.colour import Encoding
from stages.imaging.host.planes import TURNS, packed_bgr
from stages.redact.film import Film
from visage.clips.appearances import Portrait
from visage.report.timeline import clock
from visage.storage.atomic_write import atomic_write

__all__ = ["write_contact_sheet"]

MAX_SHOTS = 48
COLUMNS = 6
SIDE = 220
CAPTION_HEIGHT = 34
PADDING = 8
AROUND = 0.5
"""Of the box's size, shown at each side."""
JPEG_QUALITY = 90
GROUND, INK = (251, 250, 248), (29, 36, 48)
FONT_SIZE = 13
MAX_LETTERS = 30
LATE_SECONDS = 1e-3
"""Tables round times to a millisecond."""


def write_contact_sheet(person: str, portraits: Sequence[Portrait], path: Path, *, force: bool = False) -> int:
    """Write a JPEG with the best shots in the order of films and times; returns how many there are.

    Raises SourceError, OutputExists, OSError.
    """
    if path.exists() and not force:
        raise OutputExists(f"{path}: exists already; choose another name or give --force to replace it")
    best = sorted(portraits, key=lambda one: -one.quality)[:MAX_SHOTS]
    shots = [(one, _shot(one)) for one in portraits if one in best]
    rows = -(-len(shots) // COLUMNS)
    columns = min(COLUMNS, len(shots))
    cell_height = SIDE + CAPTION_HEIGHT + PADDING
    title_height = CAPTION_HEIGHT + PADDING
    sheet = Image.new(
        "RGB", (columns * (SIDE + PADDING) + PADDING, title_height + rows * cell_height + PADDING), GROUND
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_SIZE)
    draw.text((PADDING, PADDING), f"{person}: {len(shots)} of {len(portraits)} tracks", INK, ImageFont.load_default(20))
    for number, (portrait, shot) in enumerate(shots):
        left = PADDING + number % COLUMNS * (SIDE + PADDING)
        top = title_height + number // COLUMNS * cell_height
        sheet.paste(Image.fromarray(shot[..., ::-1]), (left, top))
        draw.text((left, top + SIDE + 2), portrait.film.name[:MAX_LETTERS], INK, font)
        draw.text((left, top + SIDE + 2 + FONT_SIZE), clock(portrait.seconds), INK, font)
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=JPEG_QUALITY)
    atomic_write(path, data.getvalue())
    return len(shots)


def _shot(portrait: Portrait) -> NDArray[np.uint8]:
    """uint8 (SIDE, SIDE, 3), BGR: the face and what is around it."""
    film = Film(
        str(portrait.film),
        upright_turn_degrees=portrait.rotation,
        start_seconds=max(0.0, portrait.seconds - LATE_SECONDS),
    )
    try:
        frame = next(film.frames(), None)
        if frame is None:
            return np.full((SIDE, SIDE, 3), 128, np.uint8)
        bgr = packed_bgr(VideoReformatter(), frame.coded, Encoding.of(frame.coded))
        if frame.orientation.rotation_degrees:
            bgr = np.asarray(cv2.rotate(bgr, TURNS[frame.orientation.rotation_degrees]), np.uint8)
    finally:
        film.close()
    left, top, right, bottom = portrait.box_xyxy
    half = (0.5 + AROUND) * max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    matrix = np.array([[SIDE / (2 * half), 0, SIDE / 2 - x * SIDE / (2 * half)]])
    matrix = np.vstack([matrix, [[0, SIDE / (2 * half), SIDE / 2 - y * SIDE / (2 * half)]]])
    shrink = cv2.INTER_AREA if 2 * half > SIDE else cv2.INTER_CUBIC
    return np.asarray(
        cv2.warpAffine(bgr, matrix, (SIDE, SIDE), flags=shrink, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
