from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runtime.latches import BOUND_SECONDS, Background, announce_wait
from visage.runtime import OverflowPolicy, QueueAborted, QueueClosed
from visage.runtime.inboxes import Inboxes

FOREVER = 1e6


def test_inboxes_are_emptied_in_turn() -> None:
    """A source with many items waiting does not keep the others back."""
    inboxes: Inboxes[str] = Inboxes()
    film = inboxes.add(10, OverflowPolicy.WAIT)
    camera = inboxes.add(10, OverflowPolicy.WAIT)
    for item in ("f1", "f2", "f3", "f4"):
        film.put(item, droppable=True)
    camera.put("c1", droppable=True)
    assert inboxes.take(3, deadline_seconds=0) == ["f1", "c1", "f2"]
    camera.put("c2", droppable=True)
    assert inboxes.take(4, deadline_seconds=0) == ["c2", "f3", "f4"]


def test_a_full_live_inbox_drops_its_oldest_frame_and_counts_it() -> None:
    inboxes: Inboxes[str] = Inboxes()
    camera = inboxes.add(2, OverflowPolicy.DROP_OLDEST)
    camera.put("start", droppable=False)
    assert camera.put("f1", droppable=True) is None
    assert camera.put("f2", droppable=True) == "f1"
    assert camera.put("f3", droppable=True) == "f2"
    assert camera.dropped == 2
    assert inboxes.take(9, deadline_seconds=0) == ["start", "f3"]


def test_closed_inboxes_drop_nothing_for_what_they_refuse() -> None:
    inboxes: Inboxes[str] = Inboxes()
    camera = inboxes.add(1, OverflowPolicy.DROP_OLDEST)
    camera.put("f1", droppable=True)
    inboxes.close()
    with pytest.raises(QueueClosed):
        camera.put("f2", droppable=True)
    assert inboxes.take(9, deadline_seconds=0) == ["f1"]


def test_markers_find_room_in_a_full_inbox() -> None:
    inboxes: Inboxes[str] = Inboxes()
    film = inboxes.add(1, OverflowPolicy.WAIT)
    film.put("f1", droppable=True)
    film.put("end", droppable=False)
    assert inboxes.take(9, deadline_seconds=0) == ["f1", "end"]


def test_a_full_inbox_makes_only_its_own_source_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """film.put waits; camera.put goes through; take makes room; film.put returns."""
    inboxes: Inboxes[str] = Inboxes()
    film = inboxes.add(1, OverflowPolicy.WAIT)
    camera = inboxes.add(1, OverflowPolicy.WAIT)
    film.put("f1", droppable=True)
    waiting = announce_wait(monkeypatch, film.has_room)
    put = Background(lambda: film.put("f2", droppable=True))
    assert waiting.wait(BOUND_SECONDS)
    camera.put("c1", droppable=True)
    assert inboxes.take(2, deadline_seconds=0) == ["f1", "c1"]
    put.result()
    assert inboxes.take(2, deadline_seconds=0) == ["f2"]


def test_take_waits_for_the_batch_to_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """take(2) holds one item and waits; another source's item completes it."""
    inboxes: Inboxes[str] = Inboxes()
    film = inboxes.add(1, OverflowPolicy.WAIT)
    camera = inboxes.add(1, OverflowPolicy.WAIT)
    film.put("f1", droppable=True)
    waiting = announce_wait(monkeypatch, inboxes._has_items)
    take = Background(lambda: inboxes.take(2, deadline_seconds=BOUND_SECONDS, quiet_seconds=BOUND_SECONDS))
    assert waiting.wait(BOUND_SECONDS)
    camera.put("c1", droppable=True)
    assert take.result() == ["f1", "c1"]


def test_a_marker_is_not_held_back_for_the_batch_to_fill() -> None:
    inboxes: Inboxes[str] = Inboxes()
    film = inboxes.add(4, OverflowPolicy.WAIT)
    film.put("f1", droppable=True)
    film.put("end", droppable=False)
    assert inboxes.take(9, deadline_seconds=FOREVER, quiet_seconds=FOREVER) == ["f1", "end"]


def test_a_marker_ends_the_wait_for_the_batch_to_fill(monkeypatch: pytest.MonkeyPatch) -> None:
    """take(9) holds one item and waits for more; a marker comes."""
    inboxes: Inboxes[str] = Inboxes()
    film = inboxes.add(4, OverflowPolicy.WAIT)
    film.put("f1", droppable=True)
    waiting = announce_wait(monkeypatch, inboxes._has_items)
    take = Background(lambda: inboxes.take(9, deadline_seconds=FOREVER, quiet_seconds=FOREVER))
    assert waiting.wait(BOUND_SECONDS)
    film.put("end", droppable=False)
    assert take.result() == ["f1", "end"]


