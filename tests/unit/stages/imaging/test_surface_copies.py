"""Copies of surfaces as they are described, without a card: the addresses are never followed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from stages.buffers.cuda_stream import PlaneCopy
from stages.imaging.colour import NV12, Encoding, Matrix
from stages.imaging.orientation import Orientation
from stages.imaging.surface import SurfaceLayout
from stages.imaging.surface_copies import SurfaceCopies

LUMA, CHROMA, TARGET = 0x10000, 0x20000, 0x50000
WIDTH, HEIGHT, PITCH = 64, 32, 256


class Recorder:
    """A stream that remembers (source, target, source pitch, target pitch, bytes, rows) of every copy."""

    def __init__(self) -> None:
        self.copies: list[tuple[int, ...]] = []

    def copy_plane(self, copy: PlaneCopy) -> None:
        it = copy.description
        pitches = (it.srcPitch, it.dstPitch)
        self.copies.append((int(it.srcDevice), int(it.dstDevice), *pitches, it.WidthInBytes, it.Height))


def layout(*, chroma_row: int = 0) -> SurfaceLayout:
    return SurfaceLayout(WIDTH, HEIGHT, PITCH, NV12, Encoding(Matrix.ITU709, False), Orientation(), chroma_row)


def planes(luma_pitch: int, chroma_pitch: int) -> Any:
    return (
        SimpleNamespace(buffer_ptr=LUMA, line_size=luma_pitch),
        SimpleNamespace(buffer_ptr=CHROMA, line_size=chroma_pitch),
    )


@pytest.fixture
def stream() -> Recorder:
    return Recorder()


@pytest.fixture
def copies(stream: Recorder) -> SurfaceCopies:
    return SurfaceCopies(stream)  # type: ignore[arg-type]  # what is asked of a stream


def test_each_plane_is_copied_by_its_own_pitch_also_when_it_changes(copies: SurfaceCopies, stream: Recorder) -> None:
    target = layout()
    for luma_pitch, chroma_pitch in ((512, 1024), (768, 768), (512, 1024)):
        stream.copies.clear()
        copies.copy(planes(luma_pitch, chroma_pitch), target, TARGET, is_interlaced=False)
        assert stream.copies == [
            (LUMA, TARGET, luma_pitch, PITCH, WIDTH, HEIGHT),
            (CHROMA, TARGET + HEIGHT * PITCH, chroma_pitch, PITCH, WIDTH, HEIGHT // 2),
        ]


def test_planes_in_one_block_are_one_copy_with_the_rows_between(copies: SurfaceCopies, stream: Recorder) -> None:
    copies.copy(planes(512, 512), layout(chroma_row=40), TARGET, is_interlaced=False)
    assert stream.copies == [(LUMA, TARGET, 512, PITCH, WIDTH, 40 + HEIGHT // 2)]


def test_of_an_interlaced_surface_the_first_field_s_rows_are_copied_twice(
    copies: SurfaceCopies, stream: Recorder
) -> None:
    copies.copy(planes(512, 512), layout(), TARGET, is_interlaced=True)
    chroma = TARGET + HEIGHT * PITCH
    assert stream.copies == [
        (LUMA, TARGET, 1024, 2 * PITCH, WIDTH, HEIGHT // 2),
        (LUMA, TARGET + PITCH, 1024, 2 * PITCH, WIDTH, HEIGHT // 2),
        (CHROMA, chroma, 1024, 2 * PITCH, WIDTH, HEIGHT // 4),
        (CHROMA, chroma + PITCH, 1024, 2 * PITCH, WIDTH, HEIGHT // 4),
    ]
