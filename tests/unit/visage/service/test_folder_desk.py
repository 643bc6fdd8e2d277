"""Folders are set from several threads: the web's and the reload's."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.runtime.latches import BOUND_SECONDS
from visage.config.service import FolderConfig
from visage.service.folder_manager import FolderManager
from visage.service.job_dispatcher import JobDispatcher


@pytest.fixture
def eager_switches() -> Iterator[None]:
    """Threads take turns after every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_switches")
def test_no_folder_is_lost_when_several_threads_set_some(tmp_path: Path) -> None:
    desk = FolderManager(cast("JobDispatcher", None), {})  # files are not touched by `set`
    config = FolderConfig(path=tmp_path)
    start = threading.Barrier(4)

    def add(thread: int) -> None:
        start.wait(BOUND_SECONDS)
        for number in range(200):
            desk.set(f"{thread}-{number}", config)

    threads = [threading.Thread(target=add, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_SECONDS)
    assert len(desk.configs()) == 800
