"""Many crops as one picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from visage.people.errors import PictureRefused

__all__ = ["contact_sheet"]

TILE = 160
COLUMNS = 6


def contact_sheet(crops: Sequence[bytes]) -> bytes:
    """JPEG with the crops, JPEGs as well, in rows of six. Raises PictureRefused where there is none."""
    if not crops:
        raise PictureRefused("no crops are stored; enrol with --keep-crops to have contact sheets")
    columns = min(COLUMNS, len(crops))
    rows = -(-len(crops) // columns)
    sheet: NDArray[np.uint8] = np.full((rows * TILE, columns * TILE, 3), 255, np.uint8)
    for place, crop in enumerate(crops):
        image = cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            continue
        height, width = image.shape[:2]
        scale = TILE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        tile = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        top, left = place // columns * TILE, place % columns * TILE
        sheet[top : top + size[1], left : left + size[0]] = tile
    _, data = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return data.tobytes()
