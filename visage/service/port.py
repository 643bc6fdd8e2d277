"""The daemon as the web sees it: implements `visage.web.ports.ServicePort`. Safe from any thread.

Sources that a caller adds are kept in `sources.json` of the state folder, readable by the daemon's user alone because
addresses may hold passwords, and are there again after a restart. A file of them that is damaged is kept as
`sources.json.broken`. Pauses last until the daemon stops.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from visage.config.service import CameraConfig, MqttConfig
from visage.config.sources import SourceSpec, redact_text
from visage.config.yaml_file import ConfigError
from visage.observe.fields import about
from visage.service.camera_manager import CameraManager
from visage.service.daemon import Daemon
from visage.service.errors import RestartNeeded, SourceTaken, SourceUnknown
from visage.service.folder_manager import FolderManager
from visage.service.folders import FoundFile
from visage.service.http_guard import HttpGuard
from visage.service.job_status import source_name
from visage.service.ledger import JobState
from visage.service.rtsp_redirects import resolve_redirects
from visage.storage.atomic_write import atomic_write
from visage.web.errors import AddressRefused, Conflict, NotFound
from visage.web.ports import FeedEvent, NewSource, OnEvent, Readiness
from visage.web.records import SourceRecord
from visage.web.rules import check_address

__all__ = ["DaemonPort"]

ADDED = "sources.json"
ADDED_FOLDER = "added"
ADDED_PRIORITY = 100
REDIRECT_SECONDS = 5.0

logger = logging.getLogger(__name__)


class DaemonPort:
    """Implements `visage.web.ports.ServicePort`. The daemon owns it and closes it."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._lock = threading.Lock()
        self._path = daemon.config.state_dir / ADDED
        self._guard: HttpGuard | None = None
        self._guarding = threading.Lock()

    def restore(self) -> None:
        """Add the cameras again that callers had added before the restart.

        One that the rules no longer allow, or whose name is taken, is logged and left out. Raises OSError if the file
        can't be read.
        """
        for name, address in self._added().items():
            try:
                # The rules may have become stricter since.
                allowed = check_address(address, self._daemon.config.web.add_source)
                self._daemon.cameras.add(name, CameraConfig(address=allowed), admit=self._admit)
            except (AddressRefused, SourceTaken) as error:
                logger.warning(
                    "%s, which was added by the API, is left out: %s",
                    name,
                    error,
                    extra=about("camera.refused", name, error=error),
                )

    def readiness(self) -> Readiness:
        """See `ServicePort`."""
        problem = self._daemon.problem()
        return Readiness(not problem, problem)

    def sources(self) -> Sequence[SourceRecord]:
        daemon = self._daemon
        cameras = [
            SourceRecord(
                source_id=camera.source_id,
                kind="camera",
                state=camera.state,
                reason=camera.reason,
                address=camera.address,
                fps=camera.fps,
                frames=camera.frames,
                dropped=camera.dropped,
                faces=camera.faces,
                reconnects=camera.reconnects,
                latency_seconds=daemon.events.latency_seconds(camera.source_id),
            )
            for camera in daemon.cameras.readings()
        ]
        folders = [
            SourceRecord(folder.source_id, "folder", folder.state, folder.reason, folder.path)
            for folder in daemon.folders.readings()
        ]
        files = [
            SourceRecord(
                file.source_id, "file", file.state, "", str(file.path), file.fps, file.frames, faces=file.faces
            )
            for file in daemon.files.readings()
        ]
        return [*cameras, *folders, *files]

    def add_source(self, source: NewSource) -> SourceRecord:
        if not source.is_live:
            return self._add_file(source)
        if source.source_id in self._daemon.folders:
            raise Conflict(f"there is a source {source.source_id!r} already")
        self._check_topic(source.source_id)
        try:
            self._daemon.cameras.add(source.source_id, CameraConfig(address=source.uri), admit=self._admit)
        except SourceTaken as error:
            raise Conflict(str(error)) from error
        with self._lock:
            self._keep({**self._added(), source.source_id: source.uri})
        return self._status(source.source_id)

    def close(self) -> None:
        """Stop the proxy, which ends every HTTP source that a caller added. Safe to call more than once."""
        with self._guarding:
            guard, self._guard = self._guard, None
        if guard is not None:
            guard.close()

    def _admit(self, spec: SourceSpec) -> SourceSpec:
        """Before each connection: the rule holds for every address that it will lead to. Raises SourceError."""
        if spec.uri.startswith(("http://", "https://")):
            with self._guarding:
                if self._guard is None:
                    self._guard = HttpGuard(self._check)
                options = {**spec.input_options, **self._guard.options}
            return spec.model_copy(update={"input_options": options})
        return spec.model_copy(
            update={"uri": resolve_redirects(spec.uri, self._check, timeout_seconds=REDIRECT_SECONDS)}
        )

    def _check(self, address: str) -> str:
        return check_address(address, self._daemon.config.web.add_source)

    def _check_topic(self, source_id: str) -> None:
        if self._daemon.config.events.mqtt is None:
            return
        level = MqttConfig.topic_level(source_id)
        for name in (*self._daemon.cameras.names(), *self._daemon.config.folders):
            if name != source_id and MqttConfig.topic_level(name) == level:
                raise Conflict(f"{source_id!r} and {name!r} would share an MQTT topic; choose another name")

    def pause_source(self, source_id: str) -> SourceRecord:
        with _translated():
            self._desk_of(source_id).pause(source_id)
        return self._status(source_id)

    def resume_source(self, source_id: str) -> SourceRecord:
        with _translated():
            self._desk_of(source_id).resume(source_id)
        return self._status(source_id)

    def remove_source(self, source_id: str) -> None:
        with _translated():
            if source_id in self._daemon.folders:
                self._daemon.folders.set(source_id, None)
            else:
                self._daemon.cameras.remove(source_id)
        with self._lock:
            added = self._added()
            if added.pop(source_id, None) is not None:
                self._keep(added)

    def reload(self) -> None:
        try:
            self._daemon.reload()
        except (ConfigError, RestartNeeded) as error:
            raise Conflict(str(error)) from error
        except Exception as error:  # the edge of a reload, as for SIGHUP: whatever it was, the daemon goes on
            logger.exception(
                "reload failed; the former configuration stays in use", extra=about("reload.failed", error=error)
            )
            reason = " ".join(str(error).split()) or type(error).__name__
            raise Conflict(f"the configuration can't be applied: {redact_text(reason)}") from error

    def subscribe(self, on_event: OnEvent) -> Callable[[], None]:
        return self._daemon.events.bus.subscribe(
            lambda event: on_event(FeedEvent(event.event_id, event.type, event.record()))
        )

    def _desk_of(self, source_id: str) -> FolderManager | CameraManager:
        """Who knows the source, or says that there is none."""
        return self._daemon.folders if source_id in self._daemon.folders else self._daemon.cameras

    def _add_file(self, source: NewSource) -> SourceRecord:
        path = Path(source.uri)
        try:
            status = path.stat()
            job = self._daemon.files.found(
                FoundFile(path, status.st_size, status.st_mtime_ns), folder=ADDED_FOLDER, priority=ADDED_PRIORITY
            )
        except OSError as error:
            raise NotFound(f"{path} can't be read: {error.strerror}") from error
        state = "waiting" if job.state is JobState.QUEUED else job.state.value
        return SourceRecord(source_name(job), "file", state, job.error or "", str(path))

    def _status(self, source_id: str) -> SourceRecord:
        for status in self.sources():
            if status.source_id == source_id:
                return status
        raise NotFound(f"there is no source {source_id!r}")

    def _added(self) -> dict[str, str]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:  # no JSON, or not UTF-8
            kept = None
        if isinstance(kept, dict):
            return {str(name): str(address) for name, address in kept.items()}
        self._keep_aside()
        return {}

    def _keep_aside(self) -> None:
        """What can't be read would be replaced when the next source is added; a person may put it right."""
        aside = self._path.with_name(f"{self._path.name}.broken")
        self._path.replace(aside)
        logger.error(
            "%s is damaged; it is kept as %s, and the cameras in it are not watched",
            self._path,
            aside.name,
            extra=about("sources.damaged"),
        )

    def _keep(self, added: dict[str, str]) -> None:
        atomic_write(self._path, json.dumps(added, indent=1).encode())


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SourceUnknown as error:
        raise NotFound(str(error)) from error
