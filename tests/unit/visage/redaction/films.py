"""Films with a moving square in the place of a face, and plans that cover it, made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.clips import picture
from visage.redaction.plan import Plan, Source, Stretch, Style, Track
from visage.redaction.planner import file_sha256

__all__ = ["HEIGHT", "SIDE", "WIDTH", "plan_of", "square_at", "squares"]

WIDTH, HEIGHT, SIDE = 320, 180, 48


def square_at(frame: int) -> tuple[float, float, float, float]:
    """The box of the square in a frame, pixels of the upright picture."""
    left, top = 60.0 + frame, 70.0
    return left, top, left + SIDE, top + SIDE


def squares(frames: int) -> Iterator[NDArray[np.uint8]]:
    """Numbered pictures with a fine checkerboard that goes to the right."""
    board = np.indices((SIDE, SIDE)).sum(axis=0) // 4 % 2 * 200 + 20
    for frame in range(frames):
        image = picture(frame, WIDTH, HEIGHT)
        left, top, right, bottom = (int(side) for side in square_at(frame))
        image[top:bottom, left:right] = board[..., None]
        yield image


def plan_of(
    film: Path,
    frames: int,
    *,
    rotation: int = 0,
    style: Style | None = None,
    uncertain: tuple[tuple[int, int], ...] = (),
    size: tuple[int, int] = (WIDTH, HEIGHT),
    analysed: tuple[tuple[int, int], ...] | None = None,
    keep: bool = False,
) -> Plan:
    """A plan that covers the square from the first frame to the last."""
    return Plan.model_validate(
        {
            "source": Source(
                path=film.name,
                sha256=file_sha256(film),
                bytes=film.stat().st_size,
                width=size[0],
                height=size[1],
                rotation=rotation,
                frames=frames,
                clock=[(0, 0.0), (frames - 1, (frames - 1) / 24)],
            ),
            "style": style or Style(margin=0.0),
            "analysed": analysed if analysed is not None else ((0, frames - 1),),
            "tracks": [
                Track(
                    id=1,
                    boxes=[(0, *square_at(0)), (frames - 1, *square_at(frames - 1))],
                    keep=keep,
                )
            ],
            "uncertain": [
                Stretch(id=number, first=first, last=last, reasons=["ends"])
                for number, (first, last) in enumerate(uncertain, 1)
            ],
        }
    )
