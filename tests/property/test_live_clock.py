"""A live stream's time: right about spacing while its stamps can be believed, near arrival always."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.decode.live_clock import BUFFERED_SECONDS, LiveClock

FPS = 10
STEP_SECONDS = 1 / FPS
MAX_JITTER_SECONDS = 0.3

jitters = st.lists(st.floats(0, MAX_JITTER_SECONDS), min_size=12, max_size=60)
stamps = st.one_of(st.none(), st.floats(-1e5, 1e5), st.floats(0, 20), st.sampled_from([0.0, 5000.0, 5000.1, 95443.7]))


def arrivals_of(jitter: list[float]) -> list[float]:
    """When the frames of a steady stream arrive: late by chance, in order."""
    sent = [index * STEP_SECONDS + late for index, late in enumerate(jitter)]
    return [time + index * 1e-3 for index, time in enumerate(itertools.accumulate(sent, max))]


def times_of(stream: list[float | None], arrivals: list[float]) -> list[float]:
    clock = LiveClock()
    return [clock.time(stamp, arrival) for stamp, arrival in zip(stream, arrivals, strict=True)]


@given(st.lists(st.tuples(stamps, st.floats(0.001, 30.0), st.booleans()), min_size=1, max_size=60))
def test_whatever_the_stamps_times_increase_and_keep_near_arrival(
    frames: list[tuple[float | None, float, bool]],
) -> None:
    clock = LiveClock()
    arrival, before, origin = 1e6, -1.0, None
    for stamp, passed, is_reconnected in frames:
        arrival += passed
        origin = arrival if origin is None else origin
        if is_reconnected:
            clock.begin_line()
        seconds = clock.time(stamp, arrival)
        assert seconds > before
        assert abs(seconds - (arrival - origin)) <= BUFFERED_SECONDS + 1e-3
        before = seconds


@given(jitters, st.floats(-1e5, 1e5))
def test_a_steady_stream_that_arrives_unevenly_keeps_its_spacing(jitter: list[float], first: float) -> None:
    stream: list[float | None] = [first + index * STEP_SECONDS for index in range(len(jitter))]
    assert times_of(stream, arrivals_of(jitter)) == pytest.approx(
        [index * STEP_SECONDS for index in range(len(stream))]
    )


@given(jitters, st.integers(2, 10), st.one_of(st.none(), st.floats(3, 1e5), st.floats(-1e5, -3), st.just(0.0)))
def test_one_odd_stamp_changes_the_time_of_its_frame_only(
    jitter: list[float], place: int, error_seconds: float | None
) -> None:
    """None: it is missing. 0.0: it is the one before again."""
    arrivals = arrivals_of(jitter)
    stream: list[float | None] = [7.0 + index * STEP_SECONDS for index in range(len(jitter))]
    right = times_of(stream, arrivals)
    stamp = stream[place]
    assert stamp is not None
    stream[place] = (
        stream[place - 1] if error_seconds == 0 else None if error_seconds is None else stamp + error_seconds
    )
    seen = times_of(stream, arrivals)
    assert seen[:place] + seen[place + 1 :] == pytest.approx(right[:place] + right[place + 1 :])


@given(jitters, jitters, st.floats(0.2, 600), st.floats(-1e5, 1e5), st.booleans())
def test_the_line_goes_on_over_a_reconnect_and_a_restart_of_the_encoder(
    jitter: list[float], jitter_after: list[float], away_seconds: float, first: float, is_reconnected: bool
) -> None:
    clock = LiveClock()
    arrivals = arrivals_of(jitter)
    for index, arrival in enumerate(arrivals):
        last = clock.time(index * STEP_SECONDS, arrival)
    begins = arrivals[-1] + away_seconds
    if is_reconnected:
        clock.begin_line()
    after = [
        clock.time(first + index * STEP_SECONDS, begins + arrival)
        for index, arrival in enumerate(arrivals_of(jitter_after))
    ]
    assert after[0] > last
    settled = after[3:]
    spacings = [later - earlier for earlier, later in itertools.pairwise(settled)]
    assert spacings == pytest.approx([STEP_SECONDS] * len(spacings), abs=1e-6)


def test_without_stamps_time_is_arrival() -> None:
    arrivals = [100.0, 100.25, 100.9, 101.0]
    assert times_of([None] * 4, arrivals) == pytest.approx([0, 0.25, 0.9, 1.0])


@pytest.mark.parametrize("rate", [0.0, 0.16, 0.98, 1.02, 25.0])
def test_stamps_of_another_pace_do_not_lead_away(rate: float) -> None:
    """A clock that stands, MJPEG's made-up 25 fps at 4 fps, a slow and a fast crystal, a wrong time base."""
    count = 4000
    seen = times_of([index * 0.25 * rate for index in range(count)], [index * 0.25 for index in range(count)])
    assert seen[-1] == pytest.approx((count - 1) * 0.25, abs=BUFFERED_SECONDS)
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) < 2.5
