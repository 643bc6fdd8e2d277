"""What surfaces tell of themselves, without a card: their addresses are never followed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from stages.imaging.colour import NV12
from stages.imaging.device.nvdec_surface import chroma_row, surface_samples


def plane(pitch: int, *, address: int = 0x10000, width: int = 64, height: int = 36) -> Any:
    return SimpleNamespace(buffer_ptr=address, line_size=pitch, width=width, height=height)


def test_rows_too_short_for_ten_bits_hold_bytes() -> None:
    """Nothing else is asked of the surface: this one could not answer."""
    assert surface_samples(plane(127)) == NV12


def test_rows_with_room_for_ten_bits_are_asked_about() -> None:
    with pytest.raises(AttributeError, match="__dlpack__"):
        surface_samples(plane(128))


@pytest.mark.parametrize(("rows", "expected"), [(36, 36), (40, 40), (35, 0), (36 + 129, 0)])
def test_chroma_in_the_same_block_begins_a_few_rows_below(rows: int, expected: int) -> None:
    luma = plane(256)
    assert chroma_row((luma, plane(256, address=0x10000 + 256 * rows, height=18))) == expected


def test_chroma_of_another_pitch_is_another_block() -> None:
    assert chroma_row((plane(256), plane(128, address=0x10000 + 256 * 36, height=18))) == 0
