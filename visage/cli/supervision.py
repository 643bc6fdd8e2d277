"""A run under way in a terminal: its progress is shown, and signals end it.

The first SIGINT, SIGTERM or SIGHUP drains: reading stops, what is in flight is finished and written, within the
settings' `drain_seconds`. A second one, half a second later or more, aborts: unfinished outputs are dropped. SIGHUP,
sent when a terminal closes, stays ignored under `nohup`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import anyio
import anyio.to_thread

from visage.observe.progress import RunProgress
from visage.runtime.run import Run
from visage.stop_requests import StopRequests

__all__ = ["supervise"]

UPDATE_SECONDS = 0.2


async def supervise(
    run: Run, progress: RunProgress, drain_seconds: float, *, requests: StopRequests | None = None
) -> signal.Signals | None:
    """Show progress and handle signals until a started run has stopped.

    The first signal drains the run for at most `drain_seconds`, the second drops the frames in flight.

    Returns:
        The first signal received, or None.
    """
    received: list[signal.Signals] = []
    requests = requests or StopRequests()

    async def obey() -> None:
        ends = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            ends.append(signal.SIGHUP)
        with anyio.open_signal_receiver(*ends) as signals:
            async for number in signals:
                if requests.is_repeat():
                    continue
                received.append(number)
                _leave_lost_terminal()
                if len(received) > 1:
                    run.abort()
                else:
                    print("visage: finishing the frames in flight; interrupt again to stop at once", file=sys.stderr)
                    run.drain()
                    group.start_soon(abort_late)

    async def abort_late() -> None:
        await anyio.sleep(drain_seconds)
        run.abort()

    async def show() -> None:
        while True:
            with contextlib.suppress(OSError):  # a terminal that was closed; its SIGHUP follows
                progress.update(run.statistics())
            await anyio.sleep(UPDATE_SECONDS)

    async with anyio.create_task_group() as group:
        group.start_soon(obey)
        group.start_soon(show)
        await anyio.to_thread.run_sync(run.wait)
        group.cancel_scope.cancel()
    return received[0] if received else None


def _leave_lost_terminal() -> None:
    """What is still to be said goes nowhere where the terminal was closed: to write there would fail the run."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
