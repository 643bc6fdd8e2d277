"""Signals of the daemon: a reload that goes wrong in any way ends nothing."""

from __future__ import annotations

import os
import signal

import anyio
import anyio.from_thread
import pytest

from visage.config.yaml_file import ConfigError
from visage.service.signals import obey_signals


@pytest.mark.parametrize("error", [ConfigError(["web: wrong"]), KeyError("x"), OSError("gone"), RecursionError()])
def test_a_reload_that_fails_ends_nothing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """SIGHUP, whose reload raises; then SIGTERM, which is still obeyed."""

    async def scenario() -> None:
        has_stopped, has_reloaded = anyio.Event(), anyio.Event()

        def reload() -> None:
            anyio.from_thread.run_sync(has_reloaded.set)
            raise error

        async with anyio.create_task_group() as group:
            group.start_soon(obey_signals, has_stopped.set, reload)
            await anyio.wait_all_tasks_blocked()
            os.kill(os.getpid(), signal.SIGHUP)
            await has_reloaded.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            await has_stopped.wait()
            group.cancel_scope.cancel()

    async def bounded() -> None:
        with anyio.fail_after(10):
            await scenario()

    anyio.run(bounded)
    assert "reload" in caplog.text
