"""Decode threads that hang in a library: FFmpeg may wait for a server for half a minute, and nothing ends that.

No other source is to wait for them, and no output to be lost: a source whose thread does not answer is given up, which
ends it on its thread's behalf. The thread is left behind, and frees what it holds if it wakes.
"""

from __future__ import annotations

import logging
import threading
import time

from visage.runtime.source import RunningSource
from visage.runtime.source_table import SourceTable

__all__ = ["StuckDecoders"]

ANSWER_SECONDS = 2.0
"""Longest wait, when draining, for decode threads to end by themselves: the rest is still to be written."""

LEAVE_SECONDS = 3.0
"""Longest wait, at the end, for those that were given up."""

logger = logging.getLogger(__name__)


class StuckDecoders:
    """Gives up decode threads that do not answer within 2 seconds after their pipeline was told to stop."""

    def __init__(self, sources: SourceTable, has_stopped: threading.Event) -> None:
        """`has_stopped`: set when every source has an outcome."""
        self._sources = sources
        self._has_stopped = has_stopped
        self._thread = threading.Thread(target=self._give_up, name="drain")

    def __repr__(self) -> str:
        return f"<StuckDecoders {self._waited_for()}>"

    def watch(self) -> None:
        """Start to give up sources that do not answer within 2 seconds; called once, after all were interrupted."""
        self._thread.start()

    def join(self, timeout_seconds: float) -> bool:
        """Wait at most this many seconds for all decode threads; those given up are left behind, with a warning.

        Says whether the others have ended.
        """
        until = time.monotonic() + timeout_seconds
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_seconds))
        for source in self._waited_for():
            source.join(until - time.monotonic())
        until = min(until, time.monotonic() + LEAVE_SECONDS)
        for source in self._sources.all():
            if source.is_given_up and not source.join(until - time.monotonic()):
                logger.warning("%s did not answer: its decode thread hangs and was abandoned", source.source_id)
        return not self._waited_for()

    def _waited_for(self) -> list[RunningSource]:
        return [source for source in self._sources.all() if not source.is_given_up and not source.join(0.0)]

    def _give_up(self) -> None:
        while not self._has_stopped.wait(ANSWER_SECONDS):
            for source in self._sources.unsettled():
                if not source.waits_for_room:  # otherwise the pipeline holds it up, with a frame that is to be written
                    source.give_up()
