"""How a run is spread over processes: a pipeline for every card, and on one card one for every file up to a few.

An interpreter's lock keeps NVDEC waiting where several sessions share it; docs/gpu.md has the measurements.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from stages.backends.availability import Gpu, list_gpus, tensorrt_status
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.fleet.messages import Task

__all__ = ["FILES_A_CARD", "tasks_for"]

FILES_A_CARD = 16
"""Decoded at once: seven NVDEC engines are busy with 14, and the rest keeps them so while others open."""

FILES_ALONE = 2
"""One process serves so many nearly as fast as its card decodes them; more of them get one each."""

MAX_A_CARD = 6
"""Processes take turns on a card, which costs it more the more they are: on an H200 8 and 16 HEVC videos ran 1.09 and
1.03 times as fast in six as in eight."""

MAX_THAT_TRACK = 8
"""Tracking keeps the interpreter three times as long: in eight processes 8 videos ran 1.24 times as fast as in six."""

CORES_A_WORKER = 2
WORKER_BYTES = 2 << 30
"""Of a card's memory: networks, decoders' surfaces, and pictures that wait."""


def tasks_for(settings: Settings, sources: Sequence[SourceSpec], *, log_level: int, waiting: int = 0) -> list[Task]:
    """Return the task of each worker process; empty if one pipeline in this process does everything.

    Args:
        log_level: of Visage's loggers in the workers, a number of `logging`.
        waiting: worker processes that were started already: on a card one is enough to use them. At least 0.
    """
    cards = _cards(settings)
    devices = [f"cuda:{card.ordinal}" for card in cards] or [settings.device]
    files = settings.concurrent_files or (FILES_A_CARD * len(cards) if cards else settings.cpu_threads)
    concurrent = min(len(sources), files + sum(spec.is_live for spec in sources))
    count = settings.workers or _enough(cards, concurrent, tracks=settings.track)
    count = min(count, len(sources))
    if count < (1 if cards and waiting else 2):
        return []
    return [
        Task(
            settings.model_copy(
                update={
                    "device": devices[number % len(devices)],
                    "threads": max(1, settings.cpu_threads // count),
                    "concurrent_files": -(-concurrent // count),
                    "workers": -(-count // len(devices)),
                }
            ),
            concurrent=-(-concurrent // count),
            log_level=log_level,
        )
        for number in range(count)
    ]


def _cards(settings: Settings) -> list[Gpu]:
    """Those that the settings name and that TensorRT can use."""
    if settings.device == "cpu" or settings.backend in ("openvino", "onnxruntime"):
        return []
    is_named = ":" in settings.device
    wanted = [card for card in list_gpus() if not is_named or card.ordinal == settings.cuda_ordinal]
    return [card for card in wanted if tensorrt_status(card.ordinal).ok]


def _enough(cards: Sequence[Gpu], concurrent: int, *, tracks: bool) -> int:
    """Workers that keep the cards busy; they take turns on them. Processors need one, whose threads share them."""
    if not cards:
        return 1
    files = -(-concurrent // len(cards))
    a_card = min(
        MAX_THAT_TRACK if tracks else MAX_A_CARD,
        1 if files <= FILES_ALONE else files,
        max(1, len(os.sched_getaffinity(0)) // (CORES_A_WORKER * len(cards))),
        max(1, min(card.memory_bytes for card in cards) // WORKER_BYTES),
    )
    return len(cards) * a_card
