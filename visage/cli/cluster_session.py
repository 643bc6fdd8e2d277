"""`visage run --cluster`: the state of the run on this machine, and the run over the cluster that goes by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from stages.closing import Closing
from stages.sink.base import Sink
from stages.sink.destination import TABLES
from stages.sources import VideoInfo
from visage.cli.outputs import OutputOptions
from visage.cluster.launch import build_cluster_run
from visage.cluster.lease import JobState
from visage.cluster.run_state import RunState
from visage.config.settings import Settings
from visage.config.sources import SourceSpec
from visage.models import Progress
from visage.people import Gallery
from visage.people.recorder import SightingRecorder
from visage.runtime.job import JobOutputs
from visage.runtime.run import Run

__all__ = ["ClusterSession"]


class ClusterSession(Closing):
    """Owns the state of one run. Close it after the run."""

    def __init__(self, address: str, settings: Settings, outputs: OutputOptions) -> None:
        """Raises ClusterError where another process is at work on the same run."""
        self._address = address
        self._settings = settings
        self._outputs = outputs
        places = {"dst": outputs.dst, "annotate": outputs.annotate, "gallery": settings.gallery}
        self._state = RunState(settings, {name: str(path) for name, path in places.items() if path is not None})
        if self._is_table:
            for job in self._state.ledger.jobs():  # the parts that were done went with the process
                self._state.ledger.retry(job.job_id)

    @property
    def goes_on(self) -> bool:
        """Whether an earlier process began this run and did not get to its end."""
        return self._state.goes_on

    def describe(self) -> str:
        """One line for a person about what is left of an earlier process's run."""
        counts = self._state.ledger.counts()
        return f"this run was stopped before its end: {counts[JobState.DONE]} of {sum(counts.values())} videos are done"

    def continued(self, specs: Sequence[SourceSpec]) -> OutputOptions:
        """The options of a run that goes on: what is in its folders is its own."""
        dst = self._outputs.dst
        if dst is None:
            return self._outputs
        folders = {spec.source_id: dst / spec.source_id if len(specs) > 1 else dst for spec in specs}
        return replace(self._outputs, folders=folders)

    def build(
        self,
        specs: Sequence[SourceSpec],
        *,
        outputs: Sequence[JobOutputs],
        open_sinks: Callable[[VideoInfo], Sequence[Sink]],
        people: Gallery | None,
        recorder: SightingRecorder | None,
        progress: Progress | None,
    ) -> Run:
        """See `build_cluster_run`."""
        return build_cluster_run(
            self._settings,
            specs,
            address=self._address,
            state=self._state,
            outputs=outputs,
            open_sinks=open_sinks,
            people=people,
            recorder=recorder,
            progress=progress,
        )

    def close(self) -> None:
        """Give the state of the run back: another process may go on with it."""
        self._state.close()

    @property
    def _is_table(self) -> bool:
        return self._outputs.dst is not None and self._outputs.dst.suffix.lower() in TABLES
