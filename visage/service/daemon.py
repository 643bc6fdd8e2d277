"""`visage serve`: owns the pipeline, the cameras, the folders, the events and the web, from start to stop.

The event loop holds the control plane; frames never pass through it. The first SIGTERM or Ctrl-C drains: nothing more
is read, what is in flight is finished within `drain_seconds`, then dropped; a second one drops it at once. SIGHUP reads
the configuration again. A stage that fails ends the daemon with its error, for whoever restarts it; single cameras and
files never do.
"""

from __future__ import annotations

import logging
import signal
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from stages.detect.regions import Areas, RegionStage
from stages.frames import Picture
from stages.sink.base import Sink
from stages.sink.metadata import RunDescription
from stages.sources import VideoInfo
from visage.assembly import ModelPlan, Platform, build_service, choose_platform
from visage.assembly.identification import KnownPeople
from visage.config.service import CameraConfig, ServiceConfig
from visage.models import embedder_spec
from visage.observe.machine import library_versions
from visage.observe.metrics import PipelineMetrics
from visage.observe.service_metrics import ServiceMetrics, ServiceReading, SourceReading
from visage.runtime import Outcome, PipelineState
from visage.service.bus import EventBus
from visage.service.camera_desk import CameraDesk
from visage.service.errors import RestartNeeded
from visage.service.events import EventFactory
from visage.service.file_desk import FileDesk
from visage.service.folder_desk import FolderDesk
from visage.service.journal import Journal
from visage.service.ledger import Job, JobState, Ledger
from visage.service.mqtt import MqttPublisher
from visage.service.outbox import Outbox
from visage.service.state_dir import StateDir
from visage.service.systemd import Notifier
from visage.service.track_events import TrackEventSink
from visage.service.trial import Trial
from visage.service.webhooks import WebhookSender

__all__ = ["Daemon", "ExtraSinks", "WebService"]

ExtraSinks = Callable[[VideoInfo, Platform], Sequence[Sink]]

TICK_SECONDS = 1.0
FLUSH_SECONDS = 1.0
STUCK_SECONDS = 60.0
LATENCIES = 50
RESULTS_SUFFIX = ".visage"
MQTT = "mqtt"
RESTART_SECTIONS = ("state_dir", "analysis", "files", "events", "web", "drain_seconds")

logger = logging.getLogger(__name__)


