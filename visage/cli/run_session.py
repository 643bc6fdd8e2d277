"""One `visage run`: expand the sources, run the pipeline, report the outcome.

What signals do says `visage.cli.supervision`; the exit code then is 130 after SIGINT, 143 after SIGTERM and 129 after
SIGHUP.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import typer

from stages.errors import SourceUnreadable
from stages.sink.blur import ALL, UNKNOWN_ONLY
from stages.sink.destination import TABLES
from stages.sink.metadata import RunDescription
from visage.assembly import build_run, describe_run
from visage.cli.outputs import OutputOptions, Outputs
from visage.cli.refining import Collect, RefinedRun
from visage.cli.reporting import report
from visage.cli.resume import ANNOTATED, AnnotatedVideos, resume
from visage.cli.run_summary import summarise, tell_of_empty_spans
from visage.cli.supervision import supervise
from visage.config.settings import ANYBODY, Settings
from visage.config.sources import SourceSpec, StandardInputRefused, expand_sources
from visage.head_start import HeadStart
from visage.observe.builds import EngineBuilds
from visage.observe.downloads import DownloadProgress
from visage.observe.progress import choose_progress
from visage.people import Gallery, GallerySession
from visage.people.errors import NoSuchPerson
from visage.runtime.job import JobOutputs
from visage.runtime.run import Run
from visage.runtime.source import Outcome
from visage.scanning import Findings

if TYPE_CHECKING:
    from visage.cli.cluster_session import ClusterSession

__all__ = ["Session"]


@dataclass(frozen=True, slots=True)
class Session:
    """How to analyse, and where the results go.

    Attributes:
        exclude: patterns of files in folders that are left out.
        extra: outputs besides those of the options.
        head_start: worker processes started early, owned by the session.
        scanned: what an earlier run's scan has found in films that are to be refined, by id.
        cluster: the address of the cluster that does it; None for this machine.
        place: that cluster, while it is at work.
    """

    settings: Settings
    outputs: OutputOptions
    quiet: bool = False
    exclude: tuple[str, ...] = ()
    resume: bool = False
    extra: tuple[JobOutputs, ...] = ()
    head_start: HeadStart = field(default_factory=HeadStart)
    scanned: Mapping[str, Findings] = field(default_factory=dict)
    cluster: str | None = None
    place: ClusterSession | None = None

    def run(self, arguments: Sequence[str]) -> int:
        """Analyse what the arguments name; returns the exit code."""
        problems: list[BaseException] = []
        try:
            if self.cluster is not None:
                from visage.cluster.stores import expand_stores  # noqa: PLC0415 - few need it

                arguments = expand_stores(arguments)
            specs = expand_sources(
                arguments, exclude=self.exclude, on_error=problems.append, on_left_out=None if self.quiet else _note
            )
        except StandardInputRefused as refusal:
            raise typer.BadParameter(str(refusal)) from refusal
        if self.settings.scan:
            specs = self._scannable(specs, problems)
        for problem in problems:
            report(problem)
        if not specs:
            return 1
        if self.cluster is not None:
            return self._spread(specs, problems, self.cluster)
        if self.resume:
            return self._resume(specs, problems)
        return self._finish(specs, problems)

    def _spread(self, specs: Sequence[SourceSpec], problems: list[BaseException], address: str) -> int:
        """On a cluster; where an earlier process began this run, its ledger says what is left."""
        from visage.cli.cluster_session import ClusterSession  # noqa: PLC0415 - few need it

        if self.outputs.show:
            raise typer.BadParameter("--show plays in the process that decodes: leave out --cluster")
        if self.settings.refine is not None:
            raise typer.BadParameter("--refine works on this machine alone: leave out --cluster")
        with ClusterSession(address, self.settings, self.outputs) as place:
            rest = replace(self, place=place)
            if place.goes_on:
                if not self.quiet:
                    _note(place.describe())
                return replace(rest, outputs=place.continued(specs))._finish(specs, problems)
            return rest._resume(specs, problems) if self.resume else rest._finish(specs, problems)

    def _resume(self, specs: Sequence[SourceSpec], problems: list[BaseException]) -> int:
        dst = self.outputs.dst
        if dst is None or dst.suffix.lower() in TABLES:
            raise typer.BadParameter("--resume needs --dst with a folder: one table for all is written as a whole")
        if self.outputs.show:
            raise typer.BadParameter("--resume is for what is written: leave out --show")
        videos = None
        if self.outputs.annotate is not None:
            self._outputs(specs).check_names()
            paths = self.outputs.videos_of([spec.source_id for spec in specs])
            videos = AnnotatedVideos(paths, self.outputs.drawn)
        left = resume(dst, specs, self.settings, videos=videos, force=self.outputs.force)
        if not self.quiet:
            _note(left.describe())
        if not left.specs:
            return 1 if problems else 0
        outputs = replace(self.outputs, folders=left.folders, videos=None if videos is None else left.videos)
        rest = replace(self, outputs=outputs, scanned=left.scanned)
        return rest._finish(left.specs, problems)

    def _scannable(self, specs: Sequence[SourceSpec], problems: list[BaseException]) -> list[SourceSpec]:
        """The films among the sources. Raises typer.BadParameter for outputs that a scan can't have."""
        if self.outputs.annotate is not None or self.outputs.show:
            raise typer.BadParameter("--scan looks at single frames: leave out --annotate and --show")
        dst = self.outputs.dst
        if self.settings.refine is not None and dst is not None and dst.suffix.lower() in TABLES:
            raise typer.BadParameter("--refine needs --dst with a folder: the results of the scan come first")
        problems.extend(
            SourceUnreadable(f"{spec.display_uri}: a live source can't be scanned; leave out --scan")
            for spec in specs
            if spec.is_live
        )
        return [spec for spec in specs if not spec.is_live]

    def _finish(self, specs: Sequence[SourceSpec], problems: list[BaseException]) -> int:
        received, outcomes = self._analyse(specs, problems)
        for spec in specs:
            outcome = outcomes.get(spec.source_id)  # none of a film that was scanned before and holds nobody
            failure = None if outcome is None else outcome.error
            if failure is not None:
                report(failure, about=spec.display_uri)
                problems.append(failure)
        if received is not None:
            return 128 + received
        return 1 if problems else 0

    def _analyse(
        self, specs: Sequence[SourceSpec], problems: list[BaseException]
    ) -> tuple[signal.Signals | None, Mapping[str, Outcome]]:
        if not self.scanned:
            self._outputs(specs).check()
        if self.settings.gallery is None:
            return self._run(specs, None)
        if not (self.settings.gallery / "gallery.sqlite").exists():
            print(f"visage: {self.settings.gallery}: a new gallery, with no one in it yet", file=sys.stderr)
        with GallerySession(self.settings) as people:
            self._check_named(people.gallery, "--blur", self.outputs.blur, ALL, UNKNOWN_ONLY)
            self._check_named(people.gallery, "--refine", self.settings.refine, ANYBODY, UNKNOWN_ONLY)
            done = self._run(specs, people)
        if people.lost:
            problems.append(OSError(people.lost))
            report(problems[-1])
        return done

    def _description(self, specs: Sequence[SourceSpec]) -> RunDescription:
        run = describe_run(self.settings, specs)
        if self.outputs.annotate is None:
            return run
        return replace(run, settings={**run.settings, ANNOTATED: self.outputs.drawn})

    def _check_named(self, gallery: Gallery, flag: str, whom: str | None, *words: str) -> None:
        """Nobody is left recognisable, or missed, because of a slip of the pen. Raises typer.BadParameter.

        `words`: what `whom` may be besides a name.
        """
        if whom is not None and whom not in words:
            try:
                name = gallery.person(whom).name
            except NoSuchPerson as nobody:
                raise typer.BadParameter(f"{flag} {whom}: {nobody}") from nobody
            if name.casefold() != whom.casefold():
                raise typer.BadParameter(f"{flag} {whom}: give the name, {name!r}")

    def _outputs(self, specs: Sequence[SourceSpec]) -> Outputs:
        return Outputs(self.outputs, self._description(specs), specs, knows_people=self.settings.gallery is not None)

    def _run(
        self, specs: Sequence[SourceSpec], people: GallerySession | None
    ) -> tuple[signal.Signals | None, Mapping[str, Outcome]]:
        """Analyse the sources, in one run or in those of a scan and its refinement."""
        if self.settings.refine is None:
            return self._run_pipeline(specs, self._outputs(specs), people)

        def analyse(
            some: Sequence[SourceSpec], settings: Settings, collect: Collect, folders: Mapping[str, Path] | None
        ) -> tuple[signal.Signals | None, Mapping[str, Outcome]]:
            session = replace(self, settings=settings, outputs=replace(self.outputs, folders=folders))
            return session._run_pipeline(some, session._outputs(some), people, collect=collect)

        dst, chosen = self.outputs.dst, self.outputs.folders
        places = dict(chosen or {})
        if dst is not None and not places:
            places = {spec.source_id: dst / spec.source_id if len(specs) > 1 else dst for spec in specs}
        refined = RefinedRun(
            self.settings,
            analyse,
            note=_silent if self.quiet else _note,
            folders=places,
            chosen=chosen,
            scanned=self.scanned,
        )
        return refined.run(specs)

    def _run_pipeline(
        self,
        specs: Sequence[SourceSpec],
        outputs: Outputs,
        people: GallerySession | None,
        *,
        collect: Collect | None = None,
    ) -> tuple[signal.Signals | None, Mapping[str, Outcome]]:
        """One run; `collect` is given the frames of every source besides the outputs."""
        outputs.check()
        started = time.monotonic()
        is_whole = self.settings.start_seconds == 0 and self.settings.end_seconds is None
        with contextlib.ExitStack() as unfinished:
            unfinished.callback(outputs.discard)
            with contextlib.closing(DownloadProgress()) as downloads:
                run = self._build(specs, outputs, people, None if self.quiet else downloads, collect)
            with run, contextlib.closing(choose_progress(quiet=self.quiet, whole_sources=is_whole)) as progress:
                run.start()
                received = anyio.run(supervise, run, progress, self.settings.drain_seconds)
            outputs.close()
        if run.failure is not None:
            raise run.failure
        if not self.quiet:
            summarise(run, time.monotonic() - started)
            print(outputs.describe(run.outcomes))
        if not is_whole:
            tell_of_empty_spans(run.outcomes)
        return received, run.outcomes

    def _build(
        self,
        specs: Sequence[SourceSpec],
        outputs: Outputs,
        people: GallerySession | None,
        downloads: DownloadProgress | None,
        collect: Collect | None,
    ) -> Run:
        every = [outputs.begin(), *([] if people is None else people.outputs), *self.extra]
        gallery = None if people is None else people.gallery
        recorder = None if people is None else people.recorder
        if self.place is not None:
            return self.place.build(
                specs,
                outputs=every,
                open_sinks=outputs.open_shared,
                people=gallery,
                recorder=recorder,
                progress=downloads,
            )
        return build_run(
            self.settings,
            specs,
            outputs=every,
            open_sinks=lambda info: [
                *outputs.open_shared(info),
                *([] if collect is None else collect.sinks_for(info)),
            ],
            wants_frames=collect is not None,
            people=gallery,
            recorder=recorder,
            progress=downloads,
            on_build=None if self.quiet else EngineBuilds(),
            head_start=self.head_start,
        )


def _silent(line: str) -> None:
    """Drop a line that the user does not want to see."""


def _note(line: str) -> None:
    print(f"visage: {line}", file=sys.stderr)
