"""PacketNumbering on packets with made-up time stamps."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.decode.numbering import MAX_READ_AHEAD, PacketNumbering, VideoPacket


def packets(stamps: list[tuple[int | None, int | None]]) -> Iterator[VideoPacket]:
    for pts, dts in stamps:
        packet: VideoPacket = av.Packet(b"picture")  # type: ignore[assignment]
        packet.pts, packet.dts = pts, dts
        yield packet


def numbers(stamps: list[tuple[int | None, int | None]]) -> list[int | None]:
    return [number for _, number in PacketNumbering().number(packets(stamps))]


def test_pictures_are_numbered_by_time_and_come_in_decoding_order() -> None:
    assert numbers([(0, -2), (6, -1), (2, 0), (4, 2), (12, 4), (8, 6), (10, 8)]) == [0, 3, 1, 2, 6, 4, 5]


def test_missing_first_dts_are_waited_out() -> None:
    assert numbers([(0, None), (125, None), (42, 0), (83, 42)]) == [0, 3, 1, 2]


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 6)), min_size=1, max_size=60))
def test_ranks_are_found_for_any_reordering_and_frame_rate(pictures: list[tuple[int, float]]) -> None:
    """Each picture is a step in time and how many places earlier than in presentation order it is coded, about."""
    times = np.cumsum([step for step, _ in pictures]).tolist()
    order = sorted(range(len(times)), key=lambda place: place - pictures[place][1])
    delay = max(time - times[place] for time, place in zip(times, order, strict=True))
    stamps = [(times[place], time - delay) for time, place in zip(times, order, strict=True)]
    assert numbers(stamps) == order


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param((None, 3), id="no pts"),
        pytest.param((4, None), id="no dts"),
        pytest.param((2, 3), id="pts before dts"),
        pytest.param((4, 2), id="dts stands still"),
        pytest.param((5, 3), id="the same pts twice"),
    ],
)
def test_numbering_stops_for_good_where_time_stamps_fail(broken: tuple[int | None, int | None]) -> None:
    numbering = PacketNumbering()
    found = [n for _, n in numbering.number(packets([(0, 0), (1, 1), (5, 2), broken, (8, 8), (9, 9)]))]
    assert found == [0, 1, None, None, None, None]
    assert not numbering.is_exact


def test_read_ahead_is_bounded() -> None:
    stamps: list[tuple[int | None, int | None]] = [(10**6 + k, k) for k in range(MAX_READ_AHEAD + 10)]
    assert numbers(stamps) == [None] * len(stamps)


def test_stamps_of_a_stream_that_reorders_are_believed_once_one_goes_back() -> None:
    numbering = PacketNumbering(reorders=True)
    stamps: list[tuple[int | None, int | None]] = [(0, -2), (2, -1), (6, 0), (4, 2)]
    assert [number for _, number in numbering.number(packets(stamps))] == [0, 1, 3, 2]
    assert numbering.is_exact


@pytest.mark.parametrize("count", [3, MAX_READ_AHEAD + 10])
def test_stamps_of_a_stream_that_reorders_but_never_go_back_are_of_decoding(count: int) -> None:
    numbering = PacketNumbering(reorders=True)
    found = [number for _, number in numbering.number(packets([(place, place) for place in range(count)]))]
    assert found == [None] * count
    assert not numbering.is_exact
