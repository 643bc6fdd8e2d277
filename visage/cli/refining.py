"""`visage run --scan --refine WHO`: scan every film, then analyse the most promising ones around what was found.

The results of the scan are published first, so that a run that is stopped goes on with `--resume`: films that were
scanned are refined without another scan, refined ones are left out. A refined film's results replace those of its scan
as a whole.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from stages.sink.base import Sink
from stages.sources import VideoInfo
from visage.config.settings import Settings
from visage.config.sources import SourceSpec
from visage.runtime.source import Outcome
from visage.scanning import Findings, FindingsSink, Interest, spans_around, widened

__all__ = ["Analyse", "Collect", "RefinedRun", "scan_settings"]

MAX_ROUNDS = 6
"""Of widening spans whose tracks go on beyond them; each round widens twice as far."""

Received = signal.Signals | None


@dataclass(slots=True)
class RefinedRun:
    """Scans films and refines them. Used once.

    Attributes:
        settings: with `scan` and `refine`.
        analyse: does one run over some films.
        folders: where each film's results go, by its id; empty if nothing is written.
        chosen: those of them that an earlier run has begun to fill; None if none was resumed.
        scanned: what was found in films that an earlier run has scanned, by id.
        note: called with a line for the user.
    """

    settings: Settings
    analyse: Analyse
    note: Callable[[str], None]
    folders: Mapping[str, Path] = field(default_factory=dict)
    chosen: Mapping[str, Path] | None = None
    scanned: Mapping[str, Findings] = field(default_factory=dict)
    _outcomes: dict[str, Outcome] = field(default_factory=dict)

    def run(self, specs: Sequence[SourceSpec]) -> tuple[Received, Mapping[str, Outcome]]:
        """Scan the films that are not scanned yet, then refine.

        Returns the signal that ended it early, or None, and the outcome of each film that was read.
        """
        interest = Interest(self.settings.refine or "")
        findings = {spec.source_id: self.scanned.get(spec.source_id) or Findings() for spec in specs}
        left = [spec for spec in specs if spec.source_id not in self.scanned]
        if left:
            received, outcomes = self.analyse(left, scan_settings(self.settings), Collect(findings), self.chosen)
            self._outcomes.update(outcomes)
            if received is not None:
                return received, self._outcomes
        promises = {spec.source_id: interest.promise(findings[spec.source_id]) for spec in specs}
        found = [spec for spec in specs if promises[spec.source_id][0]]
        found.sort(key=lambda spec: promises[spec.source_id], reverse=True)
        order = ", the most promising first" if len(found) > 1 else ""
        self.note(f"{len(found)} of {len(specs)} scanned to refine around {self.settings.refine}{order}")
        return self._refine(found, findings, interest), self._outcomes

    def _refine(self, found: list[SourceSpec], scanned: Mapping[str, Findings], interest: Interest) -> Received:
        todo = [_with_spans(spec, spans_around(scanned[spec.source_id], interest)) for spec in found]
        steps = 1
        for _ in range(MAX_ROUNDS):
            if not todo:
                break
            refined = {spec.source_id: Findings() for spec in todo}
            places = {spec.source_id: self.folders[spec.source_id] for spec in todo} if self.folders else None
            received, outcomes = self.analyse(todo, self.settings, Collect(refined), places)
            self._outcomes.update(outcomes)
            if received is not None:
                return received
            wider = [
                widened(spec.spans, scanned[spec.source_id], refined[spec.source_id], interest, steps=steps)
                for spec in todo
            ]
            todo = [_with_spans(spec, spans) for spec, spans in zip(todo, wider, strict=True) if spans != spec.spans]
            steps *= 2
        return None


class Analyse(Protocol):
    """One run over some films."""

    def __call__(
        self, specs: Sequence[SourceSpec], settings: Settings, collect: Collect, folders: Mapping[str, Path] | None, /
    ) -> tuple[Received, Mapping[str, Outcome]]:
        """Analyse these films; what is found goes into `collect` besides.

        `folders`: of films whose results may be replaced, by id; None refuses to replace any.

        Returns the signal that stopped it, or None, and how each film ended. Raises StageFailed.
        """


@dataclass(frozen=True, slots=True)
class Collect:
    """Makes the sinks that keep what is found. `findings`: of each film, by id."""

    findings: Mapping[str, Findings]

    def sinks_for(self, info: VideoInfo) -> list[Sink]:
        """Return the sink of one film, not yet opened; the caller opens and closes it."""
        return [FindingsSink(self.findings[info.source_id])]


def scan_settings(settings: Settings) -> Settings:
    """Return the settings of the scan alone."""
    return settings.model_copy(update={"refine": None})


def _with_spans(spec: SourceSpec, spans: tuple[tuple[int, int], ...]) -> SourceSpec:
    return spec.model_copy(update={"spans": spans})
