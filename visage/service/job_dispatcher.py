"""Moves files from the ledger into the pipeline, as many at once as the device has decoders for.

A file's job is claimed, its outputs are staged beside their places, and when the pipeline says that they are durable
`visage.service.job_outcomes` decides what becomes of the job. A crash between those two repeats the work, and equal
outputs replace each other: whole or not at all. An interrupted file leaves nothing behind and is queued again. A
quarantined file (see the ledger) is first tried in a process of its own; one that crashed the process once is analysed
alone from then on.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeVar

import anyio
import anyio.to_thread
from typing_extensions import TypeVarTuple, Unpack

from stages.contract import FrameSource
from stages.errors import OutputFailed
from stages.sink.base import Sink
from stages.sink.folder import FolderSink, remove_outputs
from stages.sink.metadata import RunDescription
from visage.config import Settings
from visage.config.service import FilesConfig
from visage.config.sources import SourceSpec
from visage.observe.fields import about
from visage.runtime import Outcome, Pipeline, QueueClosed, SourceState
from visage.runtime.wake import Wake
from visage.service.folders import FoundFile
from visage.service.job_outcomes import JobOutcomes, NotStored, Stored, has_changed
from visage.service.job_status import JobStatus, source_name
from visage.service.ledger import Job, JobState, Ledger
from visage.service.quarantine import Quarantine
from visage.service.settings_key import settings_key
from visage.service.trial import Trial
from visage.service.whole_only import WholeOnly
from visage.storage.content import content_key

__all__ = ["JobDispatcher"]

IDLE_SECONDS = 60.0

OWED_SECONDS = 1.0
"""Until what was seen in a file is asked for again."""

LOOK_SECONDS = 30.0
"""Longest wait for a file's status. On a mount that hangs, the job starts without it and waits on its own thread."""

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

logger = logging.getLogger(__name__)


