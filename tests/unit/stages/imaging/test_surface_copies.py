"""Copies of surfaces as they are described, without a card: the addresses are never followed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from stages.imaging.colour import NV12, Encoding, Matrix
from stages.imaging.device.picture import SurfaceLayout
from stages.imaging.device.surface_copies import copy_surface
from stages.imaging.orientation import Orientation

LUMA, CHROMA, TARGET = 0x10000, 0x20000, 0x50000
WIDTH, HEIGHT, PITCH = 64, 32, 256


class Recorder:
    """A stream that remembers every copy: (source, target, bytes), of rows the pitches between."""

    def __init__(self) -> None:
        self.copies: list[tuple[int, ...]] = []

    def copy(self, source: int, target: int, nbytes: int) -> None:
        self.copies.append((source, target, nbytes))

    def copy_rows(
        self, source: int, target: int, *, source_pitch: int, target_pitch: int, row_bytes: int, rows: int
    ) -> None:
        self.copies.append((source, target, source_pitch, target_pitch, row_bytes, rows))


def layout(*, chroma_row: int = 0) -> SurfaceLayout:
    return SurfaceLayout(WIDTH, HEIGHT, PITCH, NV12, Encoding(Matrix.ITU709, False), Orientation(), chroma_row)


def planes(luma_pitch: int, chroma_pitch: int) -> Any:
    return (
        SimpleNamespace(buffer_ptr=LUMA, line_size=luma_pitch),
        SimpleNamespace(buffer_ptr=CHROMA, line_size=chroma_pitch),
    )


def copied(surface: Any, target: SurfaceLayout, *, is_interlaced: bool) -> list[tuple[int, ...]]:
    stream: Any = Recorder()
    copy_surface(surface, target, TARGET, is_interlaced=is_interlaced, stream=stream)
    copies: list[tuple[int, ...]] = stream.copies
    return copies


def test_each_plane_is_copied_by_its_own_pitch() -> None:
    assert copied(planes(512, 1024), layout(), is_interlaced=False) == [
        (LUMA, TARGET, 512, PITCH, WIDTH, HEIGHT),
        (CHROMA, TARGET + HEIGHT * PITCH, 1024, PITCH, WIDTH, HEIGHT // 2),
    ]


def test_planes_in_one_block_are_one_copy_with_the_rows_between() -> None:
    surface = planes(PITCH, PITCH)
    assert copied(surface, layout(chroma_row=40), is_interlaced=False) == [(LUMA, TARGET, (40 + HEIGHT // 2) * PITCH)]


def test_of_an_interlaced_surface_the_first_field_s_rows_are_copied_twice() -> None:
    chroma = TARGET + HEIGHT * PITCH
    assert copied(planes(512, 512), layout(), is_interlaced=True) == [
        (LUMA, TARGET, 1024, 2 * PITCH, WIDTH, HEIGHT // 2),
        (LUMA, TARGET + PITCH, 1024, 2 * PITCH, WIDTH, HEIGHT // 2),
        (CHROMA, chroma, 1024, 2 * PITCH, WIDTH, HEIGHT // 4),
        (CHROMA, chroma + PITCH, 1024, 2 * PITCH, WIDTH, HEIGHT // 4),
    ]
