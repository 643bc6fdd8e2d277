"""Outcomes of jobs that have ended: done, tried again after a wait, failed, or queued as if never started.

A job is done when its outputs are durable, what was seen in it is stored, and its file still holds what was read. What
the ledger's disk can't take now is owed: it is written, in order, when the disk takes it again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial

from stages.errors import SourceNotFound
from visage.config.service import FilesConfig
from visage.observe.fields import about
from visage.runtime import Outcome, SourceState
from visage.service.ledger import Job, Ledger
from visage.storage.content import content_key

__all__ = ["JobOutcomes", "NotStored", "Stored", "has_changed"]

logger = logging.getLogger(__name__)


class NotStored(Exception):
    """Raised when what was seen in a file has not been stored in the gallery yet; the outcome is tried again."""


Stored = Callable[[str], Exception | None]
"""Why some of what was seen in a source is not stored; TimeoutError where it still waits after a while."""


class JobOutcomes:
    """Decides, and owes the ledger what it could not take. All but `write` is safe from any thread and never waits."""

    def __init__(self, ledger: Ledger, config: FilesConfig, *, stored: Stored) -> None:
        self._ledger = ledger
        self._config = config
        self._stored = stored
        self._owed: deque[Callable[[], None]] = deque()

    def end(self, job: Job, outcome: Outcome) -> None:
        """Note how the pipeline settled a job. Nothing is written before `write`."""
        self._owed.append(partial(self._end, job, outcome))

    def release(self, job: Job) -> None:
        """Note that a job was not started, or was interrupted: it is queued again, and the attempt is not counted."""
        self._owed.append(partial(self._ledger.release, job.number))

    def drop(self, job: Job) -> None:
        """Note that a job's file has other content now, which is found and queued as a job of its own."""
        self._owed.append(partial(self._ledger.drop, job.number))
        logger.info("%s has changed since it was found", job.path, extra=about("file.changed", job.folder))

    def acquit(self, job: Job) -> None:
        """Note that a suspect has passed its trial; it is queued again as any other job."""
        self._owed.append(partial(self._ledger.acquit, job.number))
        self.release(job)

    def set_aside(self, job: Job, death: str) -> None:
        """A suspect has brought a second process down."""
        reason = f"it ended the process, and a second one: {death}"
        self._owed.append(partial(self._ledger.set_aside, job.number, reason))

    def write(self) -> None:
        """Write what is owed; for one thread at a time.

        Raises sqlite3.Error or NotStored: it and all behind it stay owed.
        """
        while self._owed:
            self._owed[0]()
            self._owed.popleft()

    def _end(self, job: Job, outcome: Outcome) -> None:
        source_id, error = outcome.source_id, outcome.error
        if outcome.state is SourceState.DONE:
            error = self._stored(source_id)
            if isinstance(error, TimeoutError):
                raise NotStored(str(error))
            if error is None:
                self._complete(job, outcome)
                return
        if outcome.state is SourceState.INTERRUPTED:
            self._ledger.release(job.number)
        elif job.attempts < self._config.attempts:
            self._retry(job, source_id, error)
        elif isinstance(error, SourceNotFound):
            self._ledger.miss(job.number, str(error))
            self._say_given_up(job, source_id, error)
        else:
            self._ledger.fail(job.number, str(error))
            self._say_given_up(job, source_id, error)

    def _complete(self, job: Job, outcome: Outcome) -> None:
        self._ledger.complete(job.number, frames=outcome.frames_done, faces=outcome.faces)
        logger.info(
            "%s: done, %d frames, %d faces",
            job.path,
            outcome.frames_done,
            outcome.faces,
            extra=about("file.done", outcome.source_id),
        )

    def _retry(self, job: Job, source_id: str, error: BaseException | None) -> None:
        wait_seconds = min(
            self._config.retry_most_seconds, self._config.retry_first_seconds * 2.0 ** (job.attempts - 1)
        )
        self._ledger.retry(job.number, str(error), wait_seconds=wait_seconds)
        logger.warning(
            "%s; trying again in %.0f s",
            _with_path(job, error),
            wait_seconds,
            extra=about("file.retried", source_id, error=error),
        )

    def _say_given_up(self, job: Job, source_id: str, error: BaseException | None) -> None:
        logger.error(
            "%s; given up after %d attempts",
            _with_path(job, error),
            job.attempts,
            extra=about("file.failed", source_id, error=error),
        )


def has_changed(job: Job, ledger: Ledger) -> bool:
    """Return whether the job's file has other content than when it was queued.

    The file is read only if its size or time differ. False if it can't be read: opening it will raise the error.
    """
    try:
        status = job.path.stat()
        known = ledger.known_content(job.path, status.st_size, status.st_mtime_ns)
        return (known or content_key(job.path)) != job.content
    except OSError:
        return False


def _with_path(job: Job, error: BaseException | None) -> str:
    """The error names its file, unless it is about something else, such as a disk that is full."""
    text = str(error)
    return text if str(job.path) in text else f"{job.path}: {text}"
