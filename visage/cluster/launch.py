"""From settings and sources to a run over a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Sequence

from stages.identify.roster import KnownPeople
from stages.sink.base import Sink
from stages.sources import VideoInfo
from visage import __version__
from visage.assembly.plan import ModelPlan
from visage.cluster.cluster_run import ClusterRun
from visage.cluster.door import Expected
from visage.cluster.plan import plan_node
from visage.cluster.ray_nodes import RayNodes
from visage.cluster.ray_session import RaySession
from visage.cluster.roots import ROOTS_VARIABLE, parse_roots
from visage.cluster.run_state import RunState, contents_of
from visage.cluster.track_records import SettlingRecorder
from visage.config import Settings
from visage.config.sources import SourceSpec
from visage.models import ModelStore, Progress
from visage.models.pins import digest_of
from visage.runtime.job import JobOutputs

__all__ = ["build_cluster_run"]


def build_cluster_run(
    settings: Settings,
    sources: Sequence[SourceSpec],
    *,
    address: str,
    state: RunState,
    outputs: Sequence[JobOutputs] = (),
    open_sinks: Callable[[VideoInfo], Sequence[Sink]] = lambda _: (),
    progress: Progress | None = None,
    people: KnownPeople | None = None,
    recorder: SettlingRecorder | None = None,
) -> ClusterRun:
    """Connect to the cluster, which the run leaves when it is closed.

    Args:
        address: see `RaySession`.
        state: the ledger; to be closed after the run.
        outputs, open_sinks, progress, people, recorder: as for `visage.assembly.build_run`.

    Raises:
        ClusterError: there is no cluster, or none that fits.
        ModelError: a model is unknown or can't be fetched here.
        ValueError: the environment's roots are spelled wrong.
    """
    plan = ModelPlan.of(settings, progress=progress)
    names = [model.name for model in (plan.detector, plan.embedder) if model is not None]
    for name in names:
        plan.store.prepared(name, progress=progress)  # here, where its errors are reported
    expected = Expected(__version__, str(settings.model_dir), {name: _digests(plan.store, name) for name in names})
    roots = parse_roots(os.environ.get(ROOTS_VARIABLE, ""))
    level = logging.getLogger("visage").getEffectiveLevel()
    naming = None if people is None else (people.threshold, people.margin)
    with contextlib.ExitStack() as owned:
        session = RaySession(address, cpus=settings.cpu_threads)
        owned.callback(session.close)
        nodes = RayNodes(
            session,
            run_id=state.run_id,
            expected=expected,
            model_content=lambda name: _content(plan.store, name),
            plan=lambda cpus, gpus: plan_node(
                settings, cpus=cpus, gpus=gpus, log_level=level, outputs=outputs, naming=naming
            ),
            roots=roots,
        )
        run = ClusterRun(
            sources,
            run_id=state.run_id,
            ledger=state.ledger,
            nodes=nodes,
            outputs=outputs,
            open_sinks=open_sinks,
            contents=contents_of(sources),
            people=people,
            recorder=recorder,
            on_closed=session.close,
        )
        owned.pop_all()
    return run


def _digests(store: ModelStore, name: str) -> list[str]:
    return [str(file.sha256) for file in store.spec(name).files]


def _content(store: ModelStore, name: str) -> tuple[str, bytes, str]:
    """The published file that this machine has. Raises as `ModelStore.fetch` does."""
    path = store.fetch(name)
    return path.name, path.read_bytes(), digest_of(path) or ""
