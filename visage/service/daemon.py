"""`visage serve`: owns the pipeline, the cameras, the folders, the events and the web, from start to stop.

The event loop holds the control plane; frames never pass through it. The first SIGTERM or Ctrl-C drains: nothing more
is read, what is in flight is finished within `drain_seconds`, then dropped; a second one drops it at once. SIGHUP
reloads the configuration. A stage that fails ends the daemon with its error; single cameras and files never do.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Protocol

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from stages.contract import FrameSource
from stages.detect.regions import Areas, RegionStage
from stages.frames import Picture
from stages.identify.roster import KnownPeople
from stages.sink.base import Sink
from stages.sources import VideoInfo
from visage.assembly import ModelPlan, Pictures, Platform, build_service, choose_platform, describe_run
from visage.config.service import CameraConfig, ServiceConfig
from visage.config.sources import SourceSpec
from visage.observe.fields import about
from visage.observe.metrics import PipelineMetrics
from visage.observe.service_metrics import ServiceMetrics, process_registry
from visage.runtime import Outcome
from visage.service.camera_manager import CameraManager
from visage.service.enrolled import EnrolledPeople
from visage.service.errors import RestartNeeded
from visage.service.event_dispatcher import EventDispatcher
from visage.service.folder_manager import FolderManager
from visage.service.health import Health
from visage.service.job_dispatcher import JobDispatcher
from visage.service.job_outcomes import Stored
from visage.service.ledger import Ledger
from visage.service.reading import read_service
from visage.service.recovery import recover
from visage.service.reload import adopt, apply_config
from visage.service.results import results_folder
from visage.service.shutdown import close_pipeline, stop_pipeline
from visage.service.signals import obey_signals
from visage.service.state_dir import StateDir
from visage.service.supervision import keep_running
from visage.service.systemd import Notifier
from visage.service.trial import Trial

__all__ = ["Daemon", "ExtraSinks", "WebService"]

ExtraSinks = Callable[[VideoInfo, Pictures], Sequence[Sink]]

TICK_SECONDS = 1.0
FLUSH_SECONDS = 1.0

logger = logging.getLogger(__name__)


class Daemon:
    """The daemon behind `visage serve`: a context manager that owns all its parts.

    `__init__` locks the state folder, `run` serves until `stop`, `__exit__` closes everything.
    """

    def __init__(
        self,
        config: ServiceConfig,
        *,
        load: Callable[[], ServiceConfig] | None = None,
        platform: Platform | None = None,
        keep_pixels: bool = False,
        extra_sinks: ExtraSinks | None = None,
        people: KnownPeople | None = None,
        enrolled: EnrolledPeople | None = None,
        trial: Trial | None = None,
        stored: Stored = lambda _: None,
    ) -> None:
        """
        Args:
            load: reads the configuration again; for reloads.
            platform: by default what the settings choose.
            keep_pixels: some of `extra_sinks` reads pictures.
            extra_sinks: more sinks for every source, such as live pictures and sightings.
            people: whom faces are compared with; stays the caller's.
            enrolled: who may be named in events; without it everyone. Stays the caller's.
            trial: tries suspect files; by default in a process of its own.
            stored: whether what was seen in a file is stored: asked before it counts as done.

        Raises:
            StateInUse, ConfigError, ModelError, BackendError
        """
        self.config = config
        self.registry = process_registry()
        self._load = load or (lambda: config)
        self._extra_sinks = extra_sinks
        self._regions = RegionStage()
        self._stopping = anyio.Event()
        self._is_aborting = False
        self._notifier = Notifier()
        with ExitStack() as owned:
            self._state_dir = StateDir(config.state_dir)
            owned.callback(self._state_dir.close)
            self._state_dir.watch_for_crash()
            self.ledger = Ledger(config.state_dir / "ledger.sqlite")
            owned.callback(self.ledger.close)
            recover(self._state_dir, self.ledger)
            self._metrics = ServiceMetrics(self.registry)
            self.events = EventDispatcher(
                config.events,
                config.state_dir,
                on_latency=partial(self._metrics.observe_latency, "camera"),
                people=enrolled,
            )
            owned.callback(self.events.close)
            settings = config.analysis
            self.platform = platform or choose_platform(settings, ModelPlan.of(settings))
            pipeline_metrics = PipelineMetrics(self.registry)
            self.pipeline = build_service(
                settings,
                self.platform,
                open_sinks=self._open_sinks,
                on_ended=self._ended,
                hide=self._regions,
                keep_pixels=keep_pixels or self.events.needs_pixels,
                hooks=[pipeline_metrics],
                people=people,
            )
            after_pipeline = owned.enter_context(ExitStack())
            owned.callback(close_pipeline, self.pipeline)
            self._health = Health(self.pipeline)
            pipeline_metrics.watch(self.pipeline)
            self.cameras = CameraManager(
                self.pipeline,
                self._frame_source,
                on_state=self.events.camera_state,
                on_config=self._camera_config,
                on_lost=self.events.camera_lost,
            )
            self.files = JobDispatcher(
                self.pipeline,
                self.ledger,
                self._frame_source,
                settings=settings,
                config=config.files,
                run=describe_run(settings),
                concurrent=settings.concurrent_files or self.platform.concurrent_files,
                place=lambda job: results_folder(job, self.folders.configs(), config.state_dir),
                trial=trial or Trial(settings),
                stored=stored,
                rotate_of=lambda name: folder.rotate if (folder := self.folders.configs().get(name)) else None,
            )
            after_pipeline.callback(self.files.close)
            self.folders = FolderManager(self.files, config.folders)
            self._metrics.watch(lambda: read_service(self.cameras, self.ledger, self.events, self.platform))
            self._owned = owned.pop_all()

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        self._owned.close()

    async def run(
        self,
        *,
        web: Callable[[], WebService] | None = None,
        on_started: Callable[[], None] | None = None,
        with_signals: bool = True,
    ) -> None:
        """Serve until `stop` or a signal. Raises StageFailed where the pipeline can't go on.

        Args:
            web: makes the server; called before anything runs, so that a taken port is known at once.
            on_started: called once the cameras of the configuration are there.
        """
        server = None if web is None else web()
        self.pipeline.start()
        for name, camera in self.config.cameras.items():
            self.cameras.add(name, camera)
        if on_started is not None:
            on_started()
        async with anyio.create_task_group() as group:
            if with_signals:
                group.start_soon(obey_signals, self.stop, self.reload)
            async with anyio.create_task_group() as working:
                dispatch = keep_running("files", self.files.dispatch, after=(sqlite3.Error,))
                for task in (self._tick, self._watch_pipeline, self.folders.run, dispatch):
                    working.start_soon(task)
                for sender in self.events.senders():
                    group.start_soon(sender)
                if server is not None:
                    group.start_soon(server.run)
                self._notifier.ready()
                logger.info("serving %d cameras, %d folders", len(self.cameras.names()), len(self.config.folders))
                await self._stopping.wait()
                self._notifier.stopping()
                working.cancel_scope.cancel()
            if server is not None:
                server.stop()
            self.cameras.close()
            await stop_pipeline(self.pipeline, self.config.drain_seconds, is_aborting=self._is_aborting)
            await self.events.flush(FLUSH_SECONDS)
            group.cancel_scope.cancel()
        if self.pipeline.failure is not None:
            raise self.pipeline.failure

    def stop(self) -> None:
        """Drain the pipeline and end `run`; a second call drops the frames in flight.

        In the event loop's thread only.
        """
        if self._stopping.is_set():
            self._is_aborting = True
            self.pipeline.abort()
        self._stopping.set()

    def reload(self) -> list[str]:
        """Read the configuration again; from any thread. Returns what has changed, one line each.

        Other cameras and folders go on undisturbed. Raises ConfigError: it is wrong, and nothing has changed.
        RestartNeeded: the named sections changed, which needs a restart; everything else is as the file says.
        """
        new = self._load()
        changes = apply_config(self.config, new, self.cameras, self.folders)
        for change in changes:
            logger.info("reload: %s", change, extra=about("reload"))
        self.config, needing = adopt(self.config, new)
        if needing:
            raise RestartNeeded(f"changes of {', '.join(needing)} need a restart; cameras and folders are up to date")
        return changes

    def problem(self) -> str:
        """Return why frames do not get through; empty if they do. Safe from any thread."""
        return "stopping" if self._stopping.is_set() else self._health.problem()

    def to_bgr(self, picture: Picture, source_id: str, *, max_width: int | None = None) -> NDArray[np.uint8]:
        """Return a picture as it may be shown, with privacy masks blacked out: uint8 (H, W, 3), BGR.

        Args:
            max_width: in pixels; wider pictures are scaled down to it. None keeps the size.
        """
        areas = self._regions.areas(source_id)
        image = self.platform.to_bgr(picture, max_width)
        return image if areas is None else areas.black_out(image)

    def _open_sinks(self, info: VideoInfo, pictures: Pictures) -> list[Sink]:
        name = info.source_id
        job = self.files.job_of(name)
        extra = () if self._extra_sinks is None else self._extra_sinks(info, pictures)
        if job is None:
            return [
                *extra,
                self._metrics.tally(),
                self.events.camera_sink(name, to_bgr=lambda picture: self.to_bgr(picture, name)),
            ]
        # Results first: events of a file whose results can't be written are not told.
        return [self.files.sink_for(job), *extra, self._metrics.tally(), self.events.file_sink(name, job)]

    def _ended(self, outcome: Outcome) -> None:
        try:
            if not self.cameras.ended(outcome) and not self.files.ended(outcome):
                self.pipeline.forget(outcome.source_id)
        except Exception:  # the pipeline's thread must go on; the source is settled at the next start
            name = outcome.source_id
            logger.exception("%s ended, but that could not be recorded", name, extra=about("source.unrecorded", name))

    def _camera_config(self, name: str, config: CameraConfig | None) -> None:
        areas = None
        if config is None:
            self.events.camera_gone(name)
        elif config.regions or config.masks:
            areas = Areas(regions=config.regions, masks=config.masks)
        self._regions.set_areas(name, areas)

    def _frame_source(self, spec: SourceSpec) -> FrameSource:
        decoders = max(1, len(self.cameras.names()) + self.platform.concurrent_files)
        return self.platform.frame_source(spec, concurrent=decoders)

    async def _tick(self) -> None:
        while True:
            await anyio.to_thread.run_sync(self.cameras.reconcile)
            self.cameras.sample()
            self._notifier.tick(self.problem, f"{len(self.cameras.names())} cameras")
            await anyio.sleep(TICK_SECONDS)

    async def _watch_pipeline(self) -> None:
        """A pipeline that stops by itself has failed."""
        await anyio.to_thread.run_sync(self.pipeline.wait, abandon_on_cancel=True)
        logger.error("%s", self.pipeline.failure or "the pipeline has stopped")
        self._stopping.set()


class WebService(Protocol):
    """The part of the web server that the daemon uses; the daemon calls both methods in its event loop."""

    async def run(self) -> None:
        """Serve until `stop`. The address was bound before."""

    def stop(self) -> None:
        """End open streams and accept no more requests, so that `run` returns.

        Safe from any thread and to call twice.
        """