class JobDispatcher:
    """Owns the files in work. `dispatch` is one task; the rest is safe from any thread."""

    def __init__(
        self,
        pipeline: Pipeline,
        ledger: Ledger,
        open_file: Callable[[SourceSpec], FrameSource],
        *,
        settings: Settings,
        config: FilesConfig,
        run: RunDescription,
        concurrent: int,
        place: Callable[[Job], Path],
        trial: Trial,
        stored: Stored = lambda _: None,
        rotate_of: Callable[[str], Literal[0, 90, 180, 270, "auto"] | None] = lambda _: None,
    ) -> None:
        """
        Args:
            concurrent: most files at once.
            place: the folder for a job's results.
            rotate_of: how a folder's files are turned; None as the settings say.
            stored: asked for every file before it is done.
        """
        self._pipeline = pipeline
        self._ledger = ledger
        self._open_file = open_file
        self._settings_key = settings_key(settings)
        self._run = run
        self._concurrent = config.concurrent or concurrent
        self._place = place
        self._rotate_of = rotate_of
        self._outcomes = JobOutcomes(ledger, config, stored=stored)
        self._lock = threading.Lock()
        self._running: dict[str, Job] = {}
        self._ended: deque[tuple[Job, Outcome]] = deque()
        self._held: set[str] = set()
        self._is_alone = False
        self._wake = Wake()
        self._quarantine = Quarantine(trial, self._outcomes, self._wake)
        # Threads of its own: folders on a mount that hangs may hold all of the event loop's.
        self._threads = anyio.CapacityLimiter(2)

    def hold(self, folder: str, *, held: bool) -> None:
        """Start no more files of a folder (`held`), or start them again. Files that are running go on.

        Safe from any thread.
        """
        with self._lock:
            (self._held.add if held else self._held.discard)(folder)
        self._wake.set()

    def found(self, file: FoundFile, *, folder: str, priority: int) -> Job:
        """Note a file that has settled; queue it if it is new. Reads it. Raises OSError."""
        before = self._ledger.last_content(file.path)
        content = self._ledger.known_content(file.path, file.size, file.modified_ns) or content_key(file.path)
        job = self._ledger.enqueue(
            file.path,
            size=file.size,
            modified_ns=file.modified_ns,
            content=content,
            settings=self._settings_key,
            folder=folder,
            priority=priority,
        )
        if job.state is JobState.QUEUED:
            self._wake.set()
        elif job.path != file.path:
            logger.info(
                "%s has the same content as %s, which is %s",
                file.path,
                job.path,
                job.state.value,
                extra=about("file.repeated", job.folder),
            )
            if before not in (None, content):
                self._remove_results(replace(job, path=file.path, folder=folder))
        return job

    async def dispatch(self) -> None:
        """Start files as there is room, and settle those that have ended, until cancelled. Raises sqlite3.Error."""
        async with anyio.create_task_group() as group:
            while True:
                is_settled = await self._settle()
                # Before the claim: a job whose time comes between the two would wait for `IDLE_SECONDS` otherwise.
                due_seconds = await self._at_disk(self._ledger.seconds_until_due, self._settings_key)
                job = await self._at_disk(self._next)
                if job is None:
                    # None is queued, or what is queued has to wait for room: `ended` and `found` wake this.
                    await self._wake.wait(
                        min(IDLE_SECONDS, due_seconds or IDLE_SECONDS) if is_settled else OWED_SECONDS
                    )
                elif job.is_suspect:
                    self._quarantine.is_trying = True
                    group.start_soon(self._quarantine.try_one, job, source_name(job))
                else:
                    await self._begin(job)

    def job_of(self, source_id: str) -> Job | None:
        """The job of a source in the pipeline; None for one that is no file of ours."""
        with self._lock:
            return self._running.get(source_id)

    def sink_for(self, job: Job) -> Sink:
        """Return the sink that writes a job's results to its folder.

        Not yet opened: the pipeline opens and closes it.
        """
        return WholeOnly(FolderSink(self._place(job), self._run, force=True))

    def ended(self, outcome: Outcome) -> bool:
        """Take in that the pipeline has settled a source; returns False if it is none of these files.

        Called on the pipeline's threads; the ledger is written later, by `dispatch`.
        """
        job = self._leave(outcome.source_id)
        if job is None:
            return False
        self._pipeline.forget(outcome.source_id)
        self._ended.append((job, outcome))
        self._wake.set()
        return True

    def close(self) -> None:
        """Write the outcomes of files that have ended since the last `dispatch`. Never raises sqlite3.Error.

        A file whose outcome can't be written is a suspect at the next start.
        """
        while self._ended:
            job, outcome = self._ended.popleft()
            self._outcomes.end(job, outcome)
        try:
            self._outcomes.write()
        except (sqlite3.Error, NotStored) as error:
            logger.error("finished files can't be recorded in the ledger: %s", error, extra=about("file.unrecorded"))

    def readings(self) -> list[JobStatus]:
        """Return the state and counters of the files that are being analysed. Safe from any thread."""
        statistics = {source.source_id: source for source in self._pipeline.statistics().sources}
        with self._lock:
            running = list(self._running.items())
        return [
            JobStatus(
                source_id,
                job.path,
                statistics[source_id].state.value,
                statistics[source_id].fps,
                statistics[source_id].frames_done,
                statistics[source_id].faces,
            )
            for source_id, job in running
            if source_id in statistics
        ]

    def _next(self) -> Job | None:
        with self._lock:
            if len(self._running) >= self._concurrent or self._is_alone:
                return None
            held = frozenset(self._held)
        return self._ledger.claim(self._settings_key, except_folders=held, except_suspects=self._quarantine.is_trying)

    async def _settle(self) -> bool:
        """Say what becomes of the files that have ended; returns whether it is written."""
        while self._ended:
            job, outcome = self._ended[0]
            if outcome.state is SourceState.DONE and await self._has_changed(job):
                self._outcomes.drop(job)
                # Its new content has another job, or is known already from another file: then nothing replaces them.
                await self._at_disk(self._remove_results, job)
            else:
                self._outcomes.end(job, outcome)
            self._ended.popleft()
        try:
            await self._at_disk(self._outcomes.write)
        except NotStored:
            return False
        return True

    async def _begin(self, job: Job) -> None:
        source_id = source_name(job)
        try:
            if job.faults:
                await self._until_alone()
            if await self._has_changed(job):
                self._outcomes.drop(job)
                self._leave(source_id)
            else:
                await self._at_disk(self._start, job)
        except BaseException:  # cancelled: its turn comes after the restart
            self._leave(source_id)
            self._outcomes.release(job)
            raise

    async def _has_changed(self, job: Job) -> bool:
        """Whether it is not the file any more that was queued."""
        changed = False
        with anyio.move_on_after(LOOK_SECONDS):
            changed = await anyio.to_thread.run_sync(
                has_changed, job, self._ledger, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
            )
        return changed

    async def _at_disk(self, call: Callable[[Unpack[Arguments]], T], *arguments: Unpack[Arguments]) -> T:
        """On a worker thread, as the ledger waits for the disk; not cancelled, so that no claimed job is lost."""
        with anyio.CancelScope(shield=True):
            answer = await anyio.to_thread.run_sync(call, *arguments, limiter=self._threads)
        return answer

    async def _until_alone(self) -> None:
        while True:
            with self._lock:
                if not self._running:
                    self._is_alone = True
                    return
            is_settled = await self._settle()
            await self._wake.wait(IDLE_SECONDS if is_settled else OWED_SECONDS)

    def _start(self, job: Job) -> None:
        source_id = source_name(job)
        with self._lock:
            self._running[source_id] = job
        try:
            frames = self._open_file(
                SourceSpec(uri=str(job.path), source_id=source_id, rotate=self._rotate_of(job.folder))
            )
            self._pipeline.add(source_id, frames)
        except Exception as error:  # concerns this file alone
            self._leave(source_id)
            if isinstance(error, QueueClosed):  # the pipeline is stopping
                self._outcomes.release(job)
            else:
                self._ended.append((job, Outcome(source_id, SourceState.FAILED, 0, 0, 0, error)))

    def _remove_results(self, job: Job) -> None:
        """Those of what the file held before: half of it, where it was taken while it was being copied."""
        folder = self._place(job)
        try:
            if remove_outputs(folder):
                logger.info("%s: removed, the file has changed", folder, extra=about("file.changed", job.folder))
        except OutputFailed as error:
            logger.warning("%s; it holds results of before the file changed", error, extra=about("file.changed"))

    def _leave(self, source_id: str) -> Job | None:
        """It is not in work any more; returns its job if it was."""
        with self._lock:
            job = self._running.pop(source_id, None)
            if not self._running:
                self._is_alone = False
        return job
