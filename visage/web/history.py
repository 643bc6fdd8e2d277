"""The throughput of the last minutes for the page's sparklines: a bounded ring of samples for each source.

A source that is no longer there takes its samples with it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from visage.web.records import SourceRecord

__all__ = ["SAMPLE_SECONDS", "Throughput"]

SAMPLE_SECONDS = 2.0
SAMPLES = 90


class Throughput:
    """Frames a second, per source, every two seconds for three minutes. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._samples: dict[str, deque[float]] = {}

    def add(self, sources: Sequence[SourceRecord]) -> None:
        """Take a sample of every source, and forget sources that are gone. Safe from any thread."""
        with self._lock:
            self._samples = {
                source.source_id: self._samples.get(source.source_id, deque(maxlen=SAMPLES)) for source in sources
            }
            for source in sources:
                self._samples[source.source_id].append(round(source.fps, 2))

    def series(self) -> dict[str, list[float]]:
        """Return each source's samples in frames per second, oldest first."""
        with self._lock:
            return {source_id: list(samples) for source_id, samples in self._samples.items()}