def test_a_batch_goes_when_nothing_more_comes() -> None:
    inboxes: Inboxes[str] = Inboxes()
    inboxes.add(4, OverflowPolicy.WAIT).put("f1", droppable=True)
    assert inboxes.take(9, deadline_seconds=FOREVER, quiet_seconds=0.001) == ["f1"]


def test_inboxes_know_of_live_sources() -> None:
    inboxes: Inboxes[str] = Inboxes()
    inboxes.add(1, OverflowPolicy.WAIT)
    told = [inboxes.has_live]
    camera = inboxes.add(1, OverflowPolicy.DROP_OLDEST)
    told.append(inboxes.has_live)
    camera.put("end", droppable=False)
    camera.finish()
    assert inboxes.take(2, deadline_seconds=0) == ["end"]
    assert [*told, inboxes.has_live] == [False, True, False]


def test_abort_wakes_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """film.put waits on a full inbox; abort() returns its item; put and take raise QueueAborted."""
    inboxes: Inboxes[str] = Inboxes()
    film = inboxes.add(1, OverflowPolicy.WAIT)
    film.put("f1", droppable=True)
    waiting = announce_wait(monkeypatch, film.has_room)
    put = Background(lambda: film.put("f2", droppable=True))
    assert waiting.wait(BOUND_SECONDS)
    assert inboxes.abort() == ["f1"]
    with pytest.raises(QueueAborted):
        put.result()
    with pytest.raises(QueueAborted):
        inboxes.take(1, deadline_seconds=0)


def test_abort_wakes_a_waiting_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """take waits on empty inboxes; abort(); it raises QueueAborted."""
    inboxes: Inboxes[str] = Inboxes()
    waiting = announce_wait(monkeypatch, inboxes._has_items)
    take = Background(lambda: inboxes.take(1, deadline_seconds=0))
    assert waiting.wait(BOUND_SECONDS)
    inboxes.abort()
    with pytest.raises(QueueAborted):
        take.result()


def test_closed_inboxes_drain_then_say_so() -> None:
    inboxes: Inboxes[str] = Inboxes()
    film = inboxes.add(2, OverflowPolicy.WAIT)
    film.put("f1", droppable=True)
    inboxes.close()
    with pytest.raises(QueueClosed):
        film.put("f2", droppable=True)
    assert inboxes.take(2, deadline_seconds=BOUND_SECONDS) == ["f1"]
    with pytest.raises(QueueClosed):
        inboxes.take(2, deadline_seconds=0)
    with pytest.raises(QueueClosed):
        inboxes.add(1, OverflowPolicy.WAIT)


def test_a_finished_inbox_goes_when_it_is_empty() -> None:
    inboxes: Inboxes[str] = Inboxes()
    film = inboxes.add(2, OverflowPolicy.WAIT)
    film.put("end", droppable=False)
    film.finish()
    assert repr(inboxes) == "<Inboxes open, 1 sources, 1 items>"
    assert inboxes.take(2, deadline_seconds=0) == ["end"]
    assert repr(inboxes) == "<Inboxes open, 0 sources, 0 items>"


@given(
    counts=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    limit=st.integers(1, 7),
)
def test_every_source_keeps_its_order_and_nothing_is_lost(counts: list[int], limit: int) -> None:
    inboxes: Inboxes[tuple[int, int]] = Inboxes()
    for source, count in enumerate(counts):
        inbox = inboxes.add(10, OverflowPolicy.WAIT)
        for index in range(count):
            inbox.put((source, index), droppable=True)
    inboxes.close()
    taken: list[tuple[int, int]] = []
    while True:
        try:
            batch = inboxes.take(limit, deadline_seconds=0)
        except QueueClosed:
            break
        assert 1 <= len(batch) <= limit
        taken += batch
    for source, count in enumerate(counts):
        assert [index for owner, index in taken if owner == source] == list(range(count))


def test_nothing_comes_after_the_last_item(monkeypatch: pytest.MonkeyPatch) -> None:
    """film.put waits for room; finish("end") from another thread; put is refused, and the end is the last."""
    inboxes: Inboxes[str] = Inboxes()
    film = inboxes.add(1, OverflowPolicy.WAIT)
    film.put("f1", droppable=True)
    waiting = announce_wait(monkeypatch, film.has_room)
    put = Background(lambda: film.put("f2", droppable=True))
    assert waiting.wait(BOUND_SECONDS)
    assert film.holds_up
    film.finish("end")
    with pytest.raises(QueueClosed):
        put.result()
    film.finish("again")
    assert inboxes.take(9, deadline_seconds=0) == ["f1", "end"]
    with pytest.raises(QueueClosed):
        film.put("f3", droppable=False)