class WebService(Protocol):
    """What the daemon needs of the web server."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class Daemon:
    """Everything that runs for months. A context manager: made by `__init__`, run by `run`, freed by `__exit__`."""

    def __init__(
        self,
        config: ServiceConfig,
        *,
        load: Callable[[], ServiceConfig] | None = None,
        platform: Platform | None = None,
        keep_pixels: bool = False,
        extra_sinks: ExtraSinks | None = None,
        people: KnownPeople | None = None,
        trial: Trial | None = None,
    ) -> None:
        """
        Args:
            load: reads the configuration again; for reloads.
            platform: by default what the settings choose.
            keep_pixels: some of `extra_sinks` reads pictures.
            extra_sinks: more sinks for every source, such as live pictures and sightings.
            people: whom faces are compared with; stays the caller's.

        Raises:
            StateInUse, ConfigError, ModelError, BackendError
        """
        self.config = config
        self.registry = CollectorRegistry()
        self.failure: BaseException | None = None
        self._load = load or (lambda: config)
        self._extra_sinks = extra_sinks
        self._boot = str(uuid.uuid4())
        self._factories: dict[str, EventFactory] = {}
        self._latencies: dict[str, deque[float]] = {}
        self._regions = RegionStage()
        self._stopping = anyio.Event()
        self._is_aborting = False
        self._notifier = Notifier()
        self._progress = (0, time.monotonic())
        with ExitStack() as owned:
            self._state_dir = StateDir(config.state_dir)
            owned.callback(self._state_dir.close)
            self._state_dir.watch_for_crash()
            self.ledger = Ledger(config.state_dir / "ledger.sqlite")
            owned.callback(self.ledger.close)
            self._recover()
            self._outbox = Outbox(config.state_dir / "outbox.sqlite", limit=config.events.queue_limit)
            owned.callback(self._outbox.close)
            self._make_events(owned)
            settings = config.analysis
            self.platform = platform or choose_platform(settings, ModelPlan.of(settings))
            self._metrics = ServiceMetrics(self.registry)
            pipeline_metrics = PipelineMetrics(self.registry)
            ProcessCollector(registry=self.registry)
            PlatformCollector(registry=self.registry)
            GCCollector(registry=self.registry)
            self.pipeline = build_service(
                settings,
                self.platform,
                open_sinks=self._open_sinks,
                on_ended=self._ended,
                hide=self._regions,
                keep_pixels=keep_pixels,
                hooks=[pipeline_metrics],
                people=people,
            )
            owned.callback(self.pipeline.close)
            pipeline_metrics.watch(self.pipeline)
            self.cameras = CameraDesk(
                self.pipeline,
                lambda spec: self.platform.frame_source(spec, concurrent=self._decoders()),
                on_state=self._camera_state,
                on_config=self._camera_config,
            )
            self.files = FileDesk(
                self.pipeline,
                self.ledger,
                lambda spec: self.platform.frame_source(spec, concurrent=self._decoders()),
                settings=settings,
                config=config.files,
                run=_description(config),
                concurrent=settings.concurrent_files or self.platform.concurrent_files,
                place=self._place,
                trial=trial or Trial(settings),
            )
            self.folders = FolderDesk(self.files, config.folders)
            self._metrics.watch(self.reading)
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
        obey_signals: bool = True,
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
            if obey_signals:
                group.start_soon(self._obey)
            async with anyio.create_task_group() as working:
                for task in (self._tick, self._watch_pipeline, self.folders.run, self.files.dispatch):
                    working.start_soon(task)
                for sender in self._senders:
                    group.start_soon(sender.run)
                if server is not None:
                    group.start_soon(server.run)
                self._notifier.ready()
                logger.info("serving %d cameras, %d folders", len(self.cameras.names()), len(self.config.folders))
                await self._stopping.wait()
                self._notifier.stopping()
                working.cancel_scope.cancel()
            if server is not None:
                server.stop()
            await self._stop_pipeline()
            await self._flush()
            group.cancel_scope.cancel()
        if self.pipeline.failure is not None:
            raise self.pipeline.failure

    def stop(self) -> None:
        """In the event loop: drain and end `run`; called again: drop what is in flight."""
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
        changes = [*self._reload_cameras(new), *self._reload_folders(new)]
        for change in changes:
            logger.info("reload: %s", change)
        needing = [name for name in RESTART_SECTIONS if getattr(new, name) != getattr(self.config, name)]
        kept = {name: getattr(self.config, name) for name in RESTART_SECTIONS}
        self.config = new.model_copy(update=kept)
        if needing:
            raise RestartNeeded(f"changes of {', '.join(needing)} need a restart; cameras and folders are up to date")
        return changes

    def events(self) -> EventBus:
        """Where events pass."""
        return self._bus

    def latency_seconds(self, source_id: str) -> float | None:
        """From capture to event, mean of the last frames of a camera; None before the first."""
        recent = list(self._latencies.get(source_id, ()))
        return sum(recent) / len(recent) if recent else None

    def problem(self) -> str:
        """Why frames do not go through; empty if they do."""
        if self._stopping.is_set():
            return "stopping"
        if self.pipeline.failure is not None:
            return str(self.pipeline.failure)
        if self.pipeline.state is not PipelineState.RUNNING:
            return f"the pipeline is {self.pipeline.state.value}"
        statistics = self.pipeline.statistics()
        done = statistics.forgotten.frames_done + sum(source.frames_done for source in statistics.sources)
        waiting = sum(source.inbox.depth for source in statistics.sources)
        if done != self._progress[0] or not waiting:
            self._progress = (done, time.monotonic())
        stuck_seconds = time.monotonic() - self._progress[1]
        return f"no frame has come through for {stuck_seconds:.0f} s" if stuck_seconds > STUCK_SECONDS else ""

    def to_bgr(self, picture: Picture, source_id: str) -> NDArray[np.uint8]:
        """A picture as it may be shown: privacy masks are black. For sinks, on their thread."""
        areas = self._regions.areas(source_id)
        image = self.platform.to_bgr(picture)
        return image if areas is None else areas.black_out(image)

    def reading(self) -> ServiceReading:
        """For metrics."""
        return ServiceReading(
            cameras=[
                SourceReading(camera.source_id, camera.state, camera.reconnects, camera.frames_capped)
                for camera in self.cameras.readings()
            ],
            files={state.value: count for state, count in self.ledger.counts().items()},
            events={str(kind): count for kind, count in self._bus.counts().items()},
            outbox=self._outbox.depths(),
            outbox_dropped=self._outbox.dropped(),
            gpu_memory_bytes=self.platform.memory_bytes(),
            rejected={name: sender.rejected for name, sender in self._webhooks.items()},
        )

    def _recover(self) -> None:
        if self._state_dir.crash is not None:
            logger.error("the last process crashed: %s", self._state_dir.crash.partition("\n")[0])
        for job in self.ledger.recover(by_own_fault=self._state_dir.crash is not None):
            if job.state is JobState.SET_ASIDE:
                logger.error("%s is set aside: %s", job.path, job.error)

    def _make_events(self, owned: ExitStack) -> None:
        config = self.config.events
        journal = None
        if config.jsonl is not None:
            journal = Journal(config.jsonl)
            owned.callback(journal.close)
        receivers: dict[str, frozenset[str] | None] = {
            f"webhook/{name}": frozenset(hook.kinds) or None for name, hook in config.webhooks.items()
        }
        self._webhooks = {
            name: WebhookSender(name, hook, self._outbox, receiver=f"webhook/{name}")
            for name, hook in config.webhooks.items()
        }
        self._senders: list[WebhookSender | MqttPublisher] = list(self._webhooks.values())
        if config.mqtt is not None:
            receivers[MQTT] = None
            mqtt = MqttPublisher(config.mqtt, self._outbox, receiver=MQTT)
            self._senders.append(mqtt)
        self._outbox.forget(known=receivers)
        self._bus = EventBus(journal=journal, outbox=self._outbox, receivers=receivers)
        if config.mqtt is not None:
            self._bus.subscribe(mqtt.note)

    def _open_sinks(self, info: VideoInfo, platform: Platform) -> list[Sink]:
        name = info.source_id
        job = self.files.job_of(name)
        kind = "camera" if job is None else "file"
        extra = () if self._extra_sinks is None else self._extra_sinks(info, platform)
        if job is None:
            # Each stay in the pipeline counts its tracks from 1: its events need ids of their own.
            stay = EventFactory(name, "camera", str(uuid.uuid4()))
            events = TrackEventSink(
                stay, self._bus.publish, on_latency=lambda seconds: self._note_latency(name, seconds)
            )
            return [*extra, self._metrics.tally(kind), events]
        session = EventFactory(name, "file", f"{job.content}/{job.settings}")
        # Results first: events of a file whose results can't be written are not told.
        return [
            self.files.sink_for(job),
            *extra,
            self._metrics.tally(kind),
            TrackEventSink(session, self._bus.publish),
        ]

    def _ended(self, outcome: Outcome) -> None:
        try:
            if not self.cameras.ended(outcome) and not self.files.ended(outcome):
                self.pipeline.forget(outcome.source_id)
        except Exception:  # the pipeline's thread must go on; the source is settled at the next start
            logger.exception("%s ended, but that could not be recorded", outcome.source_id)

    def _camera_state(self, name: str, state: str, reason: str) -> None:
        self._bus.publish(self._factory(name).source_state(state, reason, time.time()))

    def _camera_config(self, name: str, config: CameraConfig | None) -> None:
        if config is None:
            self._regions.set_areas(name, None)
            self._factories.pop(name, None)
            self._latencies.pop(name, None)
        elif config.regions or config.masks:
            self._regions.set_areas(name, Areas(regions=config.regions, masks=config.masks))
        else:
            self._regions.set_areas(name, None)

    def _factory(self, name: str) -> EventFactory:
        return self._factories.setdefault(name, EventFactory(name, "camera", self._boot))

    def _note_latency(self, name: str, seconds: float) -> None:
        self._latencies.setdefault(name, deque(maxlen=LATENCIES)).append(seconds)
        self._metrics.observe_latency("camera", seconds)

    def _decoders(self) -> int:
        return max(1, len(self.cameras.names()) + self.platform.concurrent_files)

    def _place(self, job: Job) -> Path:
        """Beside the file, or in its folder's mirror tree; for files without a folder, in the state folder."""
        folder = self.folders.configs().get(job.folder)
        name = job.path.name + RESULTS_SUFFIX
        if folder is None:
            return self.config.state_dir / "results" / f"{job.content[:8]}-{name}"
        if folder.output is None:
            return job.path.with_name(name)
        return folder.output / job.path.parent.relative_to(folder.path) / name

    def _reload_cameras(self, new: ServiceConfig) -> list[str]:
        old = self.config.cameras
        for name in old.keys() - new.cameras.keys():
            self.cameras.remove(name)
        for name in new.cameras.keys() - old.keys():
            self.cameras.add(name, new.cameras[name])
        changed = [name for name in new.cameras.keys() & old.keys() if new.cameras[name] != old[name]]
        for name in changed:
            self.cameras.change(name, new.cameras[name])
        return _changes("camera", old.keys(), new.cameras.keys(), changed)

    def _reload_folders(self, new: ServiceConfig) -> list[str]:
        old = self.config.folders
        for name in old.keys() - new.folders.keys():
            self.folders.set(name, None)
        changed = [name for name in new.folders if new.folders[name] != old.get(name)]
        for name in changed:
            self.folders.set(name, new.folders[name])
        return _changes("folder", old.keys(), new.folders.keys(), [name for name in changed if name in old])

    async def _obey(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for number in signals:
                if number is not signal.SIGHUP:
                    self.stop()
                    continue
                try:
                    await anyio.to_thread.run_sync(self.reload)
                except (ValueError, RestartNeeded) as error:
                    logger.error("reload: %s", error)

    async def _tick(self) -> None:
        last_alive = 0.0
        while True:
            await anyio.to_thread.run_sync(self.cameras.reconcile)
            self.cameras.sample()
            interval = self._notifier.watchdog_seconds
            if interval is not None and time.monotonic() - last_alive >= interval:
                problem = self.problem()
                if not problem:
                    self._notifier.alive(f"{len(self.cameras.names())} cameras")
                    last_alive = time.monotonic()
            await anyio.sleep(TICK_SECONDS)

    async def _watch_pipeline(self) -> None:
        """A pipeline that stops by itself has failed."""
        await anyio.to_thread.run_sync(self.pipeline.wait, abandon_on_cancel=True)
        logger.error("%s", self.pipeline.failure or "the pipeline has stopped")
        self._stopping.set()

    async def _stop_pipeline(self) -> None:
        self.cameras.close()
        if not self._is_aborting:
            self.pipeline.drain()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.pipeline.wait, self.config.drain_seconds)
            self.pipeline.abort()
            await anyio.to_thread.run_sync(self.pipeline.close)

    async def _flush(self) -> None:
        """Let receivers that are there have the last events; the rest waits on disk."""
        with anyio.move_on_after(FLUSH_SECONDS):
            while any(self._outbox.depths().values()):  # noqa: ASYNC110  # bounded, and nothing tells of the last one
                await anyio.sleep(0.05)


def _description(config: ServiceConfig) -> RunDescription:
    settings = config.analysis
    return RunDescription(
        detector=settings.detector,
        embedder=settings.embedder if settings.embed else None,
        embedding_dimension=embedder_spec(settings.embedder).embedding_dim if settings.embed else None,
        frameskip=settings.frameskip,
        tracks=settings.track,
        versions={"visage": version("visage"), **library_versions()},
        settings=settings.model_dump(mode="json", exclude={"model_dir"}),
    )


def _changes(word: str, old: Collection[str], new: Collection[str], changed: Sequence[str]) -> list[str]:
    before, after = set(old), set(new)
    return [
        *(f"{word} {name} added" for name in sorted(after - before)),
        *(f"{word} {name} removed" for name in sorted(before - after)),
        *(f"{word} {name} changed" for name in sorted(changed)),
    ]
