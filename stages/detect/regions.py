"""Drops faces outside the regions of interest or under privacy masks.

A face belongs where the middle of its box is; a mask also takes a face of which it covers a quarter. Areas are drawn
once into a small grid in fractions of the picture, so that asking costs microseconds whatever their shape.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.frames import FloatArray, Observation

__all__ = ["Areas", "Polygon", "RegionStage"]

Polygon: TypeAlias = Sequence[tuple[float, float]]
"""Corners as fractions of the upright picture's width and height."""

GRID = 512
"""Cells along each side of the picture."""

MAX_COVERED = 0.25
"""Share of a box from which a mask takes the face."""


class Areas:
    """The regions of interest and the privacy masks of one source. Immutable, so safe from any thread."""

    def __init__(self, *, regions: Sequence[Polygon] = (), masks: Sequence[Polygon] = ()) -> None:
        """No region means everywhere."""
        self._masks = [np.asarray(mask, np.float64) for mask in masks]
        self._is_region = np.full((GRID, GRID), not regions)
        for region in regions:
            self._is_region |= _drawn(np.asarray(region, np.float64))
        is_masked = np.zeros((GRID, GRID), np.uint8)
        for mask in self._masks:
            is_masked |= _drawn(mask).astype(np.uint8)
        self._masked_sum = cv2.integral(is_masked)

    def visible(self, boxes_xyxy: FloatArray, width: int, height: int) -> NDArray[np.bool_]:
        """bool (N,): which boxes, float32 (N, 4) in pixels of a picture of this size, are to be looked at."""
        cells = np.asarray(boxes_xyxy, np.float64) * (GRID / np.array([width, height, width, height]))
        middle = np.clip((cells[:, :2] + cells[:, 2:]) / 2, 0, GRID - 1).astype(np.intp)
        left, top = np.clip(np.floor(cells[:, :2]), 0, GRID - 1).astype(np.intp).T
        right, bottom = np.clip(np.ceil(cells[:, 2:]), 1, GRID).astype(np.intp).T
        total = self._masked_sum
        # Summed-area table: the masked cells of any rectangle from its four corners.
        covered = total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
        area = np.maximum((right - left) * (bottom - top), 1)
        column, row = middle.T
        middle_masked = (
            total[row + 1, column + 1] - total[row, column + 1] - total[row + 1, column] + total[row, column]
        )
        visible: NDArray[np.bool_] = (
            self._is_region[row, column] & (covered < MAX_COVERED * area) & (middle_masked == 0)
        )
        return visible

    def black_out(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The image, uint8 (H, W, 3), with the masks painted black; a copy where there are any."""
        if not self._masks:
            return image
        painted = image.copy()
        height, width = image.shape[:2]
        for mask in self._masks:  # one by one: together, what two of them cover would stay as it is
            cv2.fillPoly(painted, [np.round(mask * (width, height)).astype(np.int32)], (0, 0, 0))
        return painted


class RegionStage:
    """Implements `stages.contract.Stage[Observation, Observation]`. Sources without areas pass unchanged."""

    name = "regions"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._areas: dict[str, Areas] = {}

    def set_areas(self, source_id: str, areas: Areas | None) -> None:
        """From any thread: the areas of a source from its next frame on; None for none."""
        with self._lock:
            if areas is None:
                self._areas.pop(source_id, None)
            else:
                self._areas[source_id] = areas

    def areas(self, source_id: str) -> Areas | None:
        """Return the areas of a source, or None. Safe from any thread."""
        with self._lock:
            return self._areas.get(source_id)

    def open(self) -> None:
        """Do nothing: no device is used. Never raises."""

    def process(self, batch: Sequence[Observation]) -> list[Observation]:
        """Return the observations with the faces inside the regions of interest and outside the masks."""
        return [self._filtered(observation) for observation in batch]

    def end_source(self, source_id: str) -> None:
        """Do nothing: no state is kept for a source."""

    def close(self) -> None:
        """Do nothing: it owns no resources."""

    def _filtered(self, observation: Observation) -> Observation:
        areas = self.areas(observation.source_id)
        if areas is None or not len(observation.faces):
            return observation
        picture = observation.frame.picture
        visible = areas.visible(observation.faces.boxes_xyxy, picture.width, picture.height)
        return observation if visible.all() else replace(observation, faces=observation.faces.select(visible))


def _drawn(polygon: NDArray[np.float64]) -> NDArray[np.bool_]:
    """bool (GRID, GRID): the cells that the polygon covers."""
    canvas = np.zeros((GRID, GRID), np.uint8)
    cv2.fillPoly(canvas, [np.round(polygon * (GRID - 1)).astype(np.int32)], (1,))
    drawn: NDArray[np.bool_] = canvas.astype(bool)
    return drawn
