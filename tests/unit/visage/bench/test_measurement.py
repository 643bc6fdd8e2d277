"""How rates are taken from the times of frames."""

from __future__ import annotations

import time

import numpy as np
import pytest

from visage.bench.measurement import Meter, peak_rss_bytes, steady_range


class Clock:
    """Stands in for both clocks of `time`; the processor is busy half of the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "process_time", lambda: self.now / 2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_slow_start_and_a_slow_end_do_not_change_the_rate(clock: Clock) -> None:
    meter = Meter(60, process_started_at=97.0)
    clock.now += 5.0
    for index in range(60):
        clock.now += 0.01 if 10 <= index < 50 else 1.0
        meter.mark(index, faces=2)
    clock.now += 3.0
    run = meter.finish()
    assert run.fps == pytest.approx(100)
    assert run.cpu_seconds_per_frame == pytest.approx(0.005)
    assert run.faces == 120
    assert run.first_row_seconds == pytest.approx(9.0)
    assert run.seconds == pytest.approx(5 + 20 + 0.4 + 3)


def test_skipped_frames_count_as_passed(clock: Clock) -> None:
    meter = Meter(240, process_started_at=clock.now)
    for index in range(0, 240, 24):
        clock.now += 0.24
        meter.mark(index)
    assert meter.finish().fps == pytest.approx(100)


def test_a_clip_too_short_for_a_steady_state_is_measured_whole(clock: Clock) -> None:
    meter = Meter(4, process_started_at=clock.now)
    clock.now += 2.0
    meter.mark(3)
    assert meter.finish().fps == pytest.approx(2.0)


def test_the_steady_range_lies_inside_the_clip() -> None:
    assert steady_range(240) == (40, 200)


def test_peak_memory_sees_a_large_array() -> None:
    before = peak_rss_bytes()
    size = before + (64 << 20)  # more than whatever this process has had
    array = np.ones(size, np.uint8)
    assert peak_rss_bytes() >= before + len(array) // 2
