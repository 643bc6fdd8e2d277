"""How many processes a run takes, and which card each of them gets."""

from __future__ import annotations

import logging
import os

import pytest

from stages.backends.availability import Availability, Gpu
from visage.assembly import spread
from visage.assembly.spread import tasks_for
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.fleet.messages import Task


def tasks(settings: Settings, sources: int) -> list[Task]:
    specs = [SourceSpec(uri=f"{number}.mp4", source_id=str(number)) for number in range(sources)]
    return tasks_for(settings, specs, log_level=logging.WARNING)


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [Gpu(number, "a card", (9, 0), 1 << 34) for number in range(2)]
    monkeypatch.setattr(spread, "list_gpus", lambda: cards)
    monkeypatch.setattr(spread, "tensorrt_status", lambda ordinal: Availability(ordinal < 2, "TensorRT"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))


def test_processors_need_one_process_and_share_themselves_among_those_asked_for() -> None:
    assert tasks(Settings(device="cpu", threads=8), 20) == []
    three = tasks(Settings(device="cpu", threads=8, workers=3), 20)
    assert [(task.settings.device, task.settings.threads, task.concurrent) for task in three] == [("cpu", 2, 3)] * 3


def test_no_more_processes_than_sources_are_started() -> None:
    assert len(tasks(Settings(device="cpu", workers=8), 3)) == 3
    assert tasks(Settings(device="cpu", workers=8), 1) == []


@pytest.mark.parametrize(
    ("device", "sources", "expected"),
    [
        ("cuda:1", 1, []),
        ("cuda:1", 2, []),
        ("cuda:1", 4, ["cuda:1"] * 4),
        ("cuda:1", 8, ["cuda:1"] * 8),
        ("cuda:1", 100, ["cuda:1"] * 8),
        ("auto", 2, ["cuda:0", "cuda:1"]),
        ("auto", 4, ["cuda:0", "cuda:1"]),
        ("cuda", 8, ["cuda:0", "cuda:1"] * 4),
        ("cuda", 100, ["cuda:0", "cuda:1"] * 8),
        ("cuda:7", 16, []),
    ],
)
def test_each_card_gets_a_process_for_every_file_up_to_a_few(
    two_cards: None, device: str, sources: int, expected: list[str]
) -> None:
    found = tasks(Settings(device=device), sources)
    assert [task.settings.device for task in found] == expected
    assert {task.settings.workers for task in found} == ({expected.count(expected[0])} if expected else set())


def test_fewer_processes_take_turns_on_a_card_where_nobody_tracks(two_cards: None) -> None:
    assert len(tasks(Settings(device="cuda:1", track=False), 16)) == 6
    assert len(tasks(Settings(device="cuda:1", track=False), 4)) == 4


def test_processes_want_processors_too(two_cards: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert len(tasks(Settings(device="cuda:1"), 16)) == 4
