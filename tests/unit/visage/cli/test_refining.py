"""The order of a scan and its refinement, what each replaces, and where an interrupted one goes on."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from visage.cli.refining import Analyse, Collect, Received, RefinedRun
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.runtime.source import Outcome
from visage.runtime.state import SourceState
from visage.scanning import Findings, FoundFace

SETTINGS = Settings(scan=True, refine="anybody")
PLACES = {name: Path("out", name) for name in "abc"}


@dataclass
class Scripted:
    """Plays what runs find, and notes what they were asked: who, with which spans, and which folders they may fill."""

    script: list[dict[str, list[FoundFace]]]
    stops_after: int | None = None
    asked: list[tuple[str | None, list[tuple[str, tuple[tuple[int, int], ...]]], Mapping[str, Path] | None]] = field(
        default_factory=list
    )

    def __call__(
        self, specs: Sequence[SourceSpec], settings: Settings, collect: Collect, folders: Mapping[str, Path] | None
    ) -> tuple[Received, Mapping[str, Outcome]]:
        self.asked.append((settings.refine, [(spec.source_id, spec.spans) for spec in specs], folders))
        found = self.script[len(self.asked) - 1]
        for name, findings in collect.findings.items():
            if name in found:
                findings.looks[:] = [0, 100, 200, 300]
                findings.fps = 25.0
                findings.faces[:] = found[name]
        outcomes = {spec.source_id: Outcome(spec.source_id, SourceState.DONE, 400, 4, 1) for spec in specs}
        return (signal.SIGINT if self.stops_after == len(self.asked) else None), outcomes


def films(names: str) -> list[SourceSpec]:
    return [SourceSpec(uri=f"{name}.mp4", source_id=name) for name in names]


def refined(analyse: Analyse, **more: object) -> RefinedRun:
    return RefinedRun(SETTINGS, analyse, note=lambda line: None, folders=PLACES, **more)  # type: ignore[arg-type]


def test_all_are_scanned_then_the_most_promising_is_refined_first() -> None:
    runs = Scripted(
        [{"a": [FoundFace(100, 100)], "b": [], "c": [FoundFace(0, 0), FoundFace(300, 300)]}, {"a": [], "c": []}]
    )
    received, outcomes = refined(runs).run(films("abc"))
    assert received is None
    assert set(outcomes) == set("abc")
    (scan_for, scanned, may_replace), (refined_for, around, replaced) = runs.asked
    assert (scan_for, scanned, may_replace) == (None, [("a", ()), ("b", ()), ("c", ())], None)
    assert refined_for == "anybody"
    assert [name for name, _ in around] == ["c", "a"]
    assert around[1][1] == ((0, 241),)
    assert replaced == {"a": PLACES["a"], "c": PLACES["c"]}


def test_a_film_whose_track_goes_on_is_refined_again_and_the_others_are_not() -> None:
    runs = Scripted(
        [
            {"a": [FoundFace(0, 0)], "b": [FoundFace(0, 0)]},
            {"a": [FoundFace(0, 50)], "b": [FoundFace(0, 130)]},
            {"b": [FoundFace(0, 230)]},
            {"b": [FoundFace(0, 230)]},
        ]
    )
    refined(runs).run(films("ab"))
    assert [around for _, around, _ in runs.asked[1:]] == [
        [("a", ((0, 141),)), ("b", ((0, 141),))],
        [("b", ((0, 241),))],
        [("b", ((0, 9223372036854775807),))],
    ]


@pytest.mark.parametrize("after", [1, 2])
def test_a_signal_ends_it_with_what_is_done(after: int) -> None:
    runs = Scripted([{"a": [FoundFace(0, 0)]}, {"a": [FoundFace(0, 140)]}], stops_after=after)
    received, outcomes = refined(runs).run(films("a"))
    assert received is signal.SIGINT
    assert len(runs.asked) == after
    assert outcomes["a"].state is SourceState.DONE


def test_films_that_were_scanned_before_are_not_scanned_again() -> None:
    before = {"a": Findings([0, 100], [FoundFace(0, 0)], 25.0), "b": Findings([0, 100], [], 25.0)}
    runs = Scripted([{"c": []}, {"a": []}])
    _, outcomes = refined(runs, scanned=before, chosen=PLACES).run(films("abc"))
    assert [[name for name, _ in around] for _, around, _ in runs.asked] == [["c"], ["a"]]
    assert set(outcomes) == {"a", "c"}
