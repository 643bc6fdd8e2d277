"""Recovers from the last process's end before anything is started: its crash, and files that were being analysed."""

from __future__ import annotations

import logging

from visage.observe.fields import about
from visage.service.job_status import source_name
from visage.service.ledger import JobState, Ledger
from visage.service.state_dir import StateDir

__all__ = ["recover"]

logger = logging.getLogger(__name__)


def recover(state_dir: StateDir, ledger: Ledger) -> None:
    """Queue the files that were being analysed, or set them aside, and log each; see `Ledger.recover`.

    Raises sqlite3.Error.
    """
    if state_dir.crash is not None:
        first_line = state_dir.crash.partition("\n")[0]
        logger.error("the last process crashed: %s", first_line, extra=about("crash"))
    for job in ledger.recover(by_own_fault=state_dir.crash is not None):
        if job.state is JobState.SET_ASIDE:
            logger.error("%s is set aside: %s", job.path, job.error, extra=about("file.set_aside", source_name(job)))
