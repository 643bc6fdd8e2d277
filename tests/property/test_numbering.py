"""Whatever the time stamps: every packet comes out once and in its order, and a number that is given is right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import av
from hypothesis import given
from hypothesis import strategies as st

from stages.decode.numbering import PacketNumbering, VideoPacket

Stamps: TypeAlias = "tuple[int | None, int | None]"

stamps = st.one_of(st.none(), st.integers(0, 30))
any_packets = st.lists(st.tuples(stamps, stamps), max_size=40)


@st.composite
def good_packets(draw: st.DrawFn) -> list[tuple[int, int]]:
    """A stream as an encoder writes it: dts grow, and no picture is shown before it is decoded."""
    order = draw(st.permutations(range(draw(st.integers(1, 20)))))
    delay = max(place - shown for place, shown in enumerate(order))
    return [(shown, place - delay) for place, shown in enumerate(order)]


def packets(found: Sequence[Stamps]) -> list[VideoPacket]:
    made = []
    for pts, dts in found:
        packet: VideoPacket = av.Packet(b"picture")  # type: ignore[assignment]
        packet.pts, packet.dts = pts, dts
        made.append(packet)
    return made


@given(any_packets, st.booleans())
def test_nothing_is_lost_and_no_number_is_given_twice(found: list[Stamps], reorders: bool) -> None:
    numbering = PacketNumbering(reorders=reorders)
    sent = packets(found)
    numbered = list(numbering.number(sent))
    assert [id(packet) for packet, _ in numbered] == [id(packet) for packet in sent]
    numbers = [number for _, number in numbered]
    given_numbers = [number for number in numbers if number is not None]
    assert len(set(given_numbers)) == len(given_numbers)
    assert None not in numbers[: len(given_numbers)], "numbering went on after it had stopped"
    if numbering.is_exact:
        ranks = sorted(packet.pts for packet in sent if packet.pts is not None)
        assert numbers == [ranks.index(packet.pts) for packet in sent if packet.pts is not None]


@given(any_packets)
def test_the_numbers_that_were_given_are_in_the_order_of_time(found: list[Stamps]) -> None:
    numbered = [
        (packet.pts, number)
        for packet, number in PacketNumbering().number(packets(found))
        if packet.pts is not None and number is not None
    ]
    numbered.sort()
    assert [number for _, number in numbered] == sorted(number for _, number in numbered)


@given(good_packets())
def test_a_stream_without_faults_is_numbered_through(found: list[tuple[int, int]]) -> None:
    numbering = PacketNumbering()
    numbers = [number for _, number in numbering.number(packets(found))]
    assert numbers == [shown for shown, _ in found]
    assert numbering.is_exact
    assert numbering.count == len(found)


@given(good_packets())
def test_reading_ahead_is_bounded_by_the_reordering(found: list[tuple[int, int]]) -> None:
    """No more packets wait than the stream reorders, whatever follows."""
    sent = packets(found)
    taken = 0

    def counted() -> Iterator[VideoPacket]:
        nonlocal taken
        for packet in sent:
            taken += 1
            yield packet

    earlier = max(place - shown for place, (shown, _) in enumerate(found))
    later = max(shown - place for place, (shown, _) in enumerate(found))
    for number, _ in enumerate(PacketNumbering().number(counted()), 1):
        assert taken - number <= earlier + later
