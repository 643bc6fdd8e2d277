"""How the daemon's pipeline ends: drained, then dropped, then closed."""

from __future__ import annotations

import logging

import anyio
import anyio.to_thread

from visage.runtime import Pipeline

__all__ = ["close_pipeline", "stop_pipeline"]

CLOSE_SECONDS = 1.0
"""For threads to end, at a stop, after the drain; what hangs in a library then is left to the end of the process."""

logger = logging.getLogger(__name__)


async def stop_pipeline(pipeline: Pipeline, drain_seconds: float, *, is_aborting: bool) -> None:
    """Finish the frames in flight within `drain_seconds`, then drop the rest. Not interrupted by cancellation.

    Args:
        is_aborting: the frames were dropped already; only wait for the end, at most `drain_seconds` + CLOSE_SECONDS.
    """
    if not is_aborting:
        pipeline.drain()
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(pipeline.wait, drain_seconds)
        pipeline.abort()
        await anyio.to_thread.run_sync(pipeline.wait, CLOSE_SECONDS)


def close_pipeline(pipeline: Pipeline) -> None:
    """Close the pipeline.

    A thread that hangs on its device is logged and left to the end of the process, never raised.
    """
    try:
        pipeline.close(join_seconds=CLOSE_SECONDS)
    except RuntimeError as error:  # see `visage.cli.main`, which ends the process then
        logger.warning("%s", error)
