from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from stages.chain import Chain


@dataclass
class Adding:
    """Adds `number` to what passes and notes what is done to it."""

    name: str
    number: int
    calls: list[str]
    error: Exception | None = None

    def open(self) -> None:
        self.calls.append(f"open {self.name}")

    def process(self, batch: Sequence[int]) -> list[int]:
        return [item + self.number for item in batch]

    def end_source(self, source_id: str) -> None:
        self.calls.append(f"end {source_id} in {self.name}")

    def close(self) -> None:
        self.calls.append(f"close {self.name}")
        if self.error is not None:
            raise self.error


def test_a_batch_passes_both_in_order() -> None:
    calls: list[str] = []
    chain = Chain(Adding("detect", 1, calls), Adding("track", 10, calls))
    chain.open()
    assert chain.process([1, 2]) == [12, 13]
    chain.close()
    assert [(counter.name, counter.items) for counter in chain.counters] == [("detect", 2), ("track", 2)]
    assert calls == ["open detect", "open track", "close detect", "close track"]


def test_a_source_ends_in_both_in_order() -> None:
    calls: list[str] = []
    chain = Chain(Adding("detect", 1, calls), Adding("track", 10, calls))
    chain.end_source("door")
    assert calls == ["end door in detect", "end door in track"]


def test_the_second_is_closed_though_the_first_fails() -> None:
    calls: list[str] = []
    chain = Chain(Adding("detect", 1, calls, error=OSError("lost")), Adding("track", 10, calls))
    with pytest.raises(OSError, match="lost"):
        chain.close()
    assert calls == ["close detect", "close track"]


def test_chains_can_be_chained() -> None:
    calls: list[str] = []
    chain = Chain(Chain(Adding("a", 1, calls), Adding("b", 10, calls)), Adding("c", 100, calls))
    assert chain.process([0]) == [111]
    chain.close()
    assert calls == ["close a", "close b", "close c"]
