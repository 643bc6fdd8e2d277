"""How a run is spread over processes: on several cards one pipeline each at least, on one card one for every few files.

One interpreter lock feeds about four NVDEC sessions of 1080p; what is measured stands in the README.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from stages.backends.availability import list_gpus, tensorrt_status
from stages.errors import BackendError
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.fleet.job import Job

__all__ = ["FILES_A_CARD", "jobs_for"]

FILES_A_CARD = 16
"""Decoded at once: seven NVDEC engines are busy with 14, and the rest keeps them so while others open."""

FILES_A_WORKER = 4
CORES_A_WORKER = 3
MOST_A_CARD = 4


def jobs_for(settings: Settings, sources: Sequence[SourceSpec], *, needs_pixels: bool, log_level: int) -> list[Job]:
    """What to tell each worker process; empty where one pipeline in this process does it all.

    Args:
        needs_pixels: some output reads pictures, which stay in the process that decoded them.

    Raises BackendError if the settings ask for several processes and that can't be.
    """
    if needs_pixels:
        if settings.workers is not None and settings.workers > 1:
            raise BackendError("annotated videos, windows and kept crops need the pictures: leave --workers at 1")
        return []
    devices = _cards(settings) or ["cpu"]
    files = settings.concurrent_files or (settings.cpu_threads if devices == ["cpu"] else FILES_A_CARD * len(devices))
    concurrent = min(len(sources), files + sum(spec.is_live for spec in sources))
    count = settings.workers or _enough(devices, concurrent)
    count = min(count, len(sources))
    if count < 2:  # noqa: PLR2004
        return []
    return [
        Job(
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


def _cards(settings: Settings) -> list[str]:
    """Those that the settings name and that can be used."""
    if settings.device == "cpu" or settings.backend in ("openvino", "onnxruntime"):
        return []
    named = ":" in settings.device
    ordinals = [settings.cuda_ordinal] if named else [gpu.ordinal for gpu in list_gpus()]
    return [f"cuda:{ordinal}" for ordinal in ordinals if tensorrt_status(ordinal).ok]


def _enough(devices: Sequence[str], concurrent: int) -> int:
    """Workers that keep the devices busy. Processors need one, whose threads share them."""
    if devices[0] == "cpu":
        return 1
    a_card = min(
        MOST_A_CARD,
        -(-concurrent // (FILES_A_WORKER * len(devices))),
        max(1, len(os.sched_getaffinity(0)) // (CORES_A_WORKER * len(devices))),
    )
    return len(devices) * a_card
