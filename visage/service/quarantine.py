"""Quarantine: files that were in work when the process died. Each is tried in a process of its own, one at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from visage.observe.fields import about
from visage.runtime.wake import Wake
from visage.service.job import Job
from visage.service.job_outcomes import JobOutcomes
from visage.service.trial import Trial

__all__ = ["Quarantine"]

logger = logging.getLogger(__name__)


class Quarantine:
    """Tries suspects, one at a time, each in a process of its own.

    Attributes:
        is_trying: a trial is running; set by its caller, so that no second suspect is claimed meanwhile.
    """

    def __init__(self, trial: Trial, outcomes: JobOutcomes, wake: Wake) -> None:
        """`wake` is set when a trial is over."""
        self.is_trying = False
        self._trial = trial
        self._outcomes = outcomes
        self._wake = wake

    async def try_one(self, job: Job, source_id: str) -> None:
        """Run a suspect's trial: queue it if its process lives, set it aside if it dies.

        Cancelled, it releases the job.
        """
        verdict: Callable[[Job], None] = self._outcomes.release
        try:
            logger.warning(
                "%s was being analysed when the process died; trying it in a process of its own",
                job.path,
                extra=about("file.suspect", source_id),
            )
            death = await self._trial.death_of(job.path)
            if death is None:
                verdict = self._outcomes.acquit
            else:
                verdict = partial(self._outcomes.set_aside, death=death)
                logger.error(
                    "%s ended a process again (%s); it is set aside",
                    job.path,
                    death,
                    extra=about("file.set_aside", source_id),
                )
        finally:
            verdict(job)
            self.is_trying = False
            self._wake.set()
