from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from stages.chain import Chain


@dataclass
class Adding:
    """Adds `number` to what passes, notes what is done to it, holds `held` back until it is flushed."""

    name: str
    number: int
    calls: list[str]
    held: list[int] = field(default_factory=list)
    error: Exception | None = None

    def open(self) -> None:
        self.calls.append(f"open {self.name}")

    def process(self, batch: Sequence[int]) -> list[int]:
        return [item + self.number for item in batch]

    def flush(self, source_id: str) -> list[int]:
        self.calls.append(f"flush {self.name} {source_id}")
        return self.held

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
    assert chain.name == "detect"
    assert calls == ["open detect", "open track", "close detect", "close track"]


def test_what_the_first_held_back_passes_the_second_before_that_is_flushed() -> None:
    calls: list[str] = []
    chain = Chain(Adding("detect", 1, calls, held=[5]), Adding("track", 10, calls, held=[7]))
    assert chain.flush("door") == [15, 7]
    assert calls == ["flush detect door", "flush track door"]


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
