"""Entry of a worker process: `main` serves the owner at the other end of the socket whose number is its argument."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

from stages.backends.availability import list_gpus
from stages.backends.tensorrt_api import TensorRTApi
from stages.errors import BackendError
from stages.identify.roster import KnownPeople
from visage.assembly.build import build_service
from visage.assembly.choice import choose_platform
from visage.assembly.plan import ModelPlan
from visage.fleet.messages import Task
from visage.fleet.worker import Assembly, OpenJobSinks, Worker
from visage.models.engines import OnBuild
from visage.runtime.source import Outcome

__all__ = ["assemble", "main"]

WARM = "warm"


def assemble(
    task: Task,
    *,
    open_sinks: OpenJobSinks,
    people: KnownPeople | None,
    on_ended: Callable[[Outcome], None],
    on_build: OnBuild,
) -> Assembly:
    """A pipeline without sources, on the platform that the task's settings choose. Raises as `build` does."""
    platform = choose_platform(task.settings, ModelPlan.of(task.settings, on_build=on_build))
    pipeline = build_service(
        task.settings,
        platform,
        open_sinks=open_sinks,
        keep_pixels=any(outputs.needs_pixels for outputs in task.outputs),
        people=people,
        on_ended=on_ended,
        concurrent=task.concurrent,
    )
    return Assembly(pipeline, lambda spec: platform.frame_source(spec, concurrent=task.concurrent))


def main() -> None:
    """Serve the owner until it wants no more."""
    # A service manager ends all processes of a service; the owner says what it means, and its own end is noticed.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)
    if WARM in sys.argv[2:]:
        _warm_up()
    Worker(Connection(descriptor), assemble).run()


def _warm_up() -> None:
    """Load what a card needs, before it is known whether one is to be used: a failure shows again where it matters."""
    with contextlib.suppress(ImportError, OSError, BackendError):
        list_gpus()  # initialises the driver
        importlib.import_module("visage.assembly.cuda")
        TensorRTApi.load()
